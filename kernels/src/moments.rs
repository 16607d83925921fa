//! Sums over the places of a layer: of the products of its features, and of the features themselves.
//!
//! Divided by the number of places, the former are the Gram matrix of Gatys, Ecker, Bethge, "Image Style Transfer Using
//! Convolutional Neural Networks" (2016), the latter the means.

use super::gemm::vector::BLOCK;
use super::guide::Guide;
use super::parallel::Exec;
use super::scratch::Output;
use super::simd::{Isa, Simd, SimdOp};
use std::ops::Range;

/// Channels of a band, the rows of the products that a task computes.
const BAND: usize = 128;
/// Most pixels whose products are summed in f32; such sums are added in f64.
const PIXELS: usize = 1024;
/// Most features that are summed in f32; likewise.
const PIECE: usize = 4096;
/// Tasks, bands times ranges of pixels.
const TASKS: usize = 16;
/// Pixels that are left out together where none of them counts: whole vectors of any instruction set.
const GROUP: usize = 16;
/// Rows of the register block.
const HEIGHT: usize = 4;
/// Rows of the products that are finished at a time, and its columns.
const SQUARE: usize = 32;

/// For the features `F` of the places and their weights `w`, `products = sum(w F transpose(F))`,
/// `f32[channels, channels]`, and `sums = sum(w F)`, `f32[channels]`, where they are wanted; `f`:
/// `f32[channels, places]`.
///
/// Accurate to some 1e-7: what is added is summed in f32 over short ranges of places, then in f64.
///
/// # Panics
///
/// When `products` is not a square, or `f`, `guide` or `sums` does not fit.
pub fn moments(
    f: &[f32],
    guide: Guide<'_>,
    products: &mut [f32],
    sums: Option<&mut [f32]>,
    isa: Isa,
    exec: Exec<'_>,
) {
    let channels = products.len().isqrt();
    assert_eq!(channels * channels, products.len(), "products are a square");
    assert!(channels > 0 && f.len().is_multiple_of(channels), "f does not fit");
    let pixels = f.len() / channels;
    assert!(guide.fits(pixels), "the guide does not fit");
    sum_products(f, guide, products, ProductPlan::new(channels, pixels), isa, exec);
    if let Some(sums) = sums {
        assert_eq!(sums.len(), channels, "sums do not fit");
        exec.par_chunks(sums, 1, |channel, sum| {
            let f = &f[channel * pixels..(channel + 1) * pixels];
            sum[0] = sum_features(f, guide, isa) as f32;
        });
    }
}

/// Of the features of a channel.
fn sum_features(f: &[f32], guide: Guide<'_>, isa: Isa) -> f64 {
    let piece = |first: usize| {
        let range = first..(first + PIECE).min(f.len());
        let (f, guide, mut sum) = (&f[range.clone()], guide.part(&range), 0.0);
        isa.run(FeatureSum {
            f,
            guide,
            sum: &mut sum,
        });
        f64::from(sum)
    };
    (0..f.len()).step_by(PIECE).map(piece).sum()
}

struct FeatureSum<'a> {
    f: &'a [f32],
    guide: Guide<'a>,
    sum: &'a mut f32,
}

impl SimdOp for FeatureSum<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        const LANES: usize = 64;
        let mut sums = [0.0; LANES];
        match self.guide {
            Guide::Whole => {
                for f in self.f.chunks(LANES) {
                    for (sum, f) in sums.iter_mut().zip(f) {
                        *sum += f;
                    }
                }
            }
            Guide::Weights(weights) => {
                for (f, weights) in self.f.chunks(LANES).zip(weights.chunks(LANES)) {
                    for ((sum, f), weight) in sums.iter_mut().zip(f).zip(weights) {
                        *sum += weight * f;
                    }
                }
            }
        }
        *self.sum = sums.iter().sum();
    }
}

