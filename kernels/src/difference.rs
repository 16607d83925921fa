//! The content term: the difference of two tensors.

use super::parallel::Exec;
use super::simd::{Isa, Simd, SimdOp};

/// Values that are summed in f32; such sums are added in f64.
const PIECE: usize = 4096;

/// `sum(w |a - b|^2)` over the places, whose weights `w` are in `guide`, accurate to some 1e-7; `a` and `b`:
/// `f32[channels, places]`.
///
/// # Panics
///
/// When a length does not fit.
pub fn square_difference(a: &[f32], b: &[f32], guide: &[f32], isa: Isa, exec: Exec<'_>) -> f64 {
    let places = guide.len();
    assert!(
        a.len() == b.len() && places > 0 && a.len().is_multiple_of(places),
        "lengths do not fit"
    );
    let pieces = places.div_ceil(PIECE);
    exec.sum(a.len() / places * pieces, |task, sum| {
        let (row, first) = (task / pieces * places, task % pieces * PIECE);
        let range = first..(first + PIECE).min(places);
        let (a, b) = (&a[row..][range.clone()], &b[row..][range.clone()]);
        let guide = &guide[range];
        isa.run(SquareDifference { a, b, guide, sum });
    })
}

struct SquareDifference<'a> {
    a: &'a [f32],
    b: &'a [f32],
    guide: &'a [f32],
    sum: &'a mut f32,
}

impl SimdOp for SquareDifference<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        const LANES: usize = 64;
        let mut sums = [0.0; LANES];
        let (a, rest_a) = self.a.as_chunks::<LANES>();
        let (b, rest_b) = self.b.as_chunks::<LANES>();
        let (w, rest_w) = self.guide.as_chunks::<LANES>();
        for ((a, b), w) in a.iter().zip(b).zip(w) {
            for i in 0..LANES {
                sums[i] += w[i] * ((a[i] - b[i]) * (a[i] - b[i]));
            }
        }
        for (i, ((a, b), w)) in rest_a.iter().zip(rest_b).zip(rest_w).enumerate() {
            sums[i] += w * ((a - b) * (a - b));
        }
        *self.sum = sums.iter().sum();
    }
}

/// The gradient of the features: `df = coefficient w (f - target)`, to which `add` is added, for weights `w` of the
/// places in `guide`; all others: `f32[channels, places]`.
///
/// For the term `c sum(w |f - target|^2)`, `coefficient` is `2 c`.
///
/// # Panics
///
/// When a length does not fit.
#[allow(
    clippy::too_many_arguments,
    reason = "tensors and numbers, each of its own kind"
)]
pub fn content_gradient(
    f: &[f32],
    target: &[f32],
    guide: &[f32],
    coefficient: f32,
    add: Option<&[f32]>,
    df: &mut [f32],
    isa: Isa,
    exec: Exec<'_>,
) {
    let (len, places) = (f.len(), guide.len());
    assert!(target.len() == len && df.len() == len, "lengths do not fit");
    assert!(add.is_none_or(|add| add.len() == len), "lengths do not fit");
    assert!(places > 0 && len.is_multiple_of(places), "the guide does not fit");
    exec.par_chunks(df, places, |channel, df| {
        let range = channel * places..(channel + 1) * places;
        let add = add.map(|add| &add[range.clone()]);
        let (f, target) = (&f[range.clone()], &target[range]);
        isa.run(ContentGradient {
            f,
            target,
            guide,
            coefficient,
            add,
            df,
        });
    });
}

struct ContentGradient<'a> {
    f: &'a [f32],
    target: &'a [f32],
    guide: &'a [f32],
    coefficient: f32,
    add: Option<&'a [f32]>,
    df: &'a mut [f32],
}

impl SimdOp for ContentGradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let places = self.f.iter().zip(self.target).zip(self.guide);
        for (df, ((&f, &target), &weight)) in self.df.iter_mut().zip(places) {
            *df = weight * (self.coefficient * (f - target));
        }
        for (df, &add) in self.df.iter_mut().zip(self.add.unwrap_or_default()) {
            *df += add;
        }
    }
}
