//! From a file to a [`Picture`]: read, decode within limits, turn upright, composite on white.

use std::{
    error::Error as StdError,
    fs::{self, File},
    io::{self, Cursor, Read},
    path::Path,
};

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::{Picture, PictureError};

/// The longest side, in pixels, of a picture that is read.
pub const MAX_SIDE: u32 = 32_768;
/// The most pixels of a picture that is read: 134 million, 1.6 GB as a [`Picture`].
pub const MAX_PIXELS: u64 = 1 << 27;
/// The most bytes of a file that is read, and the most memory that decoding it may take.
pub const MAX_FILE_BYTES: u64 = 2 << 30;

impl Picture {
    /// Reads a PNG, JPEG, WebP, TIFF or BMP file; the content tells the format, whatever the file is called.
    ///
    /// Grey, palette and 16-bit pictures are accepted; EXIF orientation is applied, so the picture stands upright;
    /// transparent parts are composited on white. The file's limits ([`MAX_SIDE`], [`MAX_PIXELS`],
    /// [`MAX_FILE_BYTES`]) are checked against its header before memory is taken for the pixels.
    ///
    /// # Errors
    /// When the file cannot be read, is no picture, is damaged, too large, or uses what the decoders do not know.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PictureError> {
        let path = path.as_ref();
        let bytes = read(path)?;
        let format =
            image::guess_format(&bytes).map_err(|_| PictureError::NotAPicture { path: path.into() })?;
        if format == ImageFormat::Jpeg && !jpeg_is_complete(&bytes) {
            return Err(damaged(path, "the end of the JPEG data is missing"));
        }
        let mut decoder = open(path, &bytes, format)?;
        let orientation = decoder.orientation().map_err(|error| from_decoder(path, error))?;
        let mut image = DynamicImage::from_decoder(decoder).map_err(|error| from_decoder(path, error))?;
        image.apply_orientation(orientation);
        Ok(on_white(&image))
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

/// Reads the header and checks the size; no memory is taken for pixels yet.
fn open<'a>(
    path: &Path,
    bytes: &'a [u8],
    format: ImageFormat,
) -> Result<impl ImageDecoder + use<'a>, PictureError> {
    if let (ImageFormat::Png, Some(&[a, b, c, d, e, f, g, h])) = (format, bytes.get(16..24)) {
        // The decoder reads on to the first pixels before it tells the size.
        check_size(
            path,
            u32::from_be_bytes([a, b, c, d]),
            u32::from_be_bytes([e, f, g, h]),
        )?;
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_FILE_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| from_decoder(path, error))?;
    let (width, height) = decoder.dimensions();
    check_size(path, width, height)?;
    Ok(decoder)
}

fn check_size(path: &Path, width: u32, height: u32) -> Result<(), PictureError> {
    if width.max(height) > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
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

/// Whether the JPEG data goes on to its end marker.
///
/// The decoder fills what is missing with grey and says nothing. So the markers are walked through here: segments by
/// their length (a thumbnail inside one has an end marker of its own), scans up to the next marker. Bytes after the
/// end are common (phones append videos) and do no harm.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    const START: u8 = 0xD8;
    const END: u8 = 0xD9;
    const TEMPORARY: u8 = 0x01;
    let mut at = 0;
    // Scan data and fill bytes lie between the markers; in a scan, 0xFF is followed by 0 or by a restart marker.
    while let Some(found) = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|&byte| byte == 0xFF))
    {
        at += found + 1;
        match bytes.get(at) {
            None => return false,
            Some(&END) => return true,
            Some(0x00 | 0xD0..=0xD7 | &START | &TEMPORARY) => at += 1,
            Some(0xFF) => {}
            Some(_) => {
                let Some(&[high, low]) = bytes.get(at + 1..at + 3) else {
                    return false;
                };
                at += 1 + usize::from(u16::from_be_bytes([high, low]));
            }
        }
    }
    false
}

/// The picture's values on the scale of 0 to 255, with white where it is transparent.
fn on_white(image: &DynamicImage) -> Picture {
    let channels = usize::from(image.color().channel_count());
    let samples = samples(image);
    let rgb = samples
        .chunks_exact(channels)
        .flat_map(|pixel| {
            let (color, alpha) = match *pixel {
                [grey] => ([grey; 3], 255.0),
                [grey, alpha] => ([grey; 3], alpha),
                [red, green, blue] => ([red, green, blue], 255.0),
                [red, green, blue, alpha] => ([red, green, blue], alpha),
                _ => unreachable!("a decoder gives one to four channels"),
            };
            color.map(|value| over_white(value, alpha))
        })
        .collect();
    Picture::from_rgb(image.width(), image.height(), rgb)
}

/// One value composited on white. Opaque values pass unchanged, to the bit.
fn over_white(value: f32, alpha: f32) -> f32 {
    if alpha >= 255.0 {
        value
    } else {
        255.0 + (value - 255.0) * (alpha / 255.0)
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

fn damaged(path: &Path, reason: impl ToString) -> PictureError {
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
