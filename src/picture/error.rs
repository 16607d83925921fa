//! What can go wrong with a picture, each case one line: which file, what is wrong, what to do.

use std::path::PathBuf;

use thiserror::Error;

use super::{MAX_FILE_BYTES, MAX_SIDE, OutputFormat, names_of_formats};
use crate::files::{InputError, OutputError, shown};
use crate::memory::Bytes;

/// A picture that could not be read or written.
///
/// The message is complete in itself, the cause included: there is no further source to print.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file has no bytes.
    #[error("{}: the file is empty; copy or download it again", shown(path))]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The content is of no known format.
    #[error(
        "{}: not a picture this program knows; use a {} file",
        shown(path),
        names_of_formats()
    )]
    NotAPicture {
        /// The file.
        path: PathBuf,
    },
    /// The content is of a known format that is not read.
    #[error(
        "{}: this is {format}, which is not read; save it as a PNG or JPEG with another program",
        shown(path)
    )]
    ForeignFormat {
        /// The file.
        path: PathBuf,
        /// What it is.
        format: &'static str,
    },
    /// The file is cut off or its content contradicts itself.
    #[error(
        "{}: the picture is damaged or incomplete ({reason}); copy or download it again",
        shown(path)
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the decoder found.
        reason: String,
    },
    /// A side of the picture has more pixels than are read.
    #[error(
        "{}: {width}x{height} pixels are too many (at most {MAX_SIDE} a side); scale the picture down first",
        shown(path)
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Columns, as the file's header says.
        width: u32,
        /// Rows, as the file's header says.
        height: u32,
    },
    /// The picture takes more memory to read than there is.
    #[error(
        "{}: {}x{} pixels take {} of memory to read, and no more than {} can be had; scale the picture down first",
        shown(path), size.0, size.1, needed.rounded(), room.rounded()
    )]
    NoRoom {
        /// The file.
        path: PathBuf,
        /// Columns and rows, as the file's header says.
        size: (u32, u32),
        /// What reading it takes.
        needed: Bytes,
        /// Four fifths of the memory that is left.
        room: Bytes,
    },
    /// The file, or what decoding it takes, has more bytes than are read.
    #[error(
        "{}: it takes more than {} MiB to read; save the picture as a PNG or scale it down first",
        shown(path),
        MAX_FILE_BYTES >> 20
    )]
    TooManyBytes {
        /// The file.
        path: PathBuf,
    },
    /// A picture that uses what no decoder here knows.
    #[error(
        "{}: not supported: {feature}; save the picture as a PNG with another program",
        shown(path)
    )]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What the decoder does not know.
        feature: String,
    },
    /// The decoder, another program's part, broke down over this file.
    #[error(
        "{}: the decoder failed ({reason}); save the picture as a PNG with another program",
        shown(path)
    )]
    DecoderFailed {
        /// The file.
        path: PathBuf,
        /// What it broke down with.
        reason: String,
    },
    /// Standard output has no extension.
    #[error("standard output has no extension that names a format")]
    NoExtension,
    /// The output's name does not say which format to write.
    #[error(
        "{}: the extension does not name a format; use one of {}",
        shown(path),
        OutputFormat::extensions().collect::<Vec<_>>().join(", ")
    )]
    UnknownExtension {
        /// The output.
        path: PathBuf,
    },
    /// The format cannot hold a picture of this size.
    #[error(
        "{}: a {format} file holds at most {max} pixels a side, not {width}x{height}; write a PNG",
        shown(path)
    )]
    TooLargeForFormat {
        /// The output.
        path: PathBuf,
        /// The format its extension names.
        format: OutputFormat,
        /// The format's longest side.
        max: u32,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The format holds 8 bits a channel, and 16 were asked for.
    #[error(
        "{}: a {format} file holds 8 bits a channel, not 16; write a PNG or TIFF",
        shown(path)
    )]
    NotInThisFormat {
        /// The output.
        path: PathBuf,
        /// The format its extension names.
        format: OutputFormat,
    },
    /// The extension names another format than the one that was asked for.
    #[error(
        "{}: the extension names {named}, but {asked} is asked for; leave one of them out",
        shown(path)
    )]
    TwoFormats {
        /// The output.
        path: PathBuf,
        /// The format its extension names.
        named: OutputFormat,
        /// The other.
        asked: OutputFormat,
    },
    /// A file that cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A file that cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}
