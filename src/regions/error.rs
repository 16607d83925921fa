//! Masks that cannot be used.

use super::source::Rgb;

/// A mask that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaskError {
    /// It has not the proportions of its picture.
    #[error(
        "the mask {name} is {}x{} pixels, but the {of} is {}x{}: a mask has its picture's proportions",
        size.0, size.1, wanted.0, wanted.1
    )]
    Shape {
        /// The mask, as it was named.
        name: String,
        /// Its width and height in pixels.
        size: (u32, u32),
        /// `content image` or `style image`.
        of: &'static str,
        /// The width and height of that.
        wanted: (u32, u32),
    },
    /// It covers nothing.
    #[error(
        "the mask {name} is black, or transparent, everywhere: it covers nothing; paint white what it is to cover"
    )]
    Empty {
        /// The mask, as it was named.
        name: String,
    },
    /// Its colour is not in the map.
    #[error("the map {name} has no pixel of the colour {color}; the most frequent are: {found}")]
    NoSuchColor {
        /// The map's file.
        name: String,
        /// The colour.
        color: Rgb,
        /// The map's colours, comma separated.
        found: String,
    },
    /// Nothing is left of it.
    #[error(
        "the mask {name} has no place of its own at {}x{} pixels: it is too small, or what other masks cover is all of it",
        size.0, size.1
    )]
    NoPlace {
        /// The mask, as it was named.
        name: String,
        /// The picture's width and height in pixels.
        size: (u32, u32),
    },
    /// All of the picture is to stay.
    #[error("the mask {name} keeps all of the picture, so there is nothing to paint")]
    KeepsAll {
        /// The mask, as it was named.
        name: String,
    },
}
