//! The inner loops, on one chunk each. They are written so that the compiler makes vector code of them, for several
//! instruction sets. A product is never fused with a sum, so that all of them give the same bytes.

use std::array;

use super::options::AdamOptions;
use impasto_kernels::vectorized;

/// Partial sums that run side by side. Their number is fixed: it is part of the order of summation.
const LANES: usize = 16;

/// Quantised vectors that are read side by side: a core waits less for memory that way, up to half as long.
pub(super) const STREAMS: usize = 4;

vectorized! {
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
}

vectorized! {
    /// `target += factor * other`.
    pub(super) fn add_scaled(target: &mut [f32], factor: f32, other: &[f32]) {
        for (target, other) in target.iter_mut().zip(other) {
            *target += factor * other;
        }
    }
}

vectorized! {
    /// `a . b` for several `b` of 8 bits, every product and every sum in f64. All have the length of `a`.
    pub(super) fn dots_mixed(a: &[f32], others: [&[i8]; STREAMS]) -> [f64; STREAMS] {
        let (a, a_rest) = a.as_chunks::<LANES>();
        let rest = others.map(|b| &b[LANES * a.len()..]);
        let others = others.map(|b| &b.as_chunks::<LANES>().0[..a.len()]);
        let mut sums = [[0.0; LANES]; STREAMS];
        for (i, a) in a.iter().enumerate() {
            for lane in 0..LANES {
                for n in 0..STREAMS {
                    sums[n][lane] += f64::from(a[lane]) * f64::from(others[n][i][lane]);
                }
            }
        }
        let rest = rest.map(|b| {
            let products = a_rest.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
            products.sum::<f64>()
        });
        let sums = sums.map(|lanes| lanes.iter().sum::<f64>());
        array::from_fn(|n| sums[n] + rest[n])
    }
}

vectorized! {
    /// `a . b` for several `b`, all of 8 bits, exactly. All have the length of `a`, 100 000 at most.
    pub(super) fn dots_quantised(a: &[i8], others: [&[i8]; STREAMS]) -> [i32; STREAMS] {
        let others = others.map(|b| &b[..a.len()]);
        let mut sums = [0; STREAMS];
        for (i, &a) in a.iter().enumerate() {
            for n in 0..STREAMS {
                sums[n] += i32::from(a) * i32::from(others[n][i]);
            }
        }
        sums
    }
}

vectorized! {
    /// `target += factor * other` for several `other` of 8 bits, one after the other. All have the length of `target`.
    pub(super) fn add_scaled_quantised(target: &mut [f32], factors: [f32; STREAMS], others: [&[i8]; STREAMS]) {
        let others = others.map(|other| &other[..target.len()]);
        for (i, target) in target.iter_mut().enumerate() {
            for n in 0..STREAMS {
                *target += factors[n] * f32::from(others[n][i]);
            }
        }
    }
}

vectorized! {
    /// Writes `(a - b) / step`, rounded, and returns the step: the largest magnitude over [`i8::MAX`].
    ///
    /// Where a difference is not finite, neither is the step.
    pub(super) fn quantise_difference(quantised: &mut [i8], a: &[f32], b: &[f32]) -> f32 {
        /// Added to a number of up to 22 bits, it leaves its nearest integer in the lowest bits.
        const INTEGER: f32 = 1.5 * (1 << 23) as f32;
        // The bits of magnitudes are ordered as the magnitudes are, infinity and NaN last.
        let largest = a
            .iter()
            .zip(b)
            .map(|(a, b)| (a - b).abs().to_bits())
            .fold(0, u32::max);
        let step = f32::from_bits(largest) / f32::from(i8::MAX);
        // Differences too small for an inverse are none.
        let (step, inverse) = if step < f32::MIN_POSITIVE {
            (0.0, 0.0)
        } else {
            (step, 1.0 / step)
        };
        for ((quantised, a), b) in quantised.iter_mut().zip(a).zip(b) {
            *quantised = ((a - b) * inverse + INTEGER).to_bits() as i8;
        }
        step
    }
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

vectorized! {
    /// Updates both moments with `gradient` and writes the new point, kept within `bounds`.
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
}
