//! Plain Rust: arrays of 4 lanes, which compilers map to whatever the target has.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "every body relies on what the trait asks of its caller: the instruction set and good pointers"
)]

use super::Simd;
use std::array::from_fn;

#[derive(Clone, Copy)]
pub(super) struct Portable;

type V = [f32; 4];

impl Simd for Portable {
    type V = V;
    const LANES: usize = 4;
    const ROWS: usize = 4;

    #[inline(always)]
    unsafe fn splat(x: f32) -> V {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> V {
        unsafe { p.cast::<V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, a: V) {
        unsafe { p.cast::<V>().write_unaligned(a) }
    }
    #[inline(always)]
    unsafe fn add(a: V, b: V) -> V {
        from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: V, b: V) -> V {
        from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: V, b: V) -> V {
        from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn mul_add(a: V, b: V, c: V) -> V {
        from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn mul_sub(a: V, b: V, c: V) -> V {
        from_fn(|i| a[i] * b[i] - c[i])
    }
    #[inline(always)]
    unsafe fn max(a: V, b: V) -> V {
        from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn select_gt(a: V, b: V, x: V, y: V) -> V {
        from_fn(|i| if a[i] > b[i] { x[i] } else { y[i] })
    }
    #[inline(always)]
    unsafe fn deinterleave(a: [V; 4]) -> [V; 4] {
        from_fn(|j| from_fn(|i| a[i][j]))
    }
    #[inline(always)]
    unsafe fn interleave(a: [V; 4]) -> [V; 4] {
        from_fn(|i| from_fn(|j| a[j][i]))
    }
    #[inline(always)]
    unsafe fn interleave2(a: V, b: V) -> [V; 2] {
        [[a[0], b[0], a[1], b[1]], [a[2], b[2], a[3], b[3]]]
    }
    #[inline(always)]
    unsafe fn store_u16(p: *mut u16, a: V) {
        unsafe {
            p.cast::<[u16; 4]>()
                .write_unaligned(a.map(|x| (x as u16).to_le()))
        }
    }
    #[inline(always)]
    unsafe fn stream(p: *mut f32, a: V) {
        unsafe { Self::store(p, a) }
    }
    #[inline(always)]
    unsafe fn fence() {}
    #[inline(always)]
    fn prefetch(_: *const f32) {}
    #[inline(always)]
    unsafe fn sum(a: V) -> f32 {
        (a[0] + a[1]) + (a[2] + a[3])
    }
}
