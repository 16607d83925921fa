//! From a file to a [`Picture`]: read, decode, turn upright, bring to sRGB.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

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
/// is read, of a file with several pages the first. The file's limits ([`MAX_SIDE`], [`MAX_PIXELS`],
/// [`MAX_FILE_BYTES`]) are checked against its header before memory is taken for the pixels.
///
/// # Errors
/// When the file cannot be read, is no picture, is damaged, too large, or uses what the decoders do not know.
pub fn load(path: impl AsRef<Path>) -> Result<Loaded, PictureError> {
    let path = path.as_ref();
    let bytes = read(path)?;
    let decoded = decode(path, &bytes)?;
    drop(bytes);
    let (width, height) = (decoded.width, decoded.height);
    let channels = decoded.colors.len() / super::pixel_count(width, height);
    let (rgb, unused_profile) = to_srgb(decoded.colors, channels, decoded.profile.as_deref());
    let picture = Picture::new(width, height, rgb, decoded.alpha).fill_transparent();
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
