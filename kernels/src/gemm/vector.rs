//! Matrix products by vectors.
//!
//! `out = M x v`: `M` is broadcast value by value, `v` and `out` are vectors over tiles or pixels.
//! The microkernel's block of registers is [`Simd::ROWS`] rows by up to [`PANEL`] vectors.

use super::{Blocks, Gemm, Orientation, Out, Rhs};
use crate::blocks::panels;
use crate::parallel::Exec;
use crate::scratch::Buffer;
use crate::simd::{Isa, PANEL, Simd};
use std::ops::Range;

/// Rows and columns of a block of a packed matrix.
pub(crate) const BLOCK: usize = 8;
/// Blocks of a group in either direction: a group is 4 KB, one page.
const GROUP: usize = 4;
/// Values of a block.
pub(crate) const BLOCK_LEN: usize = BLOCK * BLOCK;
/// Values of a group.
const GROUP_LEN: usize = GROUP * GROUP * BLOCK_LEN;

/// Cache lines of the vectors that are asked for ahead with each block of the matrix.
const AHEAD: usize = 2;
/// Values of a cache line.
const LINE: usize = 16;

/// Matrices of the same size, in blocks of 8 x 8 that can be read by rows or by columns: one copy
/// serves a product with the matrix and one with its transpose.
pub(crate) struct Packed {
    data: Buffer,
    rows: usize,
    cols: usize,
}

/// Values of a matrix, with whole groups in both directions.
fn plane_len(rows: usize, cols: usize) -> usize {
    rows.div_ceil(BLOCK * GROUP) * cols.div_ceil(BLOCK * GROUP) * GROUP_LEN
}

impl Packed {
    /// `planes` matrices of `rows` x `cols` zeros.
    pub(crate) fn zeros(planes: usize, rows: usize, cols: usize) -> Self {
        Self {
            data: Buffer::zeros(planes * plane_len(rows, cols)),
            rows,
            cols,
        }
    }

