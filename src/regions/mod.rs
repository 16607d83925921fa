//! Regions: which part of a picture is painted in which style.
//!
//! [`RegionOptions`] say where masks come from; [`Masks`] are what their files hold, at their own sizes; a [`Layout`] is what
//! they come to in a picture of a size: whose each pixel is, each region's share, and the guides of the network's layers.

mod error;
mod guide;
mod layout;
mod mask;
mod masks;
mod note;
mod proposal;
mod source;

use serde::Serialize;

pub use error::MaskError;
pub use layout::Layout;
pub use mask::Mask;
pub use masks::{Masks, Region};
pub use note::RegionNote;
pub use proposal::{COLORS, Seen, propose};
pub use source::{MaskSource, Rgb};

use crate::color::ColorMode;

/// What is asked for by regions; all of it may be empty. A list has an entry for each style image, in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RegionOptions {
    /// The part of the content image that each style paints.
    pub mask: Vec<MaskSource>,
    /// The part of each style image that is taken.
    pub style_mask: Vec<MaskSource>,
    /// What stays the content's.
    pub keep: Option<MaskSource>,
    /// Factors of the content weight where each style paints.
    pub mask_content_weights: Vec<f64>,
    /// Whose colours each style's part has.
    pub mask_colors: Vec<ColorMode>,
}

impl RegionOptions {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.mask.is_empty() && self.style_mask.is_empty() && self.keep.is_none()
    }

    /// All masks.
    pub fn sources(&self) -> impl Iterator<Item = &MaskSource> {
        self.mask.iter().chain(&self.style_mask).chain(&self.keep)
    }
}
