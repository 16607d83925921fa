//! The inner loops, on one chunk each. They are written so that the compiler makes vector code of them, for several
//! instruction sets. A product is never fused with a sum, so that all of them give the same bytes.

use multiversion::multiversion;

use super::options::AdamOptions;

/// Partial sums that run side by side. Their number is fixed: it is part of the order of summation.
const LANES: usize = 16;

/// `a . b`, every product and every sum in f64.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
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
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
pub(super) fn add_scaled(target: &mut [f32], factor: f32, other: &[f32]) {
    for (target, other) in target.iter_mut().zip(other) {
        *target += factor * other;
    }
}

/// `target += factor * other`, and the new `target . with`: one pass over memory for both.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
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

/// The numbers of one step of Adam.
pub(super) struct AdamStep {
    /// Multiplies the gradient.
    scale: f32,
    beta1: f32,
    beta2: f32,
    /// The learning rate over the bias of the mean.
    rate: f32,
    /// One over the bias of the variance.
    variance_scale: f32,
    epsilon: f32,
}

impl AdamStep {
    /// Step number `step`, from 1, on gradients times `scale`.
    pub(super) fn new(options: &AdamOptions, scale: f32, step: i32) -> Self {
        Self {
            scale,
            beta1: options.beta1 as f32,
            beta2: options.beta2 as f32,
            rate: (options.learning_rate / (1.0 - options.beta1.powi(step))) as f32,
            variance_scale: (1.0 / (1.0 - options.beta2.powi(step))) as f32,
            epsilon: options.epsilon as f32,
        }
    }
}

/// Updates both moments with `gradient` and writes the new point, kept within `bounds`.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
pub(super) fn adam(
    step: &AdamStep,
    bounds: (f32, f32),
    gradient: &[f32],
    mean: &mut [f32],
    variance: &mut [f32],
    old: &[f32],
    new: &mut [f32],
) {
    let moments = mean.iter_mut().zip(variance);
    for (((new, old), gradient), (mean, variance)) in new.iter_mut().zip(old).zip(gradient).zip(moments) {
        let gradient = step.scale * gradient;
        *mean = step.beta1 * *mean + (1.0 - step.beta1) * gradient;
        *variance = step.beta2 * *variance + (1.0 - step.beta2) * gradient * gradient;
        let deviation = (step.variance_scale * *variance).sqrt() + step.epsilon;
        *new = (old - step.rate * *mean / deviation).clamp(bounds.0, bounds.1);
    }
}
