//! From a [`Picture`] to a file, all or nothing.

use std::{
    borrow::Cow,
    fmt, fs,
    io::{self, BufWriter, Seek, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use image::{
    ExtendedColorType, ImageEncoder, ImageError,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, tiff::TiffEncoder, webp::WebPEncoder},
};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::{Picture, PictureError, profile};

/// A format that pictures are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// PNG, lossless, with alpha.
    Png,
    /// JPEG, without alpha. Colour is not subsampled.
    Jpeg,
    /// WebP, lossless, with alpha.
    WebP,
    /// TIFF, uncompressed, with alpha.
    Tiff,
}

impl OutputFormat {
    /// The file name extensions that name a format, in lower case; upper case does as well.
    pub const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "tif", "tiff"];

    /// The format that the extension of `path` names.
    ///
    /// # Errors
    /// When there is no extension, or an unknown one.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self, PictureError> {
        let path = path.as_ref();
        let extension = path
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .to_ascii_lowercase();
        match extension.as_str() {
            "png" => Ok(Self::Png),
            "jpg" | "jpeg" => Ok(Self::Jpeg),
            "webp" => Ok(Self::WebP),
            "tif" | "tiff" => Ok(Self::Tiff),
            _ => Err(PictureError::UnknownExtension { path: path.into() }),
        }
    }

    /// The longest side, in pixels, that a file of this format can have.
    pub fn max_side(self) -> u32 {
        match self {
            Self::Png | Self::Tiff => i32::MAX as u32,
            Self::Jpeg => 65_535,
            Self::WebP => 16_384,
        }
    }

    /// Whether files of this format can hold transparency. In others, pictures are composited on white.
    pub fn has_alpha(self) -> bool {
        self != Self::Jpeg
    }

    /// Whether files of this format can hold 16 bits a channel.
    pub fn has_16_bits(self) -> bool {
        matches!(self, Self::Png | Self::Tiff)
    }
}

impl fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WebP",
            Self::Tiff => "TIFF",
        })
    }
}

/// Bits a channel of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Bits {
    /// 8: what screens show.
    #[default]
    Eight,
    /// 16: for further editing. PNG and TIFF only.
    Sixteen,
}

impl TryFrom<u8> for Bits {
    type Error = String;

    fn try_from(bits: u8) -> Result<Self, String> {
        match bits {
            8 => Ok(Self::Eight),
            16 => Ok(Self::Sixteen),
            _ => Err(format!("{bits} bits a channel cannot be written; use 8 or 16")),
        }
    }
}

impl From<Bits> for u8 {
    fn from(bits: Bits) -> Self {
        match bits {
            Bits::Eight => 8,
            Bits::Sixteen => 16,
        }
    }
}

impl FromStr for Bits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bits: u8 = text
            .parse()
            .map_err(|_| format!("\"{text}\" bits a channel cannot be written; use 8 or 16"))?;
        bits.try_into()
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        u8::from(*self).fmt(f)
    }
}

/// How exactly a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoding {
    /// Bits a channel (default 8).
    pub bits: Bits,
    /// The quality of a JPEG file, from 1 to 100 (default 95, at which no block is seen in brush strokes); values
    /// beyond are clamped, other formats are lossless.
    pub jpeg_quality: u8,
}

impl Default for Encoding {
    fn default() -> Self {
        Self {
            bits: Bits::Eight,
            jpeg_quality: 95,
        }
    }
}

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
/// When the extension names no format, or one that cannot hold what `encoding` asks for, the folder is missing or not
/// writable, or something stands there already and `overwrite` does not allow to replace it.
pub fn check_output_as(
    path: impl AsRef<Path>,
    overwrite: bool,
    encoding: &Encoding,
) -> Result<(), PictureError> {
    let path = path.as_ref();
    format_for(path, encoding)?;
    // A file that vanishes at once: nothing else tells for certain whether the folder can be written to.
    temporary_beside(path, overwrite).map(drop)
}

/// The format that `path` names, when it can hold what `encoding` asks for.
fn format_for(path: &Path, encoding: &Encoding) -> Result<OutputFormat, PictureError> {
    let format = OutputFormat::from_path(path)?;
    if encoding.bits == Bits::Sixteen && !format.has_16_bits() {
        return Err(PictureError::NotInThisFormat {
            path: path.into(),
            format,
        });
    }
    Ok(format)
}

