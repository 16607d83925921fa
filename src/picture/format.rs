//! The formats of pictures, a row each, and how exactly one is written.

use std::fmt;
use std::io::{Seek, Write};
use std::path::Path;

use image::ImageError;
use image::codecs::{jpeg::JpegEncoder, png::PngEncoder, tiff::TiffEncoder, webp::WebPEncoder};
use serde::{Deserialize, Serialize};

use super::decoded::Decoded;
use super::encode::encode;
use super::fault::Fault;
use super::raster::{bmp, gif, png, webp};
use super::{Bits, Picture, PictureError, containers, jpeg, jxl, tiff};
use crate::files::{STANDARD, extension};

/// A format that is read.
pub(super) struct Format {
    /// As it is called.
    pub name: &'static str,
    /// The extensions of its files' names, in lower case, the one that this program gives first.
    pub extensions: &'static [&'static str],
    /// Whether a file begins as files of this format do.
    pub begins: fn(&[u8]) -> bool,
    pub decode: fn(Vec<u8>) -> Result<Decoded, Fault>,
    pub output: Option<Output>,
}

/// How a format is written.
pub(super) struct Output {
    format: OutputFormat,
    /// The longest side in pixels.
    max_side: u32,
    has_alpha: bool,
    has_16_bits: bool,
    pub encode: fn(&Picture, &mut dyn Stream, &Encoding) -> Result<(), ImageError>,
    pub text: TextPlace,
}

/// What encoders write to.
pub(super) trait Stream: Write + Seek {}

impl<T: Write + Seek> Stream for T {}

/// Where a file of a format holds a text, as it is or as a property of an XMP packet.
pub(super) struct TextPlace {
    pub insert: fn(&mut Vec<u8>, &[u8]) -> Option<()>,
    pub find: fn(&[u8]) -> Option<&[u8]>,
    pub is_xmp: bool,
}

/// All formats. One that is written has a variant in [`OutputFormat`] too.
const FORMATS: &[Format] = &[
    Format {
        name: "PNG",
        extensions: &["png"],
        begins: |file| file.starts_with(b"\x89PNG\r\n\x1a\n"),
        decode: |file| png(&file),
        output: Some(Output {
            format: OutputFormat::Png,
            max_side: i32::MAX as u32,
            has_alpha: true,
            has_16_bits: true,
            encode: |picture, file, encoding| encode(picture, PngEncoder::new(file), encoding.bits),
            text: TextPlace {
                insert: containers::png::insert,
                find: containers::png::find,
                is_xmp: false,
            },
        }),
    },
    Format {
        name: "JPEG",
        extensions: &["jpg", "jpeg"],
        begins: |file| file.starts_with(b"\xFF\xD8\xFF"),
        decode: jpeg::decode,
        output: Some(Output {
            format: OutputFormat::Jpeg,
            max_side: 65_535,
            has_alpha: false,
            has_16_bits: false,
            encode: |picture, file, encoding| {
                let encoder = JpegEncoder::new_with_quality(file, encoding.jpeg_quality);
                encode(picture, encoder, encoding.bits)
            },
            text: TextPlace {
                insert: containers::jpeg::insert,
                find: containers::jpeg::find,
                is_xmp: true,
            },
        }),
    },
    Format {
        name: "JPEG XL",
        extensions: &["jxl"],
        begins: jxl::is_jxl,
        decode: |file| jxl::decode(&file),
        output: None,
    },
    Format {
        name: "WebP",
        extensions: &["webp"],
        begins: |file| file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP"),
        decode: |file| webp(&file),
        output: Some(Output {
            format: OutputFormat::WebP,
            max_side: 16_384,
            has_alpha: true,
            has_16_bits: false,
            encode: |picture, file, encoding| encode(picture, WebPEncoder::new_lossless(file), encoding.bits),
            text: TextPlace {
                insert: containers::webp::insert,
                find: containers::webp::find,
                is_xmp: true,
            },
        }),
    },
    Format {
        name: "TIFF",
        extensions: &["tif", "tiff"],
        begins: tiff::is_tiff,
        decode: |file| tiff::decode(&file),
        output: Some(Output {
            format: OutputFormat::Tiff,
            max_side: i32::MAX as u32,
            has_alpha: true,
            has_16_bits: true,
            encode: |picture, file, encoding| encode(picture, TiffEncoder::new(file), encoding.bits),
            text: TextPlace {
                insert: containers::tiff::insert,
                find: containers::tiff::find,
                is_xmp: true,
            },
        }),
    },
    Format {
        name: "BMP",
        extensions: &["bmp"],
        begins: |file| file.starts_with(b"BM"),
        decode: |file| bmp(&file),
        output: None,
    },
    Format {
        name: "GIF",
        extensions: &["gif"],
        begins: |file| file.starts_with(b"GIF87a") || file.starts_with(b"GIF89a"),
        decode: |file| gif(&file),
        output: None,
    },
];

