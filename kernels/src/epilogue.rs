//! Where the output of a convolution goes.

use super::blocks::Run;
use super::scratch::Output;
use super::simd::Simd;
use super::winograd::TILE;
use super::{Pool, Size};

/// Takes the output of a convolution.
pub(crate) trait Epilogue: Copy + Sync {
    /// Writes a run of at most `LANES` tiles; lane `i` of `y[r][c]` is value (r, c) of tile `i`.
    ///
    /// # Safety
    ///
    /// Only by the one task that has these tiles of the channel.
    unsafe fn write<S: Simd>(self, simd: S, channel: usize, run: Run, y: [[S::V; TILE]; TILE]);
}

/// Stores.
#[derive(Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub y: Output<'a, f32>,
    pub size: Size,
    /// [`Exec::flushes_tiny_gradients`](super::Exec::flushes_tiny_gradients)
    pub flushes_tiny_gradients: bool,
}

/// Adds a bias, applies a ReLU, stores the result and, if asked, where its gradient goes on.
#[derive(Clone, Copy)]
pub(crate) struct Rectified<'a> {
    pub stored: Stored<'a>,
    pub mask: Option<Output<'a, u8>>,
    pub bias: &'a [f32],
}

/// Adds a bias, applies a ReLU, pools, stores the result and where its gradient goes.
#[derive(Clone, Copy)]
pub(crate) struct Pooled<'a> {
    pub y: Output<'a, f32>,
    pub mask: Output<'a, u8>,
    /// The size after pooling.
    pub size: Size,
    pub bias: &'a [f32],
    pub pool: Pool,
}

/// `max(y + bias, 0)`
#[inline(always)]
fn activate<S: Simd>(simd: S, y: &mut [[S::V; TILE]; TILE], bias: f32) {
    let (bias, zero) = (simd.splat(bias), simd.splat(0.0));
    for row in y {
        for value in row {
            *value = simd.max(simd.add(*value, bias), zero);
        }
    }
}

impl Epilogue for Rectified<'_> {
    #[inline(always)]
    unsafe fn write<S: Simd>(self, simd: S, channel: usize, run: Run, mut y: [[S::V; TILE]; TILE]) {
        // SAFETY: the caller's promise; the values belong to the run, which is the caller's.
        unsafe {
            activate(simd, &mut y, self.bias[channel]);
            self.stored.store(simd, channel, run, y);
            if let Some(mask) = self.mask {
                for (r, start, width) in self.stored.rows(channel, run) {
                    store_mask(simd, mask.at(start, width), width, y[r]);
                }
            }
        }
    }
}

impl Stored<'_> {
    /// The rows of a run of tiles: number, place in the tensor, width.
    #[inline(always)]
    fn rows(self, channel: usize, run: Run) -> impl Iterator<Item = (usize, usize, usize)> {
        let (row, col) = (run.row * TILE, run.col * TILE);
        let width = (run.count * TILE).min(self.size.width - col);
        let start = (channel * self.size.height + row) * self.size.width + col;
        (0..TILE.min(self.size.height - row)).map(move |r| (r, start + r * self.size.width, width))
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(self, simd: S, channel: usize, run: Run, y: [[S::V; TILE]; TILE]) {
        for (r, start, width) in self.rows(channel, run) {
            // SAFETY: the values belong to the run, which is the caller's.
            unsafe { store_row(simd, self.y.at(start, width), width, y[r], self.y.is_large()) }
        }
    }
}

impl Epilogue for Stored<'_> {
    #[inline(always)]
    unsafe fn write<S: Simd>(self, simd: S, channel: usize, run: Run, mut y: [[S::V; TILE]; TILE]) {
        if self.flushes_tiny_gradients {
            flush(simd, &mut y);
        }
        // SAFETY: the caller's promise.
        unsafe { self.store(simd, channel, run, y) }
    }
}

/// Flushes magnitudes below 1e-30 to 0; what is not a number stays.
#[inline(always)]
fn flush<S: Simd>(simd: S, y: &mut [[S::V; TILE]; TILE]) {
    let (least, zero) = (simd.splat(1e-30), simd.splat(0.0));
    for value in y.iter_mut().flatten() {
        let magnitude = simd.max(*value, simd.sub(zero, *value));
        *value = simd.select_gt(least, magnitude, zero, *value);
    }
}

/// Writes the first `width` values of a row of tiles.
#[inline(always)]
unsafe fn store_row<S: Simd>(simd: S, to: *mut f32, width: usize, row: [S::V; TILE], stream: bool) {
    // SAFETY: the caller has room for `width` values; `values` has room for 4 vectors.
    unsafe {
        let row = simd.interleave(row);
        if width < TILE * S::LANES {
            let mut values = [0.0; TILE * MOST_LANES];
            for i in 0..TILE {
                simd.store(values.as_mut_ptr().add(i * S::LANES), row[i]);
            }
            to.copy_from_nonoverlapping(values.as_ptr(), width);
        } else if stream && (to as usize).is_multiple_of(size_of::<S::V>()) {
            for i in 0..TILE {
                simd.stream(to.add(i * S::LANES), row[i]);
            }
        } else {
            for i in 0..TILE {
                simd.store(to.add(i * S::LANES), row[i]);
            }
        }
    }
}

