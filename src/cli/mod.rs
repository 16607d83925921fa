//! The program's side: flags to options, progress on the terminal, exit codes.

mod about;
mod allocator;
mod args;
mod batch;
mod command;
mod compare;
mod completions;
mod dry_run;
mod evaluate;
mod hint;
mod interrupt;
mod manual;
mod outputs;
mod presets;
mod preview;
mod progress;
mod providers;
mod quiet;
mod regions;
mod report;
mod resume;
mod sources;
mod stylize;
mod task;
mod texture;
mod verbose;
mod version;
mod watch;

use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::FromArgMatches as _;

use clap::error::ErrorKind;
use impasto::batch::pictures_in;
use impasto::files::{self, Input, STANDARD, escaped, shown};
use impasto::picture::{self, Picture};

use command::{Cli, Command, command};

/// How a command ended, when not with an error.
pub enum Ended {
    Done,
    Interrupted,
    /// Some of many pictures could not be painted.
    SomeFailed,
}

/// The exit code after Ctrl-C or SIGTERM, as shells have it: 128 + SIGINT.
const INTERRUPTED: u8 = 130;
/// The exit code when of many pictures some could not be painted.
const SOME_FAILED: u8 = 3;
/// The exit code of a command line that cannot be understood.
const USAGE: u8 = 2;

/// Runs the program.
pub fn run() -> ExitCode {
    allocator::keep_room_for_small_requests();
    files::tell_of_waiting(|what| say(&format!("note: {what}")));
    let matches = match command::matches() {
        Ok(matches) if presets::are_asked_for(&matches) => return presets::print(),
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return usage(&error.format(&mut command())),
    };
    let ended = match &cli.command {
        Command::Stylize(args) => stylize::run(args),
        Command::Batch(args) => batch::run(args),
        Command::Texture(args) => texture::run(args),
        Command::Resume(args) => resume::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Compare(args) => compare::run(args),
        Command::About(args) => about::run(args),
        Command::Regions(args) => regions::run(args),
        Command::Providers(args) => providers::run(args),
        Command::Completions(args) => completions::run(args, command()),
        Command::Manual(args) => manual::run(args, command()),
    };
    match ended {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Interrupted) => ExitCode::from(INTERRUPTED),
        Ok(Ended::SomeFailed) => ExitCode::from(SOME_FAILED),
        Err(error) => {
            let has_photo = !matches!(cli.command, Command::Texture(_));
            say(&format!("error: {}", in_words(&error, has_photo)));
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
        let hint = hint::of_a_name_with_a_dash(env::args_os());
        say(&format!(
            "{}; {}",
            one_line(message),
            hint.as_deref().unwrap_or("see --help")
        ));
    }
    ExitCode::from(USAGE)
}

/// An error in one line, with the flags that may help in a command that has a photo or none.
fn in_words(error: &anyhow::Error, has_photo: bool) -> String {
    let hint = hint::of(error, has_photo).map_or(String::new(), |hint| format!("; {hint}"));
    format!("{}{hint}", one_line(&format!("{error:#}")))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Reads a picture and passes on what its file warns of.
pub fn load(path: &Path, quiet: bool) -> anyhow::Result<Picture> {
    decode(picture::read(path)?, quiet)
}

/// Decodes a file that has been read and passes on what it warns of.
pub fn decode(input: Input, quiet: bool) -> anyhow::Result<Picture> {
    let loaded = picture::load_from(input)?;
    if !quiet {
        loaded
            .warnings
            .iter()
            .for_each(|warning| say(&format!("warning: {warning}")));
    }
    Ok(loaded.picture)
}

/// Reads pictures in their order.
pub fn load_all(paths: &[PathBuf], quiet: bool) -> anyhow::Result<Vec<Picture>> {
    let pictures = paths.iter().map(|path| load(hint::one_picture(path)?, quiet));
    pictures.collect()
}

/// Reads styles in their order.
pub fn load_styles(paths: &[PathBuf], quiet: bool) -> anyhow::Result<Vec<Picture>> {
    let styles = paths.iter().map(|path| decode_style(picture::read(path)?, quiet));
    styles.collect()
}

/// A style of a file that has been read: its statistics know no transparency, so it is seen on white.
pub fn decode_style(input: Input, quiet: bool) -> anyhow::Result<Picture> {
    let name = input.name();
    let style = decode(input, quiet)?;
    if !quiet && style.alpha().is_some() {
        say(&format!(
            "warning: {}: it is transparent, wholly or in part; as a style it is used on white",
            shown(&name)
        ));
    }
    Ok(style.on_white())
}

/// Checks that standard input, which can be read once, is named for one picture at most.
pub fn check_standard_input<'a>(pictures: impl IntoIterator<Item = &'a PathBuf>) -> anyhow::Result<()> {
    let standard = pictures.into_iter().filter(|path| *path == Path::new(STANDARD));
    match standard.count() {
        0 | 1 => Ok(()),
        _ => bail!("- is named for several pictures, but standard input can be read only once; name files"),
    }
}

/// The style pictures: each file, and of each folder all files that have a picture's extension, by name.
pub fn style_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => files.extend(pictures_in(path)?),
            false => files.push(hint::one_picture(path)?.to_owned()),
        }
    }
    Ok(files)
}

/// The name of an input in a sentence.
pub fn input_name(path: &Path) -> String {
    match path == Path::new(STANDARD) {
        true => "standard input".to_owned(),
        false => shown(path).to_string(),
    }
}

/// The same without its folder, as pictures show it.
pub fn file_name(path: &Path) -> String {
    input_name(path.file_name().unwrap_or_default().as_ref())
}

/// A line on stderr, or several. That they cannot be written is no reason to stop painting.
pub fn say(text: &str) {
    let _voice = quiet::voice();
    if progress::is_json() {
        return progress::tell_json(&serde_json::json!({ "event": "message", "text": text }));
    }
    let lines: Vec<_> = text.split('\n').map(escaped).collect();
    let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
}
