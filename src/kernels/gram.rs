//! The Gram matrix of a layer's features and its gradient.
//!
//! Gatys, Ecker, Bethge, "Image Style Transfer Using Convolutional Neural Networks" (2016):
//! `G = F transpose(F)`, here divided by the number of pixels; `F` is features x pixels.

use super::parallel::Exec;
use super::product::{BLOCK, Orientation, PANEL, Packed, Panel};
use super::scratch::Output;
use super::simd::{Isa, Job, Simd};
use std::ops::Range;

/// Channels of a band, the rows of the Gram matrix that a task computes.
const BAND: usize = 64;
/// Most pixels whose products are summed in f32; such sums are added in f64.
const PIXELS: usize = 2048;
/// Tasks, bands times ranges of pixels.
const TASKS: usize = 32;
/// Channels of the register block in either direction.
const SIDE: usize = 4;

/// `gram = F transpose(F) / pixels`, f32[channels, channels]; `f`: f32[channels, pixels].
///
/// Accurate to some 1e-7: products are summed in f32 over short ranges of pixels, then in f64.
///
/// # Panics
///
/// When `gram` is not a square or `f` does not fit.
pub fn gram(f: &[f32], gram: &mut [f32], isa: Isa, exec: Exec<'_>) {
    let channels = gram.len().isqrt();
    assert_eq!(channels * channels, gram.len(), "a Gram matrix is a square");
    assert!(channels > 0 && f.len().is_multiple_of(channels), "f does not fit");
    let plan = GramPlan::new(channels, f.len() / channels);
    let mut sums = exec.workspace.take(plan.ranges * channels * channels * 2);
    let sums_of = Output::new(&mut sums);
    exec.parallel.par_for(plan.bands() * plan.ranges, &|task| {
        let mut scratch = exec.workspace.take(GramPlan::SCRATCH);
        let (band, range) = (task % plan.bands(), task / plan.bands());
        let place = (range * channels + band * BAND) * channels * 2;
        let rows = plan.band(band).len();
        // SAFETY: every task has its own part of the sums; a line of the buffer is aligned for f64.
        let sums = unsafe {
            let start = sums_of.at(place, rows * channels * 2).cast::<f64>();
            std::slice::from_raw_parts_mut(start, rows * channels)
        };
        sums.fill(0.0);
        isa.run(BandSums { plan, f, band, range, sums, scratch: &mut scratch });
    });
    // SAFETY: the tasks are done; a line of the buffer is aligned for f64.
    let sums = unsafe {
        std::slice::from_raw_parts(sums.as_ptr().cast::<f64>(), plan.ranges * channels * channels)
    };
    plan.collect(sums, gram);
}

/// How the work is cut: it decides the order of the sums and so depends on the layer only.
#[derive(Clone, Copy)]
struct GramPlan {
    channels: usize,
    pixels: usize,
    /// Ranges of pixels.
    ranges: usize,
}

impl GramPlan {
    /// Two packed bands, of which each row has room for a vector more.
    const SCRATCH: usize = 2 * BAND * Self::STRIDE;
    const STRIDE: usize = PIXELS + 16;

    fn new(channels: usize, pixels: usize) -> Self {
        let most = pixels.div_ceil(PIXELS).max(1);
        Self { channels, pixels, ranges: (TASKS * BAND / channels).clamp(1, most) }
    }

    fn bands(&self) -> usize {
        self.channels.div_ceil(BAND)
    }

    fn band(&self, band: usize) -> Range<usize> {
        band * BAND..((band + 1) * BAND).min(self.channels)
    }

    /// The pixels of a range, in pieces of at most [`PIXELS`].
    fn pieces(&self, range: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let cut = |i: usize| i * self.pixels / self.ranges;
        let (start, end) = (cut(range), cut(range + 1));
        (start..end).step_by(PIXELS).map(move |first| first..(first + PIXELS).min(end))
    }

