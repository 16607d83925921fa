//! Where the output of a convolution goes.

use super::blocks::Run;
use super::scratch::Output;
use super::simd::Simd;
use super::winograd::TILE;
use super::{Pool, Size};

/// Takes the output of a convolution.
pub(super) trait Sink: Copy + Sync {
    /// Writes a run of at most `LANES` tiles; lane `i` of `y[r][c]` is value (r, c) of tile `i`.
    ///
    /// # Safety
    ///
    /// Inside a [`super::simd::Job`] only, by the one task that has these tiles of the channel.
    unsafe fn write<S: Simd>(self, channel: usize, run: Run, y: [[S::V; TILE]; TILE]);
}

/// Stores.
#[derive(Clone, Copy)]
pub(super) struct Stored<'a> {
    pub y: Output<'a, f32>,
    pub size: Size,
}

/// Adds a bias, applies a ReLU, stores the result and, if asked, where its gradient goes on.
#[derive(Clone, Copy)]
pub(super) struct Rectified<'a> {
    pub stored: Stored<'a>,
    pub gate: Option<Output<'a, u8>>,
    pub bias: &'a [f32],
}

/// Adds a bias, applies a ReLU, pools, stores the result and where its gradient goes.
#[derive(Clone, Copy)]
pub(super) struct Pooled<'a> {
    pub y: Output<'a, f32>,
    pub gate: Output<'a, u8>,
    /// The size after pooling.
    pub size: Size,
    pub bias: &'a [f32],
    pub pool: Pool,
}

/// `max(y + bias, 0)`
#[inline(always)]
unsafe fn activate<S: Simd>(y: &mut [[S::V; TILE]; TILE], bias: f32) {
    // SAFETY: the caller's promise.
    unsafe {
        let (bias, zero) = (S::splat(bias), S::splat(0.0));
        for row in y {
            for value in row {
                *value = S::max(S::add(*value, bias), zero);
            }
        }
    }
}

