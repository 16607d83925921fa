//! Resizing, and the size that a picture is to have.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};

use serde::{Deserialize, Serialize};

use super::{
    Picture,
    alpha::{premultiplied, separated},
    pixel_count,
};

/// Which side of a picture a wanted length is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Fit {
    /// The longer side gets the length: the picture fits into a square.
    #[default]
    Long,
    /// The shorter side gets the length: the picture covers a square (torchvision's `Resize(length)`).
    Short,
}

/// The width and height that bring one side of `size` to `target` pixels and keep the aspect.
///
/// The other side is rounded to the nearest pixel, halves up, and is at least 1.
///
/// # Panics
/// When a side of `size` is 0.
pub fn fit((width, height): (u32, u32), target: u32, fit: Fit) -> (u32, u32) {
    let by_width = match fit {
        Fit::Long => width >= height,
        Fit::Short => width <= height,
    };
    let target = target.max(1);
    if by_width {
        (target, scaled(height, target, width))
    } else {
        (scaled(width, target, height), target)
    }
}

/// `length * numerator / denominator`, rounded to the nearest, at least 1.
fn scaled(length: u32, numerator: u32, denominator: u32) -> u32 {
    let denominator = u64::from(denominator);
    let rounded = (u64::from(length) * u64::from(numerator) + denominator / 2) / denominator;
    u32::try_from(rounded).unwrap_or(u32::MAX).max(1)
}

impl Picture {
    /// The picture resampled to `width` times `height` pixels (0 counts as 1); its own size gives an exact copy.
    ///
    /// The filter is Catmull-Rom's cubic, widened when it shrinks, so that nothing aliases. It is nearly as sharp as
    /// Lanczos 3 and rings less: a halo along an edge is something that the network sees and paints. Values are
    /// taken as they are coded, not linearised: what the networks were trained on was resized like that, too.
    /// Colours weigh as much as they are seen, so what is transparent does not bleed into an edge.
    pub fn resize(&self, width: u32, height: u32) -> Self {
        let size = (width.max(1), height.max(1));
        if self.size() == size {
            return self.clone();
        }
        let Some(alpha) = &self.alpha else {
            return Self::from_rgb(
                size.0,
                size.1,
                resample(
                    &self.rgb,
                    self.size(),
                    size,
                    (PixelType::F32x3, FilterType::CatmullRom),
                    None,
                ),
            );
        };
        let resized = resample(
            &premultiplied(&self.rgb, alpha),
            self.size(),
            size,
            (PixelType::F32x4, FilterType::CatmullRom),
            None,
        );
        let (rgb, alpha) = separated(&resized);
        Self::new(size.0, size.1, rgb, Some(alpha)).fill_transparent()
    }
}

/// One value a pixel, never beyond the values there are: interpolated linearly, or the mean where it shrinks.
pub(crate) fn resize_plane(values: &[f32], from: (u32, u32), to: (u32, u32)) -> Vec<f32> {
    if from == to {
        return values.to_vec();
    }
    let filter = match to.0 < from.0 {
        true => FilterType::Box,
        false => FilterType::Bilinear,
    };
    resample(values, from, to, (PixelType::F32, filter), None)
}

/// What lies within the margins (left and right, above and below) resampled to `size`, by all of the picture but its alpha:
/// what is in the margins counts where the filter reaches.
pub(super) fn resize_cropped(picture: &Picture, margins: (u32, u32), size: (u32, u32)) -> Picture {
    let pixel = (PixelType::F32x3, FilterType::CatmullRom);
    let rgb = resample(&picture.rgb, picture.size(), size, pixel, Some(margins));
    Picture::from_rgb(size.0, size.1, rgb)
}

