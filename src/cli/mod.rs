//! The program's side: flags to options, progress on the terminal, exit codes.

mod args;
mod compare;
mod evaluate;
mod interrupt;
mod manual;
mod preview;
mod progress;
mod providers;
mod report;
mod stylize;
mod version;
mod watch;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use clap::error::ErrorKind;
use impasto::picture::{self, Picture};

use args::{Cli, Command};

/// How a command ended, when not with an error.
pub enum Ended {
    Done,
    Interrupted,
}

/// The exit code after Ctrl-C or SIGTERM, as shells have it: 128 + SIGINT.
const INTERRUPTED: u8 = 130;
/// The exit code of a command line that cannot be understood.
const USAGE: u8 = 2;

/// Runs the program.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let ended = match &cli.command {
        Command::Stylize(args) => stylize::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Providers(args) => providers::run(args),
        Command::Manual(args) => manual::run(args),
    };
    match ended {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            say(&format!("error: {}", one_line(&format!("{error:#}"))));
            ExitCode::FAILURE
        }
    }
}

/// Help and version go out as clap has them; an error becomes one line.
fn usage(error: &clap::Error) -> ExitCode {
    if error.kind() == ErrorKind::DisplayVersion {
        let _ = io::stdout().write_all(version::describe().as_bytes());
        return ExitCode::SUCCESS;
    }
    if !error.use_stderr() {
        // A closed pipe (`impasto --help | head`) is no failure.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let rendered = error.render().to_string();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        say(rendered.trim_end());
    } else {
        let message = rendered.split("\n\n").next().unwrap_or_default();
        say(&format!("{}; see --help", one_line(message)));
    }
    ExitCode::from(USAGE)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Reads a picture and passes on what its file warns of.
pub fn load(path: &Path, quiet: bool) -> anyhow::Result<Picture> {
    let loaded = picture::load(path)?;
    if !quiet {
        loaded
            .warnings
            .iter()
            .for_each(|warning| say(&format!("warning: {warning}")));
    }
    Ok(loaded.picture)
}

/// A line on stderr. That it cannot be written is no reason to stop painting.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
