//! What a style term injects at a layer: the gradient of its features by their sums over places.

use super::amx::{self, DEPTH, EDGE, Operands, Pair, Parts, QUARTERS, SIDE, SplitMatrices, Unit};
use super::guide::Guide;
use super::parallel::Exec;
use super::product::{BLOCK, Orientation, Packed, Panel};
use super::scratch::{Buffer, Output};
use super::simd::{Isa, Job, Simd};
use std::ops::Range;

/// Values of `f` that a task has in cache.
const CACHED: usize = 96 * 1024;
/// Most vectors of pixels of a task.
const MOST_VECTORS: usize = 64;

/// For the features `F` of a place and its weight `w`, `w (A F + b)`, to which a gradient from elsewhere is added, before
/// the ReLU whose output `F` is: 0 where `F` is 0.
#[derive(Clone, Copy)]
pub struct MomentsGradient<'a> {
    /// The features, `f32[channels, places]`.
    pub f: &'a [f32],
    /// The weights of the places.
    pub guide: Guide<'a>,
    /// `A`, `f32[channels, channels]`.
    pub matrix: &'a [f32],
    /// `b`, `f32[channels]`, unless it is 0.
    pub vector: Option<&'a [f32]>,
    /// The gradient from elsewhere, of the features.
    pub add: Addend<'a>,
}

/// To what a gradient is added.
#[derive(Clone, Copy)]
pub enum Addend<'a> {
    /// To nothing.
    Zero,
    /// To a tensor, `f32[channels, pixels]`.
    Tensor(&'a [f32]),
    /// To what the output holds.
    Output,
}

impl MomentsGradient<'_> {
    /// Writes the gradient, `f32[channels, places]`; with [`Addend::Output`], adds it to what `df` holds.
    ///
    /// # Panics
    ///
    /// When a length does not fit.
    pub fn run(self, df: &mut [f32], isa: Isa, exec: Exec<'_>) {
        let Self { f, matrix, .. } = self;
        let channels = matrix.len().isqrt();
        assert_eq!(channels * channels, matrix.len(), "the matrix does not fit");
        assert!(channels > 0 && f.len().is_multiple_of(channels), "f does not fit");
        assert_eq!(df.len(), f.len(), "df does not fit");
        let pixels = f.len() / channels;
        assert!(self.guide.fits(pixels), "the guide does not fit");
        assert!(
            self.vector.is_none_or(|vector| vector.len() == channels),
            "the vector does not fit"
        );
        if let Addend::Tensor(add) = self.add {
            assert_eq!(add.len(), f.len(), "add does not fit");
        }
        let matrix = Matrix::new(channels, isa, exec, |place| matrix[place]);
        let vectors = (CACHED / channels / isa.lanes()).clamp(1, MOST_VECTORS);
        let part = vectors.next_multiple_of(matrix.vectors(isa)) * isa.lanes();
        let df = Output::new(df);
        exec.parallel.par_for(pixels.div_ceil(part), &|task| {
            let range = task * part..((task + 1) * part).min(pixels);
            let mut scratch = exec.workspace.take(matrix.scratch(part));
            isa.run(Times {
                gradient: self,
                matrix: &matrix,
                df,
                pixels,
                range,
                part,
                panel: isa.panel(),
                scratch: &mut scratch,
            });
        });
        exec.workspace.give_back(matrix.into_buffer());
    }
}

/// A matrix, laid out for the products of an instruction set.
enum Matrix {
    Packed(Packed),
    Split(SplitMatrices),
}

/// Values after each row of the matrix unit's products, so that rows do not fall on the same places in the cache.
const GAP: usize = 16;

impl Matrix {
    /// A square matrix in a buffer that was used before.
    fn new(side: usize, isa: Isa, exec: Exec<'_>, value: impl Fn(usize) -> f32 + Sync) -> Self {
        let buffer = exec.workspace.take_buffer(side * side);
        let value = |row, col| value(row * side + col);
        match isa {
            Isa::Amx => Self::Split(SplitMatrices::one(buffer, side, side, Parts::Two, exec, value)),
            _ => Self::Packed(Packed::one(buffer, side, side, exec, value)),
        }
    }

    /// Vectors of pixels that are multiplied at a time.
    fn vectors(&self, isa: Isa) -> usize {
        match self {
            Self::Packed(_) => isa.panel(),
            Self::Split(_) => EDGE / isa.lanes(),
        }
    }

