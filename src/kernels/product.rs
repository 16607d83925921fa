//! Matrix products of a small packed matrix with panels of vectors: the arithmetic of all kernels.
//!
//! `out = M x v`: `M` is broadcast value by value, `v` and `out` are vectors over tiles or pixels.
//! A register block is [`Simd::ROWS`] rows by up to [`PANEL`] vectors.

use super::parallel::Exec;
use super::scratch::Buffer;
use super::simd::{PANEL, Simd};

/// Rows and columns of a block of a packed matrix.
pub(super) const BLOCK: usize = 8;
/// Blocks of a group in either direction: a group is 4 KB, one page.
const GROUP: usize = 4;
/// Values of a block.
pub(super) const BLOCK_LEN: usize = BLOCK * BLOCK;
/// Values of a group.
const GROUP_LEN: usize = GROUP * GROUP * BLOCK_LEN;

/// Cache lines of the vectors that are asked for ahead with each block of the matrix.
const AHEAD: usize = 2;
/// Values of a cache line.
const LINE: usize = 16;

/// Matrices of the same size, in blocks of 8 x 8 that can be read by rows or by columns: one copy
/// serves a product with the matrix and one with its transpose.
pub(super) struct Packed {
    data: Buffer,
    rows: usize,
    cols: usize,
}

/// Values of a matrix, with whole groups in both directions.
fn plane_len(rows: usize, cols: usize) -> usize {
    rows.div_ceil(BLOCK * GROUP) * cols.div_ceil(BLOCK * GROUP) * GROUP_LEN
}

/// Which way a packed matrix is multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Orientation {
    /// `M x v`
    Plain,
    /// `transpose(M) x v`
    Transposed,
}

impl Packed {
    /// `planes` matrices of `rows` x `cols` zeros.
    pub(super) fn zeros(planes: usize, rows: usize, cols: usize) -> Self {
        Self {
            data: Buffer::zeros(planes * plane_len(rows, cols)),
            rows,
            cols,
        }
    }

    /// One matrix in a buffer that was used before.
    pub(super) fn one(
        mut data: Buffer,
        rows: usize,
        cols: usize,
        exec: Exec<'_>,
        value: impl Fn(usize, usize) -> f32 + Sync,
    ) -> Self {
        let len = plane_len(rows, cols);
        data.grow(len);
        let packed = Self {
            data: Buffer::default(),
            rows,
            cols,
        };
        const SIDE: usize = BLOCK * GROUP;
        exec.par_chunks(
            &mut data[..len],
            packed.col_groups() * GROUP_LEN,
            |group, values| {
                for row in 0..SIDE {
                    for col in 0..cols.next_multiple_of(BLOCK) {
                        let place = packed.place(0, row, col);
                        let row = group * SIDE + row;
                        let inside = row < rows && col < cols;
                        values[place] = if inside { value(row, col) } else { 0.0 };
                    }
                }
            },
        );
        Self { data, ..packed }
    }

    /// The buffer, to be used again.
    pub(super) fn into_buffer(self) -> Buffer {
        self.data
    }

    /// Sets a block of 8 x 8 values, column by column; `row` and `col` count blocks.
    pub(super) fn set_block(&mut self, plane: usize, row: usize, col: usize, values: &[f32; BLOCK_LEN]) {
        let start = self.block(plane, row, col);
        self.data[start..start + BLOCK_LEN].copy_from_slice(values);
    }

    fn place(&self, plane: usize, row: usize, col: usize) -> usize {
        self.block(plane, row / BLOCK, col / BLOCK) + col % BLOCK * BLOCK + row % BLOCK
    }

    /// Rows of the product.
    pub(super) fn outputs(&self, orientation: Orientation) -> usize {
        match orientation {
            Orientation::Plain => self.rows,
            Orientation::Transposed => self.cols,
        }
    }

    /// Terms of each sum of the product.
    pub(super) fn depth(&self, orientation: Orientation) -> usize {
        match orientation {
            Orientation::Plain => self.cols,
            Orientation::Transposed => self.rows,
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.data.len() * size_of::<f32>()
    }

    fn col_groups(&self) -> usize {
        self.cols.div_ceil(BLOCK * GROUP)
    }

    /// Where a block starts, its row and column counted in blocks.
    fn block(&self, plane: usize, row: usize, col: usize) -> usize {
        let group = row / GROUP * self.col_groups() + col / GROUP;
        let inner = row % GROUP * GROUP + col % GROUP;
        plane * plane_len(self.rows, self.cols) + group * GROUP_LEN + inner * BLOCK_LEN
    }

    /// The 8 rows of the product's matrix that block row `row` is.
    #[inline(always)]
    pub(super) fn block_row(&self, orientation: Orientation, plane: usize, row: usize) -> BlockRow {
        let (start, group, block) = match orientation {
            Orientation::Plain => (self.block(plane, row, 0), GROUP_LEN, BLOCK_LEN),
            Orientation::Transposed => (
                self.block(plane, 0, row),
                self.col_groups() * GROUP_LEN,
                GROUP * BLOCK_LEN,
            ),
        };
        let start = self.data[start..].as_ptr();
        BlockRow {
            start,
            group,
            block,
            orientation,
            depth: self.depth(orientation),
        }
    }
}

/// The vectors of a product, and where it goes.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    /// `count` consecutive vectors for each term of the sums.
    pub v: *const f32,
    /// Vectors, 1 to [`PANEL`].
    pub count: usize,
    /// The result for the first row.
    pub out: *mut f32,
    /// Distance of the result's rows.
    pub row_stride: usize,
    /// Distance of the vectors in a row.
    pub vector_stride: usize,
    /// Vectors of a coming product, to be asked for meanwhile ([`BlockRow::ahead_len`]).
    pub ahead: *const f32,
}

