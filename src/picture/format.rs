//! What outputs can be: formats, bits a channel, quality.

use std::{fmt, path::Path, str::FromStr};

use serde::{Deserialize, Serialize};

use super::PictureError;
use crate::files::STANDARD;

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
            _ if path == Path::new(STANDARD) => Err(PictureError::NoExtension),
            _ => Err(PictureError::UnknownExtension { path: path.into() }),
        }
    }

    /// The extension that this program gives files of the format, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::WebP => "webp",
            Self::Tiff => "tif",
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
}
