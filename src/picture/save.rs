//! From a [`Picture`] to a file, all or nothing.

use std::{
    fmt, fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use image::{
    ExtendedColorType, ImageEncoder, ImageError,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
};
use tempfile::NamedTempFile;

use super::{Picture, PictureError};

/// The quality of JPEG files, from 1 to 100: at 95 no block is seen in brush strokes. Colour is not subsampled.
pub const JPEG_QUALITY: u8 = 95;

/// A format that pictures are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// PNG, lossless.
    Png,
    /// JPEG, at [`JPEG_QUALITY`].
    Jpeg,
    /// WebP, lossless.
    WebP,
}

impl OutputFormat {
    /// The file name extensions that name a format, in lower case; upper case does as well.
    pub const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

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
            _ => Err(PictureError::UnknownExtension { path: path.into() }),
        }
    }

    /// The longest side, in pixels, that a file of this format can have.
    pub fn max_side(self) -> u32 {
        match self {
            Self::Png => i32::MAX as u32,
            Self::Jpeg => 65_535,
            Self::WebP => 16_384,
        }
    }
}

impl fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WebP",
        })
    }
}

/// Checks, before any expensive work, that a picture can be written to `path`.
///
/// # Errors
/// When the extension names no format, the folder is missing or not writable, or something stands there already
/// and `overwrite` does not allow to replace it.
pub fn check_output(path: impl AsRef<Path>, overwrite: bool) -> Result<(), PictureError> {
    let path = path.as_ref();
    OutputFormat::from_path(path)?;
    // A file that vanishes at once: nothing else tells for certain whether the folder can be written to.
    temporary_beside(path, overwrite).map(drop)
}

impl Picture {
    /// Writes the picture, 8 bits a channel, in the format that the extension of `path` names.
    ///
    /// Values are rounded to the nearest integer. The file appears complete or not at all, with the permissions that
    /// any new file gets.
    ///
    /// # Errors
    /// As [`check_output`]; also when the format cannot hold a picture of this size, or writing fails.
    pub fn save(&self, path: impl AsRef<Path>, overwrite: bool) -> Result<(), PictureError> {
        let path = path.as_ref();
        let format = OutputFormat::from_path(path)?;
        self.check_size(path, format)?;
        let failed = |cause| PictureError::Write {
            path: path.into(),
            cause,
        };
        let file = temporary_beside(path, overwrite)?;
        let mut writer = BufWriter::new(file);
        self.encode(&mut writer, format).map_err(to_io).map_err(failed)?;
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
    fn encode(&self, writer: impl Write, format: OutputFormat) -> Result<(), ImageError> {
        let bytes: Vec<u8> = self.rgb.iter().map(|value| value.round() as u8).collect();
        let (width, height) = self.size();
        let color = ExtendedColorType::Rgb8;
        match format {
            OutputFormat::Png => PngEncoder::new(writer).write_image(&bytes, width, height, color),
            OutputFormat::Jpeg => {
                JpegEncoder::new_with_quality(writer, JPEG_QUALITY).write_image(&bytes, width, height, color)
            }
            OutputFormat::WebP => WebPEncoder::new_lossless(writer).write_image(&bytes, width, height, color),
        }
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
                message.contains(name) && message.contains("png, jpg, jpeg, webp"),
                "{message}"
            );
        }
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
