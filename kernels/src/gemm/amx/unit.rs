//! The matrix unit itself.

use super::{Operands, Pair, Parts, SIDE, SQUARE};
use std::arch::asm;
use std::arch::x86_64::*;
use std::marker::PhantomData;

/// The unit of the thread, with all its registers being squares.
pub(super) struct Unit {
    /// It belongs to the thread that configured it.
    thread: PhantomData<*const ()>,
}

/// What `ldtilecfg` reads: palette 1, and for each register the bytes of a row and the rows.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

impl Unit {
    /// Configures the unit for this thread.
    ///
    /// # Safety
    ///
    /// Only where [`Isa::Amx`](crate::Isa::Amx) is available.
    #[inline(always)]
    pub(super) unsafe fn configure() -> Self {
        static SQUARES: Configuration = {
            let (mut row_bytes, mut rows) = ([0; 16], [0; 16]);
            let mut register = 0;
            while register < 8 {
                row_bytes[register] = 64;
                rows[register] = SIDE as u8;
                register += 1;
            }
            Configuration {
                palette: 1,
                start_row: 0,
                reserved: [0; 14],
                row_bytes,
                rows,
            }
        };
        // SAFETY: the caller's promise.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const SQUARES, options(nostack, readonly, preserves_flags))
        }
        Self { thread: PhantomData }
    }

    /// Computes a block of two by two squares of the product.
    ///
    /// # Safety
    ///
    /// The operands' pointers must be good for what they say; `ahead` may point anywhere.
    #[inline(always)]
    pub(super) unsafe fn multiply(&self, parts: Parts, operands: Operands) {
        // SAFETY: the caller's promise.
        unsafe {
            match (parts, operands.shares) {
                // Lines of a step, divided by the times that it asks and by the products that share them.
                (Parts::Two, 1) => multiply_two::<16>(operands),
                (Parts::Two, 2 | 3) => multiply_two::<8>(operands),
                (Parts::Two, _) => multiply_two::<4>(operands),
                (Parts::Three, 1) => multiply_three::<16>(operands),
                (Parts::Three, 2 | 3) => multiply_three::<8>(operands),
                (Parts::Three, _) => multiply_three::<4>(operands),
            }
        }
    }
}

/// Assembly that loads both squares of a part: of the left matrix to registers 4 and 5, of the right one to 6 and 7.
macro_rules! load {
    (left, $part:literal) => {
        load!("left", 4, 5, $part)
    };
    (right, $part:literal) => {
        load!("right", 6, 7, $part)
    };
    ($matrix:literal, $first:literal, $second:literal, $part:literal) => {
        concat!(
            "tileloadd tmm",
            $first,
            ", [{",
            $matrix,
            "} + {line} + 2048 * ",
            $part,
            "]\n",
            "tileloadd tmm",
            $second,
            ", [{",
            $matrix,
            "} + {line} + 2048 * ",
            $part,
            " + 1024]",
        )
    };
}

/// Assembly that adds the products of the squares that are loaded.
macro_rules! add_products {
    () => {
        concat!(
            "tdpbf16ps tmm0, tmm4, tmm6\n",
            "tdpbf16ps tmm1, tmm4, tmm7\n",
            "tdpbf16ps tmm2, tmm5, tmm6\n",
            "tdpbf16ps tmm3, tmm5, tmm7",
        )
    };
}

/// Assembly that asks for some cache lines of the left matrix that comes next and for 4 of the right one to be in
/// the second cache soon.
macro_rules! ask {
    () => {
        concat!(
            ".rept {lines}\n",
            "prefetcht1 [{ahead}]\n",
            "add {ahead}, 64\n",
            ".endr\n",
            ".rept 4\n",
            "prefetcht1 [{ahead_right}]\n",
            "add {ahead_right}, 64\n",
            ".endr",
        )
    };
}

