//! Total variation.

use crate::picture::Picture;

/// The mean absolute difference of neighbours, in grey levels (0 to 255): over all pairs of pixels that touch
/// horizontally or vertically, and all three channels. 0 for one colour; for a single pixel as well.
pub fn total_variation(picture: &Picture) -> f64 {
    let row = 3 * picture.width() as usize;
    let rgb = picture.rgb();
    let across = rgb.chunks_exact(row).map(|line| differences(line, 3));
    let (sum, count) = across
        .chain([differences(rgb, row)])
        .fold((0.0, 0), |(sum, count), (more, pairs)| {
            (sum + more, count + pairs)
        });
    sum / (count.max(1) as f64)
}

/// The sum of the absolute differences of values `step` apart, and how many there are.
fn differences(values: &[f32], step: usize) -> (f64, usize) {
    let pairs = values.iter().zip(values.iter().skip(step));
    let sum = pairs.map(|(a, b)| f64::from((a - b).abs())).sum();
    (sum, values.len().saturating_sub(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_colour_has_no_variation_and_neither_has_one_pixel() {
        assert_eq!(total_variation(&Picture::filled(7, 5, [9.0, 200.0, 3.0])), 0.0);
        assert_eq!(total_variation(&Picture::filled(1, 1, [9.0; 3])), 0.0);
    }

    #[test]
    fn a_chessboard_has_all_there_can_be() {
        let squares = (0..5 * 4).flat_map(|i| [if (i % 5 + i / 5) % 2 == 0 { 0.0 } else { 255.0 }; 3]);
        assert_eq!(
            total_variation(&Picture::from_rgb(5, 4, squares.collect())),
            255.0
        );
    }

    #[test]
    fn it_is_the_mean_over_pairs_of_both_directions_and_channels() {
        // Red goes 0, 6 in the first row and 1, 2 in the second; 6 + 1 across, 1 + 4 down, 3 channels of 4 pairs.
        let rgb = [0.0, 6.0, 1.0, 2.0].iter().flat_map(|&red| [red, 0.0, 0.0]);
        let variation = total_variation(&Picture::from_rgb(2, 2, rgb.collect()));
        assert_eq!(variation, 12.0 / 12.0);
    }
}
