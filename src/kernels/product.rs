//! Matrix products of a small packed matrix with panels of vectors: the arithmetic of all kernels.
//!
//! `out = M x v`: `M` is broadcast value by value, `v` and `out` are vectors over tiles or pixels.
//! A register block is [`Simd::ROWS`] rows by up to [`PANEL`] vectors.

use super::scratch::Buffer;
use super::simd::Simd;

/// Rows and columns of a block of a packed matrix.
pub(super) const BLOCK: usize = 8;
/// Blocks of a group in either direction: a group is 4 KB, one page.
const GROUP: usize = 4;
/// Values of a block.
const BLOCK_LEN: usize = BLOCK * BLOCK;
/// Values of a group.
const GROUP_LEN: usize = GROUP * GROUP * BLOCK_LEN;
/// Most vectors of a panel.
pub(super) const PANEL: usize = 3;

/// Matrices of the same size, in blocks of 8 x 8 that can be read by rows or by columns: one copy
/// serves a product with the matrix and one with its transpose.
pub(super) struct Packed {
    data: Buffer,
    rows: usize,
    cols: usize,
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
        let mut packed = Self { data: Buffer::default(), rows, cols };
        packed.data = Buffer::zeros(planes * packed.plane_len());
        packed
    }

    /// Sets one value of each plane.
    pub(super) fn set(&mut self, row: usize, col: usize, values: &[f32]) {
        for (plane, &value) in values.iter().enumerate() {
            let block = self.block(plane, row / BLOCK, col / BLOCK);
            self.data[block + col % BLOCK * BLOCK + row % BLOCK] = value;
        }
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

    fn plane_len(&self) -> usize {
        self.rows.div_ceil(BLOCK * GROUP) * self.col_groups() * GROUP_LEN
    }

    /// Where a block starts, its row and column counted in blocks.
    fn block(&self, plane: usize, row: usize, col: usize) -> usize {
        let group = row / GROUP * self.col_groups() + col / GROUP;
        let inner = row % GROUP * GROUP + col % GROUP;
        plane * self.plane_len() + group * GROUP_LEN + inner * BLOCK_LEN
    }

    /// The walk along the sums of block row `row` of the product.
    fn walk(&self, orientation: Orientation, plane: usize, row: usize) -> Walk {
        let (start, group, block) = match orientation {
            Orientation::Plain => (self.block(plane, row, 0), GROUP_LEN, BLOCK_LEN),
            Orientation::Transposed => {
                (self.block(plane, 0, row), self.col_groups() * GROUP_LEN, GROUP * BLOCK_LEN)
            }
        };
        Walk { start: self.data[start..].as_ptr(), group, block, depth: self.depth(orientation) }
    }
}

/// The blocks along one row of blocks (or, transposed, one column).
#[derive(Clone, Copy)]
struct Walk {
    start: *const f32,
    /// Distance of groups.
    group: usize,
    /// Distance of blocks in a group.
    block: usize,
    /// Terms of the sums.
    depth: usize,
}

/// Where the vectors of a product are.
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
}

/// Computes the 8 rows of the product that belong to block row `row`, for one panel.
///
/// # Safety
///
/// Inside a [`super::simd::Job`] only; the panel's pointers must be good for `depth` times `count`
/// vectors, and for 8 rows of `count` vectors.
#[inline(always)]
pub(super) unsafe fn block_row<S: Simd>(
    matrix: &Packed,
    orientation: Orientation,
    plane: usize,
    row: usize,
    panel: Panel,
) {
    let walk = matrix.walk(orientation, plane, row);
    // SAFETY: the caller's promise.
    unsafe {
        match orientation {
            Orientation::Plain => by_count::<S, 1, BLOCK>(walk, panel),
            Orientation::Transposed => by_count::<S, BLOCK, 1>(walk, panel),
        }
    }
}

/// `ROW` and `TERM` are the distances of rows and of terms inside a block.
#[inline(always)]
unsafe fn by_count<S: Simd, const ROW: usize, const TERM: usize>(walk: Walk, panel: Panel) {
    // SAFETY: the caller's promise.
    unsafe {
        match panel.count {
            1 => by_rows::<S, 1, ROW, TERM>(walk, panel),
            2 => by_rows::<S, 2, ROW, TERM>(walk, panel),
            _ => by_rows::<S, PANEL, ROW, TERM>(walk, panel),
        }
    }
}

#[inline(always)]
unsafe fn by_rows<S: Simd, const N: usize, const ROW: usize, const TERM: usize>(
    mut walk: Walk,
    mut panel: Panel,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if S::ROWS == BLOCK {
            return registers::<S, BLOCK, N, ROW, TERM>(walk, panel);
        }
        registers::<S, { BLOCK / 2 }, N, ROW, TERM>(walk, panel);
        walk.start = walk.start.add(BLOCK / 2 * ROW);
        panel.out = panel.out.add(BLOCK / 2 * panel.row_stride);
        registers::<S, { BLOCK / 2 }, N, ROW, TERM>(walk, panel);
    }
}

/// The register block: `R` rows by `N` vectors.
#[inline(always)]
unsafe fn registers<
    S: Simd,
    const R: usize,
    const N: usize,
    const ROW: usize,
    const TERM: usize,
>(
    walk: Walk,
    panel: Panel,
) {
    // SAFETY: blocks of the walk lie in the matrix; the panel is the caller's promise.
    unsafe {
        let mut sums = [[S::splat(0.0); N]; R];
        let mut v = panel.v;
        let blocks = walk.depth / BLOCK;
        for block in 0..blocks {
            let u = walk.start.add(block / GROUP * walk.group + block % GROUP * walk.block);
            for term in 0..BLOCK {
                step::<S, R, N, ROW>(&mut sums, u.add(term * TERM), v);
                v = v.add(N * S::LANES);
            }
        }
        let u = walk.start.add(blocks / GROUP * walk.group + blocks % GROUP * walk.block);
        for term in 0..walk.depth % BLOCK {
            step::<S, R, N, ROW>(&mut sums, u.add(term * TERM), v);
            v = v.add(N * S::LANES);
        }
        for (r, row) in sums.iter().enumerate() {
            for (n, &sum) in row.iter().enumerate() {
                S::store(panel.out.add(r * panel.row_stride + n * panel.vector_stride), sum);
            }
        }
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
