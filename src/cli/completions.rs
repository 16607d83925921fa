//! `impasto completions`.

use clap::Args;
use clap_complete::Shell;

use super::Ended;
use super::outputs::print;

/// Print what lets a shell complete the program's commands, flags and values
///
/// For bash: impasto completions bash > ~/.local/share/bash-completion/completions/impasto
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

/// Prints the shell's script.
pub fn run(args: &Completions, command: clap::Command) -> anyhow::Result<Ended> {
    print(&String::from_utf8(script(args.shell, command))?)?;
    Ok(Ended::Done)
}

/// The shell's script for the whole `command` line.
pub fn script(shell: Shell, mut command: clap::Command) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "impasto", &mut script);
    script
}
