//! Transparency: compositing, and colours for what cannot be seen.

use super::Picture;

/// Below this, of 255, a pixel is taken as wholly transparent: it would be stored as 0.
const TRANSPARENT: f32 = 0.5;

impl Picture {
    /// The picture composited on white, opaque. An opaque picture stays the same, to the bit.
    pub fn on_white(mut self) -> Self {
        let Some(alpha) = self.alpha.take() else {
            return self;
        };
        for (pixel, alpha) in self.rgb.chunks_exact_mut(3).zip(alpha) {
            if alpha < 255.0 {
                pixel
                    .iter_mut()
                    .for_each(|value| *value = 255.0 + (*value - 255.0) * (alpha / 255.0));
            }
        }
        self
    }

    /// Gives wholly transparent pixels the colours of their surroundings.
    ///
    /// What a file stores there is arbitrary, often black; the network would see it and paint it into the edge of
    /// what is visible. Pixels that are visible keep their colour.
    pub(super) fn fill_transparent(mut self) -> Self {
        if let Some(alpha) = &self.alpha
            && alpha.iter().any(|&alpha| alpha < TRANSPARENT)
        {
            let weights = alpha
                .iter()
                .map(|&alpha| if alpha < TRANSPARENT { 0.0 } else { alpha })
                .collect();
            let level = Level {
                width: self.width as usize,
                height: self.height as usize,
                rgb: self.rgb,
                weights,
            };
            self.rgb = level.filled();
        }
        self
    }
}

/// A picture with holes, where the weight is 0.
///
/// Holes are filled from the picture of half the size, in which they are smaller, and so on (pull and push: Gortler
/// et al., The Lumigraph, 1996).
struct Level {
    width: usize,
    height: usize,
    rgb: Vec<f32>,
    weights: Vec<f32>,
}

impl Level {
    /// The colours, holes filled; all white, when there is nothing but holes.
    fn filled(mut self) -> Vec<f32> {
        if !self.weights.contains(&0.0) {
            return self.rgb;
        }
        if self.weights.len() == 1 {
            return vec![255.0; 3];
        }
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let coarse = self.halved().filled();
        for (i, _) in self
            .weights
            .iter()
            .enumerate()
            .filter(|(_, weight)| **weight == 0.0)
        {
            let color = between(&coarse, (width, height), i % self.width, i / self.width);
            self.rgb[3 * i..3 * i + 3].copy_from_slice(&color);
        }
        self.rgb
    }

    /// Every two by two pixels as one: their weighted mean, and the sum of their weights.
    fn halved(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut half = Self {
            width,
            height,
            rgb: vec![0.0; 3 * width * height],
            weights: vec![0.0; width * height],
        };
        for (i, (pixel, &weight)) in self.rgb.chunks_exact(3).zip(&self.weights).enumerate() {
            let to = i / self.width / 2 * width + i % self.width / 2;
            half.weights[to] += weight;
            for (sum, value) in half.rgb[3 * to..3 * to + 3].iter_mut().zip(pixel) {
                *sum += weight * value;
            }
        }
        for (sum, &weight) in half.rgb.chunks_exact_mut(3).zip(&half.weights) {
            if weight > 0.0 {
                sum.iter_mut().for_each(|value| *value /= weight);
            }
        }
        half
    }
}

/// The colour at column `x` and row `y` of a picture twice the size of `coarse`, interpolated linearly.
fn between(coarse: &[f32], (width, height): (usize, usize), x: usize, y: usize) -> [f32; 3] {
    // Two pixels cover one: their centres lie a quarter to the left and to the right of its.
    let neighbours = |at: usize, length: usize| {
        let near = at / 2;
        let far = if at.is_multiple_of(2) {
            near.saturating_sub(1)
        } else {
            (near + 1).min(length - 1)
        };
        [(near, 0.75), (far, 0.25)]
    };
    let mut color = [0.0; 3];
    for (row, of_row) in neighbours(y, height) {
        for (column, of_column) in neighbours(x, width) {
            let first = 3 * (row * width + column);
            for (sum, value) in color.iter_mut().zip(&coarse[first..first + 3]) {
                *sum += of_row * of_column * value;
            }
        }
    }
    color
}

/// Red, green and blue times alpha, and alpha, interleaved: colours weigh as much as they are seen.
pub(super) fn premultiplied(rgb: &[f32], alpha: &[f32]) -> Vec<f32> {
    let weigh = |(pixel, &alpha): (&[f32], &f32)| {
        let weight = alpha / 255.0;
        [pixel[0] * weight, pixel[1] * weight, pixel[2] * weight, alpha]
    };
    rgb.chunks_exact(3).zip(alpha).flat_map(weigh).collect()
}

