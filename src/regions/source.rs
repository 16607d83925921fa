//! Where a mask comes from, as text.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a mask comes from. As text: `rest`, `none`, a file's name, or `FILE#RRGGBB`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum MaskSource {
    /// What no other mask covers.
    Rest,
    /// There is no mask: all of the picture.
    None,
    /// A picture.
    File {
        /// The file; `-` is standard input.
        path: PathBuf,
        /// The colour whose pixels are the mask; none: the mask is grey, or alpha.
        color: Option<Rgb>,
    },
}

/// A colour: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub [u8; 3]);

impl MaskSource {
    /// The picture's file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            MaskSource::File { path, .. } => Some(path),
            MaskSource::Rest | MaskSource::None => None,
        }
    }
}

impl FromStr for MaskSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let file = |path: &str, color| MaskSource::File {
            path: path.into(),
            color,
        };
        // What has an extension after its # is a file's name.
        let parts = text
            .rsplit_once('#')
            .filter(|(_, color)| !color.contains(['.', '/', '\\']));
        match (text, parts) {
            ("rest", _) => Ok(MaskSource::Rest),
            ("none", _) => Ok(MaskSource::None),
            ("", _) | (_, Some(("", _))) => Err(format!("{text:?} names no mask; write a picture's file")),
            (_, None) => Ok(file(text, None)),
            (_, Some((path, color))) => Ok(file(path, Some(color.parse()?))),
        }
    }
}

impl FromStr for Rgb {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = (text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .then(|| u32::from_str_radix(text, 16).ok());
        match number.flatten() {
            Some(number) => {
                let [_, red, green, blue] = number.to_be_bytes();
                Ok(Rgb([red, green, blue]))
            }
            None => Err(format!(
                "{text:?} is no colour; write six hexadecimal digits, as in map.png#ff0000"
            )),
        }
    }
}

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "{red:02x}{green:02x}{blue:02x}")
    }
}

impl fmt::Display for MaskSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaskSource::Rest => f.write_str("rest"),
            MaskSource::None => f.write_str("none"),
            MaskSource::File { path, color: None } => path.display().fmt(f),
            MaskSource::File {
                path,
                color: Some(color),
            } => write!(f, "{}#{color}", path.display()),
        }
    }
}

impl From<MaskSource> for String {
    fn from(source: MaskSource) -> Self {
        source.to_string()
    }
}

impl TryFrom<String> for MaskSource {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back() {
        for text in [
            "rest",
            "none",
            "sky.png",
            "-",
            "./rest",
            "map.png#ff00a0",
            "a#b.png",
        ] {
            assert_eq!(text.parse::<MaskSource>().unwrap().to_string(), text);
        }
        let map: MaskSource = "map.png#ff00a0".parse().unwrap();
        let color = Some(Rgb([255, 0, 160]));
        assert_eq!(
            map,
            MaskSource::File {
                path: "map.png".into(),
                color
            }
        );
    }

    #[test]
    fn what_names_no_mask_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "names no mask"),
            ("#ff0000", "names no mask"),
            ("map.png#red", "six hexadecimal digits"),
            ("map.png#+12345", "six hexadecimal digits"),
        ] {
            let error = text.parse::<MaskSource>().unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