    /// Values of the scratch memory for so many pixels: what is multiplied, the products, two rows of the features.
    fn scratch(&self, part: usize) -> usize {
        match self {
            Self::Packed(matrix) => (matrix.depth(Orientation::Plain) + BLOCK) * part,
            Self::Split(matrix) => part / EDGE * matrix.panel_len() + EDGE * (part + GAP) + 2 * part,
        }
    }

    fn into_buffer(self) -> Buffer {
        match self {
            Self::Packed(matrix) => matrix.into_buffer(),
            Self::Split(matrix) => matrix.into_buffer(),
        }
    }
}

/// The gradient of a range of pixels.
struct Times<'a> {
    gradient: MomentsGradient<'a>,
    matrix: &'a Matrix,
    df: Output<'a, f32>,
    pixels: usize,
    range: Range<usize>,
    /// Room for the pixels.
    part: usize,
    /// Most vectors of a panel.
    panel: usize,
    scratch: &'a mut [f32],
}

impl Job for Times<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self) {
        let scratch = std::mem::take(&mut self.scratch);
        match self.matrix {
            _ if self.gradient.guide.part(&self.range).is_zero() => self.by_none::<S>(scratch),
            Matrix::Packed(matrix) => self.by_vectors::<S>(matrix, scratch),
            Matrix::Split(matrix) => self.by_unit::<S>(matrix, scratch),
        }
        // SAFETY: always allowed.
        unsafe { S::fence() }
    }
}

