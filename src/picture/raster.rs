//! PNG, WebP, BMP and GIF, by the decoders of `image`.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, Limits,
    codecs::{bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, webp::WebPDecoder},
    metadata::Orientation,
};
use rayon::prelude::*;

use super::{
    MAX_FILE_BYTES,
    decoded::{Decoded, check_size},
    fault::Fault,
    held::{check_held, first_frame_of_webp, frames_of_gif, pixels_of_runs},
};
use impasto_kernels::prefer_huge_pages;

pub(super) const ANIMATED: &str = "it is animated; only the first frame is used";

pub(super) fn png(file: &[u8]) -> Result<Decoded, Fault> {
    // The decoder reads on to the first pixels before it tells the size.
    if let Some(&[a, b, c, d, e, f, g, h]) = file.get(16..24) {
        check_size(u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))?;
    }
    let decoder = PngDecoder::with_limits(Cursor::new(file), limits())?;
    let animated = decoder.is_apng()?;
    let exif = exif_of_png(file).map(<[u8]>::to_vec);
    decode(decoder, exif, animated.then_some(ANIMATED))
}

pub(super) fn webp(file: &[u8]) -> Result<Decoded, Fault> {
    let mut decoder = WebPDecoder::new(Cursor::new(file))?;
    let animated = decoder.has_animation();
    if let Some(held) = first_frame_of_webp(file).filter(|_| animated) {
        check_held(decoder.dimensions(), held)?;
    }
    let exif = decoder.exif_metadata().unwrap_or_default();
    decode(decoder, exif, animated.then_some(ANIMATED))
}

pub(super) fn bmp(file: &[u8]) -> Result<Decoded, Fault> {
    let decoder = BmpDecoder::new(Cursor::new(file))?;
    if let Some(held) = pixels_of_runs(file) {
        check_held(decoder.dimensions(), held)?;
    }
    let mut decoded = decode(decoder, None, None)?;
    // Programs that write no alpha where the header announces it leave it 0; other readers take that as opaque too.
    decoded.alpha = decoded
        .alpha
        .filter(|alpha| alpha.iter().any(|&alpha| alpha > 0.0));
    Ok(decoded)
}

pub(super) fn gif(file: &[u8]) -> Result<Decoded, Fault> {
    let decoder = GifDecoder::new(Cursor::new(file))?;
    let mut frames = frames_of_gif(file);
    if let Some(held) = frames.next() {
        check_held(decoder.dimensions(), held)?;
    }
    decode(decoder, None, frames.next().map(|_| ANIMATED))
}

/// Decodes within the limits and turns upright.
fn decode(
    mut decoder: impl ImageDecoder,
    exif: Option<Vec<u8>>,
    warning: Option<&str>,
) -> Result<Decoded, Fault> {
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    // A profile that cannot be read is as good as none.
    let profile = decoder.icc_profile().unwrap_or_default();
    decoder.set_limits(limits())?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation(exif.as_deref()));
    let (width, height) = (image.width(), image.height());
    let channels = usize::from(image.color().channel_count());
    let (colors, alpha) = split_alpha(samples(&image), channels);
    Ok(Decoded {
        width,
        height,
        colors,
        alpha,
        profile,
        warnings: warning.map(String::from).into_iter().collect(),
    })
}

fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_FILE_BYTES);
    limits
}

/// What EXIF says, with the mark before it that it has in JPEG files or without; nothing is turned without a word.
fn orientation(exif: Option<&[u8]>) -> Orientation {
    exif.map(|exif| exif.strip_prefix(b"Exif\0\0").unwrap_or(exif))
        .and_then(Orientation::from_exif_chunk)
        .unwrap_or(Orientation::NoTransforms)
}

/// The EXIF chunk of a PNG file, which may come after the pixels.
fn exif_of_png(file: &[u8]) -> Option<&[u8]> {
    let mut rest = file.get(8..)?;
    loop {
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let content = rest.get(8..)?.get(..length)?;
        if &rest[4..8] == b"eXIf" {
            return Some(content);
        }
        rest = rest.get(length + 12..)?;
    }
}

/// The samples, channels interleaved, on the scale of 0 to 255.
pub(super) fn samples(image: &DynamicImage) -> Vec<f32> {
    let from_8 = |values: &[u8]| floats(values, f32::from);
    match image {
        DynamicImage::ImageLuma8(pixels) => from_8(pixels),
        DynamicImage::ImageLumaA8(pixels) => from_8(pixels),
        DynamicImage::ImageRgb8(pixels) => from_8(pixels),
        DynamicImage::ImageRgba8(pixels) => from_8(pixels),
        DynamicImage::ImageLuma16(pixels) => from_16(pixels),
        DynamicImage::ImageLumaA16(pixels) => from_16(pixels),
        DynamicImage::ImageRgb16(pixels) => from_16(pixels),
        DynamicImage::ImageRgba16(pixels) => from_16(pixels),
        _ => unreachable!("these decoders give integers of 8 and 16 bits"),
    }
}

/// Samples of 16 bits on the scale of 0 to 255.
pub(super) fn from_16(values: &[u16]) -> Vec<f32> {
    // 257 = 65535 / 255.
    floats(values, |value| f32::from(value) / 257.0)
}

fn floats<T: Copy + Sync>(values: &[T], convert: impl Fn(T) -> f32 + Sync) -> Vec<f32> {
    let mut floats = Vec::with_capacity(values.len());
    prefer_huge_pages(floats.spare_capacity_mut());
    values
        .par_iter()
        .map(|&value| convert(value))
        .collect_into_vec(&mut floats);
    floats
}

/// Grey or RGB samples, and alpha when there is a channel of it: the second of two or the fourth of four.
pub(super) fn split_alpha(samples: Vec<f32>, channels: usize) -> (Vec<f32>, Option<Vec<f32>>) {
    if channels % 2 == 1 {
        return (samples, None);
    }
    let pixels = samples.chunks_exact(channels);
    let alpha = pixels.clone().map(|pixel| pixel[channels - 1]).collect();
    (
        pixels.flat_map(|pixel| &pixel[..channels - 1]).copied().collect(),
        Some(alpha),
    )
}
