//! Matrix products on the matrix unit of Intel's processors (AMX), for values of f32 cut into parts of bf16.
//!
//! The unit multiplies bf16, 16 times as many in a cycle as AVX-512 has f32. A value is cut into two or three parts,
//! each of which has the next 8 bits, and a product is the sum of the products of parts that matter: of two parts
//! three, with an error of some 2^-17; of three parts six, with that of f32. Sums are in f32. Henry, Tang and
//! Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations" (2019),
//! section II.
//!
//! A register of the unit, here a *square*, is 16 rows of 64 bytes. Of the left matrix it holds 16 rows and 32
//! columns; of the right one 32 rows and 16 columns, with two values of a column next to one another; of the product
//! 16 rows and 16 columns of f32. The compiler knows nothing of these registers, hence the assembly.

mod emulated;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod unit;

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
use emulated as unit;

use super::{Blocks, Gemm, Out, Rhs};
use crate::parallel::Exec;
use crate::scratch::Buffer;
use crate::simd::{Isa, Simd};
use std::ops::Range;

/// Rows of a square, and its columns of f32.
const SIDE: usize = 16;
/// Terms of the sums that a square holds.
pub(crate) const DEPTH: usize = 32;
/// Values of f32 that a square has room for.
const SQUARE: usize = SIDE * SIDE;
/// Rows and columns of the product that are computed at a time: two squares in either direction.
const EDGE: usize = 2 * SIDE;

/// In how many parts values are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    /// 16 bits of a value: enough where an error changes the result in proportion, as in a gradient.
    Two = 2,
    /// All 24 bits: where a sign decides, as in a ReLU, and many layers follow.
    Three = 3,
}

impl Parts {
    /// Values of f32 that [`EDGE`] rows or columns and [`DEPTH`] terms have room for, in all parts.
    fn step(self) -> usize {
        self as usize * 2 * SQUARE
    }
}

/// Matrices of the same size, in parts, in the order in which they are multiplied.
///
/// `[plane][rows / EDGE][cols / DEPTH][part][square][row][col]`, with zeros for the rows and columns that are missing.
pub(crate) struct SplitMatrices {
    data: Buffer,
    parts: Parts,
    rows: usize,
    cols: usize,
}

impl SplitMatrices {
    /// `planes` matrices of `rows` x `cols` zeros.
    pub(crate) fn zeros(planes: usize, rows: usize, cols: usize, parts: Parts) -> Self {
        let plane = rows.div_ceil(EDGE) * cols.div_ceil(DEPTH) * parts.step();
        Self {
            data: Buffer::zeros(planes * plane),
            parts,
            rows,
            cols,
        }
    }

    /// One matrix in a buffer that was used before.
    pub(crate) fn one(
        mut data: Buffer,
        rows: usize,
        cols: usize,
        parts: Parts,
        exec: Exec<'_>,
        value: impl Fn(usize, usize) -> f32 + Sync,
    ) -> Self {
        let len = rows.div_ceil(EDGE) * cols.div_ceil(DEPTH) * parts.step();
        data.grow(len);
        let mut matrix = Self {
            data: Buffer::default(),
            parts,
            rows,
            cols,
        };
        let value = |row, col| {
            let inside = row < rows && col < cols;
            if inside { value(row, col) } else { 0.0 }
        };
        exec.par_chunks(&mut data[..len], matrix.panel_len(), |panel, squares| {
            for (step, squares) in squares.chunks_exact_mut(parts.step()).enumerate() {
                for row in 0..EDGE {
                    let terms = std::array::from_fn(|i| value(panel * EDGE + row, step * DEPTH + i));
                    set_row(squares, row, terms);
                }
            }
        });
        matrix.data = data;
        matrix
    }

    /// The buffer, to be used again.
    pub(crate) fn into_buffer(self) -> Buffer {
        self.data
    }

    /// Sets one value.
    pub(crate) fn set(&mut self, plane: usize, row: usize, col: usize, mut value: f32) {
        let step = self.place(plane, row) + col / DEPTH * self.parts.step();
        let place = 2 * step + row % EDGE * DEPTH + col % DEPTH;
        let halves: &mut [u16] = bytemuck::cast_slice_mut(&mut self.data);
        for part in 0..self.parts as usize {
            halves[place + part * 4 * SQUARE] = take_part(&mut value);
        }
    }

    /// Rows of the product.
    fn rows(&self) -> usize {
        self.rows
    }

