//! Total variation: how much each pixel differs from those to its right and below.
//!
//! `sum(w ((x - right)^2 + (x - below)^2)) / 2` over all pixels but the last row and column, for weights `w` of the
//! pixels: the term whose gradient
//! `TVLoss` of J. Johnson's neural-style (2015) adds to the image's.

use super::Size;
use super::parallel::Exec;
use super::simd::{Isa, Simd, SimdOp};

/// The total variation of `x`, `f32[channels, height, width]`, under `guide`, `f32[height, width]`, accurate to some
/// 1e-7; 0 for a single row or column.
///
/// # Panics
///
/// When `x` does not consist of channels of that size, or `guide` is not of that size.
pub fn total_variation(x: &[f32], guide: &[f32], size: Size, isa: Isa, exec: Exec<'_>) -> f64 {
    0.5 * exec.sum(rows(x, guide, size), |row, sum| {
        let lines = Lines::around(x, guide, size, row);
        isa.run(Squares { lines, sum });
    })
}

/// The gradient of `weight` times the total variation of `x` under `guide`, to which `add` is added: `dx`, all of `x`'s
/// length.
///
/// Where the weight is 0, `dx` is `add` to the bit.
///
/// # Panics
///
/// When the lengths do not fit.
#[allow(
    clippy::too_many_arguments,
    reason = "tensors and numbers, each of its own kind"
)]
pub fn total_variation_gradient(
    x: &[f32],
    guide: &[f32],
    size: Size,
    weight: f32,
    add: Option<&[f32]>,
    dx: &mut [f32],
    isa: Isa,
    exec: Exec<'_>,
) {
    rows(x, guide, size);
    assert!(
        dx.len() == x.len() && add.is_none_or(|add| add.len() == x.len()),
        "lengths do not fit"
    );
    exec.par_chunks(dx, size.width, |row, dx| {
        match add {
            Some(add) => dx.copy_from_slice(&add[row * size.width..][..size.width]),
            None => dx.fill(0.0),
        }
        if weight != 0.0 {
            let lines = Lines::around(x, guide, size, row);
            isa.run(Slopes { lines, weight, dx });
        }
    });
}

/// Rows of all channels together.
fn rows(x: &[f32], guide: &[f32], size: Size) -> usize {
    assert!(
        size.area() > 0 && x.len().is_multiple_of(size.area()),
        "x does not fit"
    );
    assert_eq!(guide.len(), size.area(), "the guide does not fit");
    x.len() / size.width
}

/// A row of a channel, those above and below it in the same channel, and the weights of the row and of that above.
#[derive(Clone, Copy)]
struct Lines<'a> {
    above: Option<&'a [f32]>,
    row: &'a [f32],
    below: Option<&'a [f32]>,
    weights: &'a [f32],
    weights_above: Option<&'a [f32]>,
}

impl<'a> Lines<'a> {
    fn around(x: &'a [f32], guide: &'a [f32], size: Size, row: usize) -> Self {
        let line_of = |of: &'a [f32], row: usize| &of[row * size.width..(row + 1) * size.width];
        let line = |row: usize| line_of(x, row);
        let in_channel = row % size.height;
        Self {
            above: (in_channel > 0).then(|| line(row - 1)),
            row: line(row),
            below: (in_channel + 1 < size.height).then(|| line(row + 1)),
            weights: line_of(guide, in_channel),
            weights_above: (in_channel > 0).then(|| line_of(guide, in_channel - 1)),
        }
    }
}

struct Squares<'a> {
    lines: Lines<'a>,
    sum: &'a mut f32,
}

impl SimdOp for Squares<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        const LANES: usize = 64;
        let Lines {
            row, below, weights, ..
        } = self.lines;
        let mut sums = [0.0; LANES];
        if let Some(below) = below {
            let (row, right) = (&row[..row.len() - 1], &row[1..]);
            let steps = row.chunks(LANES).zip(right.chunks(LANES));
            let others = below.chunks(LANES).zip(weights.chunks(LANES));
            for ((row, right), (below, weights)) in steps.zip(others) {
                let pixels = row.iter().zip(right).zip(below).zip(weights);
                for (sum, (((x, right), below), weight)) in sums.iter_mut().zip(pixels) {
                    *sum += weight * ((x - right) * (x - right) + (x - below) * (x - below));
                }
            }
        }
        *self.sum = sums.iter().sum();
    }
}

struct Slopes<'a> {
    lines: Lines<'a>,
    weight: f32,
    dx: &'a mut [f32],
}

impl SimdOp for Slopes<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { lines, weight, dx } = self;
        let Lines {
            above,
            row,
            below,
            weights,
            weights_above,
        } = lines;
        let last = row.len() - 1;
        if let Some(below) = below {
            let pixels = row[..last].iter().zip(&row[1..]).zip(below).zip(weights);
            for (dx, (((x, right), below), here)) in dx.iter_mut().zip(pixels) {
                *dx += weight * here * ((x - right) + (x - below));
            }
            for ((dx, x), (left, there)) in dx[1..].iter_mut().zip(&row[1..]).zip(row.iter().zip(weights)) {
                *dx += weight * there * (x - left);
            }
        }
        if let Some((above, weights)) = above.zip(weights_above) {
            for ((dx, x), (above, there)) in dx[..last].iter_mut().zip(row).zip(above.iter().zip(weights)) {
                *dx += weight * there * (x - above);
            }
        }
    }
}
