//! From a [`Picture`] to a file, all or nothing.

use std::{
    borrow::Cow,
    io::{self, Cursor, Seek, Write},
    path::Path,
};

use image::{
    ExtendedColorType, ImageEncoder, ImageError,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, tiff::TiffEncoder, webp::WebPEncoder},
};

use super::{Bits, Encoding, OutputFormat, Picture, PictureError, profile};
use crate::{
    files::{self, OutputError},
    guard::guarded_encoder,
};

/// As [`check_output_as`] with the default [`Encoding`].
///
/// # Errors
/// As [`check_output_as`].
pub fn check_output(path: impl AsRef<Path>, overwrite: bool) -> Result<(), PictureError> {
    check_output_as(path, overwrite, &Encoding::default())
}

/// Checks, before any expensive work, that a picture can be written to `path`.
///
/// # Errors
/// When neither `encoding` nor the extension names a format, or it is one that cannot hold what `encoding` asks for;
/// and as [`files::check`](crate::files::check): the folder is missing or not writable, something stands there already and
/// `overwrite` does not allow to replace it, and so on.
pub fn check_output_as(
    path: impl AsRef<Path>,
    overwrite: bool,
    encoding: &Encoding,
) -> Result<(), PictureError> {
    let path = path.as_ref();
    encoding.format_at(path)?;
    Ok(files::check(path, overwrite)?)
}

/// Checks that a file at `path` can hold a picture of this width and height.
///
/// # Errors
/// Its format cannot, or none is named.
pub fn check_output_size(
    path: impl AsRef<Path>,
    (width, height): (u32, u32),
    encoding: &Encoding,
) -> Result<(), PictureError> {
    let path = path.as_ref();
    let format = encoding.format_at(path)?;
    let max = format.max_side();
    if width.max(height) <= max {
        return Ok(());
    }
    Err(PictureError::TooLargeForFormat {
        path: path.into(),
        format,
        max,
        width,
        height,
    })
}

impl Picture {
    /// Writes the picture as [`Picture::save_as`] does, with the default [`Encoding`]: 8 bits a channel.
    ///
    /// # Errors
    /// As [`Picture::save_as`].
    pub fn save(&self, path: impl AsRef<Path>, overwrite: bool) -> Result<(), PictureError> {
        self.save_as(path, overwrite, &Encoding::default())
    }

    /// Writes the picture to `path`, which the extension of `path` or `encoding` names the format of, with a profile that
    /// says sRGB.
    ///
    /// Values are rounded to the nearest that the file can hold. The file appears complete or not at all, with the
    /// permissions that any new file gets; a pipe or a device is written to, `-` is standard output.
    ///
    /// # Errors
    /// As [`check_output_as`]; also when the format cannot hold a picture of this size, or writing fails.
    pub fn save_as(
        &self,
        path: impl AsRef<Path>,
        overwrite: bool,
        encoding: &Encoding,
    ) -> Result<(), PictureError> {
        let path = path.as_ref();
        let bytes = self.encoded(path, encoding)?;
        Ok(files::write(path, overwrite, &bytes)?)
    }

    /// The bytes that [`Picture::save_as`] writes to `path`.
    ///
    /// # Errors
    /// No format is named, it cannot hold this picture, or its encoder fails.
    pub fn encoded(&self, path: impl AsRef<Path>, encoding: &Encoding) -> Result<Vec<u8>, PictureError> {
        let path = path.as_ref();
        let format = encoding.format_at(path)?;
        check_output_size(path, self.size(), encoding)?;
        let mut file = Cursor::new(Vec::new());
        guarded_encoder(|| self.encode(&mut file, format, encoding).map_err(to_io))
            .map_err(OutputError::writing(path))?;
        Ok(file.into_inner())
    }

    /// The picture as a file of this format.
    fn encode(
        &self,
        writer: impl Write + Seek,
        format: OutputFormat,
        encoding: &Encoding,
    ) -> Result<(), ImageError> {
        let picture = if format.has_alpha() {
            Cow::Borrowed(self)
        } else {
            Cow::Owned(self.clone().on_white())
        };
        match format {
            OutputFormat::Png => picture.write(PngEncoder::new(writer), encoding.bits),
            OutputFormat::Jpeg => picture.write(
                JpegEncoder::new_with_quality(writer, encoding.jpeg_quality),
                encoding.bits,
            ),
            OutputFormat::WebP => picture.write(WebPEncoder::new_lossless(writer), encoding.bits),
            OutputFormat::Tiff => picture.write(TiffEncoder::new(writer), encoding.bits),
        }
    }

    /// Hands the rounded samples to an encoder, with alpha if there is any.
    fn write(&self, mut encoder: impl ImageEncoder, bits: Bits) -> Result<(), ImageError> {
        encoder
            .set_icc_profile(profile::srgb())
            .map_err(ImageError::Unsupported)?;
        let (width, height) = self.size();
        match bits {
            Bits::Eight => {
                let color = if self.alpha.is_some() {
                    ExtendedColorType::Rgba8
                } else {
                    ExtendedColorType::Rgb8
                };
                let samples: Vec<u8> = self.interleaved(|value| value.round() as u8);
                encoder.write_image(&samples, width, height, color)
            }
            Bits::Sixteen => {
                let color = if self.alpha.is_some() {
                    ExtendedColorType::Rgba16
                } else {
                    ExtendedColorType::Rgb16
                };
                let samples: Vec<u16> = self.interleaved(|value| (value * 257.0).round() as u16);
                encoder.write_image(bytemuck::cast_slice(&samples), width, height, color)
            }
        }
    }

    /// Red, green, blue and, if there is any, alpha of all pixels, each through `sample`.
    fn interleaved<T>(&self, sample: impl Fn(f32) -> T) -> Vec<T> {
        let Some(alpha) = &self.alpha else {
            return self.rgb.iter().map(|&value| sample(value)).collect();
        };
        let pixels = self.rgb.chunks_exact(3).zip(alpha);
        pixels
            .flat_map(|(rgb, alpha)| rgb.iter().chain([alpha]).map(|&value| sample(value)))
            .collect()
    }
}

fn to_io(error: ImageError) -> io::Error {
    match error {
        ImageError::IoError(error) => error,
        error => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_are_refused_before_any_work_by_formats_of_8() {
        let sixteen = Encoding {
            bits: Bits::Sixteen,
            ..Encoding::default()
        };
        for name in ["out.jpg", "out.webp"] {
            let message = check_output_as(name, false, &sixteen).unwrap_err().to_string();
            assert!(
                message.contains(name) && message.contains("PNG or TIFF"),
                "{message}"
            );
        }
        check_output_as("surely-not-there.tiff", false, &sixteen).unwrap();
    }

    #[test]
    fn a_picture_too_long_for_the_format_is_refused_by_name_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let long = Picture::filled(1, 16_385, [0.0; 3]);
        let message = long
            .save(folder.path().join("a.webp"), false)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("WebP") && message.contains("1x16385"),
            "{message}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
