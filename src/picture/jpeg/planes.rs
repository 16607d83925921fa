//! From planes of luma and colour differences to RGB, to the bit as libjpeg does it.
//!
//! Its own code for this is fast in assembler only, which would have to be built by NASM; here, rows go to all cores.

use rayon::prelude::*;

use impasto_kernels::prefer_huge_pages;
use impasto_kernels::vectorized;

/// How the differences of a file are subsampled: every second column, every second row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Subsampling {
    pub columns: bool,
    pub rows: bool,
}

/// The samples of one channel, row by row.
pub(super) struct Plane {
    /// Columns and rows that belong to the picture.
    pub size: (usize, usize),
    /// Samples from one row to the next; those beyond the picture's columns do not count.
    pub stride: usize,
    /// At least `stride` for every row.
    pub samples: Vec<u8>,
}

impl Plane {
    fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.stride..][..self.size.0]
    }
}

/// The picture of three planes, one of luma and two of differences, RGB interleaved.
///
/// With subsampled columns the differences have at least three.
///
/// # Panics
/// When there are not three planes.
pub(super) fn to_rgb(planes: &[Plane], subsampling: Subsampling) -> Vec<u8> {
    let [luma, blue, red] = planes else {
        panic!("luma and two differences");
    };
    let (width, height) = luma.size;
    let mut rgb = vec![0; 3 * width * height];
    prefer_huge_pages(&mut rgb);
    rgb.par_chunks_exact_mut(3 * width).enumerate().for_each_init(
        || [Vec::new(), Vec::new()],
        |[full_blue, full_red], (y, rgb)| {
            upsample(blue, y, subsampling, full_blue);
            upsample(red, y, subsampling, full_red);
            convert(luma.row(y), full_blue, full_red, rgb);
        },
    );
    rgb
}

/// Row `y` of the picture of a subsampled plane: three parts of the nearest sample, one of the next, each way.
fn upsample(plane: &Plane, y: usize, subsampling: Subsampling, full: &mut Vec<u8>) {
    full.clear();
    let row = if subsampling.rows { y / 2 } else { y };
    let near = plane.row(row);
    let beside = if y.is_multiple_of(2) {
        row.saturating_sub(1)
    } else {
        (row + 1).min(plane.size.1 - 1)
    };
    match (subsampling.columns, subsampling.rows) {
        (false, false) => full.extend_from_slice(near),
        (false, true) => {
            let rounding = 1 + (y % 2) as u16;
            let pairs = near.iter().zip(plane.row(beside));
            full.extend(
                pairs.map(|(&near, &far)| ((3 * u16::from(near) + u16::from(far) + rounding) >> 2) as u8),
            );
        }
        (true, false) => {
            let sums: Vec<u16> = near.iter().map(|&near| near.into()).collect();
            spread(&sums, [1, 2], 2, full);
        }
        (true, true) => {
            let pairs = near.iter().zip(plane.row(beside));
            let sums: Vec<u16> = pairs
                .map(|(&near, &far)| 3 * u16::from(near) + u16::from(far))
                .collect();
            spread(&sums, [8, 7], 4, full);
        }
    }
}

/// Two samples for each sum: with the one before and the one after, each with its rounding, shifted by `bits`.
fn spread(sums: &[u16], rounding: [u16; 2], bits: u32, full: &mut Vec<u8>) {
    let last = sums.len() - 1;
    full.resize(2 * sums.len(), 0);
    let mut set = |at: usize, before: u16, after: u16| {
        let near = 3 * sums[at];
        full[2 * at] = ((near + before + rounding[0]) >> bits) as u8;
        full[2 * at + 1] = ((near + after + rounding[1]) >> bits) as u8;
    };
    set(0, sums[0], sums[last.min(1)]);
    set(last, sums[last.saturating_sub(1)], sums[last]);
    let inner = full[2..].chunks_exact_mut(2);
    for (pair, sums) in inner.zip(sums.windows(3)) {
        let near = 3 * sums[1];
        pair[0] = ((near + sums[0] + rounding[0]) >> bits) as u8;
        pair[1] = ((near + sums[2] + rounding[1]) >> bits) as u8;
    }
}

vectorized! {
    /// JFIF's conversion, in 16 binary digits after the point.
    fn convert(luma: &[u8], blue: &[u8], red: &[u8], rgb: &mut [u8]) {
        const HALF: i32 = 1 << 15;
        for (((rgb, &y), &b), &r) in rgb.chunks_exact_mut(3).zip(luma).zip(blue).zip(red) {
            let [y, b, r] = [i32::from(y), i32::from(b) - 128, i32::from(r) - 128];
            let light = [
                y + ((91_881 * r + HALF) >> 16),
                y + ((HALF - 22_554 * b - 46_802 * r) >> 16),
                y + ((116_130 * b + HALF) >> 16),
            ];
            for (stored, light) in rgb.iter_mut().zip(light) {
                *stored = light.clamp(0, 255) as u8;
            }
        }
    }
}
