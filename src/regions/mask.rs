//! How much each pixel of a picture belongs to a region.

use std::collections::HashMap;

use ndarray::Array2;

use super::source::Rgb;
use crate::color::luma;
use crate::picture::{Picture, resize_plane};

/// How far a pixel may be from a colour and still be of it, in grey levels of each channel: what lossy files leave.
const TOLERANCE: f32 = 16.0;

/// How much each pixel belongs to a region, in steps of 1/255, at the mask's own size.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    size: (u32, u32),
    /// Row by row, whole numbers from 0, not at all, to 255.
    levels: Vec<f32>,
}

impl Mask {
    /// The alpha of a picture that is transparent somewhere; else its luma, from black, not at all, to white.
    pub fn of(picture: &Picture) -> Mask {
        let levels = match picture.alpha() {
            Some(alpha) => alpha.iter().map(|alpha| alpha.round()).collect(),
            None => picture
                .rgb()
                .chunks_exact(3)
                .map(|pixel| luma(pixel).round())
                .collect(),
        };
        Mask {
            size: picture.size(),
            levels,
        }
    }

    /// The pixels of one colour of a map; none if there are none.
    pub fn of_color(map: &Picture, Rgb(color): Rgb) -> Option<Mask> {
        let is_near = |pixel: &[f32]| {
            let mut channels = pixel.iter().zip(color);
            channels.all(|(value, wanted)| (value - f32::from(wanted)).abs() <= TOLERANCE)
        };
        let level = |pixel: &[f32]| if is_near(pixel) { 255.0 } else { 0.0 };
        let mask = Mask {
            size: map.size(),
            levels: map.rgb().chunks_exact(3).map(level).collect(),
        };
        (!mask.is_empty()).then_some(mask)
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Whether no pixel belongs.
    pub fn is_empty(&self) -> bool {
        self.levels.iter().all(|&level| level == 0.0)
    }

    /// The mask of a picture of `size` (width, height): `[height, width]`, 0 to 1; nothing rings beyond an
    /// edge.
    pub(crate) fn at(&self, size: (u32, u32)) -> Array2<f32> {
        let levels = resize_plane(&self.levels, self.size, size);
        let levels = levels.iter().map(|level| level.round() / 255.0).collect();
        Array2::from_shape_vec((size.1 as usize, size.0 as usize), levels).expect("a level a pixel")
    }
}

/// The colours that most pixels of a map have, with a comma between: at most eight.
pub(super) fn colors_of(map: &Picture) -> String {
    let mut counts: HashMap<[u8; 3], usize> = HashMap::new();
    for pixel in map.rgb().chunks_exact(3) {
        let color = [0, 1, 2].map(|channel| pixel[channel].round() as u8);
        *counts.entry(color).or_default() += 1;
    }
    let mut counts: Vec<([u8; 3], usize)> = counts.into_iter().collect();
    counts.sort_by_key(|&(color, count)| (std::cmp::Reverse(count), color));
    let names = counts.iter().take(8).map(|(color, _)| Rgb(*color).to_string());
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripes() -> Picture {
        let colors = [
            [255.0, 0.0, 0.0],
            [250.0, 8.0, 0.0],
            [0.0, 0.0, 255.0],
            [255.0; 3],
        ];
        Picture::from_rgb(4, 1, colors.concat())
    }

    #[test]
    fn a_mask_is_grey_or_alpha_or_a_colour() {
        let grey = Picture::from_rgb(3, 1, [[0.0; 3], [51.0; 3], [255.0; 3]].concat());
        let alpha = grey.clone().with_alpha(vec![255.0, 0.0, 102.0]);
        let values = |mask: Mask| mask.at((3, 1)).into_raw_vec_and_offset().0;
        assert_eq!(values(Mask::of(&grey)), [0.0, 0.2, 1.0]);
        assert_eq!(values(Mask::of(&alpha)), [1.0, 0.0, 0.4]);
        let red = Mask::of_color(&stripes(), Rgb([255, 0, 0])).unwrap();
        assert_eq!(red.at((4, 1)).into_raw_vec_and_offset().0, [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(Mask::of_color(&stripes(), Rgb([0, 255, 0])), None);
        assert_eq!(colors_of(&stripes()), "0000ff, fa0800, ff0000, ffffff");
    }

    #[test]
    fn white_stays_white_in_any_size_and_nothing_rings() {
        let white = Mask::of(&Picture::filled(7, 5, [255.0; 3]));
        for size in [(7, 5), (3, 2), (20, 14)] {
            assert!(white.at(size).iter().all(|&value| value == 1.0), "{size:?}");
        }
        let mut rgb = vec![0.0; 3 * 16 * 16];
        rgb[..3 * 16 * 8].fill(255.0);
        let half = Mask::of(&Picture::from_rgb(16, 16, rgb)).at((8, 8));
        for ((row, _), value) in half.indexed_iter() {
            assert_eq!(*value, if row < 4 { 1.0 } else { 0.0 });
        }
    }
}
