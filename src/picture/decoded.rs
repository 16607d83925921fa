//! What all decoders give, and the sizes that they take.

use super::MAX_SIDE;
use super::fault::Fault;
use crate::memory::{self, Bytes};

/// The most pixels of pictures that are read without a look at how much memory there is.
const USUAL_PIXELS: u64 = 1 << 23;
/// Bytes a pixel that reading a picture takes: three or four samples of 32 bits, and what the decoder has of them, of 8
/// bits or 16.
const READING: u64 = 20;

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
    if width.max(height) > MAX_SIDE {
        return Err(Fault::TooLarge(width, height));
    }
    if width.min(height) == 0 {
        return Err(Fault::damaged("it has no pixels"));
    }
    match u64::from(width) * u64::from(height) <= USUAL_PIXELS {
        true => Ok(()),
        false => check_room((width, height), memory::left()),
    }
}

/// Checks that a picture can be read with so much memory; none: nobody knows how much there is.
fn check_room(size: (u32, u32), room: Option<Bytes>) -> Result<(), Fault> {
    let needed = Bytes(READING * u64::from(size.0) * u64::from(size.1));
    match room.filter(|room| *room < needed) {
        Some(room) => Err(Fault::NoRoom { size, needed, room }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_as_large_as_memory_allows() {
        let gigabyte = Some(Bytes(1 << 30));
        assert!(check_room((8000, 6000), gigabyte).is_ok());
        let Err(fault) = check_room((8000, 7000), gigabyte) else {
            panic!("it takes more");
        };
        let error = fault.of("photo.png".as_ref()).to_string();
        assert!(
            error.contains("photo.png: 8000x7000 pixels take 1.04G"),
            "{error}"
        );
        assert!(check_room((60_000, 60_000), None).is_ok());
    }
}
