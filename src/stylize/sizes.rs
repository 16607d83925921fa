//! The scales of a painting: how large the picture and the style images are at each.

use super::{Error, Stylizer};
use crate::model::{Enlarge, ModelError};
use crate::picture::{Fit, Picture, fit};
use crate::scales::Scale;

/// Width and height in pixels.
pub(super) type Size = (u32, u32);

impl Stylizer {
    /// The scales of these pictures from coarse to fine; the network can see all of them.
    pub(super) fn scales(&self, content: &Picture, styles: &[Picture]) -> Result<Vec<Scale>, Error> {
        self.check_blend(styles)?;
        let settings = &self.settings;
        let finest = settings.side();
        settings.check_proportions(content.size())?;
        let sees = |size| self.check_sizes(content, styles, size).is_ok();
        let iterations = (settings.iterations, settings.emphasis());
        let scales = settings.scales.schedule(finest, iterations, sees);
        for scale in scales.iter().rev() {
            self.check_sizes(content, styles, scale.size)?;
        }
        Ok(scales)
    }

    fn check_sizes(&self, content: &Picture, styles: &[Picture], size: u32) -> Result<(), ModelError> {
        let is_finest = size == self.settings.side();
        let (for_content, for_style) = match is_finest {
            true => (Enlarge::Size, Enlarge::StyleSize),
            false => (Enlarge::SizeOrScales, Enlarge::StyleSizeOrScales),
        };
        let (painted, styles) = self.sizes(content, styles, size);
        self.network
            .graphs
            .check_size(painted, "painted picture", for_content)?;
        let mut styles = styles.into_iter();
        styles.try_for_each(|style| self.network.graphs.check_size(style, "style image", for_style))
    }

    /// The sizes of the painted picture and of the style images at the scale of `size` pixels.
    pub(super) fn sizes(&self, content: &Picture, styles: &[Picture], size: u32) -> (Size, Vec<Size>) {
        let at = |size| self.painted_size(content, size);
        let (finest, painted) = (at(self.settings.side()), at(size));
        let shrink = f64::from(longest(painted)) / f64::from(longest(finest));
        let style = |style: &Picture| {
            let side = self.style_side(style.size(), longest(finest));
            fit(style.size(), scaled(side, shrink), Fit::Long)
        };
        (painted, styles.iter().map(style).collect())
    }

    /// The size of the painted picture at the scale of `size` pixels.
    pub(super) fn painted_size(&self, content: &Picture, size: u32) -> Size {
        let fitted = fit(content.size(), size, self.settings.fit);
        let seamless = self.settings.seamless;
        seamless.map_or(fitted, |seamless| seamless.rounded(fitted))
    }

    /// A style image's longer side: what the settings say; else its own, but no longer than `most`, times the style
    /// scale.
    pub(super) fn style_side(&self, own: Size, most: u32) -> u32 {
        let settings = &self.settings;
        let side = || scaled(longest(own).min(most), settings.style_scale);
        settings.style_size.unwrap_or_else(side)
    }
}

fn longest((width, height): Size) -> u32 {
    width.max(height)
}

pub(super) fn area((width, height): Size) -> f64 {
    f64::from(width) * f64::from(height)
}

/// A length times a factor: at least a pixel.
fn scaled(length: u32, factor: f64) -> u32 {
    ((f64::from(length) * factor).round() as u32).max(1)
}