impl Times<'_> {
    /// Where no place counts.
    #[inline(always)]
    fn by_none<S: Simd>(&self, scratch: &mut [f32]) {
        let products = &mut scratch[..self.range.len()];
        products.fill(0.0);
        for channel in 0..self.gradient.f.len() / self.pixels {
            self.finish::<S>(channel, products);
        }
    }

    #[inline(always)]
    fn by_vectors<S: Simd>(&self, matrix: &Packed, scratch: &mut [f32]) {
        let channels = matrix.depth(Orientation::Plain);
        let rows = channels.div_ceil(BLOCK);
        let (vectors, products) = scratch.split_at_mut(channels * self.part);
        self.pack::<S>(channels, vectors);
        for row in 0..rows {
            let now = matrix.block_row(Orientation::Plain, 0, row);
            let next = matrix.block_row(Orientation::Plain, 0, (row + 1) % rows);
            for start in (0..self.range.len()).step_by(self.panel * S::LANES) {
                let v = vectors[start * channels..].as_ptr();
                let out = products[start..].as_mut_ptr();
                let (row_stride, vector_stride) = (self.part, S::LANES);
                let panel = Panel {
                    v,
                    count: self.panel,
                    out,
                    row_stride,
                    vector_stride,
                    ahead: v,
                };
                // SAFETY: both parts of the scratch memory have room for all panels.
                unsafe { now.multiply::<S>(panel, next) }
            }
            for channel in row * BLOCK..((row + 1) * BLOCK).min(channels) {
                self.finish::<S>(channel, &products[channel % BLOCK * self.part..]);
            }
        }
    }

    /// As above, by the matrix unit.
    #[inline(always)]
    fn by_unit<S: Simd>(&self, matrix: &SplitMatrices, scratch: &mut [f32]) {
        let edges = self.range.len().div_ceil(EDGE);
        let (right, rest) = scratch.split_at_mut(self.part / EDGE * matrix.panel_len());
        let (products, staged) = rest.split_at_mut(EDGE * (self.part + GAP));
        self.cut(matrix, staged, right);
        // SAFETY: a matrix is in parts only where there is the unit.
        let unit = unsafe { Unit::configure() };
        for row in (0..matrix.rows()).step_by(EDGE) {
            let left = matrix.panel(0, row);
            for edge in 0..edges {
                let right = right[edge * matrix.panel_len()..].as_ptr();
                let operands = Operands {
                    left,
                    right,
                    steps: matrix.steps(),
                    out: products[edge * EDGE..].as_mut_ptr(),
                    row_stride: self.part + GAP,
                    square_stride: SIDE,
                    ahead: [left, right],
                    shares: QUARTERS,
                };
                // SAFETY: the scratch memory has room for whole squares.
                unsafe { unit.multiply(matrix.parts(), operands) }
            }
            for channel in row..(row + EDGE).min(matrix.rows()) {
                self.finish::<S>(channel, &products[(channel - row) * (self.part + GAP)..]);
            }
        }
    }

    /// Cuts the features into parts, as in [`Operands::right`].
    fn cut(&self, matrix: &SplitMatrices, staged: &mut [f32], right: &mut [f32]) {
        let (channels, step) = (matrix.cols(), matrix.parts().step());
        let edges = self.range.len().div_ceil(EDGE);
        let (first, second) = staged.split_at_mut(self.part);
        let mut rows = [first, second];
        for pair in 0..channels.next_multiple_of(DEPTH) / 2 {
            let mut from = [None; 2];
            for (i, row) in rows.iter_mut().enumerate() {
                if 2 * pair + i < channels {
                    let start = (2 * pair + i) * self.pixels + self.range.start;
                    let len = self.range.len();
                    row[..len].copy_from_slice(&self.gradient.f[start..start + len]);
                    row[len..edges * EDGE].fill(0.0);
                    from[i] = Some(row.as_ptr());
                }
            }
            let place = pair / SIDE * step + pair % SIDE * SIDE;
            // SAFETY: the rows and `right` have room for whole squares; a matrix is in parts where there is the unit.
            unsafe {
                amx::split(Pair {
                    from,
                    from_stride: 0,
                    to: right[place..].as_mut_ptr(),
                    to_stride: 0,
                    edge_stride: matrix.panel_len(),
                    planes: 1,
                    squares: 2 * edges,
                    parts: matrix.parts(),
                });
            }
        }
    }

    /// Copies the features to `[panel][channel][vector]`.
    #[inline(always)]
    fn pack<S: Simd>(&self, channels: usize, vectors: &mut [f32]) {
        let wide = self.panel * S::LANES;
        for (channel, row) in self.gradient.f.chunks_exact(self.pixels).enumerate() {
            for (panel, values) in row[self.range.clone()].chunks(wide).enumerate() {
                let place = (panel * channels + channel) * wide;
                vectors[place..place + values.len()].copy_from_slice(values);
            }
        }
    }

    /// From the products of a channel to its gradient.
    #[inline(always)]
    fn finish<S: Simd>(&self, channel: usize, products: &[f32]) {
        let MomentsGradient { f, vector, add, .. } = self.gradient;
        let (start, len) = (channel * self.pixels + self.range.start, self.range.len());
        let (f, whole) = (&f[start..start + len], len / S::LANES * S::LANES);
        let shift = vector.map_or(0.0, |vector| vector[channel]);
        let weights = match self.gradient.guide.part(&self.range) {
            Guide::Whole => None,
            Guide::Weights(weights) => Some(weights),
        };
        // SAFETY: every task has its own pixels; vectors lie inside of the slices. Where `add` is the output, each
        // value is read before it is written, once.
        unsafe {
            let to = self.df.at(start, len);
            let add = match add {
                Addend::Zero => None,
                Addend::Tensor(add) => Some(add[start..start + len].as_ptr()),
                Addend::Output => Some(to.cast_const()),
            };
            // What was read just now is in the caches.
            let apart = !matches!(self.gradient.add, Addend::Output);
            let stream = apart && self.df.is_large() && (to as usize).is_multiple_of(size_of::<S::V>());
            for i in (0..whole).step_by(S::LANES) {
                let mut sum = S::load(products[i..].as_ptr());
                if vector.is_some() {
                    sum = S::add(sum, S::splat(shift));
                }
                if let Some(weights) = weights {
                    sum = S::mul(sum, S::load(weights[i..].as_ptr()));
                }
                if let Some(add) = add {
                    sum = S::add(sum, S::load(add.add(i)));
                }
                let f = S::load(f[i..].as_ptr());
                sum = S::select_gt(f, S::splat(0.0), sum, S::splat(0.0));
                if stream {
                    S::stream(to.add(i), sum)
                } else {
                    S::store(to.add(i), sum)
                }
            }
            for i in whole..len {
                let slope = (products[i] + shift) * weights.map_or(1.0, |weights| weights[i]);
                let sum = slope + add.map_or(0.0, |add| add.add(i).read());
                to.add(i).write(if f[i] > 0.0 { sum } else { 0.0 });
            }
        }
    }
}
