//! How large the painted picture is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::picture::Fit;
use crate::range::{SIZE, describe};

/// How large the painted picture is, in pixels. As text: `768`, or `768x512`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub enum Size {
    /// The side that the fit speaks of; of a picture without a photo both sides.
    Side(u32),
    /// Width and height, of a picture without a photo.
    Exact(u32, u32),
}

impl Size {
    /// The side that `fit` speaks of.
    pub fn side(self, fit: Fit) -> u32 {
        match (self, fit) {
            (Size::Side(side), _) => side,
            (Size::Exact(width, height), Fit::Long) => width.max(height),
            (Size::Exact(width, height), Fit::Short) => width.min(height),
        }
    }

    /// Width and height of a picture without a photo.
    pub fn exact(self) -> (u32, u32) {
        match self {
            Size::Side(side) => (side, side),
            Size::Exact(width, height) => (width, height),
        }
    }
}

impl From<u32> for Size {
    fn from(side: u32) -> Size {
        Size::Side(side)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let side = |text: &str| text.parse().ok().filter(|side| SIZE.contains(&u64::from(*side)));
        let size = match text.split_once('x') {
            None => side(text).map(Size::Side),
            Some((width, height)) => side(width)
                .zip(side(height))
                .map(|(width, height)| Size::Exact(width, height)),
        };
        size.ok_or_else(|| format!("must be {}, or two such as 768x512", describe(&SIZE)))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Size::Side(side) => side.fmt(f),
            Size::Exact(width, height) => write!(f, "{width}x{height}"),
        }
    }
}

/// What a settings file has: a bare number, whose range is checked later, or a text.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Text {
    Side(u32),
    Exact(String),
}

impl TryFrom<Text> for Size {
    type Error = String;

    fn try_from(text: Text) -> Result<Size, String> {
        match text {
            Text::Side(side) => Ok(Size::Side(side)),
            Text::Exact(text) => text.parse(),
        }
    }
}

impl From<Size> for Text {
    fn from(size: Size) -> Text {
        match size {
            Size::Side(side) => Text::Side(side),
            Size::Exact(..) => Text::Exact(size.to_string()),
        }
    }
}
