//! What can be wrong with a record, each case one line.

use std::path::PathBuf;

use crate::files::{InputError, shown};
use crate::picture::PictureError;

/// A run that cannot be repeated or resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The record cannot be read.
    #[error("the {record} {cause}")]
    Unreadable {
        /// `trace` or `checkpoint`.
        record: &'static str,
        /// Why.
        cause: InputError,
    },
    /// It is no trace, or one of another program's version.
    #[error("{} is not a trace that can be repeated: {cause}", shown(path))]
    NotATrace {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        cause: String,
    },
    /// A picture has no record.
    #[error("{}: this picture does not say how it was made", shown(path))]
    NoRecord {
        /// The picture.
        path: PathBuf,
    },
    /// What a picture says of its making is not what this program writes.
    #[error("{}: what it says of its making cannot be read ({cause})", shown(path))]
    NotARecord {
        /// The picture.
        path: PathBuf,
        /// What is missing or wrong.
        cause: String,
    },
    /// A picture's file has no room for its record.
    #[error("the record of how it was made is too long for a file of this format")]
    NoRoom,
    /// It is no picture.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// Other pictures are given than the run had.
    #[error("{}: it has {recorded} {role} pictures, and {given} are given", shown(record))]
    OtherNumber {
        /// The trace or the picture.
        record: PathBuf,
        /// `content` or `style`.
        role: &'static str,
        /// How many there were.
        recorded: usize,
        /// How many are given.
        given: usize,
    },
    /// An input is not where it was.
    #[error(
        "{}: its {role} picture {} is not there any more (nor is {})",
        shown(record),
        shown(path),
        shown(absolute)
    )]
    Missing {
        /// The trace or the checkpoint.
        record: PathBuf,
        /// `content`, `style`, `init` or `mask`.
        role: String,
        /// The path as it was given.
        path: PathBuf,
        /// The path from the root.
        absolute: PathBuf,
    },
    /// An input came through standard input, where it is not now.
    #[error(
        "{}: its {role} picture came through standard input; give it there again ({cause})",
        shown(record)
    )]
    NotGiven {
        /// The trace or the checkpoint.
        record: PathBuf,
        /// `content`, `style` or `mask`.
        role: String,
        /// What is there now.
        cause: InputError,
    },
    /// A file has other bytes than it had.
    #[error(
        "{}: its {role} file {} has changed (sha256 {found}, recorded {recorded}); bring back the recorded one",
        shown(record),
        shown(path)
    )]
    Changed {
        /// The trace or the checkpoint.
        record: PathBuf,
        /// `content`, `style`, `init`, `forward`, `targets`, `loss_grad` or `weights`.
        role: String,
        /// The file.
        path: PathBuf,
        /// Its sha256.
        found: String,
        /// The sha256 that it had.
        recorded: String,
    },
    /// The file to resume from is another.
    #[error("{} is no checkpoint of a run", shown(path))]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// It is a checkpoint of a program that writes them in another way.
    #[error(
        "{}: a checkpoint in format {format}, which impasto {program} has written; this one reads format {own}",
        shown(path)
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// The version of the program that wrote it.
        program: String,
        /// The number of its format.
        format: u32,
        /// The number of the format that is read.
        own: u32,
    },
    /// It is a checkpoint, and not whole.
    #[error(
        "{}: the checkpoint is damaged ({cause}); it cannot be resumed from",
        shown(path)
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// Its bytes would go on otherwise.
    #[error("{}: {}; the bytes may differ", shown(path), differences.join(", "))]
    OtherVersions {
        /// The checkpoint.
        path: PathBuf,
        /// What is not as it was, in words.
        differences: Vec<String>,
    },
}
