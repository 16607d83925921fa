//! From a file to a [`Picture`]: read, decode, turn upright, bring to sRGB.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use image::DynamicImage;

use super::{Picture, PictureError, decode::decode, profile::to_srgb};

/// The longest side, in pixels, of a picture that is read.
pub const MAX_SIDE: u32 = 32_768;
/// The most pixels of a picture that is read: 134 million, 1.6 GB as a [`Picture`].
pub const MAX_PIXELS: u64 = 1 << 27;
/// The most bytes of a file that is read, and the most memory that decoding it may take.
pub const MAX_FILE_BYTES: u64 = 2 << 30;

/// A picture from a file, and what its owner may want to know about how it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The picture.
    pub picture: Picture,
    /// A line each, with the file's name: of an animation only the first frame is used, a colour profile is broken.
    pub warnings: Vec<String>,
}

/// Reads a PNG, JPEG, WebP, TIFF, BMP or GIF file; the content tells the format, whatever the file is called.
///
/// Grey, palette, 16-bit and CMYK pictures are accepted. EXIF orientation is applied, so the picture stands upright;
/// a colour profile (ICC) is applied, so the values are sRGB; transparency is kept. Of an animation the first frame
/// is read, of a file with several pages the first, of a damaged JPEG what is there, half of it at least. The file's
/// limits ([`MAX_SIDE`], [`MAX_PIXELS`], [`MAX_FILE_BYTES`]) are checked against its header before memory is taken for
/// the pixels.
///
/// # Errors
/// When the file cannot be read, is no picture, is damaged, too large, or uses what the decoders do not know.
pub fn load(path: impl AsRef<Path>) -> Result<Loaded, PictureError> {
    let path = path.as_ref();
    let bytes = read(path)?;
    let mut decoded = decode(path, &bytes)?;
    drop(bytes);
    decoded.image.apply_orientation(decoded.orientation);
    let (width, height) = (decoded.image.width(), decoded.image.height());
    let channels = usize::from(decoded.image.color().channel_count());
    let samples = samples(&decoded.image);
    drop(decoded.image);
    let (color, alpha) = match decoded.inks {
        Some(inks) => (inks.amounts(samples), None),
        None => split_alpha(samples, channels),
    };
    let channels = color.len() / super::pixel_count(width, height);
    let (rgb, unused_profile) = to_srgb(color, channels, decoded.profile.as_deref());
    let picture = Picture::new(width, height, rgb, alpha).fill_transparent();
    let notes = decoded.warnings.into_iter().chain(unused_profile);
    Ok(Loaded {
        picture,
        warnings: notes.map(|note| format!("{}: {note}", path.display())).collect(),
    })
}

impl Picture {
    /// Reads a file as [`load`] does, and leaves its warnings out.
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PictureError> {
        load(path).map(|loaded| loaded.picture)
    }
}

/// Reads the whole file, at most [`MAX_FILE_BYTES`].
fn read(path: &Path) -> Result<Vec<u8>, PictureError> {
    let failed = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotFound => PictureError::Missing { path: path.into() },
        io::ErrorKind::PermissionDenied => PictureError::Denied { path: path.into() },
        _ => PictureError::Read {
            path: path.into(),
            cause,
        },
    };
    if fs::metadata(path).map_err(failed)?.is_dir() {
        return Err(PictureError::Folder { path: path.into() });
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    match bytes.len() as u64 {
        0 => Err(PictureError::Empty { path: path.into() }),
        length if length > MAX_FILE_BYTES => Err(PictureError::TooManyBytes { path: path.into() }),
        _ => Ok(bytes),
    }
}

/// The samples, channels interleaved, on the scale of 0 to 255.
fn samples(image: &DynamicImage) -> Vec<f32> {
    let from_8 = |values: &[u8]| values.iter().map(|&value| f32::from(value)).collect();
    // 257 = 65535 / 255.
    let from_16 = |values: &[u16]| values.iter().map(|&value| f32::from(value) / 257.0).collect();
    let from_float = |values: &[f32]| values.iter().map(|&value| value * 255.0).collect();
    match image {
        DynamicImage::ImageLuma8(pixels) => from_8(pixels),
        DynamicImage::ImageLumaA8(pixels) => from_8(pixels),
        DynamicImage::ImageRgb8(pixels) => from_8(pixels),
        DynamicImage::ImageRgba8(pixels) => from_8(pixels),
        DynamicImage::ImageLuma16(pixels) => from_16(pixels),
        DynamicImage::ImageLumaA16(pixels) => from_16(pixels),
        DynamicImage::ImageRgb16(pixels) => from_16(pixels),
        DynamicImage::ImageRgba16(pixels) => from_16(pixels),
        DynamicImage::ImageRgb32F(pixels) => from_float(pixels),
        DynamicImage::ImageRgba32F(pixels) => from_float(pixels),
        _ => unreachable!("all that `image` decodes to is listed"),
    }
}

/// Grey or RGB samples, and alpha when there is a channel of it: the second of two or the fourth of four.
fn split_alpha(samples: Vec<f32>, channels: usize) -> (Vec<f32>, Option<Vec<f32>>) {
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
