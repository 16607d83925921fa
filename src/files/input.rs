//! Inputs: opened once, read to a limit, known by the sha256 of what was read.

use std::fs::{self, File, Metadata};
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::descriptor::{duplicate, number};
use super::waiting::patiently;
use super::{STANDARD, hexadecimal, sha256, shown};

/// The number of standard input.
pub(super) const STANDARD_INPUT: i32 = 0;
/// The length of the head that tells a format, in bytes.
const HEAD: u64 = 512;

/// An input that cannot be read.
///
/// The message is complete in itself, the cause included: there is no further source to print.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InputError {
    /// There is no file of this name.
    #[error("{}: there is no such file; check the name and the folder", shown(path))]
    Missing {
        /// The file asked for.
        path: PathBuf,
    },
    /// A folder stands where a file is expected.
    #[error("{}: this is a folder; name a file in it", shown(path))]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// Something that is neither a file nor a pipe.
    #[error("{}: this is {kind}, not a file that can be read; name a file", shown(path))]
    NotAFile {
        /// Its name.
        path: PathBuf,
        /// What it is: `a device`, `a socket`, `a terminal`, `a pipe`.
        kind: &'static str,
    },
    /// The system does not let us read the file.
    #[error(
        "{}: no permission to read it; change its permissions or copy it",
        shown(path)
    )]
    Denied {
        /// The file.
        path: PathBuf,
    },
    /// There is more of it than is read.
    #[error("{}: it is larger than {} MiB, which is too much to be what is wanted here; check the name", shown(path), limit >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes that are read.
        limit: u64,
    },
    /// Reading failed for another reason.
    #[error(
        "{}: cannot be read ({cause}); check the disk or copy the file elsewhere",
        shown(path)
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// What was read of a file.
#[derive(Clone, Debug)]
pub struct Input {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Input {
    /// The path that it was read from, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name for messages.
    pub fn name(&self) -> PathBuf {
        name(&self.path)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its bytes, and nothing else.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The sha256 of the bytes, in hexadecimal.
    pub fn sha256(&self) -> String {
        sha256(&self.bytes)
    }
}

/// Reads a file, a pipe or standard input (`-`), of which there are at most `limit` bytes.
///
/// # Errors
/// There is no such file, it is something else than a file or a pipe, it is larger, or reading fails.
pub fn read(path: &Path, limit: u64) -> Result<Input, InputError> {
    Source::open(path, limit)?.read()
}

/// The same for a file that others open as well, and which therefore must be one on a disk.
///
/// # Errors
/// As [`read`].
pub fn read_file(path: &Path, limit: u64) -> Result<Input, InputError> {
    Source::open_file(path, limit)?.read()
}

/// The sha256 of a file on a disk, in hexadecimal; its bytes are not kept.
///
/// # Errors
/// As [`read_file`].
pub fn digest_file(path: &Path, limit: u64) -> Result<String, InputError> {
    let source = Source::open_file(path, limit)?;
    let mut hasher = Sha256::new();
    let length = io::copy(&mut source.file.take(limit + 1), &mut hasher)
        .map_err(|cause| failure(&source.path, cause))?;
    if length > limit {
        return Err(too_large(&source.path, limit));
    }
    Ok(hexadecimal(&hasher.finalize()))
}

/// An input that has been opened.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    file: File,
    kind: Kind,
    limit: u64,
    read: Vec<u8>,
}

impl Source {
    /// Opens a file, a pipe or standard input (`-`), to read at most `limit` bytes of it. A pipe is waited for until
    /// somebody writes to it.
    ///
    /// # Errors
    /// There is no such file, it is something else than a file or a pipe, or it is known to be larger.
    pub fn open(path: &Path, limit: u64) -> Result<Source, InputError> {
        let failed = |cause| failure(path, cause);
        let file = match number(path, STANDARD_INPUT) {
            Some(number) => duplicate(number).map_err(failed)?,
            None => {
                let kind = Kind::of(&fs::metadata(path).map_err(failed)?);
                // A socket cannot be opened, and opening a device can do more than read.
                if kind == Kind::Socket {
                    return Err(not_a_file(path, kind));
                }
                kind.check(path)?;
                kind.patiently(path, || File::open(path)).map_err(failed)?
            }
        };
        let metadata = file.metadata().map_err(failed)?;
        let kind = match Kind::of(&metadata) {
            Kind::Device if file.is_terminal() => Kind::Terminal,
            kind => kind,
        };
        kind.check(path)?;
        if kind == Kind::File && metadata.len() > limit {
            return Err(too_large(path, limit));
        }
        Ok(Source {
            path: path.into(),
            file,
            kind,
            limit,
            read: Vec::new(),
        })
    }

