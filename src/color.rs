//! Colours: keeping those of the content, and moving those of the style picture towards them.
//!
//! Both ways are those of Gatys, Bethge, Hertzmann and Shechtman, "Preserving Color in Neural Artistic Style
//! Transfer" (2016): luminance-only transfer, here as a last step, and the linear form of colour
//! histogram matching, by means and covariances, a first one.

use serde::{Deserialize, Serialize};

use crate::picture::Picture;

/// Whose colours the result has. As text: `style`, `original` or `match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum ColorMode {
    /// The style picture's.
    #[default]
    Style,
    /// The content's, exactly: see [`original_colors`].
    Original,
    /// Colours like the content's, in the style's manner: see [`match_colors`].
    Match,
}

/// How much red, green and blue count for luma: ITU-R BT.601, as in JPEG's YCbCr and in neural-style.
pub(crate) const LUMA: [f64; 3] = [0.299, 0.587, 0.114];

/// The luma of a colour: 0 to 255.
pub(crate) fn luma(color: &[f32]) -> f32 {
    color
        .iter()
        .zip(LUMA)
        .map(|(value, weight)| value * weight as f32)
        .sum()
}

/// The luma of `result` with the colour of `content`: the brush strokes stay, the colours are the photo's.
///
/// In YCbCr (BT.601), that is: Y from the one, Cb and Cr from the other; neural-style's `-original_colors` does the
/// same, and the paper's YIQ differs from it by a rotation of the two colour axes only. As both colour axes are
/// linear, it comes to shifting the content's red, green and blue by the difference of luma. Where a shifted colour
/// cannot be displayed, clipping would change its hue and its luma; instead it is moved towards grey until it fits.
///
/// The alpha is that of `result`.
///
/// # Panics
/// When the sizes differ.
pub fn original_colors(result: &Picture, content: &Picture) -> Picture {
    assert_eq!(result.size(), content.size(), "both pictures have the same size");
    let pixels = result.rgb().chunks_exact(3).zip(content.rgb().chunks_exact(3));
    let rgb = pixels
        .flat_map(|(painted, photo)| with_luma(photo, luma(painted)))
        .collect();
    Picture::from_rgb(result.width(), result.height(), rgb).with_alpha_of(result)
}

/// The colour with its luma changed to `wanted`: hue kept, as saturated as before if that can be displayed.
fn with_luma(color: &[f32], wanted: f32) -> [f32; 3] {
    let own = luma(color);
    let difference = [color[0] - own, color[1] - own, color[2] - own];
    let room = |d: f32| {
        if d > 0.0 {
            (255.0 - wanted) / d
        } else if d < 0.0 {
            wanted / -d
        } else {
            1.0
        }
    };
    let kept = difference.iter().fold(1.0_f32, |kept, &d| kept.min(room(d)));
    difference.map(|d| wanted + kept * d)
}

/// A colour or a direction of colours, red, green, blue.
type Vector = [f64; 3];
/// A linear map of colours, row by row.
type Matrix = [Vector; 3];

/// The variance, in grey levels squared, below which a direction of colour counts as absent: about what rounding to
/// 8 bits and JPEG leave in a grey picture.
const NOISE: f64 = 1.0;

/// The style picture with its colours moved so that their mean and covariance are those of the content's.
///
/// Each colour x becomes `C^1/2 S^-1/2 (x - mean of the style) + mean of the content`, where C and S are the covariance
/// matrices of the content's and the style's colours and the roots are the symmetric ones: the paper's "image
/// analogies" form, which it prefers to Cholesky's. Pixels count as much as they are seen (alpha).
///
/// A direction in which the style hardly varies (all but one, in a grey picture) is not stretched to the content's
/// variation, which would blow up noise: below a standard deviation of one grey level the factor falls to 0. The
/// result is displayable, so values beyond 0 to 255 are clamped.
pub fn match_colors(style: &Picture, content: &Picture) -> Picture {
    let (from, to) = (Moments::of(style), Moments::of(content));
    let map = product(&to.root(), &from.inverse_root());
    let rgb = style.rgb().chunks_exact(3).flat_map(|pixel| {
        let centred = [0, 1, 2].map(|i| f64::from(pixel[i]) - from.mean[i]);
        let moved = apply(&map, centred);
        [0, 1, 2].map(|i| (moved[i] + to.mean[i]) as f32)
    });
    Picture::from_rgb(style.width(), style.height(), rgb.collect()).with_alpha_of(style)
}