/// The reverse of [`premultiplied`]: colours, and alpha. Where alpha is next to nothing, the colour is black.
pub(super) fn separated(rgba: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let color = |pixel: &[f32]| {
        let weight = if pixel[3] < TRANSPARENT {
            0.0
        } else {
            255.0 / pixel[3]
        };
        [pixel[0] * weight, pixel[1] * weight, pixel[2] * weight]
    };
    (
        rgba.chunks_exact(4).flat_map(color).collect(),
        rgba.chunks_exact(4).map(|pixel| pixel[3]).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: [f32; 3] = [200.0, 10.0, 20.0];

    /// Red on the left, transparent green on the right.
    fn half_red(width: u32, height: u32) -> Picture {
        let left = |i: u32| i % width < width / 2;
        let count = width * height;
        let rgb = (0..count)
            .flat_map(|i| if left(i) { RED } else { [0.0, 255.0, 0.0] })
            .collect();
        let alpha = (0..count).map(|i| if left(i) { 255.0 } else { 0.0 }).collect();
        Picture::from_rgb(width, height, rgb).with_alpha(alpha)
    }

    fn assert_all_red(picture: &Picture) {
        for pixel in picture.rgb().chunks(3) {
            for (value, wanted) in pixel.iter().zip(RED) {
                assert!((value - wanted).abs() < 1e-2, "{pixel:?}");
            }
        }
    }

    #[test]
    fn what_is_transparent_takes_the_colour_of_its_surroundings() {
        for (width, height) in [(8, 8), (31, 17), (2, 1), (100, 1)] {
            assert_all_red(&half_red(width, height).fill_transparent());
        }
    }

    #[test]
    fn what_is_visible_keeps_its_colour_however_faint() {
        let rgb = vec![1.0, 2.0, 3.0, 40.0, 50.0, 60.0, 0.0, 0.0, 0.0];
        let picture = Picture::from_rgb(3, 1, rgb)
            .with_alpha(vec![1.0, 255.0, 0.0])
            .fill_transparent();
        assert_eq!(picture.rgb()[..6], [1.0, 2.0, 3.0, 40.0, 50.0, 60.0]);
        assert_ne!(picture.pixel(2, 0), [0.0; 3]);
    }

    #[test]
    fn a_hole_between_two_colours_is_filled_with_what_lies_between() {
        let mut rgb = vec![0.0; 3 * 16];
        rgb[45..].fill(255.0);
        let mut alpha = vec![0.0; 16];
        (alpha[0], alpha[15]) = (255.0, 255.0);
        let filled = Picture::from_rgb(16, 1, rgb).with_alpha(alpha).fill_transparent();
        for x in 1..16 {
            assert!(
                filled.pixel(x, 0)[0] >= filled.pixel(x - 1, 0)[0],
                "{:?}",
                filled.rgb()
            );
        }
        assert!(
            filled.pixel(8, 0)[0] > 50.0 && filled.pixel(7, 0)[0] < 205.0,
            "{:?}",
            filled.rgb()
        );
    }

    #[test]
    fn a_picture_of_which_nothing_is_seen_is_white() {
        let picture = Picture::filled(5, 3, [9.0; 3])
            .with_alpha(vec![0.0; 15])
            .fill_transparent();
        assert!(picture.rgb().iter().all(|&value| value == 255.0));
    }

    #[test]
    fn hidden_colours_do_not_bleed_into_the_edge_when_resized() {
        for size in [(5, 4), (13, 7), (40, 40), (3, 1)] {
            let resized = half_red(16, 16).resize(size.0, size.1);
            assert_all_red(&resized);
            let alpha = resized.alpha().unwrap();
            assert_eq!(alpha.len(), (size.0 * size.1) as usize);
            assert!(alpha[0] > 250.0 && alpha[size.0 as usize - 1] < 5.0, "{alpha:?}");
        }
    }

    #[test]
    fn alpha_is_resized_as_a_picture_of_it_would_be() {
        let alpha: Vec<f32> = (0..64).map(|i| (i * 37 % 256) as f32).collect();
        let grey = Picture::from_rgb(8, 8, alpha.iter().flat_map(|&a| [a; 3]).collect()).resize(5, 3);
        let resized = Picture::filled(8, 8, RED).with_alpha(alpha).resize(5, 3);
        for (value, wanted) in resized.alpha().unwrap().iter().zip(grey.rgb().iter().step_by(3)) {
            assert!((value - wanted).abs() < 1e-2, "{value} instead of {wanted}");
        }
    }

    #[test]
    fn compositing_on_white_gives_an_opaque_picture() {
        let picture = half_red(4, 1).on_white();
        assert_eq!(picture.alpha(), None);
        assert_eq!(picture.pixel(0, 0), RED);
        assert_eq!(picture.pixel(3, 0), [255.0; 3]);
    }
}
