//! The content term: the difference of two tensors.

use super::parallel::Exec;
use super::simd::{Isa, Job, Simd};

/// Values that are summed in f32; such sums are added in f64.
const PIECE: usize = 4096;

/// `mean((a - b)^2)`, accurate to some 1e-7.
///
/// # Panics
///
/// When the lengths differ or are 0.
pub fn mean_square_difference(a: &[f32], b: &[f32], isa: Isa, exec: Exec<'_>) -> f64 {
    assert!(a.len() == b.len() && !a.is_empty(), "lengths do not fit");
    let sum = exec.sum(a.len().div_ceil(PIECE), |i, sum| {
        let range = i * PIECE..((i + 1) * PIECE).min(a.len());
        let (a, b) = (&a[range.clone()], &b[range]);
        isa.run(SquareDifference { a, b, sum });
    });
    sum / a.len() as f64
}

struct SquareDifference<'a> {
    a: &'a [f32],
    b: &'a [f32],
    sum: &'a mut f32,
}

impl Job for SquareDifference<'_> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        const LANES: usize = 64;
        let mut sums = [0.0; LANES];
        let (a, rest_a) = self.a.as_chunks::<LANES>();
        let (b, rest_b) = self.b.as_chunks::<LANES>();
        for (a, b) in a.iter().zip(b) {
            for i in 0..LANES {
                sums[i] += (a[i] - b[i]) * (a[i] - b[i]);
            }
        }
        for (i, (a, b)) in rest_a.iter().zip(rest_b).enumerate() {
            sums[i] += (a - b) * (a - b);
        }
        *self.sum = sums.iter().sum();
    }
}

/// The gradient of the features: `df = coefficient (f - target)`, to which `add` is added.
///
/// For the term `w mean((f - target)^2)`, `coefficient` is `2 w / f.len()`.
///
/// # Panics
///
/// When the lengths differ.
pub fn content_gradient(
    f: &[f32],
    target: &[f32],
    coefficient: f32,
    add: Option<&[f32]>,
    df: &mut [f32],
    isa: Isa,
    exec: Exec<'_>,
) {
    let len = f.len();
    assert!(target.len() == len && df.len() == len, "lengths do not fit");
    assert!(add.is_none_or(|add| add.len() == len), "lengths do not fit");
    exec.par_chunks(df, PIECE, |i, df| {
        let range = i * PIECE..i * PIECE + df.len();
        let add = add.map(|add| &add[range.clone()]);
        let (f, target) = (&f[range.clone()], &target[range]);
        isa.run(ContentGradient {
            f,
            target,
            coefficient,
            add,
            df,
        });
    });
}

struct ContentGradient<'a> {
    f: &'a [f32],
    target: &'a [f32],
    coefficient: f32,
    add: Option<&'a [f32]>,
    df: &'a mut [f32],
}

impl Job for ContentGradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        for ((df, &f), &target) in self.df.iter_mut().zip(self.f).zip(self.target) {
            *df = self.coefficient * (f - target);
        }
        for (df, &add) in self.df.iter_mut().zip(self.add.unwrap_or_default()) {
            *df += add;
        }
    }
}