    /// One matrix in a buffer that was used before.
    pub(crate) fn one(
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
    pub(crate) fn into_buffer(self) -> Buffer {
        self.data
    }

    /// Sets a block of 8 x 8 values, column by column; `row` and `col` count blocks.
    pub(crate) fn set_block(&mut self, plane: usize, row: usize, col: usize, values: &[f32; BLOCK_LEN]) {
        let start = self.block(plane, row, col);
        self.data[start..start + BLOCK_LEN].copy_from_slice(values);
    }

    fn place(&self, plane: usize, row: usize, col: usize) -> usize {
        self.block(plane, row / BLOCK, col / BLOCK) + col % BLOCK * BLOCK + row % BLOCK
    }

    /// Rows of the product.
    pub(crate) fn outputs(&self, orientation: Orientation) -> usize {
        match orientation {
            Orientation::Plain => self.rows,
            Orientation::Transposed => self.cols,
        }
    }

    /// Terms of each sum of the product.
    pub(crate) fn depth(&self, orientation: Orientation) -> usize {
        match orientation {
            Orientation::Plain => self.cols,
            Orientation::Transposed => self.rows,
        }
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
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
    fn block_row(&self, orientation: Orientation, plane: usize, row: usize) -> BlockRow {
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

/// The products of packed matrices with vectors.
#[derive(Clone, Copy)]
pub(crate) struct VectorGemm<'a> {
    matrices: &'a Packed,
    orientation: Orientation,
    /// The matrix of each plane.
    matrix_of: fn(usize) -> usize,
    lanes: usize,
    /// Most vectors of a panel.
    panel: usize,
}

impl<'a> VectorGemm<'a> {
    /// Multiplies the matrix `matrix_of(plane)` of each plane.
    pub(crate) fn new(
        matrices: &'a Packed,
        orientation: Orientation,
        matrix_of: fn(usize) -> usize,
        isa: Isa,
    ) -> Self {
        Self {
            matrices,
            orientation,
            matrix_of,
            lanes: isa.lanes(),
            panel: isa.panel(),
        }
    }

    #[inline(always)]
    fn block_row(self, plane: usize, row: usize) -> BlockRow {
        self.matrices
            .block_row(self.orientation, (self.matrix_of)(plane), row)
    }
}

impl Gemm for VectorGemm<'_> {
    fn rows(self) -> usize {
        self.matrices.outputs(self.orientation)
    }

    #[inline(always)]
    fn depth(self) -> usize {
        self.matrices.depth(self.orientation)
    }

    fn blocks(self) -> Blocks {
        Blocks {
            rows: BLOCK,
            vectors: 1,
            // With 16 lanes, the transformed input and the products of a vector of tiles take 147 KB each for
            // 64 channels: in a block, as many channels of products as leave the rest of a cache of 2 MB to the
            // input, or to one plane of it if it is too long.
            cached: match (self.lanes, self.depth()) {
                (16, 256..) => (4, 128),
                (8 | 16, _) => (4, 64),
                _ => (6, 64),
            },
        }
    }

    fn stage_len(self, vectors: usize) -> usize {
        (vectors * self.depth() + panels(vectors, self.panel).count()) * self.lanes
    }

    #[inline(always)]
    fn staged_rows(self) -> usize {
        self.depth()
    }

    /// `[panel][row][vector]`; after each panel, a vector is free.
    #[inline(always)]
    fn places(self, places: &mut [(usize, usize)]) {
        for (index, (start, count)) in panels(places.len(), self.panel).enumerate() {
            for i in 0..count {
                let base = (start * self.depth() + index + i) * self.lanes;
                places[start + i] = (base, count * self.lanes);
            }
        }
    }

    fn packed_len(self, _: usize) -> usize {
        0
    }

    /// Neighbouring rows are not independent: what one leaves behind a vector, the next one overwrites.
    fn packed_rows(self) -> usize {
        self.depth()
    }

    #[inline(always)]
    unsafe fn pack(self, _: &Rhs, _: usize, _: bool) {}

    #[inline(always)]
    unsafe fn multiply<S: Simd>(self, simd: S, rhs: &Rhs, rows: Range<usize>, out: Out) {
        let first = rows.start / BLOCK;
        let (count, all) = (rows.end.div_ceil(BLOCK) - first, self.rows().div_ceil(BLOCK));
        for plane in 0..rhs.planes {
            let v = rhs.stage.wrapping_add(plane * rhs.stage_stride);
            let mut ahead = 0;
            for row in 0..count {
                let now = self.block_row(plane, first + row);
                let next = match row + 1 < count {
                    true => self.block_row(plane, first + row + 1),
                    false if rhs.planes == 1 => self.block_row(0, (first + row + 1) % all),
                    false => self.block_row((plane + 1) % rhs.planes, first),
                };
                for (index, (start, vectors)) in panels(rhs.vectors, self.panel).enumerate() {
                    let place = row * BLOCK * out.row_stride + start * out.vector_stride;
                    let panel = Panel {
                        v: v.wrapping_add((start * self.depth() + index) * S::LANES),
                        count: vectors,
                        out: out.start.wrapping_add(plane * out.plane_stride + place),
                        row_stride: out.row_stride,
                        vector_stride: out.vector_stride,
                        ahead: v.wrapping_add(rhs.stage_stride + ahead),
                    };
                    // SAFETY: the caller's promise.
                    unsafe { now.multiply(simd, panel, next) }
                    ahead = (ahead + now.ahead_len()).min(rhs.stage_stride);
                }
            }
        }
    }
}

/// The vectors of a product, and where it goes.
#[derive(Clone, Copy)]
struct Panel {
    /// `count` consecutive vectors for each term of the sums.
    v: *const f32,
    /// Vectors, 1 to [`PANEL`].
    count: usize,
    /// The result for the first row.
    out: *mut f32,
    /// Distance of the result's rows.
    row_stride: usize,
    /// Distance of the vectors in a row.
    vector_stride: usize,
    /// Vectors of a coming product, to be asked for meanwhile ([`BlockRow::ahead_len`]).
    ahead: *const f32,
}

/// Blocks in a row (or, transposed, in a column): 8 rows of the product's matrix.
#[derive(Clone, Copy)]
struct BlockRow {
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
    fn ahead_len(self) -> usize {
        self.depth / BLOCK * AHEAD * LINE
    }

    /// Computes 8 rows of the product for one panel. Meanwhile asks the memory for what comes
    /// next: deep layers have neither their matrix nor their vectors in the second cache.
    ///
    /// # Safety
    ///
    /// The panel's pointers must be good for `depth` times
    /// `count` vectors, and for 8 rows of `count` vectors; the matrix must still be there.
    #[inline(always)]
    unsafe fn multiply<S: Simd>(self, simd: S, panel: Panel, next: BlockRow) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.orientation {
                Orientation::Plain => self.by_count::<_, 1, BLOCK>(simd, panel, next.start),
                Orientation::Transposed => self.by_count::<_, BLOCK, 1>(simd, panel, next.start),
            }
        }
    }

