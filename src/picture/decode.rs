//! From a file's bytes to colours: the formats that are read, all within the same limits.

use std::path::Path;

use super::{
    MAX_PIXELS, MAX_SIDE, PictureError,
    fault::Fault,
    foreign, jpeg, jxl,
    raster::{bmp, gif, png, webp},
    tiff,
};
use crate::guard::guarded;

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

/// A format that is read.
struct Format {
    /// Whether a file begins as files of this format do.
    begins: fn(&[u8]) -> bool,
    decode: fn(Vec<u8>) -> Result<Decoded, Fault>,
}

const FORMATS: [Format; 7] = [
    Format {
        begins: |file| file.starts_with(b"\x89PNG\r\n\x1a\n"),
        decode: |file| png(&file),
    },
    Format {
        begins: |file| file.starts_with(b"\xFF\xD8\xFF"),
        decode: jpeg::decode,
    },
    Format {
        begins: |file| file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP"),
        decode: |file| webp(&file),
    },
    Format {
        begins: tiff::is_tiff,
        decode: |file| tiff::decode(&file),
    },
    Format {
        begins: |file| file.starts_with(b"BM"),
        decode: |file| bmp(&file),
    },
    Format {
        begins: |file| file.starts_with(b"GIF87a") || file.starts_with(b"GIF89a"),
        decode: |file| gif(&file),
    },
    Format {
        begins: jxl::is_jxl,
        decode: |file| jxl::decode(&file),
    },
];

/// Decodes a file, whose format its first bytes tell. `path` is for the errors.
pub(super) fn decode(path: &Path, file: Vec<u8>) -> Result<Decoded, PictureError> {
    let Some(format) = format_of(&file) else {
        return Err(no_picture(path, &file));
    };
    guarded(|| (format.decode)(file))
        .unwrap_or_else(|panic| Err(Fault::DecoderFailed(panic)))
        .map_err(|fault| fault.of(path))
}

/// Whether a file that begins so may be a picture.
pub(super) fn may_be_picture(head: &[u8]) -> bool {
    format_of(head).is_some()
}

/// What is wrong with a file that begins as none of the formats does.
pub(super) fn no_picture(path: &Path, file: &[u8]) -> PictureError {
    foreign::name(file)
        .map_or(Fault::Unknown, Fault::Foreign)
        .of(path)
}

fn format_of(head: &[u8]) -> Option<&'static Format> {
    FORMATS.iter().find(|format| (format.begins)(head))
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