impl Sink for Rectified<'_> {
    #[inline(always)]
    unsafe fn write<S: Simd>(self, channel: usize, run: Run, mut y: [[S::V; TILE]; TILE]) {
        // SAFETY: the caller's promise; the values belong to the run, which is the caller's.
        unsafe {
            activate::<S>(&mut y, self.bias[channel]);
            self.stored.write::<S>(channel, run, y);
            if let Some(gate) = self.gate {
                for (r, start, width) in self.stored.rows(channel, run) {
                    store_gate::<S>(gate.at(start, width), width, y[r]);
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
}

impl Sink for Stored<'_> {
    #[inline(always)]
    unsafe fn write<S: Simd>(self, channel: usize, run: Run, y: [[S::V; TILE]; TILE]) {
        for (r, start, width) in self.rows(channel, run) {
            // SAFETY: the values belong to the run, which is the caller's.
            unsafe { store_row::<S>(self.y.at(start, width), width, y[r], self.y.is_large()) }
        }
    }
}

/// Writes the first `width` values of a row of tiles.
#[inline(always)]
unsafe fn store_row<S: Simd>(to: *mut f32, width: usize, row: [S::V; TILE], stream: bool) {
    // SAFETY: the caller has room for `width` values; `values` has room for 4 vectors.
    unsafe {
        let row = S::interleave(row);
        if width < TILE * S::LANES {
            let mut values = [0.0; TILE * MOST_LANES];
            for i in 0..TILE {
                S::store(values.as_mut_ptr().add(i * S::LANES), row[i]);
            }
            to.copy_from_nonoverlapping(values.as_ptr(), width);
        } else if stream && (to as usize).is_multiple_of(size_of::<S::V>()) {
            for i in 0..TILE {
                S::stream(to.add(i * S::LANES), row[i]);
            }
        } else {
            for i in 0..TILE {
                S::store(to.add(i * S::LANES), row[i]);
            }
        }
    }
}

/// Writes for each of the first `width` values of a row of tiles, which are 0 or more, whether it is not 0.
#[inline(always)]
unsafe fn store_gate<S: Simd>(to: *mut u8, width: usize, row: [S::V; TILE]) {
    // SAFETY: the caller has room for `width` bytes; `some` has room for 4 vectors of them.
    unsafe {
        let zero = S::splat(0.0);
        let gate = |value, open| S::select_gt(value, zero, S::splat(open), zero);
        // Two gates in a lane become two bytes.
        let pair = |i: usize| S::add(gate(row[i], 1.0), gate(row[i + 1], 256.0));
        let gates = S::interleave2(pair(0), pair(2));
        let store = |to: *mut u8| {
            S::store_u16(to.cast(), gates[0]);
            S::store_u16(to.add(2 * S::LANES).cast(), gates[1]);
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

impl Sink for Pooled<'_> {
    #[inline(always)]
    unsafe fn write<S: Simd>(self, channel: usize, run: Run, mut y: [[S::V; TILE]; TILE]) {
        let (row, col) = (run.row * TILE / 2, run.col * TILE / 2);
        let width = (run.count * TILE / 2).min(self.size.width - col);
        // SAFETY: the caller's promise; the values belong to the run, which is the caller's.
        unsafe {
            activate::<S>(&mut y, self.bias[channel]);
            for r in 0..(TILE / 2).min(self.size.height - row) {
                let (rows, start) = (
                    &y[2 * r..],
                    (channel * self.size.height + row + r) * self.size.width + col,
                );
                let left = self.pool_window::<S>([rows[0][0], rows[0][1], rows[1][0], rows[1][1]]);
                let right = self.pool_window::<S>([rows[0][2], rows[0][3], rows[1][2], rows[1][3]]);
                let values = S::interleave2(left.0, right.0);
                // Two gates in a lane become two bytes.
                let gates = S::mul_add(right.1, S::splat(256.0), left.1);
                let (y, gate) = (self.y.at(start, width), self.gate.at(start, width));
                if width == 2 * S::LANES {
                    S::store(y, values[0]);
                    S::store(y.add(S::LANES), values[1]);
                    S::store_u16(gate.cast(), gates);
                } else {
                    let (mut some, mut some_gates) = ([0.0; 2 * MOST_LANES], [0; MOST_LANES]);
                    S::store(some.as_mut_ptr(), values[0]);
                    S::store(some.as_mut_ptr().add(S::LANES), values[1]);
                    S::store_u16(some_gates.as_mut_ptr(), gates);
                    y.copy_from_nonoverlapping(some.as_ptr(), width);
                    gate.copy_from_nonoverlapping(some_gates.as_ptr().cast(), width);
                }
            }
        }
    }
}

impl Pooled<'_> {
    /// The pooled value and its gate.
    #[inline(always)]
    unsafe fn pool_window<S: Simd>(self, window: [S::V; 4]) -> (S::V, S::V) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.pool {
                Pool::Max => largest::<S>(window),
                Pool::Average => mean::<S>(window),
            }
        }
    }
}

/// The largest of a window of values that are 0 or more, and the bit of the first that is as large;
/// no bit if it is 0.
#[inline(always)]
unsafe fn largest<S: Simd>(window: [S::V; 4]) -> (S::V, S::V) {
    // SAFETY: the caller's promise.
    unsafe {
        let (mut value, mut gate) = (window[0], S::splat(1.0));
        for i in 1..4 {
            gate = S::select_gt(window[i], value, S::splat((1 << i) as f32), gate);
            value = S::max(window[i], value);
        }
        (value, S::select_gt(value, S::splat(0.0), gate, S::splat(0.0)))
    }
}

/// The mean of a window of values that are 0 or more, and the bits of those above 0.
#[inline(always)]
unsafe fn mean<S: Simd>(window: [S::V; 4]) -> (S::V, S::V) {
    // SAFETY: the caller's promise.
    unsafe {
        let zero = S::splat(0.0);
        let (mut sum, mut gate) = (zero, zero);
        for i in 0..4 {
            sum = S::add(sum, window[i]);
            gate = S::add(
                gate,
                S::select_gt(window[i], zero, S::splat((1 << i) as f32), zero),
            );
        }
        (S::mul(sum, S::splat(0.25)), gate)
    }
}
