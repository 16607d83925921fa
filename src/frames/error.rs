//! Flows and masks that cannot be used.

use std::path::PathBuf;

use crate::files::{InputError, shown};

/// A flow or its mask that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The file cannot be read.
    #[error("the flow {0}")]
    Unreadable(#[from] InputError),
    /// It does not begin as a flow.
    #[error(
        "{}: this is no optical flow: a Middlebury .flo begins with the four bytes PIEH",
        shown(path)
    )]
    NotAFlow {
        /// The file.
        path: PathBuf,
    },
    /// Its size is none.
    #[error("{}: a flow of {width}x{height} pixels cannot be; it is damaged", shown(path))]
    Sides {
        /// The file.
        path: PathBuf,
        /// The width that it says.
        width: i32,
        /// The height that it says.
        height: i32,
    },
    /// It has not as many bytes as its size says.
    #[error(
        "{}: a flow of {}x{} pixels has {expected} bytes, but this has {found}; it is cut short or damaged",
        shown(path), size.0, size.1
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// The width and height that it says.
        size: (u32, u32),
        /// The bytes that there should be.
        expected: u64,
        /// The bytes that there are.
        found: u64,
    },
    /// A vector in it is no number.
    #[error("{}: the vector at column {}, row {} is not a number", shown(path), at.0, at.1)]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Column and row, from 0.
        at: (usize, usize),
    },
    /// It has another size than the photo.
    #[error(
        "the {what} {} is {}x{} pixels, but the photo is {}x{}: both have one size",
        shown(path), size.0, size.1, photo.0, photo.1
    )]
    Size {
        /// `flow` or `flow mask`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Its width and height in pixels.
        size: (u32, u32),
        /// The photo's width and height.
        photo: (u32, u32),
    },
}