    /// Adds the ranges' sums, of which only the upper triangle is there.
    fn collect(&self, sums: &[f64], gram: &mut [f32]) {
        let channels = self.channels;
        for i in 0..channels {
            for j in i..channels {
                let parts = (0..self.ranges).map(|range| sums[(range * channels + i) * channels + j]);
                let value = (parts.sum::<f64>() / self.pixels as f64) as f32;
                gram[i * channels + j] = value;
                gram[j * channels + i] = value;
            }
        }
    }
}

/// The products of a band's channels with themselves and with all later ones.
struct BandSums<'a> {
    plan: GramPlan,
    f: &'a [f32],
    band: usize,
    range: usize,
    /// f64[channels of the band, channels]
    sums: &'a mut [f64],
    scratch: &'a mut [f32],
}

impl Job for BandSums<'_> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        let channels = self.plan.channels;
        let (rows, cols) = self.scratch.split_at_mut(GramPlan::SCRATCH / 2);
        for pixels in self.plan.pieces(self.range) {
            let vectors = pixels.len().div_ceil(S::LANES);
            pack(self.f, self.plan, self.plan.band(self.band), &pixels, rows);
            for other in self.band..self.plan.bands() {
                pack(self.f, self.plan, self.plan.band(other), &pixels, cols);
                let (height, width) = (self.plan.band(self.band).len(), self.plan.band(other).len());
                for i in (0..height).step_by(SIDE) {
                    for j in (0..width).step_by(SIDE) {
                        let at = |band: &[f32], row: usize| band[row * GramPlan::STRIDE..].as_ptr();
                        // SAFETY: bands have whole register blocks of rows, and whole vectors.
                        let block = unsafe { dots::<S>(at(rows, i), at(cols, j), vectors) };
                        for r in 0..SIDE.min(height - i) {
                            let place = (i + r) * channels + other * BAND + j;
                            let sums = &mut self.sums[place..place + SIDE.min(width - j)];
                            for (sum, &dot) in sums.iter_mut().zip(&block[r]) {
                                *sum += f64::from(dot);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Copies some pixels of some channels to rows at distance [`GramPlan::STRIDE`]: in the tensor,
/// rows are often a power of two apart and would fall on the same places in the cache.
#[inline(always)]
fn pack(f: &[f32], plan: GramPlan, channels: Range<usize>, pixels: &Range<usize>, band: &mut [f32]) {
    let len = pixels.len();
    for (channel, row) in channels.zip(band.chunks_exact_mut(GramPlan::STRIDE)) {
        let start = channel * plan.pixels + pixels.start;
        row[..len].copy_from_slice(&f[start..start + len]);
        row[len..len.next_multiple_of(16)].fill(0.0);
    }
}

/// The products of 4 rows with 4 rows.
#[inline(always)]
unsafe fn dots<S: Simd>(a: *const f32, b: *const f32, vectors: usize) -> [[f32; SIDE]; SIDE] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[S::splat(0.0); SIDE]; SIDE];
        for v in 0..vectors {
            let mut right = [S::splat(0.0); SIDE];
            for j in 0..SIDE {
                right[j] = S::load(b.add(j * GramPlan::STRIDE + v * S::LANES));
            }
            for i in 0..SIDE {
                let left = S::load(a.add(i * GramPlan::STRIDE + v * S::LANES));
                for j in 0..SIDE {
                    sums[i][j] = S::mul_add(left, right[j], sums[i][j]);
                }
            }
        }
        let mut dots = [[0.0; SIDE]; SIDE];
        for i in 0..SIDE {
            for j in 0..SIDE {
                dots[i][j] = S::sum(sums[i][j]);
            }
        }
        dots
    }
}

/// Values of `f` that a task of [`gram_gradient`] has in cache.
const CACHED: usize = 96 * 1024;
/// Most vectors of pixels of a task.
const MOST_VECTORS: usize = 64;

/// The gradient of the features: `df = coefficient (gram - target) f`, to which `add` is added;
/// all f32[channels, pixels].
///
/// For the term `w mean((gram - target)^2)` with symmetric matrices, `coefficient` is
/// `4 w / (channels^2 pixels)`.
///
/// # Panics
///
/// When a length does not fit.
pub fn gram_gradient(
    f: &[f32],
    gram: &[f32],
    target: &[f32],
    coefficient: f32,
    add: Option<&[f32]>,
    df: &mut [f32],
    isa: Isa,
    exec: Exec<'_>,
) {
    let channels = gram.len().isqrt();
    assert!(channels * channels == gram.len() && gram.len() == target.len(), "gram does not fit");
    assert!(channels > 0 && f.len().is_multiple_of(channels), "f does not fit");
    assert!(df.len() == f.len() && add.is_none_or(|add| add.len() == f.len()), "df does not fit");
    let buffer = exec.workspace.take_buffer(gram.len());
    let matrix = Packed::one(buffer, channels, channels, |row, col| {
        let place = row * channels + col;
        coefficient * (gram[place] - target[place])
    });
    let pixels = f.len() / channels;
    let vectors = (CACHED / channels / isa.lanes()).clamp(PANEL, MOST_VECTORS);
    let part = vectors.next_multiple_of(PANEL) * isa.lanes();
    let df = Output::new(df);
    exec.parallel.par_for(pixels.div_ceil(part), &|task| {
        let range = task * part..((task + 1) * part).min(pixels);
        let mut scratch = exec.workspace.take((channels + BLOCK) * part);
        isa.run(Times { matrix: &matrix, f, add, df, pixels, range, part, scratch: &mut scratch });
    });
    exec.workspace.give_back(matrix.into_buffer());
}

/// `df = matrix f + add` for a range of pixels.
struct Times<'a> {
    matrix: &'a Packed,
    f: &'a [f32],
    add: Option<&'a [f32]>,
    df: Output<'a, f32>,
    pixels: usize,
    range: Range<usize>,
    part: usize,
    scratch: &'a mut [f32],
}

impl Job for Times<'_> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        let channels = self.matrix.depth(Orientation::Plain);
        let wide = PANEL * S::LANES;
        let panels = self.range.len().div_ceil(wide);
        let (vectors, products) = self.scratch.split_at_mut(channels * self.part);
        for (channel, row) in self.f.chunks_exact(self.pixels).enumerate() {
            for (panel, values) in row[self.range.clone()].chunks(wide).enumerate() {
                let place = (panel * channels + channel) * wide;
                vectors[place..place + values.len()].copy_from_slice(values);
            }
        }
        for row in 0..channels.div_ceil(BLOCK) {
            let now = self.matrix.block_row(Orientation::Plain, 0, row);
            let next = self.matrix.block_row(Orientation::Plain, 0, (row + 1) % channels.div_ceil(BLOCK));
            for panel in 0..panels {
                let v = vectors[panel * channels * wide..].as_ptr();
                let out = products[panel * wide..].as_mut_ptr();
                let (row_stride, vector_stride) = (self.part, S::LANES);
                let panel = Panel { v, count: PANEL, out, row_stride, vector_stride, ahead: v };
                // SAFETY: both parts of the scratch memory have room for all panels.
                unsafe { now.multiply::<S>(panel, next) }
            }
            for channel in row * BLOCK..((row + 1) * BLOCK).min(channels) {
                let products = &products[channel % BLOCK * self.part..][..self.range.len()];
                let start = channel * self.pixels + self.range.start;
                // SAFETY: every task has its own pixels.
                let df = unsafe {
                    std::slice::from_raw_parts_mut(self.df.at(start, products.len()), products.len())
                };
                match self.add {
                    None => df.copy_from_slice(products),
                    Some(add) => {
                        let add = &add[start..start + products.len()];
                        for ((df, &product), &add) in df.iter_mut().zip(products).zip(add) {
                            *df = product + add;
                        }
                    }
                }
            }
        }
    }
}
