//! Several pictures on one, with their names.

use crate::files::escaped;
use crate::picture::{Fit, Picture, fit};
use crate::text;

/// The longest side of a picture on the sheet, in pixels; smaller ones keep their size.
const CELL: u32 = 400;
/// The narrowest column, so that a name has room.
const NARROWEST: u32 = 160;
/// The height of a line of text.
const LABEL: u32 = 26;
/// White between the cells.
const GAP: u32 = 12;

/// A contact sheet: pictures in a grid on white, each with a line of text below it.
#[derive(Debug, Default)]
pub struct Sheet {
    cells: Vec<(String, Picture)>,
}

impl Sheet {
    /// An empty sheet.
    pub fn new() -> Sheet {
        Sheet::default()
    }

    /// Adds a picture, scaled down to 400 pixels if it is longer. Control characters in its label are escaped.
    pub fn add(&mut self, label: impl Into<String>, picture: &Picture) {
        let label = escaped(&label.into()).into_owned();
        let longest = picture.width().max(picture.height());
        let (width, height) = fit(picture.size(), longest.min(CELL), Fit::Long);
        self.cells.push((label, picture.resize(width, height)));
    }

    /// The sheet: row by row in the order of adding, as near to a square as whole rows allow.
    pub fn draw(&self) -> Picture {
        let columns = self.columns();
        let rows = self.cells.len().div_ceil(columns as usize) as u32;
        let size = |side: fn(&Picture) -> u32| {
            self.cells
                .iter()
                .map(|(_, picture)| side(picture))
                .max()
                .unwrap_or(1)
        };
        let (width, height) = (size(Picture::width).max(NARROWEST), size(Picture::height));
        let (step_x, step_y) = (width + GAP, height + LABEL + GAP);
        let mut canvas = Canvas::white(GAP + columns * step_x, GAP + rows * step_y);
        for (index, (label, picture)) in (0u32..).zip(&self.cells) {
            let (left, top) = (GAP + index % columns * step_x, GAP + index / columns * step_y);
            let (margin_x, margin_y) = ((width - picture.width()) / 2, (height - picture.height()) / 2);
            canvas.paste(picture, left + margin_x, top + margin_y);
            canvas.paste(
                &text::line(label, (width, LABEL)),
                left,
                top + margin_y + picture.height(),
            );
        }
        canvas.into_picture()
    }

    /// Up to three stand in one row.
    fn columns(&self) -> u32 {
        match self.cells.len().max(1) as u32 {
            count @ 1..=3 => count,
            count => f64::from(count).sqrt().ceil() as u32,
        }
    }
}

/// A picture that others are pasted on.
struct Canvas {
    width: u32,
    height: u32,
    rgb: Vec<f32>,
}

impl Canvas {
    fn white(width: u32, height: u32) -> Canvas {
        let rgb = vec![255.0; 3 * width as usize * height as usize];
        Canvas { width, height, rgb }
    }

    /// Puts a picture down with its top left corner at column `left` of row `top`; it must fit.
    fn paste(&mut self, picture: &Picture, left: u32, top: u32) {
        let row = 3 * picture.width() as usize;
        for (line, y) in picture.rgb().chunks_exact(row).zip(top as usize..) {
            let first = 3 * (y * self.width as usize + left as usize);
            self.rgb[first..first + row].copy_from_slice(line);
        }
    }

    fn into_picture(self) -> Picture {
        Picture::from_rgb(self.width, self.height, self.rgb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_stand_in_rows_in_their_order_scaled_to_their_cells() {
        let mut sheet = Sheet::new();
        let colors = [
            [200.0, 0.0, 0.0],
            [0.0, 200.0, 0.0],
            [0.0, 0.0, 200.0],
            [90.0, 90.0, 0.0],
        ];
        for color in colors {
            sheet.add("name", &Picture::filled(800, 600, color));
        }
        sheet.add("small", &Picture::filled(50, 20, [7.0, 8.0, 9.0]));
        let drawn = sheet.draw();
        assert_eq!(drawn.size(), (12 + 3 * 412, 12 + 2 * (300 + 26 + 12)));
        let middle = |column: u32, row: u32| drawn.pixel(12 + column * 412 + 200, 12 + row * 338 + 150);
        assert_eq!([middle(0, 0), middle(1, 0), middle(2, 0), middle(0, 1)], colors);
        assert_eq!(middle(1, 1), [7.0, 8.0, 9.0]);
        assert_eq!(middle(2, 1), [255.0; 3]);
        assert_eq!(drawn.pixel(12 + 412 + 200, 12 + 338 + 130), [255.0; 3]);
    }

    #[test]
    fn each_picture_has_a_name_below() {
        let mut sheet = Sheet::new();
        sheet.add("a name", &Picture::filled(200, 100, [255.0; 3]));
        let drawn = sheet.draw();
        let dark = drawn.rgb().iter().filter(|value| **value < 128.0).count();
        assert!(dark > 60, "{dark}");
    }
}
