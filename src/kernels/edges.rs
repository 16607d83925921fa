//! Both ends of a convolution: where its input comes from and where its output goes.

use super::Size;
use super::blocks::Run;
use super::scratch::Output;
use super::simd::Simd;
use super::winograd::TILE;

/// The gradient of a layer's output.
#[derive(Clone, Copy)]
pub enum Gradient<'a> {
    /// All of it, f32[channels, height, width].
    Whole(&'a [f32]),
    /// Of a layer that ends with a ReLU: only where the layer's output is positive.
    Gated {
        /// The gradient of the output, f32[channels, height, width].
        dy: &'a [f32],
        /// The output, f32[channels, height, width].
        y: &'a [f32],
    },
}

/// Gives rows of an input, with zeros around the picture.
pub(super) trait Source: Copy + Sync {
    /// Reads `out.len()` values of a row from column `x` on.
    fn read(self, channel: usize, y: isize, x: isize, out: &mut [f32]);
    /// Asks the memory for `len` values of a row.
    fn prefetch<S: Simd>(self, channel: usize, y: isize, x: isize, len: usize);
}

#[inline(always)]
fn prefetch<S: Simd>(data: &[f32], size: Size, channel: usize, y: isize, x: isize, len: usize) {
    let start = ((channel * size.height) as isize + y) * size.width as isize + x;
    for i in (0..len).step_by(16) {
        S::prefetch(data.as_ptr().wrapping_offset(start + i as isize));
    }
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

/// Splits a row of `out` in what lies in the picture (its start in the tensor, and where in `out`)
/// and sets the rest to 0.
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

/// Takes the output of a convolution.
pub(super) trait Sink: Copy + Sync {
    /// Writes a run of at most `LANES` tiles; lane `i` of `y[r][c]` is value (r, c) of tile `i`.
    ///
    /// # Safety
    ///
    /// Inside a [`super::simd::Job`] only, by the one task that has these tiles of the channel.
    unsafe fn write<S: Simd>(self, channel: usize, run: Run, y: [[S::V; TILE]; TILE]);
}

/// Adds a bias, raises to a floor, stores.
#[derive(Clone, Copy)]
pub(super) struct Biased<'a> {
    pub y: Output<'a, f32>,
    pub size: Size,
    pub stream: bool,
    pub bias: &'a [f32],
    /// 0 for a ReLU, minus infinity for none.
    pub floor: f32,
}

/// Stores.
#[derive(Clone, Copy)]
pub(super) struct Stored<'a> {
    pub y: Output<'a, f32>,
    pub size: Size,
    /// Whether to write past the caches.
    pub stream: bool,
}

impl Sink for Biased<'_> {
    #[inline(always)]
    unsafe fn write<S: Simd>(self, channel: usize, run: Run, mut y: [[S::V; TILE]; TILE]) {
        // SAFETY: the caller's promise.
        unsafe {
            let (bias, floor) = (S::splat(self.bias[channel]), S::splat(self.floor));
            for r in 0..TILE {
                for c in 0..TILE {
                    y[r][c] = S::max(S::add(y[r][c], bias), floor);
                }
            }
            Stored { y: self.y, size: self.size, stream: self.stream }.write::<S>(channel, run, y);
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
            unsafe { store_row::<S>(self.y.at(start, width), width, y[r], self.stream) }
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
            let mut values = [0.0; TILE * 16];
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
