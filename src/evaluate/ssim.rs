//! Structural similarity.

use crate::color::LUMA;
use crate::picture::Picture;

/// The side of the window in pixels, and so the smallest side of a picture.
pub const SSIM_WINDOW: usize = 11;

/// The window's standard deviation in pixels.
const SIGMA: f64 = 1.5;
/// The stabilisers: K1 and K2 of the paper, times the range of the values, squared.
const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);
/// The mean structural similarity of the luminance of two pictures of the same size: 1 when they are the same, -1 at
/// least, near 0 when they have no structure in common. None when a side is shorter than [`SSIM_WINDOW`].
///
/// Wang, Bovik, Sheikh, Simoncelli 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity",
/// equation 13, with its Gaussian window of 11 by 11 pixels and its constants, over all places where the window fits.
///
/// # Panics
/// When the sizes differ.
pub fn ssim(a: &Picture, b: &Picture) -> Option<f64> {
    assert_eq!(a.size(), b.size(), "both pictures have the same size");
    if (a.width().min(a.height()) as usize) < SSIM_WINDOW {
        return None;
    }
    let width = a.width() as usize;
    let (a, b) = (luminance(a), luminance(b));
    let weigh = |value: &dyn Fn(f64, f64) -> f64| {
        let values: Vec<f64> = a.iter().zip(&b).map(|(&a, &b)| value(a, b)).collect();
        windowed(&values, width)
    };
    let (mean_a, mean_b) = (weigh(&|a, _| a), weigh(&|_, b| b));
    let (square_a, square_b) = (weigh(&|a, _| a * a), weigh(&|_, b| b * b));
    let product = weigh(&|a, b| a * b);
    let similarities = (0..product.len()).map(|i| {
        let (variance_a, variance_b) = (square_a[i] - mean_a[i].powi(2), square_b[i] - mean_b[i].powi(2));
        let covariance = product[i] - mean_a[i] * mean_b[i];
        (2.0 * mean_a[i] * mean_b[i] + C1) * (2.0 * covariance + C2)
            / ((mean_a[i].powi(2) + mean_b[i].powi(2) + C1) * (variance_a + variance_b + C2))
    });
    Some(similarities.sum::<f64>() / product.len() as f64)
}

fn luminance(picture: &Picture) -> Vec<f64> {
    let luma = |pixel: &[f32]| pixel.iter().zip(LUMA).map(|(&v, k)| f64::from(v) * k).sum();
    picture.rgb().chunks_exact(3).map(luma).collect()
}

/// The weighted means of `values`, rows of `width`, at all places where the window fits.
fn windowed(values: &[f64], width: usize) -> Vec<f64> {
    let window = window();
    let mean = |at: &dyn Fn(usize) -> f64| window.iter().enumerate().map(|(i, weight)| weight * at(i)).sum();
    let across: Vec<f64> = values
        .chunks_exact(width)
        .flat_map(|row| {
            row.windows(SSIM_WINDOW)
                .map(|part| mean(&|i| part[i]))
                .collect::<Vec<f64>>()
        })
        .collect();
    let narrow = width + 1 - SSIM_WINDOW;
    (0..across.len() + narrow - SSIM_WINDOW * narrow)
        .map(|first| mean(&|i| across[first + i * narrow]))
        .collect()
}

/// A Gaussian whose weights add up to 1.
fn window() -> [f64; SSIM_WINDOW] {
    let centre = (SSIM_WINDOW / 2) as f64;
    let weights: [f64; SSIM_WINDOW] =
        std::array::from_fn(|i| (-(i as f64 - centre).powi(2) / (2.0 * SIGMA * SIGMA)).exp());
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture that a script of another language can make as well; all values are whole.
    fn pattern(seed: u32) -> Picture {
        let rgb = (0..29 * 23u32).flat_map(|i| {
            let (x, y) = (i % 29, i / 29);
            [0, 1, 2].map(|channel| ((x * x * (seed + channel) + y * y * 3 + x * y * seed * 7) % 256) as f32)
        });
        Picture::from_rgb(29, 23, rgb.collect())
    }

    #[test]
    fn a_picture_is_wholly_similar_to_itself() {
        let similarity = ssim(&pattern(1), &pattern(1)).unwrap();
        assert!((similarity - 1.0).abs() < 1e-12, "{similarity}");
    }

    #[test]
    fn it_does_not_matter_which_picture_comes_first() {
        let (a, b) = (pattern(1), pattern(2));
        let (there, back) = (ssim(&a, &b).unwrap(), ssim(&b, &a).unwrap());
        assert!((there - back).abs() < 1e-12, "{there} is not {back}");
    }

    #[test]
    fn two_greys_differ_in_luminance_alone() {
        let (a, b) = (100.0, 150.0);
        let wanted = (2.0 * a * b + C1) / (a * a + b * b + C1);
        let flat = |value: f64| Picture::filled(12, 11, [value as f32; 3]);
        let similarity = ssim(&flat(a), &flat(b)).unwrap();
        assert!((similarity - wanted).abs() < 1e-9, "{similarity} is not {wanted}");
    }

    #[test]
    fn a_picture_smaller_than_the_window_has_none() {
        let flat = |width, height| Picture::filled(width, height, [1.0; 3]);
        assert_eq!(ssim(&flat(10, 40), &flat(10, 40)), None);
        assert!(ssim(&flat(11, 40), &flat(11, 40)).is_some());
    }

    /// The wanted values are those of scikit-image 0.26.0, for `pattern` made by numpy (`y, x = np.mgrid[:23, :29]`,
    /// the formula for channels 0 to 2) and `luma = pattern @ [0.299, 0.587, 0.114]`:
    ///
    ///     structural_similarity(luma(1), luma(seed), gaussian_weights=True, sigma=1.5,
    ///                           use_sample_covariance=False, data_range=255)
    #[test]
    fn it_is_what_scikit_image_computes() {
        for (seed, wanted) in [(2, -0.029779501325083824), (5, 0.08282676588510592)] {
            let similarity = ssim(&pattern(1), &pattern(seed)).unwrap();
            assert!((similarity - wanted).abs() < 1e-9, "{similarity} is not {wanted}");
        }
        let halves = pattern(1)
            .rgb()
            .iter()
            .zip(pattern(5).rgb())
            .map(|(a, b)| 0.5 * (a + b))
            .collect();
        let similarity = ssim(&pattern(1), &Picture::from_rgb(29, 23, halves)).unwrap();
        assert!((similarity - 0.6850409831164029).abs() < 1e-9, "{similarity}");
    }
}