fn sum_products(
    f: &[f32],
    guide: Guide<'_>,
    products: &mut [f32],
    plan: ProductPlan,
    isa: Isa,
    exec: Exec<'_>,
) {
    let channels = plan.channels;
    let mut sums = exec.workspace.take(plan.ranges * channels * channels * 2);
    let sums_of = Output::new(&mut sums);
    exec.parallel.par_for(plan.bands() * plan.ranges, &|task| {
        let mut scratch = exec.workspace.take(ProductPlan::SCRATCH);
        let (band, range) = (task % plan.bands(), task / plan.bands());
        let place = (range * channels + band * BAND) * channels * 2;
        let rows = plan.band(band).len();
        // SAFETY: every task has its own part of the sums; a line of the buffer is aligned for f64.
        let sums = unsafe {
            let start = sums_of.at(place, rows * channels * 2).cast::<f64>();
            std::slice::from_raw_parts_mut(start, rows * channels)
        };
        for row in sums.chunks_exact_mut(channels) {
            row[band * BAND..].fill(0.0);
        }
        isa.run(BandSums {
            plan,
            f,
            guide,
            band,
            range,
            sums,
            scratch: &mut scratch,
        });
    });
    // SAFETY: the tasks are done; a line of the buffer is aligned for f64.
    let sums =
        unsafe { std::slice::from_raw_parts(sums.as_ptr().cast::<f64>(), plan.ranges * channels * channels) };
    exec.par_chunks(products, SQUARE * channels, |tile, rows| {
        plan.collect(sums, tile, rows)
    });
}

/// How the work is cut: it decides the order of the sums and so depends on the layer only.
#[derive(Clone, Copy)]
struct ProductPlan {
    channels: usize,
    pixels: usize,
    /// Ranges of pixels.
    ranges: usize,
}

impl ProductPlan {
    /// Two packed bands, of which each row has room for a vector more.
    const SCRATCH: usize = 2 * BAND * Self::STRIDE;
    const STRIDE: usize = PIXELS + 16;

    fn new(channels: usize, pixels: usize) -> Self {
        let most = pixels.div_ceil(PIXELS).max(1);
        Self {
            channels,
            pixels,
            ranges: (TASKS * BAND / channels).clamp(1, most),
        }
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
        (start..end)
            .step_by(PIXELS)
            .map(move |first| first..(first + PIXELS).min(end))
    }

    /// Adds the ranges' sums to [`SQUARE`] rows of the matrix, square by square.
    ///
    /// Only the upper triangle of the sums is there; squares below it are mirrored.
    fn collect(&self, sums: &[f64], tile: usize, rows: &mut [f32]) {
        let (channels, first) = (self.channels, tile * SQUARE);
        for other in (0..channels).step_by(SQUARE) {
            let (top, left) = (first.min(other), first.max(other));
            for i in 0..SQUARE.min(channels - top) {
                let totals = self.totals(sums, top + i, left);
                let begin = if first == other { i } else { 0 };
                for j in begin..SQUARE.min(channels - left) {
                    if first <= other {
                        rows[i * channels + other + j] = totals[j];
                    }
                    if other <= first {
                        rows[j * channels + other + i] = totals[j];
                    }
                }
            }
        }
    }

    /// The ranges' sums over all pixels, in row `row` from column `col` on.
    fn totals(&self, sums: &[f64], row: usize, col: usize) -> [f32; SQUARE] {
        let len = SQUARE.min(self.channels - col);
        let mut totals = [0.0; SQUARE];
        for range in 0..self.ranges {
            let place = (range * self.channels + row) * self.channels + col;
            for (total, sum) in totals.iter_mut().zip(&sums[place..place + len]) {
                *total += sum;
            }
        }
        totals.map(|total| total as f32)
    }
}

/// The products of a band's channels with themselves and with all later ones.
struct BandSums<'a> {
    plan: ProductPlan,
    f: &'a [f32],
    guide: Guide<'a>,
    band: usize,
    range: usize,
    /// `f64[channels of the band, channels]`
    sums: &'a mut [f64],
    scratch: &'a mut [f32],
}

impl SimdOp for BandSums<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let scratch = std::mem::take(&mut self.scratch);
        let (rows, cols) = scratch.split_at_mut(ProductPlan::SCRATCH / 2);
        for pixels in self.plan.pieces(self.range) {
            let pixels = self.guide.counting(&pixels, GROUP);
            let count: usize = pixels.iter().map(Range::len).sum();
            if count == 0 {
                continue;
            }
            let vectors = count.div_ceil(S::LANES);
            pack(self.f, self.plan, self.plan.band(self.band), &pixels, rows);
            weigh(rows, self.guide, &pixels);
            for other in self.band..self.plan.bands() {
                // Rows that are weighted are no columns.
                let cols = match (other == self.band, self.guide) {
                    (true, Guide::Whole) => &*rows,
                    _ => {
                        pack(self.f, self.plan, self.plan.band(other), &pixels, cols);
                        &*cols
                    }
                };
                self.add(simd, other, vectors, rows, cols);
            }
        }
    }
}

