//! Both ends of a convolution: where its input comes from and where its output goes.

use super::blocks::Run;
use super::scratch::Output;
use super::simd::Simd;
use super::winograd::TILE;
use super::{Pool, Size};

/// The gradient of a convolution's output, in the form in which the layer after it leaves it.
#[derive(Clone, Copy)]
pub enum Gradient<'a> {
    /// Of the convolution's output itself, `f32[channels, height, width]`.
    Whole(&'a [f32]),
    /// Of a ReLU's output: it counts where that output is positive.
    Gated {
        /// The gradient, `f32[channels, height, width]`.
        dy: &'a [f32],
        /// The ReLU's output, `f32[channels, height, width]`.
        y: &'a [f32],
    },
    /// Of the output of a ReLU and a pooling, from [`super::Conv3x3::forward_pooled`].
    Pooled {
        /// The gradient, `f32[channels, height / 2, width / 2]`.
        dy: &'a [f32],
        /// Where it goes, `u8[channels, height / 2, width / 2]`.
        gate: &'a [u8],
        /// The kind of pooling.
        pool: Pool,
    },
}

/// Gives rows of an input, with zeros around the picture.
pub(super) trait Source: Copy + Sync {
    /// Reads `out.len()` values of a row from column `x` on.
    fn read(self, channel: usize, y: isize, x: isize, out: &mut [f32]);

    /// Asks the memory for `len` values of a row.
    fn prefetch<S: Simd>(self, channel: usize, y: isize, x: isize, len: usize);
}

/// A tensor as it is.
#[derive(Clone, Copy)]
pub(super) struct Whole<'a> {
    pub data: &'a [f32],
    pub size: Size,
}

/// A tensor where another one is positive.
#[derive(Clone, Copy)]
pub(super) struct Gated<'a> {
    pub data: &'a [f32],
    pub gate: &'a [f32],
    pub size: Size,
}

/// A pooled tensor, spread over the windows it was pooled from.
#[derive(Clone, Copy)]
pub(super) struct Spread<'a> {
    pub data: &'a [f32],
    pub gate: &'a [u8],
    /// The size after pooling.
    pub size: Size,
    pub scale: f32,
}

/// Finds what of a row lies in the picture: its start in the tensor, and where in `out`; sets the
/// rest of `out` to 0.
#[inline(always)]
fn inside(size: Size, channel: usize, y: isize, x: isize, out: &mut [f32]) -> (usize, &mut [f32]) {
    let row = usize::try_from(y).ok().filter(|&y| y < size.height);
    let Some(row) = row else {
        out.fill(0.0);
        return (0, &mut []);
    };
    let before = x.min(0).unsigned_abs().min(out.len());
    let start = x.max(0).unsigned_abs().min(size.width);
    let (left, out) = out.split_at_mut(before);
    left.fill(0.0);
    let (out, right) = out.split_at_mut(out.len().min(size.width - start));
    right.fill(0.0);
    ((channel * size.height + row) * size.width + start, out)
}

#[inline(always)]
fn prefetch<S: Simd>(data: &[f32], size: Size, channel: usize, y: isize, x: isize, len: usize) {
    let start = ((channel * size.height) as isize + y) * size.width as isize + x;
    for i in (0..len).step_by(16) {
        S::prefetch(data.as_ptr().wrapping_offset(start + i as isize));
    }
}

impl Source for Whole<'_> {
    #[inline(always)]
    fn read(self, channel: usize, y: isize, x: isize, out: &mut [f32]) {
        let (start, out) = inside(self.size, channel, y, x, out);
        out.copy_from_slice(&self.data[start..start + out.len()]);
    }

    #[inline(always)]
    fn prefetch<S: Simd>(self, channel: usize, y: isize, x: isize, len: usize) {
        prefetch::<S>(self.data, self.size, channel, y, x, len);
    }
}

impl Source for Gated<'_> {
    #[inline(always)]
    fn read(self, channel: usize, y: isize, x: isize, out: &mut [f32]) {
        let (start, out) = inside(self.size, channel, y, x, out);
        let data = &self.data[start..start + out.len()];
        let gate = &self.gate[start..start + out.len()];
        for ((out, &value), &gate) in out.iter_mut().zip(data).zip(gate) {
            *out = if gate > 0.0 { value } else { 0.0 };
        }
    }

    #[inline(always)]
    fn prefetch<S: Simd>(self, channel: usize, y: isize, x: isize, len: usize) {
        prefetch::<S>(self.data, self.size, channel, y, x, len);
        prefetch::<S>(self.gate, self.size, channel, y, x, len);
    }
}