/// A function that multiplies values of so many parts, in the steps that are given; `LINES` as in [`ask`].
macro_rules! multiply {
    ($(#[$doc:meta])* $name:ident, $parts:literal, $($step:expr),+ $(,)?) => {
        $(#[$doc])*
        #[inline(always)]
        unsafe fn $name<const LINES: usize>(operands: Operands) {
            let Operands { left, right, steps, out, row_stride, square_stride, ahead, shares: _ } = operands;
            // SAFETY: the caller's promise; the steps read what the operands say and write registers only.
            unsafe {
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    "2:",
                    $($step,)+
                    concat!("add {left}, 2048 * ", $parts),
                    concat!("add {right}, 2048 * ", $parts),
                    "dec {steps}",
                    "jnz 2b",
                    "tilestored [{out} + {row}], tmm0",
                    "tilestored [{out_right} + {row}], tmm1",
                    "tilestored [{below} + {row}], tmm2",
                    "tilestored [{below_right} + {row}], tmm3",
                    left = inout(reg) left => _,
                    right = inout(reg) right => _,
                    steps = inout(reg) steps => _,
                    ahead = inout(reg) ahead[0] => _,
                    ahead_right = inout(reg) ahead[1] => _,
                    line = in(reg) 64_usize,
                    lines = const LINES,
                    row = in(reg) row_stride * size_of::<f32>(),
                    out = in(reg) out,
                    out_right = in(reg) out.add(square_stride),
                    below = in(reg) out.add(SIDE * row_stride),
                    below_right = in(reg) out.add(SIDE * row_stride + square_stride),
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

multiply!(
    /// Of parts 0 and 1: 00, 10, 01.
    multiply_two,
    2,
    load!(left, 0),
    load!(right, 0),
    add_products!(),
    ask!(),
    load!(left, 1),
    add_products!(),
    ask!(),
    load!(left, 0),
    load!(right, 1),
    add_products!(),
    ask!(),
    ask!(),
);

multiply!(
    /// Of parts 0, 1 and 2: 00, 10, 20, 11, 01, 02.
    multiply_three,
    3,
    load!(left, 0),
    load!(right, 0),
    add_products!(),
    ask!(),
    load!(left, 1),
    add_products!(),
    ask!(),
    load!(left, 2),
    add_products!(),
    ask!(),
    load!(left, 1),
    load!(right, 1),
    add_products!(),
    ask!(),
    load!(left, 0),
    add_products!(),
    ask!(),
    load!(right, 2),
    add_products!(),
    ask!(),
);

impl Drop for Unit {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the unit was configured by this thread.
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) }
    }
}

/// Cuts two terms of all columns and planes, and writes them where [`Unit::multiply`] reads them.
///
/// # Safety
///
/// Only where [`Isa::Amx`](crate::Isa::Amx) is available; the pointers must be good for what [`Pair`] says.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn split(pair: Pair) {
    for plane in 0..pair.planes {
        for square in 0..pair.squares {
            // SAFETY: the caller's promise.
            unsafe {
                let mut terms = pair.from.map(|from| match from {
                    Some(from) => _mm512_loadu_ps(from.add(plane * pair.from_stride + square * SIDE)),
                    None => _mm512_setzero_ps(),
                });
                let mut to = pair
                    .to
                    .add(plane * pair.to_stride + square / 2 * pair.edge_stride + square % 2 * SQUARE);
                for _ in 0..pair.parts as usize {
                    _mm512_storeu_si512(to.cast(), take_part(&mut terms));
                    to = to.add(2 * SQUARE);
                }
            }
        }
    }
}

/// The upper halves of two vectors, rounded as by [`super::round`]: in each lane that of the first in the low bits and
/// that of the second in the high bits. The rest stays in the vectors.
#[inline]
#[target_feature(enable = "avx512f")]
fn take_part(terms: &mut [__m512; 2]) -> __m512i {
    let upper = _mm512_set1_epi32(0xffff_0000_u32 as i32);
    let half = _mm512_set1_epi32(0x8000);
    let [first, second] = terms.each_mut().map(|term| {
        let rounded = _mm512_add_epi32(_mm512_castps_si512(*term), half);
        let part = _mm512_and_si512(rounded, upper);
        *term = _mm512_sub_ps(*term, _mm512_castsi512_ps(part));
        part
    });
    _mm512_or_si512(_mm512_srli_epi32::<16>(first), second)
}