impl BandSums<'_> {
    /// Adds the products with a band; with the band itself, only the upper triangle.
    #[inline(always)]
    fn add<S: Simd>(&mut self, simd: S, other: usize, vectors: usize, rows: &[f32], cols: &[f32]) {
        if S::ROWS == BLOCK {
            self.add_blocks::<_, 4>(simd, other, vectors, rows, cols);
        } else {
            self.add_blocks::<_, 2>(simd, other, vectors, rows, cols);
        }
    }

    #[inline(always)]
    fn add_blocks<S: Simd, const WIDTH: usize>(
        &mut self,
        simd: S,
        other: usize,
        vectors: usize,
        rows: &[f32],
        cols: &[f32],
    ) {
        let (height, width) = (self.plan.band(self.band).len(), self.plan.band(other).len());
        for i in (0..height).step_by(HEIGHT) {
            let first = if self.band == other { i / WIDTH * WIDTH } else { 0 };
            for j in (first..width).step_by(WIDTH) {
                let at = |band: &[f32], row: usize| band[row * ProductPlan::STRIDE..].as_ptr();
                // SAFETY: bands have room for whole register blocks of rows, and whole vectors.
                let block = unsafe { dots::<_, WIDTH>(simd, at(rows, i), at(cols, j), vectors) };
                for r in 0..HEIGHT.min(height - i) {
                    let place = (i + r) * self.plan.channels + other * BAND + j;
                    let sums = &mut self.sums[place..place + WIDTH.min(width - j)];
                    for (sum, &dot) in sums.iter_mut().zip(&block[r]) {
                        *sum += f64::from(dot);
                    }
                }
            }
        }
    }
}

/// Copies some pixels of some channels to rows at distance [`ProductPlan::STRIDE`], one range after the other: in the
/// tensor, rows are often a power of two apart and would fall on the same places in the cache.
#[inline(always)]
fn pack(f: &[f32], plan: ProductPlan, channels: Range<usize>, pixels: &[Range<usize>], band: &mut [f32]) {
    for (channel, row) in channels.zip(band.chunks_exact_mut(ProductPlan::STRIDE)) {
        let f = &f[channel * plan.pixels..(channel + 1) * plan.pixels];
        let mut len = 0;
        for pixels in pixels {
            row[len..len + pixels.len()].copy_from_slice(&f[pixels.clone()]);
            len += pixels.len();
        }
        row[len..len.next_multiple_of(GROUP)].fill(0.0);
    }
}

/// Multiplies every row of a band by the weights of its pixels.
#[inline(always)]
fn weigh(band: &mut [f32], guide: Guide<'_>, pixels: &[Range<usize>]) {
    let Guide::Weights(weights) = guide else {
        return;
    };
    for row in band.chunks_exact_mut(ProductPlan::STRIDE) {
        let mut rest = row;
        for pixels in pixels {
            let (values, after) = rest.split_at_mut(pixels.len());
            for (value, weight) in values.iter_mut().zip(&weights[pixels.clone()]) {
                *value *= weight;
            }
            rest = after;
        }
    }
}

/// The products of `HEIGHT` rows with `WIDTH` rows.
#[inline(always)]
unsafe fn dots<S: Simd, const WIDTH: usize>(
    simd: S,
    a: *const f32,
    b: *const f32,
    vectors: usize,
) -> [[f32; WIDTH]; HEIGHT] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[simd.splat(0.0); WIDTH]; HEIGHT];
        for v in 0..vectors {
            add_dots::<_, WIDTH>(simd, &mut sums, a.add(v * S::LANES), b.add(v * S::LANES));
        }
        // Read back from memory: summing lanes right away makes compilers shuffle registers in
        // the loop.
        let sums = std::hint::black_box(&sums);
        let mut dots = [[0.0; WIDTH]; HEIGHT];
        for i in 0..HEIGHT {
            for j in 0..WIDTH {
                dots[i][j] = simd.sum(sums[i][j]);
            }
        }
        dots
    }
}

/// Adds the products of a vector of each row.
#[inline(always)]
unsafe fn add_dots<S: Simd, const WIDTH: usize>(
    simd: S,
    sums: &mut [[S::V; WIDTH]; HEIGHT],
    a: *const f32,
    b: *const f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut right = [simd.splat(0.0); WIDTH];
        for j in 0..WIDTH {
            right[j] = simd.load(b.add(j * ProductPlan::STRIDE));
        }
        for i in 0..HEIGHT {
            let left = simd.load(a.add(i * ProductPlan::STRIDE));
            for j in 0..WIDTH {
                sums[i][j] = simd.mul_add(left, right[j], sums[i][j]);
            }
        }
    }
}
