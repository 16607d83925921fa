//! Matrix products `out = lhs x rhs`: the arithmetic of all layers.
//!
//! The left matrix is packed once; the right one comes in vectors of columns, row by row, and is multiplied while it is
//! in the cache. [`Gemm`] is what an implementation has to do, by vectors ([`vector`]) or by a matrix unit ([`amx`]);
//! what uses it knows neither.

pub(super) mod amx;
pub(super) mod vector;

use super::simd::Simd;
use amx::AmxGemm;
use std::ops::Range;
use vector::VectorGemm;

/// Which way a packed matrix is multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Orientation {
    /// `M x v`
    Plain,
    /// `transpose(M) x v`
    Transposed,
}

/// The right matrices of several planes: where their rows are staged, and where they lie packed.
#[derive(Clone, Copy)]
pub(super) struct Rhs {
    /// Vectors of columns: a multiple of [`Blocks::vectors`].
    pub vectors: usize,
    /// Planes: products of as many left and right matrices.
    pub planes: usize,
    /// [`Gemm::stage_len`] values a plane.
    pub stage: *mut f32,
    /// Distance of planes in the stage.
    pub stage_stride: usize,
    /// [`Gemm::packed_len`] values a plane.
    pub packed: *mut f32,
    /// Distance of planes of what is packed.
    pub packed_stride: usize,
}

/// Where the products go.
#[derive(Clone, Copy)]
pub(super) struct Out {
    /// The first row's first vector in the first plane.
    pub start: *mut f32,
    /// Distance of planes.
    pub plane_stride: usize,
    /// Distance of rows.
    pub row_stride: usize,
    /// Distance of the vectors of a row.
    pub vector_stride: usize,
}

/// Blocking: the register block and the cache block of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    /// Rows that are multiplied at a time.
    pub rows: usize,
    /// Vectors that are multiplied at a time.
    pub vectors: usize,
    /// For 36 planes: most vectors of the right matrix, and rows of the product, that are worked on while they are in
    /// the cache.
    pub cached: (usize, usize),
}

/// A left matrix, or one for each plane, and how it is multiplied.
pub(super) trait Gemm: Copy + Sync {
    /// Rows of the product.
    fn rows(self) -> usize;

    /// Rows of the right matrix: terms of each sum.
    fn depth(self) -> usize;

    fn blocks(self) -> Blocks;

    /// Values of a stage for so many vectors, in which rows of the right matrix are written.
    fn stage_len(self, vectors: usize) -> usize;

    /// Rows that the stage holds; row `i` goes to place `i % staged_rows`.
    fn staged_rows(self) -> usize;

    /// Where in the stage each vector is for the first row, and the distance of rows. After a vector there is room for
    /// another, which may be overwritten until the next one is written.
    fn places(self, places: &mut [(usize, usize)]);

    /// Values of a packed right matrix of so many vectors; none where it is multiplied as it is staged.
    fn packed_len(self, vectors: usize) -> usize;

    /// Rows of the right matrix that can be packed apart from the others.
    fn packed_rows(self) -> usize;

    /// Packs what is staged, once `row` is; the rows come in their order, the `last` one before a multiple of
    /// [`Self::packed_rows`] or at the end.
    ///
    /// # Safety
    ///
    /// The pointers must be good for what [`Rhs`] says.
    unsafe fn pack(self, rhs: &Rhs, row: usize, last: bool);

    /// Multiplies all planes; of the product, these rows go to `out`, the first of which is a multiple of
    /// [`Blocks::rows`].
    ///
    /// # Safety
    ///
    /// The pointers must be good for what [`Rhs`] and [`Out`] say, the rows being a multiple of [`Blocks::rows`].
    unsafe fn multiply<S: Simd>(self, simd: S, rhs: &Rhs, rows: Range<usize>, out: Out);
}

/// One of the implementations.
#[derive(Clone, Copy)]
pub(super) enum AnyGemm<'a> {
    Vector(VectorGemm<'a>),
    Amx(AmxGemm<'a>),
}

/// Calls a method of the implementation.
macro_rules! delegate {
    ($gemm:expr, $name:ident => $call:expr) => {
        match $gemm {
            AnyGemm::Vector($name) => $call,
            AnyGemm::Amx($name) => $call,
        }
    };
}

impl Gemm for AnyGemm<'_> {
    fn rows(self) -> usize {
        delegate!(self, gemm => gemm.rows())
    }

    fn depth(self) -> usize {
        delegate!(self, gemm => gemm.depth())
    }

    fn blocks(self) -> Blocks {
        delegate!(self, gemm => gemm.blocks())
    }

    fn stage_len(self, vectors: usize) -> usize {
        delegate!(self, gemm => gemm.stage_len(vectors))
    }

    #[inline(always)]
    fn staged_rows(self) -> usize {
        delegate!(self, gemm => gemm.staged_rows())
    }

    #[inline(always)]
    fn places(self, places: &mut [(usize, usize)]) {
        delegate!(self, gemm => gemm.places(places))
    }

    fn packed_len(self, vectors: usize) -> usize {
        delegate!(self, gemm => gemm.packed_len(vectors))
    }

    fn packed_rows(self) -> usize {
        delegate!(self, gemm => gemm.packed_rows())
    }

    #[inline(always)]
    unsafe fn pack(self, rhs: &Rhs, row: usize, last: bool) {
        // SAFETY: the caller's promise.
        unsafe { delegate!(self, gemm => gemm.pack(rhs, row, last)) }
    }

    #[inline(always)]
    unsafe fn multiply<S: Simd>(self, simd: S, rhs: &Rhs, rows: Range<usize>, out: Out) {
        // SAFETY: the caller's promise.
        unsafe { delegate!(self, gemm => gemm.multiply(simd, rhs, rows, out)) }
    }
}
