//! `impasto manual`: what packagers lay beside the program.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use clap_complete::Shell;

use impasto::files::{self, shown};

use super::Ended;
use super::completions::script;

/// Write man pages and shell completions into a `share` folder
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct Manual {
    /// The folder: DIR/man/man1 and each shell's own below it
    #[arg(value_name = "DIR")]
    pub share: PathBuf,
}

/// Where each shell looks for completions, below `share`.
const COMPLETIONS: [(Shell, &str, &str); 3] = [
    (Shell::Bash, "bash-completion/completions", "impasto"),
    (Shell::Zsh, "zsh/site-functions", "_impasto"),
    (Shell::Fish, "fish/vendor_completions.d", "impasto.fish"),
];

/// Writes them for the whole `command` line.
pub fn run(args: &Manual, command: clap::Command) -> anyhow::Result<Ended> {
    let failed = || format!("the manual cannot be written below {}", shown(&args.share));
    write(&args.share, command).with_context(failed)?;
    Ok(Ended::Done)
}

fn write(share: &Path, command: clap::Command) -> anyhow::Result<()> {
    let folder = share.join("man/man1");
    fs::create_dir_all(&folder)?;
    // By way of a folder of its own: no page that is there is ever half written.
    let pages = tempfile::tempdir_in(share)?;
    clap_mangen::generate_to(command.clone(), &pages)?;
    for page in fs::read_dir(&pages)? {
        let page = page?;
        files::write(&folder.join(page.file_name()), true, &fs::read(page.path())?)?;
    }
    for (shell, folder, name) in COMPLETIONS {
        let folder = share.join(folder);
        fs::create_dir_all(&folder)?;
        files::write(&folder.join(name), true, &script(shell, command.clone()))?;
    }
    Ok(())
}