/// Resamples interleaved values, or what of them lies within margins; `pixel` says how many a pixel has.
fn resample(
    values: &[f32],
    from: (u32, u32),
    to: (u32, u32),
    (pixel, filter): (PixelType, FilterType),
    margins: Option<(u32, u32)>,
) -> Vec<f32> {
    let channels = values.len() / pixel_count(from.0, from.1);
    let mut resized = vec![0.0_f32; channels * pixel_count(to.0, to.1)];
    let source =
        ImageRef::new(from.0, from.1, bytemuck::cast_slice(values), pixel).expect("the lengths agree");
    let mut target = Image::from_slice_u8(to.0, to.1, bytemuck::cast_slice_mut(&mut resized), pixel)
        .expect("the lengths agree");
    let mut options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(filter))
        .use_alpha(false);
    if let Some((across, down)) = margins {
        let [left, top] = [across, down].map(f64::from);
        let (width, height) = (f64::from(from.0) - 2.0 * left, f64::from(from.1) - 2.0 * top);
        options = options.crop(left, top, width, height);
    }
    Resizer::new()
        .resize(&source, &mut target, &options)
        .expect("both images have the same kind of pixel");
    resized
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture whose values are the answers of `value(x, y, channel)`.
    fn picture(width: u32, height: u32, value: impl Fn(u32, u32, u32) -> f32) -> Picture {
        let rgb = (0..width * height * 3)
            .map(|i| value(i / 3 % width, i / 3 / width, i % 3))
            .collect();
        Picture::from_rgb(width, height, rgb)
    }

    #[test]
    fn the_long_or_the_short_side_gets_the_wanted_length() {
        assert_eq!(fit((1024, 768), 512, Fit::Long), (512, 384));
        assert_eq!(fit((768, 1024), 512, Fit::Long), (384, 512));
        assert_eq!(fit((1024, 768), 512, Fit::Short), (683, 512));
        assert_eq!(fit((768, 1024), 512, Fit::Short), (512, 683));
        assert_eq!(fit((100, 100), 512, Fit::Long), (512, 512));
        assert_eq!(fit((100, 100), 512, Fit::Short), (512, 512));
    }

    #[test]
    fn the_other_side_is_rounded_halves_up_and_never_vanishes() {
        assert_eq!(fit((4, 3), 2, Fit::Long), (2, 2));
        assert_eq!(fit((3, 2), 5, Fit::Long), (5, 3));
        assert_eq!(fit((4000, 1), 100, Fit::Long), (100, 1));
        assert_eq!(fit((1, 32_768), u32::MAX, Fit::Short), (u32::MAX, u32::MAX));
        assert_eq!(fit((7, 5), 0, Fit::Long), (1, 1));
    }

    #[test]
    fn a_picture_of_the_wanted_size_already_is_not_resampled() {
        let original = picture(5, 3, |x, y, c| (x * 31 + y * 17 + c * 97) as f32 % 256.0);
        assert_eq!(original.resize(5, 3), original);
    }

    #[test]
    fn one_colour_stays_that_colour_at_any_size() {
        let original = Picture::filled(7, 5, [255.0, 100.0, 0.0]);
        for (width, height) in [(1, 1), (3, 11), (64, 48), (7, 1)] {
            let resized = original.resize(width, height);
            assert_eq!(resized.size(), (width, height));
            for pixel in resized.rgb().chunks(3) {
                for (value, wanted) in pixel.iter().zip([255.0, 100.0, 0.0]) {
                    assert!((value - wanted).abs() < 1e-3, "{value} instead of {wanted}");
                }
            }
        }
    }

    #[test]
    fn shrinking_averages_instead_of_aliasing() {
        let stripes = picture(64, 64, |x, _, _| if x % 2 == 0 { 255.0 } else { 0.0 });
        let resized = stripes.resize(16, 16);
        // The filter at the border sees one stripe more of one kind.
        for x in 2..14 {
            assert!(
                (resized.pixel(x, 8)[1] - 127.5).abs() < 3.0,
                "{:?}",
                resized.pixel(x, 8)
            );
        }
    }

    #[test]
    fn enlarging_a_ramp_gives_a_ramp_with_every_channel_in_its_place() {
        let ramp = picture(16, 4, |x, _, c| (10 * x + c) as f32);
        let resized = ramp.resize(32, 8);
        for x in 4..28 {
            for (c, value) in resized.pixel(x, 4).into_iter().enumerate() {
                // The centre of pixel x lies at (x + 0.5) / 2 - 0.5 in the original.
                let wanted = 10.0 * ((x as f32 + 0.5) / 2.0 - 0.5) + c as f32;
                assert!((value - wanted).abs() < 0.01, "{value} instead of {wanted}");
            }
        }
    }

    #[test]
    fn overshoot_at_a_hard_edge_stays_within_0_to_255() {
        let edge = picture(8, 8, |x, _, _| if x < 4 { 0.0 } else { 255.0 });
        assert!(
            edge.resize(40, 40)
                .rgb()
                .iter()
                .all(|value| (0.0..=255.0).contains(value))
        );
    }
}
