//! What is seen of a picture's edges where it is laid side by side.

use serde::Serialize;

use crate::picture::{Fit, Picture, fit};

/// The longest side in pixels of a picture that is repeated; smaller ones keep their size.
const CELL: u32 = 1024;

/// The seams of a picture along both axes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Seams {
    /// Between the right edge and the left one.
    pub x: Seam,
    /// Between the bottom edge and the top one.
    pub y: Seam,
}

/// The line between opposite edges, among all other lines of the axis: those between a column, or row, and the next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Seam {
    /// The mean absolute difference of the pixels on both sides, in grey levels (0 to 255) of all channels.
    pub difference: f64,
    /// The part of the other lines with a smaller difference, 0 to 1: near 1 where the seam is seen.
    pub rank: f64,
    /// The least difference of the other lines.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

impl Seams {
    /// The seams of a picture.
    pub fn of(picture: &Picture) -> Seams {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let value = |x: usize, y: usize| &picture.rgb()[3 * (y * width + x)..][..3];
        let differ = |one: &[f32], other: &[f32]| -> f64 {
            let channels = one.iter().zip(other);
            channels.map(|(one, other)| f64::from((one - other).abs())).sum()
        };
        let mean = |sum: f64, pixels: usize| sum / (3 * pixels) as f64;
        let columns = (0..width).map(|x| {
            let differences = (0..height).map(|y| differ(value(x, y), value((x + 1) % width, y)));
            mean(differences.sum(), height)
        });
        let rows = (0..height).map(|y| {
            let differences = (0..width).map(|x| differ(value(x, y), value(x, (y + 1) % height)));
            mean(differences.sum(), width)
        });
        Seams {
            x: Seam::among(&columns.collect::<Vec<f64>>()),
            y: Seam::among(&rows.collect::<Vec<f64>>()),
        }
    }
}

impl Seam {
    /// The last of all lines is the seam.
    fn among(lines: &[f64]) -> Seam {
        let (&difference, others) = lines.split_last().expect("a picture has a pixel");
        let smaller = others.iter().filter(|other| **other < difference).count();
        Seam {
            difference,
            rank: smaller as f64 / others.len().max(1) as f64,
            least: others.iter().copied().reduce(f64::min).unwrap_or(0.0),
            most: others.iter().copied().reduce(f64::max).unwrap_or(0.0),
        }
    }
}

/// The picture three times in each of three rows, to look at its seams; each is scaled down to 1024 pixels if it is longer.
pub fn repeated(picture: &Picture) -> Picture {
    let longest = picture.width().max(picture.height());
    let (width, height) = fit(picture.size(), longest.min(CELL), Fit::Long);
    picture.resize(width, height).surrounded((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns of these levels.
    fn columns(levels: &[u8], height: u32) -> Picture {
        let row = levels.iter().flat_map(|level| [f32::from(*level); 3]);
        let rgb = (0..height).flat_map(|_| row.clone()).collect();
        Picture::from_rgb(levels.len() as u32, height, rgb)
    }

    #[test]
    fn a_seam_has_its_place_among_the_other_lines() {
        let Seams { x, y } = Seams::of(&columns(&[10, 12, 15, 16], 5));
        assert_eq!((x.difference, x.rank, x.least, x.most), (6.0, 1.0, 1.0, 3.0));
        assert_eq!((y.difference, y.rank, y.least, y.most), (0.0, 0.0, 0.0, 0.0));
        let x = Seams::of(&columns(&[10, 20, 11, 12], 2)).x;
        assert_eq!((x.difference, x.rank), (2.0, 1.0 / 3.0));
    }

    #[test]
    fn nine_are_laid_side_by_side() {
        let picture = columns(&[0, 100, 200], 2);
        let nine = repeated(&picture);
        assert_eq!(nine.size(), (9, 6));
        assert_eq!(
            [0, 2, 3, 8].map(|x| nine.pixel(x, 5)[0]),
            [0.0, 200.0, 0.0, 200.0]
        );
        assert_eq!(
            repeated(&Picture::filled(2048, 512, [1.0; 3])).size(),
            (3072, 768)
        );
    }
}
