//! Seamless pictures: they go on at their opposite ends, as if each were one of many side by side.

use serde::{Deserialize, Serialize};

use super::{Picture, resize::resize_cropped};

/// What a seamless picture's sides are multiples of, in pixels: a place of the network's deepest layer.
const GRID: u32 = 16;

/// Along which axes a picture goes on at its opposite end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Seamless {
    /// From left to right.
    X,
    /// From top to bottom.
    Y,
    /// Both.
    Both,
}

impl Seamless {
    /// Of an amount for each axis those along which the picture goes on, 0 for the other.
    pub fn along(self, (across, down): (u32, u32)) -> (u32, u32) {
        match self {
            Seamless::X => (across, 0),
            Seamless::Y => (0, down),
            Seamless::Both => (across, down),
        }
    }

    /// The nearest size (width, height) in pixels in which the pools' places join where the picture goes on: multiples of 16.
    pub fn rounded(self, (width, height): (u32, u32)) -> (u32, u32) {
        let rounded = |side: u32| (side.saturating_add(GRID / 2) / GRID * GRID).max(GRID);
        match self {
            Seamless::X => (rounded(width), height),
            Seamless::Y => (width, rounded(height)),
            Seamless::Both => (rounded(width), rounded(height)),
        }
    }
}

/// The pixels, row by row, that a picture of `size` shows with margins of its own opposite ends: so many on the left and on
/// the right, and above and below.
pub(crate) fn surrounded(
    (width, height): (u32, u32),
    (across, down): (u32, u32),
) -> impl Iterator<Item = usize> {
    let shown = |length: u32, margin: u32| -> Vec<usize> {
        let before = length - margin % length;
        let places = before..before + length + 2 * margin;
        places.map(|place| (place % length) as usize).collect()
    };
    let (columns, rows) = (shown(width, across), shown(height, down));
    rows.into_iter().flat_map(move |row| {
        columns
            .clone()
            .into_iter()
            .map(move |column| row * width as usize + column)
    })
}

impl Picture {
    /// The picture with margins of its own opposite ends, without its alpha: so many pixels on the left and on the right, and
    /// above and below. Margins as large as the picture make nine of it.
    pub fn surrounded(&self, margins: (u32, u32)) -> Picture {
        let pixel = |pixel: usize| self.rgb[3 * pixel..][..3].iter().copied();
        let rgb = surrounded(self.size(), margins).flat_map(pixel).collect();
        Picture::from_rgb(self.width + 2 * margins.0, self.height + 2 * margins.1, rgb)
    }

    /// As [`Picture::resize`], without alpha, for a picture that goes on at its opposite ends: so does what comes of it.
    pub fn resize_seamless(&self, seamless: Seamless, width: u32, height: u32) -> Picture {
        // As far as the filter reaches, of two pixels on each side of one of the smaller picture.
        let reach = |from: u32, to: u32| 2 * from.div_ceil(to.max(1)) + 1;
        let margins = seamless.along((reach(self.width, width), reach(self.height, height)));
        resize_cropped(&self.surrounded(margins), margins, (width.max(1), height.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32) -> Picture {
        let value = |i: u32| f32::from(u8::try_from(i * 7919 % 256).unwrap());
        Picture::from_rgb(width, height, (0..3 * width * height).map(value).collect())
    }

    fn part(picture: &Picture, (left, top): (u32, u32), (width, height): (u32, u32)) -> Picture {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (left + x, top + y)));
        let rgb = places.flat_map(|(x, y)| picture.pixel(x, y)).collect();
        Picture::from_rgb(width, height, rgb)
    }

    #[test]
    fn margins_show_the_opposite_ends_as_often_as_they_are_wide() {
        let tile = picture(5, 4);
        for margins in [(0, 0), (2, 1), (5, 4), (13, 9), (3, 0)] {
            let large = tile.surrounded(margins);
            assert_eq!(large.size(), (5 + 2 * margins.0, 4 + 2 * margins.1));
            for (x, y) in (0..large.width()).flat_map(|x| (0..large.height()).map(move |y| (x, y))) {
                let own = ((x + 15 - margins.0 % 5) % 5, (y + 12 - margins.1 % 4) % 4);
                assert_eq!(large.pixel(x, y), tile.pixel(own.0, own.1), "{margins:?} {x} {y}");
            }
        }
    }

    #[test]
    fn a_seamless_picture_is_resized_as_one_of_many() {
        let tile = picture(16, 32);
        for size in [(32, 64), (48, 48), (16, 32), (8, 16), (25, 40)] {
            let many = tile.surrounded(tile.size()).resize(3 * size.0, 3 * size.1);
            let middle = part(&many, size, size);
            let own = tile.resize_seamless(Seamless::Both, size.0, size.1);
            let off = own.rgb().iter().zip(middle.rgb()).map(|(a, b)| (a - b).abs());
            assert!(off.fold(0.0, f32::max) < 1e-2, "{size:?}");
        }
        let across = tile.resize_seamless(Seamless::X, 32, 64);
        let plain = tile.resize(32, 64);
        let inner = |picture: &Picture| part(picture, (8, 0), (16, 64));
        assert_eq!(inner(&across), inner(&plain));
        assert_ne!(across, plain);
    }

    #[test]
    fn sides_that_go_on_are_multiples_of_the_grid() {
        assert_eq!(Seamless::Both.rounded((500, 3)), (496, 16));
        assert_eq!(Seamless::X.rounded((504, 333)), (512, 333));
        assert_eq!(Seamless::Y.rounded((333, 1024)), (333, 1024));
    }
}