/// Blocks in a row (or, transposed, in a column): 8 rows of the product's matrix.
#[derive(Clone, Copy)]
pub(super) struct BlockRow {
    start: *const f32,
    /// Distance of groups.
    group: usize,
    /// Distance of blocks in a group.
    block: usize,
    orientation: Orientation,
    /// Terms of the sums.
    depth: usize,
}

impl BlockRow {
    /// Values that [`Self::multiply`] asks for ahead.
    #[inline(always)]
    pub(super) fn ahead_len(self) -> usize {
        self.depth / BLOCK * AHEAD * LINE
    }

    /// Computes 8 rows of the product for one panel. Meanwhile asks the memory for what comes
    /// next: deep layers have neither their matrix nor their vectors in the second cache.
    ///
    /// # Safety
    ///
    /// Inside a [`super::simd::Job`] only; the panel's pointers must be good for `depth` times
    /// `count` vectors, and for 8 rows of `count` vectors; the matrix must still be there.
    #[inline(always)]
    pub(super) unsafe fn multiply<S: Simd>(self, panel: Panel, next: BlockRow) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.orientation {
                Orientation::Plain => self.by_count::<S, 1, BLOCK>(panel, next.start),
                Orientation::Transposed => self.by_count::<S, BLOCK, 1>(panel, next.start),
            }
        }
    }

    /// `ROW` and `TERM` are the distances of rows and of terms inside a block.
    #[inline(always)]
    unsafe fn by_count<S: Simd, const ROW: usize, const TERM: usize>(self, panel: Panel, next: *const f32) {
        // SAFETY: the caller's promise.
        unsafe {
            match panel.count {
                1 => self.by_rows::<S, 1, ROW, TERM>(panel, next),
                2 => self.by_rows::<S, 2, ROW, TERM>(panel, next),
                _ => self.by_rows::<S, PANEL, ROW, TERM>(panel, next),
            }
        }
    }

    #[inline(always)]
    unsafe fn by_rows<S: Simd, const N: usize, const ROW: usize, const TERM: usize>(
        mut self,
        mut panel: Panel,
        next: *const f32,
    ) {
        const HALF: usize = BLOCK / 2;
        // SAFETY: the caller's promise.
        unsafe {
            if S::ROWS == BLOCK {
                return self.in_registers::<S, BLOCK, N, ROW, TERM>(panel, next);
            }
            self.in_registers::<S, HALF, N, ROW, TERM>(panel, next);
            self.start = self.start.add(HALF * ROW);
            panel.out = panel.out.add(HALF * panel.row_stride);
            self.in_registers::<S, HALF, N, ROW, TERM>(panel, next);
        }
    }

    /// The register block: `R` rows by `N` vectors.
    #[inline(always)]
    unsafe fn in_registers<S: Simd, const R: usize, const N: usize, const ROW: usize, const TERM: usize>(
        self,
        mut panel: Panel,
        next: *const f32,
    ) {
        // SAFETY: the blocks lie in the matrix; the panel is the caller's promise.
        unsafe {
            let mut sums = [[S::splat(0.0); N]; R];
            let blocks = self.depth / BLOCK;
            for block in 0..blocks {
                let place = self.place(block);
                for line in 0..BLOCK_LEN / LINE {
                    S::prefetch(next.wrapping_add(place + line * LINE));
                }
                for line in 0..AHEAD {
                    S::prefetch(panel.ahead.wrapping_add((block * AHEAD + line) * LINE));
                }
                let u = self.start.add(place);
                for term in 0..BLOCK {
                    step::<S, R, N, ROW>(&mut sums, u.add(term * TERM), panel.v);
                    panel.v = panel.v.add(N * S::LANES);
                }
            }
            let u = self.start.wrapping_add(self.place(blocks));
            for term in 0..self.depth % BLOCK {
                step::<S, R, N, ROW>(&mut sums, u.add(term * TERM), panel.v);
                panel.v = panel.v.add(N * S::LANES);
            }
            for r in 0..R {
                for n in 0..N {
                    let out = panel.out.add(r * panel.row_stride + n * panel.vector_stride);
                    S::store(out, sums[r][n]);
                }
            }
        }
    }

    /// Where a block begins, from the first one on.
    #[inline(always)]
    fn place(self, block: usize) -> usize {
        block / GROUP * self.group + block % GROUP * self.block
    }
}

/// Adds one term to all sums of the register block.
#[inline(always)]
unsafe fn step<S: Simd, const R: usize, const N: usize, const ROW: usize>(
    sums: &mut [[S::V; N]; R],
    u: *const f32,
    v: *const f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut vectors = [S::splat(0.0); N];
        for n in 0..N {
            vectors[n] = S::load(v.add(n * S::LANES));
        }
        for r in 0..R {
            let u = S::splat(*u.add(r * ROW));
            for n in 0..N {
                sums[r][n] = S::mul_add(u, vectors[n], sums[r][n]);
            }
        }
    }
}
