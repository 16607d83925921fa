//! Normalised gradients, as `-normalize_gradients` of J. Johnson's neural-style (2015) means them.

use super::parallel::Exec;
use super::relu::gate;
use super::simd::{Isa, Job, Simd};

/// Values that are summed in f32; such sums are added in f64.
const PIECE: usize = 4096;
/// What keeps a gradient of zeros from a division by zero.
const EPSILON: f64 = 1e-8;

/// `df = strength df / (sum |df| + 1e-8)`, to which `add` is added, before the ReLU whose output `f` is: 0 where `f` is 0.
///
/// # Panics
///
/// When the lengths differ.
pub fn normalize(df: &mut [f32], strength: f64, add: Option<&[f32]>, f: &[f32], isa: Isa, exec: Exec<'_>) {
    assert_eq!(f.len(), df.len(), "lengths do not fit");
    assert!(add.is_none_or(|add| add.len() == df.len()), "lengths do not fit");
    let factor = (strength / (l1_norm(df, isa, exec) + EPSILON)) as f32;
    exec.par_chunks(df, PIECE, |i, df| {
        let add = add.map(|add| &add[i * PIECE..][..df.len()]);
        let f = &f[i * PIECE..][..df.len()];
        isa.run(Scale { df, factor, add, f });
    });
}

/// The sum of absolute values.
fn l1_norm(values: &[f32], isa: Isa, exec: Exec<'_>) -> f64 {
    exec.sum(values.len().div_ceil(PIECE), |i, sum| {
        let values = &values[i * PIECE..((i + 1) * PIECE).min(values.len())];
        isa.run(Magnitude { values, sum });
    })
}

struct Magnitude<'a> {
    values: &'a [f32],
    sum: &'a mut f32,
}

impl Job for Magnitude<'_> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        const LANES: usize = 64;
        let mut sums = [0.0; LANES];
        for values in self.values.chunks(LANES) {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value.abs();
            }
        }
        *self.sum = sums.iter().sum();
    }
}

struct Scale<'a> {
    df: &'a mut [f32],
    factor: f32,
    add: Option<&'a [f32]>,
    f: &'a [f32],
}

impl Job for Scale<'_> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        for df in self.df.iter_mut() {
            *df *= self.factor;
        }
        for (df, &add) in self.df.iter_mut().zip(self.add.unwrap_or_default()) {
            *df += add;
        }
        gate(self.df, self.f);
    }
}
