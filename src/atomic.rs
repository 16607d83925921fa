//! Files that are whole or not there: written beside their place under another name, then moved there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Writes a file at `path` by `write`; an existing one is replaced only with `overwrite`.
///
/// # Errors
/// The folder cannot be written to, `write` fails, or there is a file; then nothing has changed at `path`.
pub fn write(
    path: &Path,
    overwrite: bool,
    write: impl FnOnce(&mut NamedTempFile) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = begin(path)?;
    write(&mut file)?;
    put_in_place(file, path, overwrite)
}

/// Checks that a file at `path` can be begun.
///
/// # Errors
/// The folder is missing or cannot be written to.
pub fn check(path: &Path) -> io::Result<()> {
    // A file that vanishes at once: nothing else tells for certain.
    begin(path).map(drop)
}

/// Whether something is at `path`, if only a link to nothing.
pub fn is_taken(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Makes an empty file in the folder of `path`, where a rename can move it in place.
pub(crate) fn begin(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".impasto-").suffix(".part");
    // By default only the owner may read a temporary file; the umask takes from this what it takes from any file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder_of(path))
}

/// Moves the file to `path`.
pub(crate) fn put_in_place(file: NamedTempFile, path: &Path, overwrite: bool) -> io::Result<()> {
    let placed = if overwrite {
        file.persist(target_of(path))
    } else {
        file.persist_noclobber(target_of(path))
    };
    placed.map(drop).map_err(|error| error.error)
}

/// The folder that the file at `path` is to be written into: where the file itself is, if `path` is a link to it.
pub fn folder_of(path: &Path) -> PathBuf {
    match target_of(path).parent() {
        Some(folder) if folder != Path::new("") => folder.into(),
        _ => PathBuf::from("."),
    }
}

/// The file behind `path`, when `path` is a link to one.
fn target_of(path: &Path) -> PathBuf {
    if path.is_symlink() {
        fs::canonicalize(path).unwrap_or_else(|_| path.into())
    } else {
        path.into()
    }
}