    /// `ROW` and `TERM` are the distances of rows and of terms inside a block.
    #[inline(always)]
    unsafe fn by_count<S: Simd, const ROW: usize, const TERM: usize>(
        self,
        simd: S,
        panel: Panel,
        next: *const f32,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            match panel.count {
                1 => self.by_rows::<_, 1, ROW, TERM>(simd, panel, next),
                2 => self.by_rows::<_, 2, ROW, TERM>(simd, panel, next),
                _ => self.by_rows::<_, PANEL, ROW, TERM>(simd, panel, next),
            }
        }
    }

    #[inline(always)]
    unsafe fn by_rows<S: Simd, const N: usize, const ROW: usize, const TERM: usize>(
        mut self,
        simd: S,
        mut panel: Panel,
        next: *const f32,
    ) {
        const HALF: usize = BLOCK / 2;
        // SAFETY: the caller's promise.
        unsafe {
            if S::ROWS == BLOCK {
                return self.in_registers::<_, BLOCK, N, ROW, TERM>(simd, panel, next);
            }
            self.in_registers::<_, HALF, N, ROW, TERM>(simd, panel, next);
            self.start = self.start.add(HALF * ROW);
            panel.out = panel.out.add(HALF * panel.row_stride);
            self.in_registers::<_, HALF, N, ROW, TERM>(simd, panel, next);
        }
    }

    /// The register block: `R` rows by `N` vectors.
    #[inline(always)]
    unsafe fn in_registers<S: Simd, const R: usize, const N: usize, const ROW: usize, const TERM: usize>(
        self,
        simd: S,
        mut panel: Panel,
        next: *const f32,
    ) {
        // SAFETY: the blocks lie in the matrix; the panel is the caller's promise.
        unsafe {
            let mut sums = [[simd.splat(0.0); N]; R];
            let blocks = self.depth / BLOCK;
            for block in 0..blocks {
                let place = self.place(block);
                for line in 0..BLOCK_LEN / LINE {
                    simd.prefetch(next.wrapping_add(place + line * LINE));
                }
                for line in 0..AHEAD {
                    simd.prefetch(panel.ahead.wrapping_add((block * AHEAD + line) * LINE));
                }
                let u = self.start.add(place);
                for term in 0..BLOCK {
                    step::<_, R, N, ROW>(simd, &mut sums, u.add(term * TERM), panel.v);
                    panel.v = panel.v.add(N * S::LANES);
                }
            }
            let u = self.start.wrapping_add(self.place(blocks));
            for term in 0..self.depth % BLOCK {
                step::<_, R, N, ROW>(simd, &mut sums, u.add(term * TERM), panel.v);
                panel.v = panel.v.add(N * S::LANES);
            }
            for r in 0..R {
                for n in 0..N {
                    let out = panel.out.add(r * panel.row_stride + n * panel.vector_stride);
                    simd.store(out, sums[r][n]);
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
    simd: S,
    sums: &mut [[S::V; N]; R],
    u: *const f32,
    v: *const f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut vectors = [simd.splat(0.0); N];
        for n in 0..N {
            vectors[n] = simd.load(v.add(n * S::LANES));
        }
        for r in 0..R {
            let u = simd.splat(*u.add(r * ROW));
            for n in 0..N {
                sums[r][n] = simd.mul_add(u, vectors[n], sums[r][n]);
            }
        }
    }
}
