//! NEON on 64-bit ARM: 4 lanes, 32 registers.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "every body relies on its token, without which there is no instruction set, and on the good pointers of its caller"
)]

use super::{Simd, SimdOp};
use std::arch::aarch64::*;

/// Every 64-bit ARM has it.
pub(super) fn is_available() -> bool {
    true
}

#[derive(Clone, Copy)]
pub(super) struct Neon(());

/// Runs `op` with NEON switched on.
///
/// # Safety
///
/// The machine must have NEON, as every 64-bit ARM does.
#[target_feature(enable = "neon")]
pub(super) unsafe fn run<J: SimdOp>(op: J) {
    op.run(Neon(()));
}

impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;
    const ROWS: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> float32x4_t {
        unsafe { vld1q_f32(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, a: float32x4_t) {
        unsafe { vst1q_f32(p, a) }
    }
    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    fn mul_sub(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vnegq_f32(vfmsq_f32(c, a, b)) }
    }
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmaxq_f32(a, b) }
    }
    #[inline(always)]
    fn select_gt(self, a: float32x4_t, b: float32x4_t, x: float32x4_t, y: float32x4_t) -> float32x4_t {
        unsafe { vbslq_f32(vcgtq_f32(a, b), x, y) }
    }
    #[inline(always)]
    fn deinterleave(self, [a, b, c, d]: [float32x4_t; 4]) -> [float32x4_t; 4] {
        unsafe {
            let (ab0, ab1) = (vzip1q_f32(a, c), vzip2q_f32(a, c));
            let (cd0, cd1) = (vzip1q_f32(b, d), vzip2q_f32(b, d));
            [
                vzip1q_f32(ab0, cd0),
                vzip2q_f32(ab0, cd0),
                vzip1q_f32(ab1, cd1),
                vzip2q_f32(ab1, cd1),
            ]
        }
    }
    #[inline(always)]
    fn interleave(self, a: [float32x4_t; 4]) -> [float32x4_t; 4] {
        // With 4 lanes both are the transposition of a 4 x 4 matrix.
        self.deinterleave(a)
    }
    #[inline(always)]
    fn interleave2(self, a: float32x4_t, b: float32x4_t) -> [float32x4_t; 2] {
        unsafe { [vzip1q_f32(a, b), vzip2q_f32(a, b)] }
    }
    #[inline(always)]
    unsafe fn store_u16(self, p: *mut u16, a: float32x4_t) {
        unsafe { vst1_u16(p, vmovn_u32(vcvtq_u32_f32(a))) }
    }
    #[inline(always)]
    unsafe fn stream(self, p: *mut f32, a: float32x4_t) {
        unsafe { self.store(p, a) }
    }
    #[inline(always)]
    fn fence(self) {}
    #[inline(always)]
    fn prefetch(self, _: *const f32) {}
    #[inline(always)]
    fn sum(self, a: float32x4_t) -> f32 {
        unsafe { vaddvq_f32(a) }
    }
}
