//! Where an installed or a freshly built program finds the files that belong to it.

use std::env;
use std::path::{Path, PathBuf};

/// The folder of the running program, links resolved.
pub fn program_folder() -> Option<PathBuf> {
    let program = env::current_exe().ok().or_else(as_called)?.canonicalize().ok()?;
    Some(program.parent()?.to_path_buf())
}

/// The running program by the name that it was called by, for Linux without `/proc`, which alone knows better.
fn as_called() -> Option<PathBuf> {
    let name = PathBuf::from(env::args_os().next()?);
    if name.components().count() > 1 {
        return Some(name);
    }
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(&name))
        .find(|path| path.is_file())
}

/// `relative` in each folder that a checkout of the repository may be: the program's folder and those above it,
/// then the working directory and those above it. Only paths that exist are returned.
pub fn in_repository(relative: &Path) -> impl Iterator<Item = PathBuf> {
    let starts = [program_folder(), env::current_dir().ok()];
    let folders: Vec<PathBuf> = starts
        .iter()
        .flatten()
        .flat_map(|start| start.ancestors())
        .map(|folder| folder.join(relative))
        .collect();
    folders.into_iter().filter(|path| path.exists())
}
