//! What can go wrong with the files that observers write.

use std::io;
use std::path::{Path, PathBuf};

/// A plot or an animation that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The file's name does not say which format to write.
    #[error("{}: the extension does not name a format for {what}; use one of {known}", path.display())]
    UnknownExtension {
        /// The file.
        path: PathBuf,
        /// `a plot`, `an animation`.
        what: &'static str,
        /// The extensions that do.
        known: &'static str,
    },
    /// Writing failed.
    #[error("{}: cannot be written ({cause}); check the folder's permissions and the free space", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system or the encoder said.
        cause: io::Error,
    },
}

impl OutputError {
    /// The reason why `path` could not be written.
    pub(super) fn writing(path: &Path) -> impl FnOnce(io::Error) -> OutputError {
        let path = path.to_path_buf();
        |cause| OutputError::Write { path, cause }
    }
}

/// The extension of `path` in lower case, without the dot.
pub(super) fn extension(path: &Path) -> String {
    path.extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase()
}
