//! Pictures: load them from files, turn them upright, resize them, save them.
//!
//! A [`Picture`] holds 32-bit floats on the scale of 8-bit values, so that nothing is rounded between the file that
//! is read and the file that is written: an 8-bit value is an integer, a 16-bit value `v` is `v / 257`.

mod alpha;
mod bits;
mod containers;
mod decode;
mod decoded;
mod encode;
mod error;
mod fault;
mod foreign;
mod format;
mod held;
mod jpeg;
mod jxl;
mod load;
pub(crate) mod metadata;
mod profile;
mod raster;
mod resize;
mod save;
mod seamless;
mod tiff;
mod xmp;

use rayon::prelude::*;

pub use bits::Bits;
pub use error::PictureError;
pub use format::{Encoding, OutputFormat, is_picture_name};
pub(crate) use format::{names_of_formats, output_format};
pub use load::{Loaded, MAX_FILE_BYTES, MAX_SIDE, load, load_from, read, size_in_header};
pub(crate) use resize::resize_plane;
pub use resize::{Fit, fit};
pub use save::{check_output, check_output_as, check_output_size};
pub use seamless::Seamless;
pub(crate) use seamless::surrounded;

/// Bytes a pixel of a [`Picture`] without transparency.
pub const BYTES_A_PIXEL: u64 = 12;

/// A picture in sRGB: red, green and blue interleaved, row by row from the top left, each from 0 to 255.
///
/// It may have transparency: alpha, one value a pixel, 0 for transparent to 255 for opaque. Colours are not
/// multiplied by it. Where a picture that was loaded or resized cannot be seen, it has the colours of its
/// surroundings, so that the network, which knows no alpha, sees nothing strange there.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<f32>,
    alpha: Option<Vec<f32>>,
}

impl Picture {
    /// Makes an opaque picture of `width` times `height` pixels from interleaved red, green and blue, row by row.
    ///
    /// Values beyond 0 to 255 are clamped; what is not a number becomes 0.
    ///
    /// # Panics
    /// When a side is 0 or `rgb` does not hold `3 * width * height` values.
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<f32>) -> Self {
        Self::new(width, height, rgb, None)
    }

    fn new(width: u32, height: u32, mut rgb: Vec<f32>, alpha: Option<Vec<f32>>) -> Self {
        assert!(width > 0 && height > 0, "a picture has at least one pixel");
        assert_eq!(rgb.len(), 3 * pixel_count(width, height), "three values a pixel");
        clamp(&mut rgb);
        let picture = Self {
            width,
            height,
            rgb,
            alpha: None,
        };
        match alpha {
            Some(alpha) => picture.with_alpha(alpha),
            None => picture,
        }
    }

    /// A picture of one colour: red, green and blue from 0 to 255.
    ///
    /// # Panics
    /// When a side is 0.
    pub fn filled(width: u32, height: u32, color: [f32; 3]) -> Self {
        Self::from_rgb(width, height, color.repeat(pixel_count(width, height)))
    }

    /// The picture with this alpha, one value a pixel from 0 to 255, row by row. All 255 is the same as none.
    ///
    /// # Panics
    /// When `alpha` does not hold `width * height` values.
    pub fn with_alpha(mut self, mut alpha: Vec<f32>) -> Self {
        assert_eq!(
            alpha.len(),
            pixel_count(self.width, self.height),
            "one alpha a pixel"
        );
        clamp(&mut alpha);
        self.alpha = Some(alpha).filter(|alpha| alpha.iter().any(|&value| value < 255.0));
        self
    }

    /// The picture with the alpha of another one of the same size: opaque, if that is.
    ///
    /// # Panics
    /// When the sizes differ.
    pub fn with_alpha_of(mut self, other: &Self) -> Self {
        assert_eq!(self.size(), other.size(), "both pictures have the same size");
        self.alpha.clone_from(&other.alpha);
        self
    }

    /// Columns: at least 1.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows: at least 1.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// All values, red, green and blue interleaved, row by row from the top left, each from 0 to 255.
    pub fn rgb(&self) -> &[f32] {
        &self.rgb
    }

    /// Alpha, one value a pixel from 0 to 255, row by row; none when the picture is opaque.
    pub fn alpha(&self) -> Option<&[f32]> {
        self.alpha.as_deref()
    }

    /// Red, green and blue at column `x` of row `y`, counted from the top left.
    ///
    /// # Panics
    /// When the pixel lies outside.
    pub fn pixel(&self, x: u32, y: u32) -> [f32; 3] {
        assert!(
            x < self.width && y < self.height,
            "no pixel {x},{y} in a {}x{}",
            self.width,
            self.height
        );
        let first = 3 * (y as usize * self.width as usize + x as usize);
        [self.rgb[first], self.rgb[first + 1], self.rgb[first + 2]]
    }
}

/// The number of pixels of a picture of this size.
fn pixel_count(width: u32, height: u32) -> usize {
    width as usize * height as usize
}

/// Brings every value into 0 to 255; what is not a number becomes 0.
fn clamp(values: &mut [f32]) {
    values.par_iter_mut().for_each(|value| {
        *value = if value.is_nan() {
            0.0
        } else {
            value.clamp(0.0, 255.0)
        };
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_clamped_and_what_is_not_a_number_becomes_black() {
        let picture = Picture::from_rgb(
            2,
            1,
            vec![-1.0, 256.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 7.5],
        );
        assert_eq!(picture.rgb(), [0.0, 255.0, 0.0, 255.0, 0.0, 7.5]);
    }

    #[test]
    fn alpha_of_255_everywhere_is_none() {
        assert_eq!(
            Picture::filled(2, 1, [1.0; 3])
                .with_alpha(vec![255.0, 300.0])
                .alpha(),
            None
        );
        assert_eq!(
            Picture::filled(2, 1, [1.0; 3])
                .with_alpha(vec![-5.0, 300.0])
                .alpha(),
            Some(&[0.0, 255.0][..])
        );
    }

    #[test]
    fn alpha_can_be_taken_from_another_picture() {
        let other = Picture::filled(2, 1, [0.0; 3]).with_alpha(vec![7.0, 255.0]);
        let picture = Picture::filled(2, 1, [9.0; 3]).with_alpha_of(&other);
        assert_eq!((picture.alpha(), picture.pixel(0, 0)), (other.alpha(), [9.0; 3]));
    }

    #[test]
    fn a_pixel_is_found_by_column_and_row() {
        let picture = Picture::from_rgb(2, 3, (0..18).map(|v| v as f32).collect());
        assert_eq!(picture.pixel(1, 2), [15.0, 16.0, 17.0]);
        assert_eq!(picture.size(), (2, 3));
    }
}
