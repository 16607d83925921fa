//! What can go wrong with a picture, each case one line: which file, what is wrong, what to do.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::{MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE, OutputFormat};

/// A picture that could not be read or written.
///
/// The message is complete in itself, the cause included: there is no further source to print.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PictureError {
    /// There is no file of this name.
    #[error("{}: there is no such file; check the name and the folder", path.display())]
    Missing {
        /// The file asked for.
        path: PathBuf,
    },
    /// A folder stands where a picture is expected.
    #[error("{}: this is a folder; name a picture in it", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// The file has no bytes.
    #[error("{}: the file is empty; copy or download it again", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The system does not let us read the file.
    #[error("{}: no permission to read it; change its permissions or copy it", path.display())]
    Denied {
        /// The file.
        path: PathBuf,
    },
    /// Reading failed for another reason.
    #[error("{}: cannot be read ({cause}); check the disk or copy the file elsewhere", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The content is of no known format.
    #[error("{}: not a picture this program knows; use a PNG, JPEG, WebP, TIFF, BMP or GIF file", path.display())]
    NotAPicture {
        /// The file.
        path: PathBuf,
    },
    /// The content is of a known format that is not read.
    #[error("{}: this is {format}, which is not read; save it as a PNG or JPEG with another program", path.display())]
    ForeignFormat {
        /// The file.
        path: PathBuf,
        /// What it is.
        format: &'static str,
    },
    /// The file is cut off or its content contradicts itself.
    #[error("{}: the picture is damaged or incomplete ({reason}); copy or download it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the decoder found.
        reason: String,
    },
    /// The picture has more pixels than are read.
    #[error(
        "{}: {width}x{height} pixels are too many (at most {MAX_SIDE} a side and {} million in all); \
         scale the picture down first",
        path.display(),
        MAX_PIXELS / 1_000_000
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Columns, as the file's header says.
        width: u32,
        /// Rows, as the file's header says.
        height: u32,
    },
    /// The file, or what decoding it takes, has more bytes than are read.
    #[error(
        "{}: it takes more than {} MiB to read; save the picture as a PNG or scale it down first",
        path.display(),
        MAX_FILE_BYTES >> 20
    )]
    TooManyBytes {
        /// The file.
        path: PathBuf,
    },
    /// A picture that uses what no decoder here knows.
    #[error("{}: not supported: {feature}; save the picture as a PNG with another program", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What the decoder does not know.
        feature: String,
    },
    /// The decoder, another program's part, broke down over this file.
    #[error("{}: the decoder failed ({reason}); save the picture as a PNG with another program", path.display())]
    DecoderFailed {
        /// The file.
        path: PathBuf,
        /// What it broke down with.
        reason: String,
    },
    /// The output's name does not say which format to write.
    #[error("{}: the extension does not name a format; use one of {}", path.display(), OutputFormat::EXTENSIONS.join(", "))]
    UnknownExtension {
        /// The output.
        path: PathBuf,
    },
    /// The folder to write into does not exist.
    #[error("{}: there is no folder {}; create it first (mkdir -p)", path.display(), folder.display())]
    MissingFolder {
        /// The output.
        path: PathBuf,
        /// The folder it is to lie in.
        folder: PathBuf,
    },
    /// The output exists, and overwriting was not asked for.
    #[error("{}: the file exists; use --force to overwrite it, or another name", path.display())]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// A folder stands where the output is to be written.
    #[error("{}: this is a folder; name a file to write, such as {}", path.display(), path.join("out.png").display())]
    OutputIsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The format cannot hold a picture of this size.
    #[error("{}: a {format} file holds at most {max} pixels a side, not {width}x{height}; write a PNG", path.display())]
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
    #[error("{}: a {format} file holds 8 bits a channel, not 16; write a PNG or TIFF", path.display())]
    NotInThisFormat {
        /// The output.
        path: PathBuf,
        /// The format its extension names.
        format: OutputFormat,
    },
    /// Writing failed.
    #[error("{}: cannot be written ({cause}); check the folder's permissions and the free space", path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// What the system or the encoder said.
        cause: io::Error,
    },
}
