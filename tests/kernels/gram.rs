//! Gram matrices, the content term, and their gradients.

use crate::reference::{error, noise, wide};
use crate::with;
use impasto::kernels::{
    Addend, GramGradient, Isa, content_gradient, gram, mean_square_difference, relu_gradient,
};

/// Channels and pixels.
const SHAPES: [(usize, usize); 8] = [
    (1, 1),
    (3, 7),
    (8, 1000),
    (64, 5000),
    (70, 333),
    (130, 1),
    (200, 2049),
    (300, 100),
];

fn cases() -> impl Iterator<Item = (Isa, usize, usize)> {
    let isas = Isa::available();
    isas.into_iter()
        .flat_map(|isa| SHAPES.into_iter().map(move |(c, n)| (isa, c, n)))
}

/// Features as they are after a ReLU: many zeros, none negative.
fn features(channels: usize, pixels: usize) -> Vec<f32> {
    noise(channels * pixels, 1)
        .into_iter()
        .map(|x| x.max(0.0))
        .collect()
}

fn expected(f: &[f32], channels: usize, pixels: usize) -> Vec<f64> {
    let f = wide(f);
    let dot = |i: usize| -> f64 {
        let row = |channel: usize| &f[channel * pixels..][..pixels];
        row(i / channels)
            .iter()
            .zip(row(i % channels))
            .map(|(a, b)| a * b)
            .sum()
    };
    (0..channels * channels).map(|i| dot(i) / pixels as f64).collect()
}

#[test]
fn gram_matrices_agree_with_f64_and_are_symmetric() {
    for (isa, channels, pixels) in cases() {
        let f = features(channels, pixels);
        let mut matrix = vec![f32::NAN; channels * channels];
        with(2, |exec| gram(&f, &mut matrix, isa, exec));
        let e = error(&matrix, &expected(&f, channels, pixels));
        assert!(e < 3e-7, "{e:e} {isa:?} {channels} {pixels}");
        for i in 0..channels * channels {
            assert_eq!(matrix[i], matrix[i % channels * channels + i / channels]);
        }
    }
}

#[test]
fn gram_gradients_agree_with_f64() {
    for (isa, channels, pixels) in cases() {
        let f = features(channels, pixels);
        let square = channels * channels;
        let (matrix, target) = (noise(square, 2), noise(square, 3));
        let from_elsewhere = noise(f.len(), 4);
        let kinds = [
            (Addend::Zero, false),
            (Addend::Tensor(&from_elsewhere), true),
            (Addend::Output, true),
        ];
        for (add, relu) in kinds {
            let mut want = vec![0.0; f.len()];
            for (place, want) in want.iter_mut().enumerate() {
                let (i, pixel) = (place / pixels, place % pixels);
                for j in 0..channels {
                    let difference = f64::from(matrix[i * channels + j] - target[i * channels + j]);
                    *want += 0.5 * difference * f64::from(f[j * pixels + pixel]);
                }
                if !matches!(add, Addend::Zero) {
                    *want += f64::from(from_elsewhere[place]);
                }
                if relu && f[place] <= 0.0 {
                    *want = 0.0;
                }
            }
            let mut df = match add {
                Addend::Output => from_elsewhere.clone(),
                _ => vec![f32::NAN; f.len()],
            };
            let (f, gram, target) = (&f[..], &matrix[..], &target[..]);
            let gradient = GramGradient {
                f,
                gram,
                target,
                coefficient: 0.5,
                add,
                relu,
            };
            with(2, |exec| gradient.run(&mut df, isa, exec));
            let bound = if isa == Isa::Amx { 1e-5 } else { 1e-6 };
            let e = error(&df, &want);
            assert!(e < bound, "{e:e} {isa:?} {channels} {pixels}");
        }
    }
}

#[test]
fn bytes_do_not_depend_on_threads() {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    for (isa, channels, pixels) in cases() {
        let f = features(channels, pixels);
        let target = noise(channels * channels, 2);
        let all = |threads: usize| {
            let (mut matrix, mut df) = (vec![f32::NAN; target.len()], vec![f32::NAN; f.len()]);
            let square = with(threads, |exec| {
                gram(&f, &mut matrix, isa, exec);
                let (f, gram, target) = (&f[..], &matrix[..], &target[..]);
                let (coefficient, add, relu) = (1.0, Addend::Zero, true);
                GramGradient {
                    f,
                    gram,
                    target,
                    coefficient,
                    add,
                    relu,
                }
                .run(&mut df, isa, exec);
                mean_square_difference(&df, f, isa, exec)
            });
            (bits(&matrix), bits(&df), square.to_bits())
        };
        let one = all(1);
        for threads in [2, 3, 16] {
            assert!(
                all(threads) == one,
                "{threads} threads, {isa:?} {channels} {pixels}"
            );
        }
    }
}

#[test]
fn the_content_term_and_its_gradient_agree_with_f64() {
    for isa in Isa::available() {
        for len in [1, 63, 5000, 100_001] {
            let (f, target, add) = (noise(len, 1), noise(len, 2), noise(len, 3));
            let difference: Vec<f64> = f
                .iter()
                .zip(&target)
                .map(|(&f, &t)| f64::from(f) - f64::from(t))
                .collect();
            let want = difference.iter().map(|d| d * d).sum::<f64>() / len as f64;
            let got = with(2, |exec| mean_square_difference(&f, &target, isa, exec));
            assert!((got - want).abs() < 3e-7 * want, "{got} {want}");

            let want: Vec<f64> = difference
                .iter()
                .zip(&add)
                .map(|(d, &add)| 0.5 * d + f64::from(add))
                .collect();
            let mut df = vec![f32::NAN; len];
            with(2, |exec| {
                content_gradient(&f, &target, 0.5, Some(&add), &mut df, isa, exec)
            });
            assert!(error(&df, &want) < 1e-6);
        }
    }
}

#[test]
fn the_gradient_before_a_relu_is_zero_where_its_output_is() {
    for isa in Isa::available() {
        for len in [1, 63, 5000, 100_001] {
            let (y, dy) = (features(1, len), noise(len, 2));
            let want: Vec<f32> = y
                .iter()
                .zip(&dy)
                .map(|(&y, &dy)| if y > 0.0 { dy } else { 0.0 })
                .collect();
            let mut got = dy;
            with(2, |exec| relu_gradient(&y, &mut got, isa, exec));
            assert!(got == want, "{isa:?} {len}");
        }
    }
}