/// The mean and the covariance of a picture's colours, on the scale of 0 to 255.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Moments {
    /// The mean red, green and blue.
    pub mean: Vector,
    /// The covariance of red, green and blue.
    pub covariance: Matrix,
}

impl Moments {
    /// Over all pixels, each with its alpha as weight; with the same weight, when nothing can be seen.
    pub fn of(picture: &Picture) -> Self {
        let visible = picture
            .alpha()
            .filter(|alpha| alpha.iter().any(|&alpha| alpha > 0.0));
        let weight = |i: usize| visible.map_or(1.0, |alpha| f64::from(alpha[i]));
        let pixels = || {
            let colors = picture
                .rgb()
                .chunks_exact(3)
                .map(|pixel| [0, 1, 2].map(|i| f64::from(pixel[i])));
            colors.enumerate().map(|(i, color)| (weight(i), color))
        };
        let total: f64 = pixels().map(|(weight, _)| weight).sum();
        let mut mean = [0.0; 3];
        for (weight, color) in pixels() {
            (0..3).for_each(|i| mean[i] += weight * color[i] / total);
        }
        let mut covariance = [[0.0; 3]; 3];
        for (weight, color) in pixels() {
            let off = [0, 1, 2].map(|i| color[i] - mean[i]);
            for (i, row) in covariance.iter_mut().enumerate() {
                (0..3).for_each(|j| row[j] += weight * off[i] * off[j] / total);
            }
        }
        Self { mean, covariance }
    }

    /// The symmetric square root of the covariance.
    pub fn root(&self) -> Matrix {
        function(&self.covariance, |variance| variance.max(0.0).sqrt())
    }

    /// The inverse of the root, which falls from 1 to 0 where the variance does so.
    fn inverse_root(&self) -> Matrix {
        function(&self.covariance, |variance| {
            let deviation = variance.max(0.0).sqrt();
            if variance >= NOISE {
                1.0 / deviation
            } else {
                deviation / NOISE
            }
        })
    }
}

/// `matrix` times `vector`.
pub(crate) fn apply(matrix: &Matrix, vector: Vector) -> Vector {
    matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    a.map(|row| [0, 1, 2].map(|j| (0..3).map(|k| row[k] * b[k][j]).sum()))
}

/// A function of a symmetric matrix: the same directions, the function of the variances along them.
fn function(matrix: &Matrix, of: impl Fn(f64) -> f64) -> Matrix {
    let (values, vectors) = eigen(*matrix);
    let values = values.map(of);
    let entry = |i: usize, j: usize| (0..3).map(|k| vectors[i][k] * values[k] * vectors[j][k]).sum();
    [0, 1, 2].map(|i| [0, 1, 2].map(|j| entry(i, j)))
}

