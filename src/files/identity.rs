//! Whether two names are one file: links are followed, hard links are the same file.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use super::descriptor::{duplicate, number};
use super::input::{Kind, STANDARD_INPUT};
use super::output::{STANDARD_OUTPUT, parent};

/// What two names for one file have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// What is there: the device and the number on it.
    Node(u64, u64),
    /// What is not there yet, or lies where files have no numbers: its path, links resolved.
    Place(PathBuf),
}

/// The file that would be written at `path`; none when nothing is lost there, as in the null device.
pub fn of_output(path: &Path) -> Option<Identity> {
    match metadata(path, STANDARD_OUTPUT) {
        Some(metadata) if Kind::of(&metadata) == Kind::Null => None,
        Some(metadata) => Some(existing(path, &metadata)),
        None => {
            let folder = parent(path).canonicalize().ok()?;
            Some(Identity::Place(folder.join(path.file_name()?)))
        }
    }
}

/// The same for outputs that lie side by side; their folder is looked up once.
pub fn of_neighbours(paths: &[PathBuf]) -> impl Iterator<Item = Option<Identity>> {
    let folder = paths.first().and_then(|path| parent(path).canonicalize().ok());
    paths.iter().map(move |path| match path.symlink_metadata() {
        Ok(_) => of_output(path),
        Err(_) => Some(Identity::Place(folder.as_ref()?.join(path.file_name()?))),
    })
}

/// The file that is read at `path`; none when it is no file that writing could spoil.
pub fn of_input(path: &Path) -> Option<Identity> {
    let metadata = metadata(path, STANDARD_INPUT)?;
    matches!(Kind::of(&metadata), Kind::File | Kind::Pipe).then(|| existing(path, &metadata))
}

fn metadata(path: &Path, standard: i32) -> Option<Metadata> {
    match number(path, standard) {
        Some(number) => duplicate(number).and_then(|file| file.metadata()).ok(),
        None => fs::metadata(path).ok(),
    }
}

#[cfg(unix)]
fn existing(_: &Path, metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    Identity::Node(metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn existing(path: &Path, _: &Metadata) -> Identity {
    Identity::Place(path.canonicalize().unwrap_or_else(|_| path.into()))
}
