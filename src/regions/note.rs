//! What the owner of masks may want to know of what they come to.

use std::fmt;

/// What masks come to, where that may not be what was meant.
#[derive(Clone, Debug, PartialEq)]
pub enum RegionNote {
    /// A part of the picture, 0 to 1, has no region.
    Uncovered(f64),
    /// Two masks cover a part of the picture, 0 to 1.
    Overlap(f64),
    /// A region has no place at some layers.
    Skipped {
        /// The region's mask, as it was named.
        region: String,
        /// The layers.
        layers: Vec<String>,
        /// The picture's width and height in pixels.
        size: (u32, u32),
    },
}

impl RegionNote {
    /// Whether something that was asked for is not done.
    pub fn is_warning(&self) -> bool {
        !matches!(self, RegionNote::Uncovered(_))
    }
}

impl fmt::Display for RegionNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegionNote::Uncovered(part) => write!(
                f,
                "no mask covers {:.1} % of the picture: there is no style there, only the content",
                100.0 * part
            ),
            RegionNote::Overlap(part) => write!(
                f,
                "masks overlap in {:.1} % of the picture: a place belongs to the one that is largest there, of equals the first",
                100.0 * part
            ),
            RegionNote::Skipped {
                region,
                layers,
                size: (width, height),
            } => write!(
                f,
                "the region {region} has no place of its own at {} at {width}x{height} pixels: its style is not compared there",
                layers.join(", ")
            ),
        }
    }
}