/// The eigenvalues of a symmetric matrix, and its eigenvectors as columns.
///
/// Jacobi's method: turn in the plane of two axes until the entry for them is 0, for each pair of axes, and again. It
/// is exact to rounding for any symmetric matrix, singular ones included, and needs no case distinctions, other than
/// the closed form for three dimensions. (Golub and Van Loan, Matrix Computations, section 8.5.)
fn eigen(mut matrix: Matrix) -> (Vector, Matrix) {
    const SWEEPS: usize = 12;
    let mut vectors = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for (p, q) in [(0, 1), (0, 2), (1, 2)].repeat(SWEEPS) {
        if matrix[p][q] == 0.0 {
            continue;
        }
        let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * matrix[p][q]);
        let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
        let cosine = 1.0 / tangent.hypot(1.0);
        let sine = tangent * cosine;
        for row in matrix.iter_mut().chain(&mut vectors) {
            (row[p], row[q]) = (cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]);
        }
        let (of_p, of_q) = (matrix[p], matrix[q]);
        for k in 0..3 {
            matrix[p][k] = cosine * of_p[k] - sine * of_q[k];
            matrix[q][k] = sine * of_p[k] + cosine * of_q[k];
        }
    }
    ([matrix[0][0], matrix[1][1], matrix[2][2]], vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Colours that vary in every direction around `mean`, correlated by `mix`; small enough not to be clamped.
    fn colorful(mean: [f32; 3], mix: [[f32; 3]; 3]) -> Picture {
        let noise = |i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as f32 / 255.0 - 0.5;
        let rgb = (0..32 * 32).flat_map(|i| {
            let [a, b, c] = [noise(3 * i), noise(3 * i + 1), noise(3 * i + 2)];
            [0, 1, 2].map(|k| mean[k] + mix[k][0] * a + mix[k][1] * b + mix[k][2] * c)
        });
        Picture::from_rgb(32, 32, rgb.collect())
    }

    fn warm() -> Picture {
        colorful(
            [150.0, 110.0, 80.0],
            [[60.0, 0.0, 10.0], [40.0, 20.0, 0.0], [20.0, 10.0, 15.0]],
        )
    }

    fn cool() -> Picture {
        colorful(
            [80.0, 100.0, 140.0],
            [[20.0, 30.0, 0.0], [0.0, 45.0, 10.0], [5.0, 30.0, 50.0]],
        )
    }

    fn grey() -> Picture {
        let rgb = (0..32 * 32)
            .flat_map(|i: u32| [(i * 37 % 200) as f32; 3])
            .collect();
        Picture::from_rgb(32, 32, rgb)
    }

    fn assert_same_moments(a: &Picture, b: &Picture, tolerance: f64) {
        let (a, b) = (Moments::of(a), Moments::of(b));
        for i in 0..3 {
            assert!((a.mean[i] - b.mean[i]).abs() < tolerance, "{a:?}\n{b:?}");
            for j in 0..3 {
                let off = (a.covariance[i][j] - b.covariance[i][j]).abs();
                assert!(off < tolerance * 10.0, "{a:?}\n{b:?}");
            }
        }
    }

    #[test]
    fn original_colours_have_the_luma_of_the_result() {
        let (result, content) = (grey(), warm());
        let mixed = original_colors(&result, &content);
        for (pixel, wanted) in mixed.rgb().chunks(3).zip(result.rgb().chunks(3)) {
            assert!((luma(pixel) - luma(wanted)).abs() < 1e-2, "{pixel:?} {wanted:?}");
        }
    }

    #[test]
    fn original_colours_are_the_content_s_where_they_can_be_displayed() {
        let content = Picture::filled(1, 1, [150.0, 110.0, 80.0]);
        let mixed = original_colors(&Picture::filled(1, 1, [130.0; 3]), &content).pixel(0, 0);
        let difference = 130.0 - luma(&[150.0, 110.0, 80.0]);
        for (value, original) in mixed.into_iter().zip([150.0, 110.0, 80.0]) {
            assert!((value - original - difference).abs() < 1e-3, "{mixed:?}");
        }
    }

    #[test]
    fn a_colour_that_cannot_be_displayed_loses_saturation_and_keeps_its_hue() {
        let content = Picture::filled(1, 1, [255.0, 0.0, 0.0]);
        let mixed = original_colors(&Picture::filled(1, 1, [200.0; 3]), &content).pixel(0, 0);
        assert!(
            (mixed[0] - 255.0).abs() < 1e-3 && (mixed[1] - mixed[2]).abs() < 1e-3,
            "{mixed:?}"
        );
        assert!((luma(&mixed) - 200.0).abs() < 1e-2, "{mixed:?}");
        for extreme in [0.0, 255.0] {
            let result = Picture::filled(1, 1, [extreme; 3]);
            for (value, wanted) in original_colors(&result, &content)
                .pixel(0, 0)
                .into_iter()
                .zip([extreme; 3])
            {
                assert!((value - wanted).abs() < 1e-3, "{value} instead of {wanted}");
            }
        }
    }

    #[test]
    fn the_original_colours_of_the_content_itself_are_the_content() {
        for (value, wanted) in original_colors(&warm(), &warm()).rgb().iter().zip(warm().rgb()) {
            assert!((value - wanted).abs() < 1e-3);
        }
    }

    #[test]
    fn a_grey_content_makes_the_result_grey() {
        for pixel in original_colors(&warm(), &grey()).rgb().chunks(3) {
            assert!(
                (pixel[0] - pixel[2]).abs() < 1e-3 && (pixel[0] - pixel[1]).abs() < 1e-3,
                "{pixel:?}"
            );
        }
    }

    #[test]
    fn matched_colours_have_the_mean_and_covariance_of_the_content() {
        assert_same_moments(&match_colors(&warm(), &cool()), &cool(), 0.01);
        assert_same_moments(&match_colors(&cool(), &warm()), &warm(), 0.01);
    }

    #[test]
    fn matching_a_picture_with_itself_changes_nothing() {
        for (value, wanted) in match_colors(&warm(), &warm()).rgb().iter().zip(warm().rgb()) {
            assert!((value - wanted).abs() < 1e-2, "{value} instead of {wanted}");
        }
    }

    #[test]
    fn a_colourful_style_matched_to_a_grey_content_is_grey() {
        let matched = match_colors(&warm(), &grey());
        for pixel in matched.rgb().chunks(3) {
            assert!(
                (pixel[0] - pixel[1]).abs() < 1e-2 && (pixel[1] - pixel[2]).abs() < 1e-2,
                "{pixel:?}"
            );
        }
    }

    #[test]
    fn grey_matched_to_grey_has_the_other_s_contrast() {
        let flat = Picture::from_rgb(32, 32, grey().rgb().iter().map(|v| v * 0.5 + 60.0).collect());
        assert_same_moments(&match_colors(&flat, &grey()), &grey(), 0.01);
    }

    #[test]
    fn a_grey_style_matched_to_a_colourful_content_takes_its_mean_and_no_noise_is_blown_up() {
        // Grey with the rounding noise of a JPEG file in its colours.
        let noise = |i: usize| ((i * 7919) % 13) as f32 / 13.0 - 0.5;
        let grey = grey();
        let rgb = grey
            .rgb()
            .iter()
            .enumerate()
            .map(|(i, v)| (v + 20.0 + noise(i) * 0.5).round());
        let style = Picture::from_rgb(32, 32, rgb.collect());
        let matched = match_colors(&style, &warm());
        let wanted = Moments::of(&warm());
        let got = Moments::of(&matched);
        for i in 0..3 {
            assert!((got.mean[i] - wanted.mean[i]).abs() < 0.5, "{got:?} {wanted:?}");
            assert!(
                got.covariance[i][i] <= wanted.covariance[i][i] * 1.05,
                "{got:?} {wanted:?}"
            );
        }
    }

    #[test]
    fn one_colour_on_either_side_gives_numbers_and_the_content_s_mean() {
        let one = Picture::filled(8, 8, [10.0, 200.0, 30.0]);
        for (style, content) in [(&one, &warm()), (&warm(), &one), (&one, &one), (&one, &grey())] {
            let matched = match_colors(style, content);
            assert!(matched.rgb().iter().all(|value| value.is_finite()));
            let (got, wanted) = (Moments::of(&matched).mean, Moments::of(content).mean);
            assert!(
                got.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-2),
                "{got:?} {wanted:?}"
            );
        }
    }

    #[test]
    fn what_is_transparent_does_not_count() {
        let mut rgb = [10.0, 20.0, 30.0, 50.0, 60.0, 90.0].to_vec();
        let seen = Moments::of(&Picture::from_rgb(2, 1, rgb.clone()));
        rgb.extend([255.0, 0.0, 255.0]);
        let picture = Picture::from_rgb(3, 1, rgb).with_alpha(vec![255.0, 255.0, 0.0]);
        assert_eq!(Moments::of(&picture), seen);
    }

    #[test]
    fn the_root_of_a_matrix_squared_is_the_matrix() {
        let matrices = [
            [[4.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 16.0]],
            [
                [900.0, 850.0, 800.0],
                [850.0, 920.0, 870.0],
                [800.0, 870.0, 1000.0],
            ],
            // Of rank one, and nothing.
            [
                [100.0, 200.0, 300.0],
                [200.0, 400.0, 600.0],
                [300.0, 600.0, 900.0],
            ],
            [[0.0; 3]; 3],
            // Equal along two axes.
            [[2.0, 1.0, 1.0], [1.0, 2.0, 1.0], [1.0, 1.0, 2.0]],
        ];
        for matrix in matrices {
            let root = Moments {
                mean: [0.0; 3],
                covariance: matrix,
            }
            .root();
            let squared = product(&root, &root);
            for (got, wanted) in squared.iter().flatten().zip(matrix.iter().flatten()) {
                assert!((got - wanted).abs() < 1e-9 * 1000.0, "{squared:?} {matrix:?}");
            }
        }
    }
}
