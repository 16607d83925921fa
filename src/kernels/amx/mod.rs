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

#![cfg_attr(
    not(all(target_arch = "x86_64", target_os = "linux")),
    allow(dead_code, reason = "without the unit, nothing of it is used")
)]

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod no_unit;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod unit;

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub(super) use no_unit::{Unit, is_available, split};
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) use unit::{Unit, is_available, split};

use super::parallel::Exec;
use super::scratch::Buffer;

/// Rows of a square, and its columns of f32.
pub(super) const SIDE: usize = 16;
/// Terms of the sums that a square holds.
pub(super) const DEPTH: usize = 32;
/// Values of f32 that a square has room for.
pub(super) const SQUARE: usize = SIDE * SIDE;
/// Rows and columns of the product that are computed at a time: two squares in either direction.
pub(super) const EDGE: usize = 2 * SIDE;

/// In how many parts values are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parts {
    /// 16 bits of a value: enough where an error changes the result in proportion, as in a gradient.
    Two = 2,
    /// All 24 bits: where a sign decides, as in a ReLU, and many layers follow.
    Three = 3,
}

impl Parts {
    /// Values of f32 that [`EDGE`] rows or columns and [`DEPTH`] terms have room for, in all parts.
    pub(super) fn step(self) -> usize {
        self as usize * 2 * SQUARE
    }
}

/// Matrices of the same size, in parts, in the order in which they are multiplied.
///
/// `[plane][rows / EDGE][cols / DEPTH][part][square][row][col]`, with zeros for the rows and columns that are missing.
pub(super) struct SplitMatrices {
    data: Buffer,
    parts: Parts,
    rows: usize,
    cols: usize,
}

impl SplitMatrices {
    /// `planes` matrices of `rows` x `cols` zeros.
    pub(super) fn zeros(planes: usize, rows: usize, cols: usize, parts: Parts) -> Self {
        let plane = rows.div_ceil(EDGE) * cols.div_ceil(DEPTH) * parts.step();
        Self {
            data: Buffer::zeros(planes * plane),
            parts,
            rows,
            cols,
        }
    }

    /// One matrix in a buffer that was used before.
    pub(super) fn one(
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
    pub(super) fn into_buffer(self) -> Buffer {
        self.data
    }

    /// Sets one value.
    pub(super) fn set(&mut self, plane: usize, row: usize, col: usize, mut value: f32) {
        let step = self.place(plane, row) + col / DEPTH * self.parts.step();
        let place = 2 * step + row % EDGE * DEPTH + col % DEPTH;
        let halves: &mut [u16] = bytemuck::cast_slice_mut(&mut self.data);
        for part in 0..self.parts as usize {
            halves[place + part * 4 * SQUARE] = take_part(&mut value);
        }
    }

    /// Rows of the product.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Terms of each sum of the product.
    pub(super) fn cols(&self) -> usize {
        self.cols
    }

    /// In how many parts the values are.
    pub(super) fn parts(&self) -> Parts {
        self.parts
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.data.len() * size_of::<f32>()
    }

    /// The [`EDGE`] rows of a plane that begin with `row`.
    #[inline(always)]
    pub(super) fn panel(&self, plane: usize, row: usize) -> *const f32 {
        self.data[self.place(plane, row)..].as_ptr()
    }

    /// [`Operands::steps`] of a product with it.
    pub(super) fn steps(&self) -> usize {
        self.cols.div_ceil(DEPTH)
    }

    /// Values of f32 that [`EDGE`] rows have room for.
    pub(super) fn panel_len(&self) -> usize {
        self.steps() * self.parts.step()
    }

    /// Where the [`EDGE`] rows begin that `row` is one of.
    fn place(&self, plane: usize, row: usize) -> usize {
        let panel = plane * self.rows.div_ceil(EDGE) + row / EDGE;
        panel * self.panel_len()
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
pub(super) struct Operands {
    /// [`SplitMatrices::panel`].
    pub left: *const f32,
    /// [`EDGE`] columns, `[depth / DEPTH][part][square][pair of terms][col][term]`.
    pub right: *const f32,
    /// Terms over [`DEPTH`], at least 1.
    pub steps: usize,
    /// The result for the first row and column.
    pub out: *mut f32,
    /// Distance of the result's rows, in values.
    pub row_stride: usize,
    /// Distance of the result's two squares of columns, in values.
    pub square_stride: usize,
    /// What coming products need: of the left matrix one of [`Self::shares`], of the right one one of [`QUARTERS`].
    pub ahead: [*const f32; 2],
    /// Products that ask for the next left matrix together, at least 1.
    pub shares: usize,
}

/// Most parts of what a product needs that are asked for ahead of it, one by one.
pub(super) const QUARTERS: usize = 4;

/// Values of two terms, to be cut and paired.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    /// Columns of the first term and of the second, or none for zeros; planes follow at `from_stride`.
    pub from: [Option<*const f32>; 2],
    /// Distance of planes of `from`, in values.
    pub from_stride: usize,
    /// Where the first part of the first column of the first plane goes.
    pub to: *mut f32,
    /// Distance of planes of `to`, in values.
    pub to_stride: usize,
    /// Distance of [`EDGE`] columns in a plane of `to`, in values.
    pub edge_stride: usize,
    /// Planes.
    pub planes: usize,
    /// Squares of columns.
    pub squares: usize,
    /// In how many parts.
    pub parts: Parts,
}