    /// Terms of each sum of the product.
    fn cols(&self) -> usize {
        self.cols
    }

    /// In how many parts the values are.
    fn parts(&self) -> Parts {
        self.parts
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.data.len() * size_of::<f32>()
    }

    /// The [`EDGE`] rows of a plane that begin with `row`.
    #[inline(always)]
    fn panel(&self, plane: usize, row: usize) -> *const f32 {
        self.data[self.place(plane, row)..].as_ptr()
    }

    /// [`Operands::steps`] of a product with it.
    fn steps(&self) -> usize {
        self.cols.div_ceil(DEPTH)
    }

    /// Values of f32 that [`EDGE`] rows have room for.
    fn panel_len(&self) -> usize {
        self.steps() * self.parts.step()
    }

    /// Where the [`EDGE`] rows begin that `row` is one of.
    fn place(&self, plane: usize, row: usize) -> usize {
        let panel = plane * self.rows.div_ceil(EDGE) + row / EDGE;
        panel * self.panel_len()
    }
}

/// The products of split matrices, by the unit.
#[derive(Clone, Copy)]
pub(crate) struct AmxGemm<'a> {
    matrices: &'a SplitMatrices,
    is_emulated: bool,
}

impl<'a> AmxGemm<'a> {
    /// By the unit, or by plain Rust in its place.
    pub(crate) fn new(matrices: &'a SplitMatrices, isa: Isa) -> Self {
        Self {
            matrices,
            is_emulated: isa == Isa::EmulatedAmx,
        }
    }

    /// Packs two rows, or zeros in place of those missing.
    unsafe fn pack_pair(self, rhs: &Rhs, pair: usize, from: [Option<*const f32>; 2]) {
        let parts = self.matrices.parts();
        let (step, row) = (pair / SIDE, pair % SIDE);
        let pair = Pair {
            from,
            from_stride: rhs.stage_stride,
            to: rhs.packed.wrapping_add(step * parts.step() + row * SIDE),
            to_stride: rhs.packed_stride,
            edge_stride: self.matrices.panel_len(),
            planes: rhs.planes,
            squares: rhs.vectors,
            parts,
        };
        // SAFETY: the caller's promise; matrices are split for the unit only where there is one.
        unsafe {
            match self.is_emulated {
                true => emulated::split(pair),
                false => unit::split(pair),
            }
        }
    }

    /// Calls `multiply` for all blocks of the products.
    #[inline(always)]
    unsafe fn for_each_block(
        self,
        rhs: &Rhs,
        rows: Range<usize>,
        out: Out,
        multiply: impl Fn(Parts, Operands),
    ) {
        let matrices = self.matrices;
        let (steps, panel, edges) = (matrices.steps(), matrices.panel_len(), rhs.vectors / 2);
        for plane in 0..rhs.planes {
            let right = rhs.packed.wrapping_add(plane * rhs.packed_stride).cast_const();
            let mut ahead = right.wrapping_add(rhs.packed_stride);
            for (i, row) in rows.clone().step_by(EDGE).enumerate() {
                let left = matrices.panel(plane, row);
                let next = match row + EDGE < rows.end {
                    true => matrices.panel(plane, row + EDGE),
                    false => matrices.panel((plane + 1) % rhs.planes, rows.start),
                };
                for edge in 0..edges {
                    let place = i * EDGE * out.row_stride + 2 * edge * out.vector_stride;
                    let right = right.wrapping_add(edge * panel);
                    let (shares, ahead_of) = match rhs.planes {
                        1 => (QUARTERS, [left, right]),
                        _ => (edges, [next.wrapping_add(edge * panel / edges), ahead]),
                    };
                    let operands = Operands {
                        left,
                        right,
                        steps,
                        out: out.start.wrapping_add(plane * out.plane_stride + place),
                        row_stride: out.row_stride,
                        square_stride: out.vector_stride,
                        ahead: ahead_of,
                        shares,
                    };
                    multiply(matrices.parts(), operands);
                    if i < QUARTERS {
                        ahead = ahead.wrapping_add(panel / QUARTERS);
                    }
                }
            }
        }
    }
}

