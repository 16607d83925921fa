//! The inner loops, on one chunk each. They are written so that the compiler makes vector code of them.

/// Partial sums that run side by side. Their number is fixed: it is part of the order of summation.
const LANES: usize = 8;

/// `a . b`, every product and every sum in f64.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    let rest: f64 = a_rest
        .iter()
        .zip(b_rest)
        .map(|(&a, &b)| f64::from(a) * f64::from(b))
        .sum();
    sums.iter().sum::<f64>() + rest
}

/// `target += factor * other`.
pub(super) fn add_scaled(target: &mut [f32], factor: f32, other: &[f32]) {
    for (target, other) in target.iter_mut().zip(other) {
        *target += factor * other;
    }
}

/// `target += factor * other`, and the new `target . with`: one pass over memory for both.
pub(super) fn add_scaled_dot(target: &mut [f32], factor: f32, other: &[f32], with: &[f32]) -> f64 {
    let (target, target_rest) = target.as_chunks_mut::<LANES>();
    let (other, other_rest) = other.as_chunks::<LANES>();
    let (with, with_rest) = with.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for ((target, other), with) in target.iter_mut().zip(other).zip(with) {
        for lane in 0..LANES {
            target[lane] += factor * other[lane];
            sums[lane] += f64::from(target[lane]) * f64::from(with[lane]);
        }
    }
    add_scaled(target_rest, factor, other_rest);
    sums.iter().sum::<f64>() + dot(target_rest, with_rest)
}
