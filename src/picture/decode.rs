//! From a file's bytes to its samples, each format within the same limits.

use std::{error::Error as StdError, io::Cursor, path::Path};

use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageError, ImageFormat, Limits,
    codecs::{bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder},
    metadata::Orientation,
};

use super::{
    MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE, PictureError,
    jpeg::{self, Inks},
};
use crate::guard::guarded;

/// A picture as its file holds it.
pub(super) struct Decoded {
    /// The pixels, as stored: not yet upright. The four channels are the inks, when there are [`Decoded::inks`].
    pub image: DynamicImage,
    /// How to bring the pixels upright.
    pub orientation: Orientation,
    /// The colour profile (ICC).
    pub profile: Option<Vec<u8>>,
    /// How the inks are coded, in a CMYK JPEG.
    pub inks: Option<Inks>,
    /// What the owner may want to know, a line each: what of the file is left out.
    pub warnings: Vec<String>,
}

/// Decodes a file, whose format its first bytes tell. `path` is for the errors.
pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<Decoded, PictureError> {
    guarded(|| decode_unguarded(path, bytes)).unwrap_or_else(|reason| {
        Err(PictureError::DecoderFailed {
            path: path.into(),
            reason,
        })
    })
}

fn decode_unguarded(path: &Path, bytes: &[u8]) -> Result<Decoded, PictureError> {
    let format = image::guess_format(bytes).map_err(|_| PictureError::NotAPicture { path: path.into() })?;
    match format {
        ImageFormat::Jpeg => return jpeg::decode(path, bytes),
        // The decoder reads on to the first pixels before it tells the size.
        ImageFormat::Png => check_png_header(path, bytes)?,
        _ => {}
    }
    let failed = |error| from_decoder(path, error);
    let Opened {
        mut decoder,
        left_out,
    } = open(bytes, format).map_err(failed)?;
    let (width, height) = decoder.dimensions();
    check_size(path, width, height)?;
    let orientation = decoder.orientation().map_err(failed)?;
    // A profile that cannot be read is as good as none.
    let profile = decoder.icc_profile().unwrap_or_default();
    // After the profile: `image` would not let that of a small TIFF be larger than the pixels.
    decoder.set_limits(limits()).map_err(failed)?;
    let image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    Ok(Decoded {
        image,
        orientation,
        profile,
        inks: None,
        warnings: left_out.map(String::from).into_iter().collect(),
    })
}

/// A decoder that has read the header.
struct Opened<'a> {
    decoder: Box<dyn ImageDecoder + 'a>,
    left_out: Option<&'static str>,
}

/// Reads the header; no memory is taken for pixels yet.
fn open(bytes: &[u8], format: ImageFormat) -> Result<Opened<'_>, ImageError> {
    const ANIMATED: &str = "it is animated; only the first frame is used";
    const PAGES: &str = "it has several pages; only the first is used";
    let file = Cursor::new(bytes);
    let (decoder, left_out): (Box<dyn ImageDecoder>, _) = match format {
        ImageFormat::Bmp => (Box::new(BmpDecoder::new(file)?), None),
        ImageFormat::Gif => (
            Box::new(GifDecoder::new(file)?),
            gif_is_animated(bytes).then_some(ANIMATED),
        ),
        ImageFormat::Png => {
            let decoder = PngDecoder::with_limits(file, limits())?;
            let left_out = decoder.is_apng()?.then_some(ANIMATED);
            (Box::new(decoder), left_out)
        }
        ImageFormat::Tiff => (
            Box::new(TiffDecoder::new(file)?),
            tiff_has_pages(bytes).then_some(PAGES),
        ),
        ImageFormat::WebP => {
            let decoder = WebPDecoder::new(file)?;
            let left_out = decoder.has_animation().then_some(ANIMATED);
            (Box::new(decoder), left_out)
        }
        other => {
            return Err(ImageError::Unsupported(
                image::error::ImageFormatHint::Exact(other).into(),
            ));
        }
    };
    Ok(Opened { decoder, left_out })
}

fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_FILE_BYTES);
    limits
}

fn gif_is_animated(bytes: &[u8]) -> bool {
    let Ok(mut decoder) = GifDecoder::new(Cursor::new(bytes)) else {
        return false;
    };
    let (width, height) = decoder.dimensions();
    fits(width, height)
        && decoder.set_limits(limits()).is_ok()
        && decoder.into_frames().take(2).filter(Result::is_ok).count() == 2
}

fn tiff_has_pages(bytes: &[u8]) -> bool {
    tiff::decoder::Decoder::new(Cursor::new(bytes)).is_ok_and(|decoder| decoder.more_images())
}

fn check_png_header(path: &Path, bytes: &[u8]) -> Result<(), PictureError> {
    match bytes.get(16..24) {
        Some(&[a, b, c, d, e, f, g, h]) => check_size(
            path,
            u32::from_be_bytes([a, b, c, d]),
            u32::from_be_bytes([e, f, g, h]),
        ),
        _ => Ok(()),
    }
}

pub(super) fn check_size(path: &Path, width: u32, height: u32) -> Result<(), PictureError> {
    if !fits(width, height) {
        return Err(PictureError::TooLarge {
            path: path.into(),
            width,
            height,
        });
    }
    if width.min(height) == 0 {
        return Err(damaged(path, "it has no pixels"));
    }
    Ok(())
}

fn fits(width: u32, height: u32) -> bool {
    width.max(height) <= MAX_SIDE && u64::from(width) * u64::from(height) <= MAX_PIXELS
}

pub(super) fn damaged(path: &Path, reason: impl ToString) -> PictureError {
    PictureError::Damaged {
        path: path.into(),
        reason: reason.to_string(),
    }
}

/// Sorts a decoder's error into ours: too large, not supported, or damaged.
fn from_decoder(path: &Path, error: ImageError) -> PictureError {
    match error {
        ImageError::Limits(_) => PictureError::TooManyBytes { path: path.into() },
        ImageError::Unsupported(error) => PictureError::Unsupported {
            path: path.into(),
            feature: one_line(&error),
        },
        error => damaged(path, one_line(&error)),
    }
}

/// The error's message without line breaks.
fn one_line(error: &dyn StdError) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