impl Picture {
    /// Writes the picture as [`Picture::save_as`] does, with the default [`Encoding`]: 8 bits a channel.
    ///
    /// # Errors
    /// As [`Picture::save_as`].
    pub fn save(&self, path: impl AsRef<Path>, overwrite: bool) -> Result<(), PictureError> {
        self.save_as(path, overwrite, &Encoding::default())
    }

    /// Writes the picture in the format that the extension of `path` names, with a profile that says sRGB.
    ///
    /// Values are rounded to the nearest that the file can hold. The file appears complete or not at all, with the
    /// permissions that any new file gets.
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
        let format = format_for(path, encoding)?;
        self.check_size(path, format)?;
        let failed = |cause| PictureError::Write {
            path: path.into(),
            cause,
        };
        let mut writer = BufWriter::new(temporary_beside(path, overwrite)?);
        self.encode(&mut writer, format, encoding)
            .map_err(to_io)
            .map_err(failed)?;
        let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
        put_in_place(file, path, overwrite)
    }

    fn check_size(&self, path: &Path, format: OutputFormat) -> Result<(), PictureError> {
        let (width, height) = self.size();
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

/// Makes an empty file in the folder of `path`, where a rename can move it in place, after checking what is there.
fn temporary_beside(path: &Path, overwrite: bool) -> Result<NamedTempFile, PictureError> {
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(PictureError::MissingFolder {
            path: path.into(),
            folder,
        });
    }
    if path.is_dir() {
        return Err(PictureError::OutputIsFolder { path: path.into() });
    }
    if !overwrite && path.exists() {
        return Err(PictureError::Exists { path: path.into() });
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".impasto-").suffix(".part");
    // By default only the owner may read a temporary file; the umask takes from this what it takes from any file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder).map_err(|cause| PictureError::Write {
        path: path.into(),
        cause,
    })
}

/// The folder that the file at `path` is to be written into: where the file itself is, if `path` is a link to it.
fn folder_of(path: &Path) -> PathBuf {
    match target_of(path).parent() {
        Some(folder) if folder != Path::new("") => folder.into(),
        _ => PathBuf::from("."),
    }
}

/// The file behind `path`, when `path` is a link to one.
fn target_of(path: &Path) -> PathBuf {
    if path.is_symlink() {
        fs::canonicalize(path).unwrap_or_else(|_| path.into())
    } else {
        path.into()
    }
}

fn put_in_place(file: NamedTempFile, path: &Path, overwrite: bool) -> Result<(), PictureError> {
    let placed = if overwrite {
        file.persist(target_of(path))
    } else {
        file.persist_noclobber(target_of(path))
    };
    match placed {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(PictureError::Exists { path: path.into() })
        }
        Err(error) => Err(PictureError::Write {
            path: path.into(),
            cause: error.error,
        }),
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
    fn the_extension_names_the_format_in_any_case() {
        assert_eq!(OutputFormat::from_path("a/b.PNG").unwrap(), OutputFormat::Png);
        assert_eq!(OutputFormat::from_path("b.jpg").unwrap(), OutputFormat::Jpeg);
        assert_eq!(OutputFormat::from_path("b.png.Jpeg").unwrap(), OutputFormat::Jpeg);
        assert_eq!(OutputFormat::from_path("b.webp").unwrap(), OutputFormat::WebP);
        assert_eq!(OutputFormat::from_path("b.TIF").unwrap(), OutputFormat::Tiff);
    }

    #[test]
    fn every_listed_extension_is_known() {
        for extension in OutputFormat::EXTENSIONS {
            OutputFormat::from_path(format!("out.{extension}")).unwrap();
        }
    }

    #[test]
    fn an_unknown_extension_is_refused_with_those_that_are_known() {
        for name in ["out.xyz", "out", ".png", "out."] {
            let message = OutputFormat::from_path(name).unwrap_err().to_string();
            assert!(
                message.contains(name) && message.contains("png, jpg, jpeg, webp, tif, tiff"),
                "{message}"
            );
        }
    }

    #[test]
    fn bits_are_8_or_16() {
        assert_eq!("8".parse(), Ok(Bits::Eight));
        assert_eq!("16".parse(), Ok(Bits::Sixteen));
        for text in ["7", "-8", "many"] {
            let message = text.parse::<Bits>().unwrap_err();
            assert!(message.contains(text) && message.contains("8 or 16"), "{message}");
        }
        assert_eq!(serde_json::to_string(&Bits::Sixteen).unwrap(), "16");
        assert_eq!(serde_json::from_str::<Bits>("8").unwrap(), Bits::Eight);
    }

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
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
