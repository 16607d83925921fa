//! Outputs: a file is written beside its place under another name, then moved there, so that it is whole or not there.
//! A pipe, a device or an open file of the process is written to as it stands.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use thiserror::Error;

use super::descriptor::{duplicate, number};
use super::input::Kind;
use super::leftovers::{begin, sweep};
use super::waiting::patiently;
use super::{STANDARD, shown};

/// The number of standard output.
pub(super) const STANDARD_OUTPUT: i32 = 1;

/// An output that cannot be written.
///
/// The message is complete in itself, the cause included: there is no further source to print.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The file's name does not say which format to write.
    #[error(
        "{}: the extension does not name a format for {what}; use one of {known}",
        named(path)
    )]
    UnknownExtension {
        /// The file.
        path: PathBuf,
        /// `a plot`, `an animation`.
        what: &'static str,
        /// The extensions that do.
        known: &'static str,
    },
    /// The folder to write into does not exist.
    #[error(
        "{}: the folder {} does not exist; create it first (mkdir -p)",
        named(path),
        shown(folder)
    )]
    MissingFolder {
        /// The output.
        path: PathBuf,
        /// The folder it is to lie in.
        folder: PathBuf,
    },
    /// The output exists, and overwriting was not asked for.
    #[error("{}: the file exists", named(path))]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// A folder stands where the output is to be written.
    #[error("{}: this is a folder; name a file in it", named(path))]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// The name is none that a file can have: it is empty, or ends as a folder's does.
    #[error("{}: this is no file's name; name a file to write", named(path))]
    NotAName {
        /// The output.
        path: PathBuf,
    },
    /// The name, or a part of its path, is longer than the system allows.
    #[error("{}: the name is too long; choose a shorter one", named(path))]
    NameTooLong {
        /// The output.
        path: PathBuf,
    },
    /// Something that is neither written to nor replaced.
    #[error(
        "{}: this is {kind}, which is neither written to nor replaced; choose another name",
        named(path)
    )]
    NotAFile {
        /// The output.
        path: PathBuf,
        /// What it is: `a socket`, `a disk`.
        kind: &'static str,
    },
    /// Who read it has gone.
    #[error("{}: the program that reads it has ended before all was written", named(path))]
    Closed {
        /// The output.
        path: PathBuf,
    },
    /// Writing failed.
    #[error(
        "{}: cannot be written ({cause}); check the folder's permissions and the free space",
        named(path)
    )]
    Write {
        /// The output.
        path: PathBuf,
        /// What the system or the encoder said.
        cause: io::Error,
    },
}

impl OutputError {
    /// The reason why `path` could not be written.
    pub(crate) fn writing(path: &Path) -> impl FnOnce(io::Error) -> OutputError {
        let path = path.to_path_buf();
        |cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => OutputError::Exists { path },
            io::ErrorKind::BrokenPipe => OutputError::Closed { path },
            io::ErrorKind::InvalidFilename => OutputError::NameTooLong { path },
            _ => OutputError::Write { path, cause },
        }
    }
}

/// Where an output goes.
enum Target {
    /// A place in a folder, where there may be a file.
    File,
    /// A pipe or a device.
    Stream,
    /// An open file of the process, by its number.
    Open(i32),
}

impl Target {
    fn of(path: &Path) -> Result<Target, OutputError> {
        if let Some(number) = number(path, STANDARD_OUTPUT) {
            return Ok(Target::Open(number));
        }
        let target = match fs::metadata(path) {
            Ok(metadata) => match Kind::of(&metadata) {
                Kind::File => Target::File,
                Kind::Pipe | Kind::Null | Kind::Terminal | Kind::Device => Target::Stream,
                Kind::Folder => return Err(OutputError::Folder { path: path.into() }),
                kind @ (Kind::Socket | Kind::Disk) => {
                    return Err(OutputError::NotAFile {
                        path: path.into(),
                        kind: kind.name(),
                    });
                }
            },
            Err(cause) => match cause.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Target::File,
                _ => return Err(OutputError::writing(path)(cause)),
            },
        };
        match is_name(path) {
            true => Ok(target),
            false => Err(OutputError::NotAName { path: path.into() }),
        }
    }
}

/// Writes `bytes` at `path`; `-` is standard output. An existing file is replaced only with `overwrite`, a pipe or a
/// device never: it is written to.
///
/// # Errors
/// The name cannot be written to, writing fails, or there is a file; then nothing has changed at `path`.
pub fn write(path: &Path, overwrite: bool, bytes: &[u8]) -> Result<(), OutputError> {
    let written = match Target::of(path)? {
        Target::File => return write_file(path, overwrite, |file| file.write_all(bytes)),
        Target::Stream => {
            let what = || {
                format!(
                    "waiting for a program that reads {}; Ctrl-C twice ends this one",
                    shown(path)
                )
            };
            patiently(what, || {
                let mut stream = OpenOptions::new().write(true).open(path)?;
                stream.write_all(bytes)
            })
        }
        Target::Open(number) => duplicate(number).and_then(|mut file| file.write_all(bytes)),
    };
    written.map_err(OutputError::writing(path))
}

