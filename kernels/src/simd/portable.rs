//! Plain Rust: arrays, which compilers map to whatever the target has.
//!
//! It is compiled for 4 lanes, which every target has, and on x86-64 once more for 8 and for 16, for machines with AVX
//! and with AVX-512F: a machine with AVX but without FMA has no other kernels than these.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "every body relies on its token, without which there is no instruction set, and on the good pointers of its caller"
)]

use super::{Lanes, Simd, SimdOp};
use std::array::from_fn;

#[derive(Clone, Copy)]
struct Portable<const LANES: usize>(());

/// Runs `op` with vectors of so many lanes.
///
/// # Safety
///
/// Only where [`Lanes::are_available`].
pub(super) unsafe fn run<J: SimdOp>(lanes: Lanes, op: J) {
    match lanes {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the caller's promise.
        Lanes::Sixteen => unsafe { run_avx512(op) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the caller's promise.
        Lanes::Eight => unsafe { run_avx(op) },
        _ => op.run(Portable::<4>(())),
    }
}

/// Runs `op` with vectors of 16 lanes, on every machine.
pub(super) fn run_sixteen<J: SimdOp>(op: J) {
    op.run(Portable::<16>(()));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn run_avx512<J: SimdOp>(op: J) {
    op.run(Portable::<16>(()));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
unsafe fn run_avx<J: SimdOp>(op: J) {
    op.run(Portable::<8>(()));
}

impl<const N: usize> Simd for Portable<N> {
    type V = [f32; N];
    const LANES: usize = N;
    const ROWS: usize = if N == 16 { 8 } else { 4 };

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; N]
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Self::V {
        unsafe { p.cast::<Self::V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, a: Self::V) {
        unsafe { p.cast::<Self::V>().write_unaligned(a) }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn mul_sub(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        from_fn(|i| a[i] * b[i] - c[i])
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn select_gt(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V {
        from_fn(|i| if a[i] > b[i] { x[i] } else { y[i] })
    }
    #[inline(always)]
    fn deinterleave(self, a: [Self::V; 4]) -> [Self::V; 4] {
        from_fn(|j| from_fn(|i| a[(4 * i + j) / N][(4 * i + j) % N]))
    }
    #[inline(always)]
    fn interleave(self, a: [Self::V; 4]) -> [Self::V; 4] {
        from_fn(|i| from_fn(|j| a[(N * i + j) % 4][(N * i + j) / 4]))
    }
    #[inline(always)]
    fn interleave2(self, a: Self::V, b: Self::V) -> [Self::V; 2] {
        from_fn(|i| from_fn(|j| [a, b][j % 2][(N * i + j) / 2]))
    }
    #[inline(always)]
    unsafe fn store_u16(self, p: *mut u16, a: Self::V) {
        unsafe {
            p.cast::<[u16; N]>()
                .write_unaligned(a.map(|x| (x as u16).to_le()))
        }
    }
    #[inline(always)]
    unsafe fn stream(self, p: *mut f32, a: Self::V) {
        unsafe { self.store(p, a) }
    }
    #[inline(always)]
    fn fence(self) {}
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: every x86-64 has it, and it may point anywhere.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T1>(p.cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = p;
    }
    #[inline(always)]
    fn sum(self, mut a: Self::V) -> f32 {
        let mut half = N / 2;
        while half > 0 {
            for i in 0..half {
                a[i] += a[half + i];
            }
            half /= 2;
        }
        a[0]
    }
}
