//! Pictures: load them from files, turn them upright, resize them, save them.
//!
//! A [`Picture`] holds 32-bit floats on the scale of 8-bit values, so that nothing is rounded between the file that
//! is read and the file that is written: an 8-bit value is an integer, a 16-bit value `v` is `v / 257`.

mod error;
mod load;
mod resize;
mod save;

pub use error::PictureError;
pub use load::{MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE};
pub use resize::{Fit, fit};
pub use save::{JPEG_QUALITY, OutputFormat, check_output};

/// A picture in sRGB: red, green and blue interleaved, row by row from the top left, each from 0 to 255.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<f32>,
}

impl Picture {
    /// Makes a picture of `width` times `height` pixels from interleaved red, green and blue, row by row.
    ///
    /// Values beyond 0 to 255 are clamped; what is not a number becomes 0.
    ///
    /// # Panics
    /// When a side is 0 or `rgb` does not hold `3 * width * height` values.
    pub fn from_rgb(width: u32, height: u32, mut rgb: Vec<f32>) -> Self {
        assert!(width > 0 && height > 0, "a picture has at least one pixel");
        assert_eq!(rgb.len(), 3 * pixel_count(width, height), "three values a pixel");
        clamp(&mut rgb);
        Self { width, height, rgb }
    }

    /// A picture of one colour: red, green and blue from 0 to 255.
    ///
    /// # Panics
    /// When a side is 0.
    pub fn filled(width: u32, height: u32, color: [f32; 3]) -> Self {
        Self::from_rgb(width, height, color.repeat(pixel_count(width, height)))
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
    for value in values {
        *value = if value.is_nan() {
            0.0
        } else {
            value.clamp(0.0, 255.0)
        };
    }
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
    fn a_pixel_is_found_by_column_and_row() {
        let picture = Picture::from_rgb(2, 3, (0..18).map(|v| v as f32).collect());
        assert_eq!(picture.pixel(1, 2), [15.0, 16.0, 17.0]);
        assert_eq!(picture.size(), (2, 3));
    }
}