/// Writes for each of the first `width` values of a row of tiles, which are 0 or more, whether it is not 0.
#[inline(always)]
unsafe fn store_mask<S: Simd>(simd: S, to: *mut u8, width: usize, row: [S::V; TILE]) {
    // SAFETY: the caller has room for `width` bytes; `some` has room for 4 vectors of them.
    unsafe {
        let zero = simd.splat(0.0);
        let mask = |value, open| simd.select_gt(value, zero, simd.splat(open), zero);
        // Two masks in a lane become two bytes.
        let pair = |i: usize| simd.add(mask(row[i], 1.0), mask(row[i + 1], 256.0));
        let masks = simd.interleave2(pair(0), pair(2));
        let store = |to: *mut u8| {
            simd.store_u16(to.cast(), masks[0]);
            simd.store_u16(to.add(2 * S::LANES).cast(), masks[1]);
        };
        if width == TILE * S::LANES {
            store(to);
        } else {
            let mut some = [0; TILE * MOST_LANES];
            store(some.as_mut_ptr());
            to.copy_from_nonoverlapping(some.as_ptr(), width);
        }
    }
}

/// Lanes of the longest vectors.
const MOST_LANES: usize = 16;

impl Epilogue for Pooled<'_> {
    #[inline(always)]
    unsafe fn write<S: Simd>(self, simd: S, channel: usize, run: Run, mut y: [[S::V; TILE]; TILE]) {
        let (row, col) = (run.row * TILE / 2, run.col * TILE / 2);
        let width = (run.count * TILE / 2).min(self.size.width - col);
        // SAFETY: the caller's promise; the values belong to the run, which is the caller's.
        unsafe {
            activate(simd, &mut y, self.bias[channel]);
            for r in 0..(TILE / 2).min(self.size.height - row) {
                let (rows, start) = (
                    &y[2 * r..],
                    (channel * self.size.height + row + r) * self.size.width + col,
                );
                let left = self.pool_window(simd, [rows[0][0], rows[0][1], rows[1][0], rows[1][1]]);
                let right = self.pool_window(simd, [rows[0][2], rows[0][3], rows[1][2], rows[1][3]]);
                let values = simd.interleave2(left.0, right.0);
                // Two masks in a lane become two bytes.
                let masks = simd.mul_add(right.1, simd.splat(256.0), left.1);
                let (y, mask) = (self.y.at(start, width), self.mask.at(start, width));
                if width == 2 * S::LANES {
                    simd.store(y, values[0]);
                    simd.store(y.add(S::LANES), values[1]);
                    simd.store_u16(mask.cast(), masks);
                } else {
                    let (mut some, mut some_masks) = ([0.0; 2 * MOST_LANES], [0; MOST_LANES]);
                    simd.store(some.as_mut_ptr(), values[0]);
                    simd.store(some.as_mut_ptr().add(S::LANES), values[1]);
                    simd.store_u16(some_masks.as_mut_ptr(), masks);
                    y.copy_from_nonoverlapping(some.as_ptr(), width);
                    mask.copy_from_nonoverlapping(some_masks.as_ptr().cast(), width);
                }
            }
        }
    }
}

impl Pooled<'_> {
    /// The pooled value and its mask.
    #[inline(always)]
    fn pool_window<S: Simd>(self, simd: S, window: [S::V; 4]) -> (S::V, S::V) {
        match self.pool {
            Pool::Max => largest(simd, window),
            Pool::Average => mean(simd, window),
        }
    }
}

/// The largest of a window of values that are 0 or more, and the bit of the first that is as large;
/// no bit if it is 0.
#[inline(always)]
fn largest<S: Simd>(simd: S, window: [S::V; 4]) -> (S::V, S::V) {
    let (mut value, mut mask) = (window[0], simd.splat(1.0));
    for i in 1..4 {
        mask = simd.select_gt(window[i], value, simd.splat((1 << i) as f32), mask);
        value = simd.max(window[i], value);
    }
    (
        value,
        simd.select_gt(value, simd.splat(0.0), mask, simd.splat(0.0)),
    )
}

/// The mean of a window of values that are 0 or more, and the bits of those above 0.
#[inline(always)]
fn mean<S: Simd>(simd: S, window: [S::V; 4]) -> (S::V, S::V) {
    let zero = simd.splat(0.0);
    let (mut sum, mut mask) = (zero, zero);
    for i in 0..4 {
        sum = simd.add(sum, window[i]);
        mask = simd.add(
            mask,
            simd.select_gt(window[i], zero, simd.splat((1 << i) as f32), zero),
        );
    }
    (simd.mul(sum, simd.splat(0.25)), mask)
}
