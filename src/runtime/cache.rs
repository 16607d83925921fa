//! The folder where compiled graphs are kept from one run to the next.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The user's cache folder, as the system has it: `$XDG_CACHE_HOME/impasto` or `~/.cache/impasto`,
/// `~/Library/Caches/impasto`, `%LOCALAPPDATA%\impasto`.
pub(super) fn folder() -> Option<PathBuf> {
    let variable = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let caches = if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        variable("HOME").map(|home| home.join("Library/Caches"))
    } else {
        variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")))
    };
    Some(caches?.join("impasto"))
}

/// Makes the folder and checks that files can be made in it.
pub(super) fn prepare(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    tempfile::tempfile_in(folder).map(drop)
}
