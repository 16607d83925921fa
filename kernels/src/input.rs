//! Where the input of a convolution comes from.

use super::simd::Simd;
use super::{Pool, Size};

/// The gradient of a convolution's output, in the form in which the layer after it leaves it.
#[derive(Clone, Copy)]
pub enum Gradient<'a> {
    /// The gradient of the convolution's output itself, `f32[channels, height, width]`.
    Whole(&'a [f32]),
    /// The gradient of the output of a ReLU, from [`super::Conv3x3::forward`] or [`super::Conv3x3::forward_replicated`].
    Masked {
        /// The gradient, `f32[channels, height, width]`.
        dy: &'a [f32],
        /// Where it goes on, `u8[channels, height, width]`.
        mask: &'a [u8],
    },
    /// The gradient of the output of a ReLU and a pooling, from [`super::Conv3x3::forward_pooled`].
    Pooled {
        /// The gradient, `f32[channels, height / 2, width / 2]`.
        dy: &'a [f32],
        /// Where it goes, `u8[channels, height / 2, width / 2]`.
        mask: &'a [u8],
        /// The kind of pooling.
        pool: Pool,
    },
}

/// Gives rows of an input, with zeros around the picture unless it says otherwise.
pub(crate) trait InputReader: Copy + Sync {
    /// Reads `out.len()` values of a row from column `x` on.
    fn read(self, channel: usize, y: isize, x: isize, out: &mut [f32]);

    /// Asks the memory for `len` values of a row.
    fn prefetch<S: Simd>(self, simd: S, channel: usize, y: isize, x: isize, len: usize);
}

/// A tensor as it is.
#[derive(Clone, Copy)]
pub(crate) struct Whole<'a> {
    pub data: &'a [f32],
    pub size: Size,
}

/// A tensor whose edge is repeated around the picture.
#[derive(Clone, Copy)]
pub(crate) struct Replicated<'a>(pub Whole<'a>);

/// An input in a frame one pixel wide: what is at (0, 0) comes to (1, 1).
#[derive(Clone, Copy)]
pub(crate) struct Framed<I>(pub I);

/// A tensor where a mask is set.
#[derive(Clone, Copy)]
pub(crate) struct Masked<'a> {
    pub data: &'a [f32],
    pub mask: &'a [u8],
    pub size: Size,
}

/// A pooled tensor, spread over the windows it was pooled from.
#[derive(Clone, Copy)]
pub(crate) struct Spread<'a> {
    pub data: &'a [f32],
    pub mask: &'a [u8],
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
fn prefetch<S: Simd>(simd: S, data: &[f32], size: Size, channel: usize, y: isize, x: isize, len: usize) {
    let start = ((channel * size.height) as isize + y) * size.width as isize + x;
    for i in (0..len).step_by(16) {
        simd.prefetch(data.as_ptr().wrapping_offset(start + i as isize));
    }
}

#[inline(always)]
fn prefetch_mask<S: Simd>(simd: S, mask: &[u8], size: Size, channel: usize, y: isize, x: isize, len: usize) {
    let start = ((channel * size.height) as isize + y) * size.width as isize + x;
    for i in (0..len).step_by(64) {
        simd.prefetch(mask.as_ptr().wrapping_offset(start + i as isize).cast());
    }
}

impl InputReader for Whole<'_> {
    #[inline(always)]
    fn read(self, channel: usize, y: isize, x: isize, out: &mut [f32]) {
        let (start, out) = inside(self.size, channel, y, x, out);
        out.copy_from_slice(&self.data[start..start + out.len()]);
    }

    #[inline(always)]
    fn prefetch<S: Simd>(self, simd: S, channel: usize, y: isize, x: isize, len: usize) {
        prefetch(simd, self.data, self.size, channel, y, x, len);
    }
}

impl InputReader for Replicated<'_> {
    #[inline(always)]
    fn read(self, channel: usize, y: isize, x: isize, out: &mut [f32]) {
        let Whole { data, size } = self.0;
        let row = y.max(0).unsigned_abs().min(size.height - 1);
        let (start, len) = ((channel * size.height + row) * size.width, out.len());
        self.0.read(channel, row as isize, x, out);
        out[..x.min(0).unsigned_abs().min(len)].fill(data[start]);
        let right = size.width.saturating_add_signed(-x).min(len);
        out[right..].fill(data[start + size.width - 1]);
    }

    #[inline(always)]
    fn prefetch<S: Simd>(self, simd: S, channel: usize, y: isize, x: isize, len: usize) {
        self.0.prefetch(simd, channel, y, x, len);
    }
}

impl<I: InputReader> InputReader for Framed<I> {
    #[inline(always)]
    fn read(self, channel: usize, y: isize, x: isize, out: &mut [f32]) {
        self.0.read(channel, y - 1, x - 1, out);
    }

    #[inline(always)]
    fn prefetch<S: Simd>(self, simd: S, channel: usize, y: isize, x: isize, len: usize) {
        self.0.prefetch(simd, channel, y - 1, x - 1, len);
    }
}

impl InputReader for Masked<'_> {
    #[inline(always)]
    fn read(self, channel: usize, y: isize, x: isize, out: &mut [f32]) {
        let (start, out) = inside(self.size, channel, y, x, out);
        let data = &self.data[start..start + out.len()];
        let mask = &self.mask[start..start + out.len()];
        for ((out, &value), &mask) in out.iter_mut().zip(data).zip(mask) {
            *out = if mask != 0 { value } else { 0.0 };
        }
    }

    #[inline(always)]
    fn prefetch<S: Simd>(self, simd: S, channel: usize, y: isize, x: isize, len: usize) {
        prefetch(simd, self.data, self.size, channel, y, x, len);
        prefetch_mask(simd, self.mask, self.size, channel, y, x, len);
    }
}

impl Spread<'_> {
    /// Writes the window values of pooled columns from `col` on, two for each column.
    #[inline(always)]
    fn windows(self, start: usize, row_bits: u8, out: &mut [f32]) {
        let (pairs, _) = out.as_chunks_mut::<2>();
        let data = &self.data[start..start + pairs.len()];
        let mask = &self.mask[start..start + pairs.len()];
        for ((pair, &value), &mask) in pairs.iter_mut().zip(data).zip(mask) {
            let (value, mask) = (value * self.scale, mask >> row_bits);
            pair[0] = if mask & 1 != 0 { value } else { 0.0 };
            pair[1] = if mask & 2 != 0 { value } else { 0.0 };
        }
    }
}

impl InputReader for Spread<'_> {
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
    fn prefetch<S: Simd>(self, simd: S, channel: usize, y: isize, x: isize, len: usize) {
        prefetch(simd, self.data, self.size, channel, y >> 1, x >> 1, len / 2 + 1);
        prefetch_mask(simd, self.mask, self.size, channel, y >> 1, x >> 1, len / 2 + 1);
    }
}
