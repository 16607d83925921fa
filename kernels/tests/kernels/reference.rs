//! What the kernels compute, as plain loops in f64, and how far off they are.

use impasto_kernels::{Isa, Size};

/// Bound for the relative L2 error of a convolution forward.
pub const BOUND: f64 = 5e-6;

/// The same for its gradient, of which [`Isa::Amx`] has 16 bits; the transforms make their error larger.
pub fn gradient_bound(isa: Isa) -> f64 {
    match isa {
        Isa::Amx | Isa::EmulatedAmx => 5e-5,
        _ => BOUND,
    }
}

/// Values between -1 and 1, always the same for a seed.
pub fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0) as f32
    };
    (0..len).map(|_| next()).collect()
}

pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// The relative L2 error.
pub fn error(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let square = |sum: f64, x: f64| sum + x * x;
    let difference = got
        .iter()
        .zip(want)
        .map(|(&g, &w)| f64::from(g) - w)
        .fold(0.0, square);
    (difference / want.iter().copied().fold(f64::MIN_POSITIVE, square)).sqrt()
}

/// The 3 x 3 convolution with padding 1; `w` is [outputs, inputs, 3, 3].
pub fn convolve(x: &[f64], w: &[f64], inputs: usize, outputs: usize, size: Size) -> Vec<f64> {
    let Size { height, width } = size;
    let mut y = vec![0.0; outputs * size.area()];
    for (k, y) in y.chunks_exact_mut(size.area()).enumerate() {
        for (c, x) in x.chunks_exact(size.area()).enumerate() {
            let w = &w[(k * inputs + c) * 9..][..9];
            for (i, y) in y.iter_mut().enumerate() {
                for (tap, &w) in w.iter().enumerate() {
                    let row = (i / width + tap / 3).wrapping_sub(1);
                    let col = (i % width + tap % 3).wrapping_sub(1);
                    if row < height && col < width {
                        *y += x[row * width + col] * w;
                    }
                }
            }
        }
    }
    y
}

/// Inputs and outputs swapped, filters turned: the weights of the gradient's convolution.
pub fn turned(w: &[f64], inputs: usize, outputs: usize) -> Vec<f64> {
    let mut turned = vec![0.0; w.len()];
    for (i, &value) in w.iter().enumerate() {
        let (k, c, tap) = (i / 9 / inputs, i / 9 % inputs, i % 9);
        turned[(c * outputs + k) * 9 + 8 - tap] = value;
    }
    turned
}

/// The places of the 4 values of each window of 2 x 2, in row-major order.
pub fn windows(channels: usize, size: Size) -> Vec<[usize; 4]> {
    let pooled = size.pooled();
    let window = |i: usize| {
        let (channel, place) = (i / pooled.area(), i % pooled.area());
        let (row, col) = (2 * (place / pooled.width), 2 * (place % pooled.width));
        let first = channel * size.area() + row * size.width + col;
        [first, first + 1, first + size.width, first + size.width + 1]
    };
    (0..channels * pooled.area()).map(window).collect()
}

/// The first of the largest values.
pub fn first_largest(values: [f64; 4]) -> usize {
    (1..4).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}
