//! What a style term injects at a layer: the gradient of its features by their sums over places.

use super::gemm::amx::{AmxGemm, Parts, SplitMatrices};
use super::gemm::vector::{Packed, VectorGemm};
use super::gemm::{AnyGemm, Gemm as _, Orientation, Out, Rhs};
use super::guide::Guide;
use super::parallel::Exec;
use super::scratch::{Buffer, Output};
use super::simd::{Isa, Simd, SimdOp};
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
    /// To the gradient of other regions in the output, which is 0 where `F` is 0 already.
    Regions,
}

impl MomentsGradient<'_> {
    /// Writes the gradient, `f32[channels, places]`; with [`Addend::Output`] or [`Addend::Regions`], adds it to what `df` holds.
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
        let gemm = matrix.gemm(isa);
        let vectors = (CACHED / channels / isa.lanes()).clamp(1, MOST_VECTORS);
        let part = vectors.next_multiple_of(gemm.blocks().vectors) * isa.lanes();
        let df = Output::new(df);
        exec.parallel.par_for(pixels.div_ceil(part), &|task| {
            let range = task * part..((task + 1) * part).min(pixels);
            let mut scratch = exec.workspace.take(Times::scratch(gemm, part, isa));
            isa.run(Times {
                gradient: self,
                gemm,
                df,
                pixels,
                range,
                part,
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

/// Values after each row of the products, so that rows do not fall on the same places in the cache.
const GAP: usize = 16;

impl Matrix {
    /// A square matrix in a buffer that was used before.
    fn new(side: usize, isa: Isa, exec: Exec<'_>, value: impl Fn(usize) -> f32 + Sync) -> Self {
        let buffer = exec.workspace.take_buffer(side * side);
        let value = |row, col| value(row * side + col);
        match isa {
            Isa::Amx | Isa::EmulatedAmx => {
                Self::Split(SplitMatrices::one(buffer, side, side, Parts::Two, exec, value))
            }
            _ => Self::Packed(Packed::one(buffer, side, side, exec, value)),
        }
    }

    fn gemm(&self, isa: Isa) -> AnyGemm<'_> {
        match self {
            Self::Packed(matrix) => {
                AnyGemm::Vector(VectorGemm::new(matrix, Orientation::Plain, |plane| plane, isa))
            }
            Self::Split(matrix) => AnyGemm::Amx(AmxGemm::new(matrix, isa)),
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
    gemm: AnyGemm<'a>,
    df: Output<'a, f32>,
    pixels: usize,
    range: Range<usize>,
    /// Room for the pixels.
    part: usize,
    scratch: &'a mut [f32],
}

impl SimdOp for Times<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let scratch = std::mem::take(&mut self.scratch);
        let group = self.gemm.blocks().vectors * S::LANES;
        let range = self.range.clone();
        let counting = self.gradient.guide.counting(&range, group);
        let mut done = range.start;
        for pixels in counting {
            self.range = done..pixels.start;
            self.add_nothing(simd, scratch);
            done = pixels.end;
            self.range = pixels;
            self.multiply(simd, scratch);
        }
        self.range = done..range.end;
        self.add_nothing(simd, scratch);
        simd.fence();
    }
}

impl Times<'_> {
    /// Values of the scratch memory for so many pixels: what is multiplied, and the products.
    fn scratch(gemm: AnyGemm<'_>, part: usize, isa: Isa) -> usize {
        let vectors = part / isa.lanes();
        gemm.stage_len(vectors) + gemm.packed_len(vectors) + gemm.blocks().rows * (part + GAP)
    }

    /// Where no place counts.
    #[inline(always)]
    fn add_nothing<S: Simd>(&self, simd: S, scratch: &mut [f32]) {
        if self.range.is_empty() || matches!(self.gradient.add, Addend::Regions) {
            return;
        }
        let products = &mut scratch[..self.range.len()];
        products.fill(0.0);
        for channel in 0..self.gradient.f.len() / self.pixels {
            self.finish(simd, channel, products);
        }
    }

    #[inline(always)]
    fn multiply<S: Simd>(&self, simd: S, scratch: &mut [f32]) {
        let gemm = self.gemm;
        let rows = gemm.blocks().rows;
        let vectors = self.range.len().div_ceil(S::LANES);
        let vectors = vectors.next_multiple_of(gemm.blocks().vectors);
        let (stage, rest) = scratch.split_at_mut(gemm.stage_len(vectors));
        let (packed, products) = rest.split_at_mut(gemm.packed_len(vectors));
        let rhs = Rhs {
            vectors,
            planes: 1,
            stage: stage.as_mut_ptr(),
            stage_stride: stage.len(),
            packed: packed.as_mut_ptr(),
            packed_stride: 0,
        };
        self.stage(simd, &rhs);
        let row_stride = self.part + GAP;
        for first in (0..gemm.rows()).step_by(rows) {
            let out = Out {
                start: products.as_mut_ptr(),
                plane_stride: 0,
                row_stride,
                vector_stride: S::LANES,
            };
            // SAFETY: the scratch memory has room for whole blocks of rows and vectors.
            unsafe { gemm.multiply(simd, &rhs, first..first + rows, out) }
            for channel in first..(first + rows).min(gemm.rows()) {
                self.finish(simd, channel, &products[(channel - first) * row_stride..]);
            }
        }
    }

    /// Stages the features, with zeros after the last pixel, and packs them.
    #[inline(always)]
    fn stage<S: Simd>(&self, simd: S, rhs: &Rhs) {
        let mut places = [(0, 0); MOST_VECTORS];
        let places = &mut places[..rhs.vectors];
        self.gemm.places(places);
        let staged_rows = self.gemm.staged_rows();
        for (channel, row) in self.gradient.f.chunks_exact(self.pixels).enumerate() {
            let values = &row[self.range.clone()];
            let row = channel % staged_rows;
            for (vector, (base, step)) in places.iter().enumerate() {
                let values = &values[(vector * S::LANES).min(values.len())..];
                // SAFETY: the stage has room for the vectors of its rows.
                unsafe {
                    let to = rhs.stage.add(base + row * step);
                    if values.len() >= S::LANES {
                        simd.store(to, simd.load(values.as_ptr()));
                    } else {
                        simd.store(to, simd.splat(0.0));
                        to.copy_from_nonoverlapping(values.as_ptr(), values.len());
                    }
                }
            }
            // SAFETY: the scratch memory has room for what is packed.
            unsafe { self.gemm.pack(rhs, channel, channel + 1 == self.gemm.depth()) }
        }
    }

    /// From the products of a channel to its gradient.
    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, channel: usize, products: &[f32]) {
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
                Addend::Output | Addend::Regions => Some(to.cast_const()),
            };
            // What was read just now is in the caches.
            let apart = !matches!(self.gradient.add, Addend::Output | Addend::Regions);
            let stream = apart && self.df.is_large() && (to as usize).is_multiple_of(size_of::<S::V>());
            for i in (0..whole).step_by(S::LANES) {
                let mut sum = simd.load(products[i..].as_ptr());
                if vector.is_some() {
                    sum = simd.add(sum, simd.splat(shift));
                }
                if let Some(weights) = weights {
                    sum = simd.mul(sum, simd.load(weights[i..].as_ptr()));
                }
                if let Some(add) = add {
                    sum = simd.add(sum, simd.load(add.add(i)));
                }
                let f = simd.load(f[i..].as_ptr());
                sum = simd.select_gt(f, simd.splat(0.0), sum, simd.splat(0.0));
                if stream {
                    simd.stream(to.add(i), sum)
                } else {
                    simd.store(to.add(i), sum)
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
