//! From a [`Picture`] to a file, all or nothing.

use std::{
    borrow::Cow,
    io::{self, Cursor},
    path::Path,
};

use image::ImageError;

use super::{Encoding, Picture, PictureError};
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
        let picture = if format.has_alpha() {
            Cow::Borrowed(self)
        } else {
            Cow::Owned(self.clone().on_white())
        };
        guarded_encoder(|| (format.output().encode)(&picture, &mut file, encoding).map_err(to_io))
            .map_err(OutputError::writing(path))?;
        Ok(file.into_inner())
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
    use crate::picture::Bits;

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
