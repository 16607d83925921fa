//! `impasto completions`.

use clap::Args;
use clap_complete::Shell;

use super::outputs::print;
use super::{Ended, args};

/// Print what lets a shell complete the program's commands, flags and values
///
/// For bash: impasto completions bash > ~/.local/share/bash-completion/completions/impasto
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

/// Prints the shell's script.
pub fn run(args: &Completions) -> anyhow::Result<Ended> {
    print(&String::from_utf8(script(args.shell))?)?;
    Ok(Ended::Done)
}

/// The shell's script.
pub fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "impasto", &mut script);
    script
}