impl Format {
    /// The format of a file that begins so.
    pub fn of(head: &[u8]) -> Option<&'static Self> {
        FORMATS.iter().find(|format| (format.begins)(head))
    }
}

/// The names of the formats that are read, as a list in a sentence.
pub(crate) fn names_of_formats() -> String {
    let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    let (last, others) = names.split_last().expect("there are formats");
    format!("{} or {last}", others.join(", "))
}

/// Whether a file's name ends as those of pictures do that are read.
pub fn is_picture_name(path: &Path) -> bool {
    let extension = extension(path);
    FORMATS
        .iter()
        .any(|format| format.extensions.contains(&&*extension))
}

/// The format of a file that begins so, if it is one of those that are written.
pub(crate) fn output_format(head: &[u8]) -> Option<OutputFormat> {
    Some(Format::of(head)?.output.as_ref()?.format)
}

/// A format that pictures are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum OutputFormat {
    /// PNG, lossless, with alpha.
    Png,
    /// JPEG, without alpha. Colour is not subsampled.
    #[cfg_attr(feature = "cli", value(alias = "jpg"))]
    Jpeg,
    /// WebP, lossless, with alpha.
    #[cfg_attr(feature = "cli", value(name = "webp"))]
    WebP,
    /// TIFF, uncompressed, with alpha.
    #[cfg_attr(feature = "cli", value(alias = "tif"))]
    Tiff,
}

impl OutputFormat {
    /// The file name extensions that name a format, in lower case; upper case does as well.
    pub fn extensions() -> impl Iterator<Item = &'static str> {
        written().flat_map(|(format, _)| format.extensions).copied()
    }

    /// The format that the extension of `path` names.
    ///
    /// # Errors
    /// When there is no extension, or an unknown one.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self, PictureError> {
        let path = path.as_ref();
        let extension = extension(path);
        let named = written().find(|(format, _)| format.extensions.contains(&&*extension));
        match named {
            Some((_, output)) => Ok(output.format),
            None if path == Path::new(STANDARD) => Err(PictureError::NoExtension),
            None => Err(PictureError::UnknownExtension { path: path.into() }),
        }
    }

    /// The extension that this program gives files of the format, without the dot.
    pub fn extension(self) -> &'static str {
        self.row().0.extensions[0]
    }

    /// The longest side, in pixels, that a file of this format can have.
    pub fn max_side(self) -> u32 {
        self.output().max_side
    }

    /// Whether files of this format can hold transparency. In others, pictures are composited on white.
    pub fn has_alpha(self) -> bool {
        self.output().has_alpha
    }

    /// Whether files of this format can hold 16 bits a channel.
    pub fn has_16_bits(self) -> bool {
        self.output().has_16_bits
    }

    /// How it is written.
    pub(super) fn output(self) -> &'static Output {
        self.row().1
    }

    fn row(self) -> (&'static Format, &'static Output) {
        let mut rows = written();
        let row = rows.find(|(_, output)| output.format == self);
        row.expect("each format that is written has a row")
    }
}

/// The formats that are written.
fn written() -> impl Iterator<Item = (&'static Format, &'static Output)> {
    FORMATS
        .iter()
        .filter_map(|format| Some((format, format.output.as_ref()?)))
}

impl fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().0.name)
    }
}

/// How exactly a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Encoding {
    /// The format, where the file's extension does not name it (default none: the extension does).
    #[serde(skip)]
    pub format: Option<OutputFormat>,
    /// Bits a channel (default 8).
    pub bits: Bits,
    /// The quality of a JPEG file, from 1 to 100 (default 95, at which no block is seen in brush strokes); values
    /// beyond are clamped, other formats are lossless.
    pub jpeg_quality: u8,
}

impl Encoding {
    /// The format of a picture at `path`: the one that is asked for, or else the one that the extension names.
    ///
    /// # Errors
    /// Neither names one, both do and they differ, or the format cannot hold what is asked for.
    pub fn format_at(&self, path: &Path) -> Result<OutputFormat, PictureError> {
        let named = OutputFormat::from_path(path);
        let format = match (self.format, named) {
            (None, named) => named?,
            (Some(asked), Ok(named)) if named != asked => {
                return Err(PictureError::TwoFormats {
                    path: path.into(),
                    named,
                    asked,
                });
            }
            (Some(asked), _) => asked,
        };
        if self.bits == Bits::Sixteen && !format.has_16_bits() {
            return Err(PictureError::NotInThisFormat {
                path: path.into(),
                format,
            });
        }
        Ok(format)
    }
}

impl Default for Encoding {
    fn default() -> Self {
        Self {
            format: None,
            bits: Bits::Eight,
            jpeg_quality: 95,
        }
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
        for extension in OutputFormat::extensions() {
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
}
