//! NEON on 64-bit ARM: 4 lanes, 32 registers.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "every body relies on what the trait asks of its caller: the instruction set and good pointers"
)]

use super::{Job, Simd};
use std::arch::aarch64::*;

#[derive(Clone, Copy)]
pub(super) struct Neon;

/// Runs `job` with NEON switched on.
///
/// # Safety
///
/// The machine must have NEON, as every 64-bit ARM does.
#[target_feature(enable = "neon")]
pub(super) unsafe fn run<J: Job>(job: J) {
    job.run::<Neon>();
}

impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;
    const ROWS: usize = 8;

    #[inline(always)]
    unsafe fn splat(x: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> float32x4_t {
        unsafe { vld1q_f32(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, a: float32x4_t) {
        unsafe { vst1q_f32(p, a) }
    }
    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    unsafe fn mul_sub(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vnegq_f32(vfmsq_f32(c, a, b)) }
    }
    #[inline(always)]
    unsafe fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmaxq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn select_gt(a: float32x4_t, b: float32x4_t, x: float32x4_t, y: float32x4_t) -> float32x4_t {
        unsafe { vbslq_f32(vcgtq_f32(a, b), x, y) }
    }
    #[inline(always)]
    unsafe fn deinterleave([a, b, c, d]: [float32x4_t; 4]) -> [float32x4_t; 4] {
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
    unsafe fn interleave(a: [float32x4_t; 4]) -> [float32x4_t; 4] {
        // With 4 lanes both are the transposition of a 4 x 4 matrix.
        unsafe { Self::deinterleave(a) }
    }
    #[inline(always)]
    unsafe fn interleave2(a: float32x4_t, b: float32x4_t) -> [float32x4_t; 2] {
        unsafe { [vzip1q_f32(a, b), vzip2q_f32(a, b)] }
    }
    #[inline(always)]
    unsafe fn store_u16(p: *mut u16, a: float32x4_t) {
        unsafe { vst1_u16(p, vmovn_u32(vcvtq_u32_f32(a))) }
    }
    #[inline(always)]
    unsafe fn stream(p: *mut f32, a: float32x4_t) {
        unsafe { Self::store(p, a) }
    }
    #[inline(always)]
    unsafe fn fence() {}
    #[inline(always)]
    fn prefetch(_: *const f32) {}
    #[inline(always)]
    unsafe fn sum(a: float32x4_t) -> f32 {
        unsafe { vaddvq_f32(a) }
    }
}