/// Writes a file that `fill` fills; what is no file is taken for one.
pub(super) fn write_file(
    path: &Path,
    overwrite: bool,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), OutputError> {
    check_free(path, overwrite)?;
    let mut file = begin_beside(path)?;
    fill(file.as_file_mut())
        .and_then(|()| put_in_place(file, path, overwrite))
        .map_err(OutputError::writing(path))
}

/// Checks, before any expensive work, that [`write()`] can write at `path`. What killed runs have left in its folder is
/// removed.
///
/// # Errors
/// As [`write()`], as far as can be told.
pub fn check(path: &Path, overwrite: bool) -> Result<(), OutputError> {
    match Target::of(path)? {
        Target::File => {
            check_free(path, overwrite)?;
            // A file that vanishes at once: nothing else tells for certain.
            begin_beside(path)?;
            sweep(&folder_of(path));
            Ok(())
        }
        Target::Stream => may_write(path).map_err(OutputError::writing(path)),
        Target::Open(number) => duplicate(number)
            .and_then(|file| is_for_writing(&file))
            .map_err(OutputError::writing(path)),
    }
}

/// Whether an output at `path` would be no file: standard output, a pipe, a device.
///
/// # Errors
/// Nothing can be written there.
pub fn is_stream(path: &Path) -> Result<bool, OutputError> {
    Target::of(path).map(|target| !matches!(target, Target::File))
}

/// Whether something is at `path` that [`write()`] would replace, if only a link to nothing.
///
/// # Errors
/// Nothing can be written there.
pub fn is_taken(path: &Path) -> Result<bool, OutputError> {
    match path.symlink_metadata() {
        Ok(_) => is_stream(path).map(|stream| !stream),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(OutputError::writing(path)(cause)),
    }
}

/// Writes bytes that found no place into a new file in the system's folder for temporary files, which only the user may
/// read; returns its name, which ends in `.extension`.
///
/// # Errors
/// It cannot be written there either.
pub fn rescue(bytes: &[u8], extension: &str) -> io::Result<PathBuf> {
    let mut file = tempfile::Builder::new()
        .prefix("impasto-")
        .suffix(&format!(".{extension}"))
        .tempfile()?;
    file.write_all(bytes)?;
    Ok(file.keep()?.1)
}

/// The extension of `path` in lower case, without the dot.
pub(crate) fn extension(path: &Path) -> String {
    path.extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase()
}

/// The folder that the file at `path` is to be written into: where the file itself is, if `path` is a link to it.
fn folder_of(path: &Path) -> PathBuf {
    parent(&place_of(path)).into()
}

/// The folder in which the path has its last name.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The file behind `path`, when `path` is a link to one.
fn place_of(path: &Path) -> PathBuf {
    match path.is_symlink() {
        true => fs::canonicalize(path).unwrap_or_else(|_| path.into()),
        false => path.into(),
    }
}

/// Whether the path ends in a name: not in a separator, in `.` or in `..`.
fn is_name(path: &Path) -> bool {
    let whole = path.as_os_str().as_encoded_bytes();
    path.file_name()
        .is_some_and(|name| whole.ends_with(name.as_encoded_bytes()))
}

fn check_free(path: &Path, overwrite: bool) -> Result<(), OutputError> {
    match !overwrite && path.symlink_metadata().is_ok() {
        true => Err(OutputError::Exists { path: path.into() }),
        false => Ok(()),
    }
}

/// Makes an empty file in the folder of `path`, where a rename can move it in place.
fn begin_beside(path: &Path) -> Result<NamedTempFile, OutputError> {
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(OutputError::MissingFolder {
            path: path.into(),
            folder,
        });
    }
    begin(&folder).map_err(OutputError::writing(path))
}

fn put_in_place(file: NamedTempFile, path: &Path, overwrite: bool) -> io::Result<()> {
    let place = place_of(path);
    let placed = match overwrite {
        true => file.persist(place),
        false => file.persist_noclobber(place),
    };
    placed.map(drop).map_err(|error| error.error)
}

/// Whether the system lets us write; nothing is opened, for that can do more.
#[cfg(unix)]
fn may_write(path: &Path) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;

    let name = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the name is a string that ends in a zero, and lives until the call returns.
    match unsafe { libc::access(name.as_ptr(), libc::W_OK) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(unix))]
fn may_write(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn is_for_writing(file: &File) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;

    // SAFETY: the number is that of an open file; the call only asks.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) } {
        -1 => Err(io::Error::last_os_error()),
        flags if flags & libc::O_ACCMODE == libc::O_RDONLY => {
            Err(io::Error::other("it is open for reading only"))
        }
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn is_for_writing(_: &File) -> io::Result<()> {
    Ok(())
}

/// The path as messages have it.
fn named(path: &Path) -> String {
    match path == Path::new(STANDARD) {
        true => "standard output".to_owned(),
        false => shown(path).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_does_not_end_as_a_folder_s_does() {
        for name in ["out.png", "a/out", "../out", "/out", ".hidden", "a//b"] {
            assert!(is_name(Path::new(name)), "{name}");
        }
        for name in ["", "/", ".", "..", "out/", "a/.", "a/./", "a/.."] {
            assert!(!is_name(Path::new(name)), "{name}");
        }
    }
}
