//! AVX-512F: 16 lanes, 32 registers.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "every body relies on its token, without which there is no instruction set, and on the good pointers of its caller"
)]

use super::{Simd, SimdOp};
use std::arch::x86_64::*;

/// Whether the machine has it.
#[inline(always)]
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

#[derive(Clone, Copy)]
pub(super) struct Avx512(());

/// Runs `work` with AVX-512F switched on.
///
/// # Safety
///
/// The machine must have AVX-512F.
#[target_feature(enable = "avx512f,avx2,fma")]
pub(super) unsafe fn call<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// Runs `op` with AVX-512F switched on.
///
/// # Safety
///
/// The machine must have AVX-512F.
#[target_feature(enable = "avx512f,avx2,fma")]
pub(super) unsafe fn run<J: SimdOp>(op: J) {
    op.run(Avx512(()));
}

/// Four vectors as a 16 x 4 matrix to its transpose, or back: the two halves of the work.
/// `EVEN` gathers lanes 0, 4, 8, 12 then 1, 5, ... of each of two vectors, `ODD` 2, 6, ... then 3, 7, ...
const EVEN: [i32; 16] = [0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29];
const ODD: [i32; 16] = [2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31];
/// Lane `4 i + j` takes lane `i` of quarter `j` (quarters 0 and 1 lie in the first vector).
const LOW: [i32; 16] = [0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27];
const HIGH: [i32; 16] = [4, 12, 20, 28, 5, 13, 21, 29, 6, 14, 22, 30, 7, 15, 23, 31];

/// Lanes of two vectors in turn.
const FIRST: [i32; 16] = [0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23];
const SECOND: [i32; 16] = [8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31];

#[inline(always)]
unsafe fn index(lanes: &[i32; 16]) -> __m512i {
    // SAFETY: 16 values are read from an array of 16.
    unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) }
}

impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;
    const ROWS: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, a: __m512) {
        unsafe { _mm512_storeu_ps(p, a) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn mul_sub(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmsub_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn select_gt(self, a: __m512, b: __m512, x: __m512, y: __m512) -> __m512 {
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), y, x) }
    }
    #[inline(always)]
    fn deinterleave(self, [a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
        unsafe {
            let (even, odd) = (index(&EVEN), index(&ODD));
            let (e0, e1) = (
                _mm512_permutex2var_ps(a, even, b),
                _mm512_permutex2var_ps(c, even, d),
            );
            let (o0, o1) = (
                _mm512_permutex2var_ps(a, odd, b),
                _mm512_permutex2var_ps(c, odd, d),
            );
            [
                _mm512_shuffle_f32x4::<0b01_00_01_00>(e0, e1),
                _mm512_shuffle_f32x4::<0b11_10_11_10>(e0, e1),
                _mm512_shuffle_f32x4::<0b01_00_01_00>(o0, o1),
                _mm512_shuffle_f32x4::<0b11_10_11_10>(o0, o1),
            ]
        }
    }
    #[inline(always)]
    fn interleave(self, [a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
        unsafe {
            let (ab0, cd0) = (
                _mm512_shuffle_f32x4::<0b01_00_01_00>(a, b),
                _mm512_shuffle_f32x4::<0b01_00_01_00>(c, d),
            );
            let (ab1, cd1) = (
                _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b),
                _mm512_shuffle_f32x4::<0b11_10_11_10>(c, d),
            );
            let (low, high) = (index(&LOW), index(&HIGH));
            [
                _mm512_permutex2var_ps(ab0, low, cd0),
                _mm512_permutex2var_ps(ab0, high, cd0),
                _mm512_permutex2var_ps(ab1, low, cd1),
                _mm512_permutex2var_ps(ab1, high, cd1),
            ]
        }
    }
    #[inline(always)]
    fn interleave2(self, a: __m512, b: __m512) -> [__m512; 2] {
        unsafe {
            let (first, second) = (index(&FIRST), index(&SECOND));
            [
                _mm512_permutex2var_ps(a, first, b),
                _mm512_permutex2var_ps(a, second, b),
            ]
        }
    }
    #[inline(always)]
    unsafe fn store_u16(self, p: *mut u16, a: __m512) {
        unsafe { _mm256_storeu_si256(p.cast(), _mm512_cvtepi32_epi16(_mm512_cvttps_epi32(a))) }
    }
    #[inline(always)]
    unsafe fn stream(self, p: *mut f32, a: __m512) {
        unsafe { _mm512_stream_ps(p, a) }
    }
    #[inline(always)]
    fn fence(self) {
        unsafe { _mm_sfence() }
    }
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
    }
    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(a) }
    }
}
