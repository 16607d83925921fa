//! The gradient of a layer's features in terms of their Gram matrix.

use super::amx::{self, DEPTH, EDGE, Operands, Pair, Parts, QUARTERS, SIDE, SplitMatrices, Unit};
use super::parallel::Exec;
use super::product::{BLOCK, Orientation, Packed, Panel};
use super::scratch::{Buffer, Output};
use super::simd::{Isa, Job, Simd};
use std::ops::Range;

/// Values of `f` that a task has in cache.
const CACHED: usize = 96 * 1024;
/// Most vectors of pixels of a task.
const MOST_VECTORS: usize = 64;

/// The gradient of features in terms of their Gram matrix: `coefficient (gram - target) f`.
///
/// For the term `w mean((gram - target)^2)` with symmetric matrices, `coefficient` is
/// `4 w / (channels^2 pixels)`.
#[derive(Clone, Copy)]
pub struct GramGradient<'a> {
    /// The features, `f32[channels, pixels]`.
    pub f: &'a [f32],
    /// Their Gram matrix, `f32[channels, channels]`.
    pub gram: &'a [f32],
    /// What it ought to be, `f32[channels, channels]`.
    pub target: &'a [f32],
    /// See above.
    pub coefficient: f32,
    /// The gradient from elsewhere, to which this one is added.
    pub add: Addend<'a>,
    /// Whether `f` is the output of a ReLU, whose input's gradient is wanted: 0 where `f` is 0.
    pub relu: bool,
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

impl GramGradient<'_> {
    /// Writes the gradient, `f32[channels, pixels]`; with [`Addend::Output`], adds it to what `df` holds.
    ///
    /// # Panics
    ///
    /// When a length does not fit.
    pub fn run(self, df: &mut [f32], isa: Isa, exec: Exec<'_>) {
        let Self {
            f,
            gram,
            target,
            coefficient,
            add,
            ..
        } = self;
        let channels = gram.len().isqrt();
        assert!(
            channels * channels == gram.len() && gram.len() == target.len(),
            "gram does not fit"
        );
        assert!(channels > 0 && f.len().is_multiple_of(channels), "f does not fit");
        assert_eq!(df.len(), f.len(), "df does not fit");
        if let Addend::Tensor(add) = add {
            assert_eq!(add.len(), f.len(), "add does not fit");
        }
        let pixels = f.len() / channels;
        let difference = |place: usize| coefficient * (gram[place] - target[place]);
        let matrix = Matrix::new(channels, isa, exec, difference);
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

/// The difference of the Gram matrices, laid out for the products of an instruction set.
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
    gradient: GramGradient<'a>,
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
            Matrix::Packed(matrix) => self.by_vectors::<S>(matrix, scratch),
            Matrix::Split(matrix) => self.by_unit::<S>(matrix, scratch),
        }
        // SAFETY: always allowed.
        unsafe { S::fence() }
    }
}

impl Times<'_> {
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
        let GramGradient { f, add, relu, .. } = self.gradient;
        let (start, len) = (channel * self.pixels + self.range.start, self.range.len());
        let (f, whole) = (&f[start..start + len], len / S::LANES * S::LANES);
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
                if let Some(add) = add {
                    sum = S::add(sum, S::load(add.add(i)));
                }
                if relu {
                    let f = S::load(f[i..].as_ptr());
                    sum = S::select_gt(f, S::splat(0.0), sum, S::splat(0.0));
                }
                if stream {
                    S::stream(to.add(i), sum)
                } else {
                    S::store(to.add(i), sum)
                }
            }
            for i in whole..len {
                let sum = products[i] + add.map_or(0.0, |add| add.add(i).read());
                to.add(i).write(if relu && f[i] <= 0.0 { 0.0 } else { sum });
            }
        }
    }
}
