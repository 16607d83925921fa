//! What all decoders give, and the sizes that they take.

use super::fault::Fault;
use super::{MAX_PIXELS, MAX_SIDE};

/// A picture as its file shows it: upright, its colours as its profile means them.
pub(super) struct Decoded {
    pub width: u32,
    pub height: u32,
    /// The colours from 0 to 255, interleaved: grey, red, green and blue, or four inks, 255 full.
    pub colors: Vec<f32>,
    /// Alpha, one value a pixel, from 0 to 255.
    pub alpha: Option<Vec<f32>>,
    /// The colour profile (ICC).
    pub profile: Option<Vec<u8>>,
    /// What the owner may want to know, a line each.
    pub warnings: Vec<String>,
}

/// Checks the size that a header tells, before memory is taken for the pixels.
pub(super) fn check_size(width: u32, height: u32) -> Result<(), Fault> {
    if !fits(width, height) {
        return Err(Fault::TooLarge(width, height));
    }
    if width.min(height) == 0 {
        return Err(Fault::damaged("it has no pixels"));
    }
    Ok(())
}

fn fits(width: u32, height: u32) -> bool {
    width.max(height) <= MAX_SIDE && u64::from(width) * u64::from(height) <= MAX_PIXELS
}
