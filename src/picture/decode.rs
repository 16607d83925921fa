//! From a file's bytes to colours: the formats that are read, all within the same limits.

use std::path::Path;

use super::{
    OutputFormat, PictureError,
    decoded::Decoded,
    fault::Fault,
    foreign, jpeg, jxl,
    raster::{bmp, gif, png, webp},
    tiff,
};
use crate::guard::guarded;

/// A format that is read.
struct Format {
    /// Whether a file begins as files of this format do.
    begins: fn(&[u8]) -> bool,
    decode: fn(Vec<u8>) -> Result<Decoded, Fault>,
    /// As what it is written, if it is.
    output: Option<OutputFormat>,
}

const FORMATS: [Format; 7] = [
    Format {
        begins: |file| file.starts_with(b"\x89PNG\r\n\x1a\n"),
        decode: |file| png(&file),
        output: Some(OutputFormat::Png),
    },
    Format {
        begins: |file| file.starts_with(b"\xFF\xD8\xFF"),
        decode: jpeg::decode,
        output: Some(OutputFormat::Jpeg),
    },
    Format {
        begins: |file| file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP"),
        decode: |file| webp(&file),
        output: Some(OutputFormat::WebP),
    },
    Format {
        begins: tiff::is_tiff,
        decode: |file| tiff::decode(&file),
        output: Some(OutputFormat::Tiff),
    },
    Format {
        begins: |file| file.starts_with(b"BM"),
        decode: |file| bmp(&file),
        output: None,
    },
    Format {
        begins: |file| file.starts_with(b"GIF87a") || file.starts_with(b"GIF89a"),
        decode: |file| gif(&file),
        output: None,
    },
    Format {
        begins: jxl::is_jxl,
        decode: |file| jxl::decode(&file),
        output: None,
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

/// The format of a file that begins so, if it is one of those that are written.
pub(crate) fn output_format(head: &[u8]) -> Option<OutputFormat> {
    format_of(head)?.output
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
