//! Why the content of a file is not read. Decoders do not know the file's name; it is added at the end.

use std::{error::Error as StdError, path::Path};

use image::ImageError;

use super::PictureError;
use crate::memory::Bytes;

#[derive(Debug)]
pub(super) enum Fault {
    /// It is of no known format.
    Unknown,
    /// It is of a known format that is not read: what it is.
    Foreign(&'static str),
    /// It contradicts itself or is cut off.
    Damaged(String),
    /// It uses what the decoder does not know.
    Unsupported(String),
    /// A side has more pixels than are read.
    TooLarge(u32, u32),
    /// It takes more memory to read than is left.
    NoRoom {
        size: (u32, u32),
        needed: Bytes,
        room: Bytes,
    },
    /// It takes more memory to decode than is given.
    TooManyBytes,
    /// The decoder panicked, with this message.
    DecoderFailed(String),
}

impl Fault {
    pub(super) fn damaged(reason: impl ToString) -> Self {
        Self::Damaged(reason.to_string())
    }

    pub(super) fn unsupported(feature: impl ToString) -> Self {
        Self::Unsupported(feature.to_string())
    }

    /// The error of the file with this content.
    pub(super) fn of(self, path: &Path) -> PictureError {
        let path = path.into();
        match self {
            Self::Unknown => PictureError::NotAPicture { path },
            Self::Foreign(format) => PictureError::ForeignFormat { path, format },
            Self::Damaged(reason) => PictureError::Damaged { path, reason },
            Self::Unsupported(feature) => PictureError::Unsupported { path, feature },
            Self::TooLarge(width, height) => PictureError::TooLarge { path, width, height },
            Self::NoRoom { size, needed, room } => PictureError::NoRoom {
                path,
                size,
                needed,
                room,
            },
            Self::TooManyBytes => PictureError::TooManyBytes { path },
            Self::DecoderFailed(reason) => PictureError::DecoderFailed { path, reason },
        }
    }
}

impl From<ImageError> for Fault {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Limits(_) => Self::TooManyBytes,
            ImageError::Unsupported(error) => Self::Unsupported(one_line(&error)),
            error => Self::Damaged(one_line(&error)),
        }
    }
}

/// The error's message without line breaks.
fn one_line(error: &dyn StdError) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
