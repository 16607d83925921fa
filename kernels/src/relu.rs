//! The ReLU by itself, backward.

use super::parallel::Exec;
use super::simd::{Isa, Simd, SimdOp};

/// Values of a task.
const PIECE: usize = 4096;

/// From the gradient of a ReLU's output `y` to that of its input, in place: 0 where `y` is 0.
///
/// # Panics
///
/// When the lengths differ.
pub fn relu_gradient(y: &[f32], dy: &mut [f32], isa: Isa, exec: Exec<'_>) {
    assert_eq!(y.len(), dy.len(), "lengths do not fit");
    exec.par_chunks(dy, PIECE, |i, dy| {
        let y = &y[i * PIECE..][..dy.len()];
        isa.run(ReluMask { y, dy });
    });
}

struct ReluMask<'a> {
    y: &'a [f32],
    dy: &'a mut [f32],
}

impl SimdOp for ReluMask<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        mask(self.dy, self.y);
    }
}

/// Keeps of `dy` what belongs to positive values of `y`.
#[inline(always)]
pub(crate) fn mask(dy: &mut [f32], y: &[f32]) {
    for (dy, &y) in dy.iter_mut().zip(y) {
        *dy = if y > 0.0 { *dy } else { 0.0 };
    }
}