impl Spread<'_> {
    /// Writes the window values of pooled columns from `col` on, two for each column.
    #[inline(always)]
    fn windows(self, start: usize, row_bits: u8, out: &mut [f32]) {
        let (pairs, _) = out.as_chunks_mut::<2>();
        let data = &self.data[start..start + pairs.len()];
        let gate = &self.gate[start..start + pairs.len()];
        for ((pair, &value), &gate) in pairs.iter_mut().zip(data).zip(gate) {
            let (value, gate) = (value * self.scale, gate >> row_bits);
            pair[0] = if gate & 1 != 0 { value } else { 0.0 };
            pair[1] = if gate & 2 != 0 { value } else { 0.0 };
        }
    }
}

impl Source for Spread<'_> {
    /// `x` is odd, as it is left of a tile, and `out.len()` is even.
    #[inline(always)]
    fn read(self, channel: usize, y: isize, x: isize, out: &mut [f32]) {
        debug_assert!(x & 1 != 0 && out.len().is_multiple_of(2));
        let row = usize::try_from(y)
            .ok()
            .map(|y| y / 2)
            .filter(|&row| row < self.size.height);
        let Some(row) = row else {
            return out.fill(0.0);
        };
        let row_bits = if y & 1 == 0 { 0 } else { 2 };
        let start = (channel * self.size.height + row) * self.size.width;
        // Half a window left, whole windows, half a window right.
        let col = (x + 1).unsigned_abs() / 2;
        let last = out.len() - 1;
        let cols = (last / 2).min(self.size.width.saturating_sub(col));
        out[1 + 2 * cols..].fill(0.0);
        self.windows(start + col, row_bits, &mut out[1..1 + 2 * cols]);
        let mut window = [0.0; 2];
        if col > 0 && col <= self.size.width {
            self.windows(start + col - 1, row_bits, &mut window);
        }
        out[0] = window[1];
        if col + last / 2 < self.size.width {
            self.windows(start + col + last / 2, row_bits, &mut window);
            out[last] = window[0];
        }
    }

    #[inline(always)]
    fn prefetch<S: Simd>(self, channel: usize, y: isize, x: isize, len: usize) {
        prefetch::<S>(self.data, self.size, channel, y >> 1, x >> 1, len / 2 + 1);
        let start = (channel * self.size.height) as isize + (y >> 1);
        let start = start * self.size.width as isize + (x >> 1);
        for i in (0..len / 2 + 1).step_by(64) {
            S::prefetch(self.gate.as_ptr().wrapping_offset(start + i as isize).cast());
        }
    }
}

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

/// Adds a bias, raises to a floor, stores.
#[derive(Clone, Copy)]
pub(super) struct Biased<'a> {
    pub stored: Stored<'a>,
    pub bias: &'a [f32],
    /// 0 for a ReLU, minus infinity for none.
    pub floor: f32,
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

/// `max(y + bias, floor)`
#[inline(always)]
unsafe fn activate<S: Simd>(y: &mut [[S::V; TILE]; TILE], bias: f32, floor: f32) {
    // SAFETY: the caller's promise.
    unsafe {
        let (bias, floor) = (S::splat(bias), S::splat(floor));
        for row in y {
            for value in row {
                *value = S::max(S::add(*value, bias), floor);
            }
        }
    }
}

impl Sink for Biased<'_> {
    #[inline(always)]
    unsafe fn write<S: Simd>(self, channel: usize, run: Run, mut y: [[S::V; TILE]; TILE]) {
        // SAFETY: the caller's promise.
        unsafe {
            activate::<S>(&mut y, self.bias[channel], self.floor);
            self.stored.write::<S>(channel, run, y);
        }
    }
}

impl Sink for Stored<'_> {
    #[inline(always)]
    unsafe fn write<S: Simd>(self, channel: usize, run: Run, y: [[S::V; TILE]; TILE]) {
        let (row, col) = (run.row * TILE, run.col * TILE);
        let width = (run.count * TILE).min(self.size.width - col);
        for r in 0..TILE.min(self.size.height - row) {
            let start = (channel * self.size.height + row + r) * self.size.width + col;
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

/// Lanes of the longest vectors.
const MOST_LANES: usize = 16;

impl Sink for Pooled<'_> {
    #[inline(always)]
    unsafe fn write<S: Simd>(self, channel: usize, run: Run, mut y: [[S::V; TILE]; TILE]) {
        let (row, col) = (run.row * TILE / 2, run.col * TILE / 2);
        let width = (run.count * TILE / 2).min(self.size.width - col);
        // SAFETY: the caller's promise; the values belong to the run, which is the caller's.
        unsafe {
            activate::<S>(&mut y, self.bias[channel], 0.0);
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