    /// The same, and what is no file on a disk is refused.
    ///
    /// # Errors
    /// As [`Source::open`]; also for a pipe.
    pub fn open_file(path: &Path, limit: u64) -> Result<Source, InputError> {
        let metadata = fs::metadata(path).map_err(|cause| failure(path, cause))?;
        match Kind::of(&metadata) {
            Kind::File => Source::open(path, limit),
            Kind::Folder => Err(InputError::Folder { path: name(path) }),
            kind => Err(not_a_file(path, kind)),
        }
    }

    /// Its path for messages.
    pub fn name(&self) -> PathBuf {
        name(&self.path)
    }

    /// The first bytes, 512 or all there are, which tell what a file is.
    ///
    /// # Errors
    /// Reading fails.
    pub fn head(&mut self) -> Result<&[u8], InputError> {
        self.first(HEAD)
    }

    /// The first so many bytes, or all there are.
    ///
    /// # Errors
    /// Reading fails.
    pub fn first(&mut self, length: u64) -> Result<&[u8], InputError> {
        self.read_to(length)?;
        Ok(&self.read)
    }

    /// All of it.
    ///
    /// # Errors
    /// Reading fails, or it is larger than the limit.
    pub fn read(mut self) -> Result<Input, InputError> {
        self.read_to(self.limit + 1)?;
        if self.read.len() as u64 > self.limit {
            return Err(too_large(&self.path, self.limit));
        }
        Ok(Input {
            path: self.path,
            bytes: self.read,
        })
    }

    /// The file itself, to be read from where it is.
    pub(super) fn into_file(self) -> File {
        self.file
    }

    /// Reads on until there are so many bytes, or no more.
    fn read_to(&mut self, length: u64) -> Result<(), InputError> {
        let Source { path, file, read, .. } = self;
        let left = length.saturating_sub(read.len() as u64);
        self.kind
            .patiently(path, || file.take(left).read_to_end(read))
            .map(drop)
            .map_err(|cause| failure(path, cause))
    }
}

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file on a disk.
    File,
    Folder,
    /// With or without a name.
    Pipe,
    Socket,
    /// The device that is empty and takes all.
    Null,
    Terminal,
    /// One that takes single bytes.
    Device,
    /// A disk.
    Disk,
}

impl Kind {
    #[cfg(unix)]
    pub fn of(metadata: &Metadata) -> Kind {
        use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
        let kind = metadata.file_type();
        let is_null = || fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == metadata.rdev());
        match () {
            () if kind.is_file() => Kind::File,
            () if kind.is_dir() => Kind::Folder,
            () if kind.is_fifo() => Kind::Pipe,
            () if kind.is_socket() => Kind::Socket,
            () if kind.is_block_device() => Kind::Disk,
            () if is_null() => Kind::Null,
            () => Kind::Device,
        }
    }

    #[cfg(not(unix))]
    pub fn of(metadata: &Metadata) -> Kind {
        match metadata.is_dir() {
            true => Kind::Folder,
            false => Kind::File,
        }
    }

    /// With its article.
    pub fn name(self) -> &'static str {
        match self {
            Kind::File => "a file",
            Kind::Folder => "a folder",
            Kind::Pipe => "a pipe",
            Kind::Socket => "a socket",
            Kind::Terminal => "a terminal",
            Kind::Null | Kind::Device => "a device",
            Kind::Disk => "a disk",
        }
    }

    /// Whether it can be read to its end.
    fn check(self, path: &Path) -> Result<(), InputError> {
        match self {
            // Standard input may be a socket.
            Kind::File | Kind::Pipe | Kind::Socket | Kind::Null => Ok(()),
            Kind::Folder => Err(InputError::Folder { path: name(path) }),
            Kind::Terminal | Kind::Device | Kind::Disk => Err(not_a_file(path, self)),
        }
    }

    /// Reads, and says so when a pipe lets us wait.
    fn patiently<T>(self, path: &Path, read: impl FnOnce() -> T) -> T {
        if !matches!(self, Kind::Pipe | Kind::Socket) {
            return read();
        }
        let what = || {
            format!(
                "waiting for {}, which is {} and read until its writer closes it; Ctrl-C ends the program",
                shown(&name(path)),
                self.name()
            )
        };
        patiently(what, read)
    }
}

/// The path for messages.
fn name(path: &Path) -> PathBuf {
    match path == Path::new(STANDARD) {
        true => "standard input".into(),
        false => path.into(),
    }
}

fn not_a_file(path: &Path, kind: Kind) -> InputError {
    InputError::NotAFile {
        path: name(path),
        kind: kind.name(),
    }
}

fn too_large(path: &Path, limit: u64) -> InputError {
    InputError::TooLarge {
        path: name(path),
        limit,
    }
}

fn failure(path: &Path, cause: io::Error) -> InputError {
    let path = name(path);
    match cause.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => {
            InputError::Missing { path }
        }
        io::ErrorKind::PermissionDenied => InputError::Denied { path },
        io::ErrorKind::IsADirectory => InputError::Folder { path },
        _ => InputError::Read { path, cause },
    }
}
