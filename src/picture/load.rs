//! From a file to a [`Picture`]: read, decode, turn upright, bring to sRGB.

use std::path::Path;

use image::ImageReader;

use super::{
    Picture, PictureError,
    decode::{decode, may_be_picture, no_picture},
    profile::to_srgb,
};
use crate::files::{Input, InputError, Source, shown};
use crate::guard::guarded;

/// The longest side, in pixels, of a picture that is read.
pub const MAX_SIDE: u32 = 65_536;
/// The most bytes of a file that is read, and the most memory that decoding it may take.
pub const MAX_FILE_BYTES: u64 = 2 << 30;

/// The most bytes that are read of what is no picture, to say what it is: some formats are known by their end.
const MAX_FOREIGN_BYTES: u64 = 64 << 20;

/// A picture from a file, and what its owner may want to know about how it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The picture.
    pub picture: Picture,
    /// A line each, with the file's name: of an animation only the first frame is used, a colour profile is broken.
    pub warnings: Vec<String>,
}

/// Reads a PNG, JPEG, JPEG XL, WebP, TIFF, BMP or GIF file; the content tells the format, whatever the file is called.
///
/// Grey, palette, 16-bit and CMYK pictures are accepted. EXIF orientation is applied, so the picture stands upright;
/// a colour profile (ICC) is applied, so the values are sRGB; transparency is kept. Of an animation the first frame
/// is read, of a file with several pages the first, of a damaged JPEG what is there, half of it at least. The file's
/// limits ([`MAX_SIDE`], [`MAX_FILE_BYTES`], and beyond 134 million pixels four fifths of the memory that is left) are checked
/// against its header before memory is taken for the pixels.
///
/// # Errors
/// When the file cannot be read, is no picture, is damaged, too large, or uses what the decoders do not know.
pub fn load(path: impl AsRef<Path>) -> Result<Loaded, PictureError> {
    load_from(read(path)?)
}

/// Decodes a file that has been [`read`].
///
/// # Errors
/// When the file is no picture, is damaged, too large, or uses what the decoders do not know.
pub fn load_from(input: Input) -> Result<Loaded, PictureError> {
    let path = input.name();
    let decoded = decode(&path, input.into_bytes())?;
    let (width, height) = (decoded.width, decoded.height);
    let channels = decoded.colors.len() / super::pixel_count(width, height);
    let (rgb, unused_profile) = to_srgb(decoded.colors, channels, decoded.profile.as_deref());
    let picture = Picture::new(width, height, rgb, decoded.alpha).fill_transparent();
    let notes = decoded.warnings.into_iter().chain(unused_profile);
    Ok(Loaded {
        picture,
        warnings: notes.map(|note| format!("{}: {note}", shown(&path))).collect(),
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

/// Reads a picture's file, at most [`MAX_FILE_BYTES`]; `-` is standard input. Of what begins like no picture no
/// more is read than tells what it is.
///
/// # Errors
/// When the file cannot be read, is empty, too large, or no picture.
pub fn read(path: impl AsRef<Path>) -> Result<Input, PictureError> {
    let too_large = |error| match error {
        InputError::TooLarge { path, .. } => PictureError::TooManyBytes { path },
        error => error.into(),
    };
    let mut source = Source::open(path.as_ref(), MAX_FILE_BYTES).map_err(too_large)?;
    let path = source.name();
    match source.head()? {
        [] => return Err(PictureError::Empty { path }),
        head if may_be_picture(head) => {}
        _ => return Err(no_picture(&path, source.first(MAX_FOREIGN_BYTES)?)),
    };
    source.read().map_err(too_large)
}

/// The width and height that a picture's file says it has, before it is turned upright; none if it is no file, or does
/// not say so in its first bytes (JPEG XL).
pub fn size_in_header(path: &Path) -> Option<(u32, u32)> {
    let read = || {
        let reader = ImageReader::open(path).ok()?.with_guessed_format().ok()?;
        reader.into_dimensions().ok()
    };
    path.is_file().then(|| guarded(read).ok().flatten()).flatten()
}