impl Gemm for AmxGemm<'_> {
    fn rows(self) -> usize {
        self.matrices.rows()
    }

    fn depth(self) -> usize {
        self.matrices.cols()
    }

    fn blocks(self) -> Blocks {
        Blocks {
            rows: EDGE,
            vectors: EDGE / SIDE,
            // The caches are what products wait for; measured at 512 pixels.
            cached: if self.depth() < 128 { (2, 64) } else { (8, 128) },
        }
    }

    /// Two rows, and a vector more behind each.
    fn stage_len(self, vectors: usize) -> usize {
        2 * (vectors + 1) * SIDE
    }

    #[inline(always)]
    fn staged_rows(self) -> usize {
        2
    }

    #[inline(always)]
    fn places(self, places: &mut [(usize, usize)]) {
        let step = (places.len() + 1) * SIDE;
        for (vector, place) in places.iter_mut().enumerate() {
            *place = (vector * SIDE, step);
        }
    }

    fn packed_len(self, vectors: usize) -> usize {
        vectors / 2 * self.matrices.panel_len()
    }

    fn packed_rows(self) -> usize {
        DEPTH
    }

    #[inline(always)]
    unsafe fn pack(self, rhs: &Rhs, row: usize, last: bool) {
        let second = row % 2 == 1;
        if !second && !last {
            return;
        }
        let stage = rhs.stage.cast_const();
        let second = second.then(|| stage.wrapping_add((rhs.vectors + 1) * SIDE));
        // SAFETY: the caller's promise.
        unsafe { self.pack_pair(rhs, row / 2, [Some(stage), second]) }
        if last {
            for pair in row / 2 + 1..(row + 1).next_multiple_of(DEPTH) / 2 {
                // SAFETY: the caller's promise.
                unsafe { self.pack_pair(rhs, pair, [None; 2]) }
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply<S: Simd>(self, _: S, rhs: &Rhs, rows: Range<usize>, out: Out) {
        // SAFETY: the caller's promise; matrices are split for the unit only where there is one.
        unsafe {
            if self.is_emulated {
                let unit = emulated::Unit::configure();
                self.for_each_block(rhs, rows, out, |parts, operands| unit.multiply(parts, operands));
            } else {
                let unit = unit::Unit::configure();
                self.for_each_block(rhs, rows, out, |parts, operands| unit.multiply(parts, operands));
            }
        }
    }
}

/// Sets a row of the squares of a step, in all their parts.
fn set_row(squares: &mut [f32], row: usize, mut terms: [f32; DEPTH]) {
    let halves: &mut [u16] = bytemuck::cast_slice_mut(squares);
    for part in halves.chunks_exact_mut(4 * SQUARE) {
        let row = &mut part[row * DEPTH..][..DEPTH];
        for (half, term) in row.iter_mut().zip(&mut terms) {
            *half = take_part(term);
        }
    }
}

/// The first part of a value, of which the rest stays.
fn take_part(value: &mut f32) -> u16 {
    let rounded = round(*value);
    *value -= f32::from_bits(u32::from(rounded) << 16);
    rounded
}

/// The upper half of a value's bits, rounded to nearest.
fn round(value: f32) -> u16 {
    (value.to_bits().wrapping_add(0x8000) >> 16) as u16
}

/// What is multiplied, and where the product goes.
#[derive(Clone, Copy)]
struct Operands {
    /// [`SplitMatrices::panel`].
    left: *const f32,
    /// [`EDGE`] columns, `[depth / DEPTH][part][square][pair of terms][col][term]`.
    right: *const f32,
    /// Terms over [`DEPTH`], at least 1.
    steps: usize,
    /// The result for the first row and column.
    out: *mut f32,
    /// Distance of the result's rows, in values.
    row_stride: usize,
    /// Distance of the result's two squares of columns, in values.
    square_stride: usize,
    /// What coming products need: of the left matrix one of [`Self::shares`], of the right one one of [`QUARTERS`].
    ahead: [*const f32; 2],
    /// Products that ask for the next left matrix together, at least 1.
    shares: usize,
}

/// Most parts of what a product needs that are asked for ahead of it, one by one.
const QUARTERS: usize = 4;

/// Values of two terms, to be cut and paired.
#[derive(Clone, Copy)]
struct Pair {
    /// Columns of the first term and of the second, or none for zeros; planes follow at `from_stride`.
    from: [Option<*const f32>; 2],
    /// Distance of planes of `from`, in values.
    from_stride: usize,
    /// Where the first part of the first column of the first plane goes.
    to: *mut f32,
    /// Distance of planes of `to`, in values.
    to_stride: usize,
    /// Distance of [`EDGE`] columns in a plane of `to`, in values.
    edge_stride: usize,
    /// Planes.
    planes: usize,
    /// Squares of columns.
    squares: usize,
    /// In how many parts.
    parts: Parts,
}
