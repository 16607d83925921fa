//! What style and content terms are made of, and what they inject.

use crate::reference::{error, noise, wide};
use crate::with;
use impasto_kernels::{
    Addend, Guide, Isa, MomentsGradient, content_gradient, moments, relu_gradient, square_difference,
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

fn cases(isa: Isa) -> impl Iterator<Item = (Isa, usize, usize)> {
    SHAPES.into_iter().map(move |(c, n)| (isa, c, n))
}

/// Features as they are after a ReLU: many zeros, none negative.
fn features(channels: usize, pixels: usize) -> Vec<f32> {
    noise(channels * pixels, 1)
        .into_iter()
        .map(|x| x.max(0.0))
        .collect()
}

/// Weights of places, many of them 0: a whole piece of the kernels' at first, and stretches later.
fn weights(pixels: usize) -> Vec<f32> {
    let weight = |(place, w): (usize, f32)| {
        if place < 1100 || place / 70 % 3 == 0 {
            0.0
        } else {
            w.max(0.0)
        }
    };
    noise(pixels, 7).into_iter().enumerate().map(weight).collect()
}

/// A whole layer, and one of whose places some count.
fn guides(weights: &[f32]) -> [(Guide<'_>, Vec<f64>); 2] {
    [
        (Guide::Whole, vec![1.0; weights.len()]),
        (Guide::Weights(weights), wide(weights)),
    ]
}

fn sums_agree_with_f64_and_those_of_products_are_symmetric(isa: Isa) {
    for (isa, channels, pixels) in cases(isa) {
        let (f, weights) = (features(channels, pixels), weights(pixels));
        let wide_f = wide(&f);
        let row = |channel: usize| &wide_f[channel * pixels..][..pixels];
        for (guide, w) in guides(&weights) {
            let product = |i: usize| -> f64 {
                let pairs = row(i / channels).iter().zip(row(i % channels));
                pairs.zip(&w).map(|((a, b), w)| w * a * b).sum()
            };
            let products: Vec<f64> = (0..channels * channels).map(product).collect();
            let sum = |channel| row(channel).iter().zip(&w).map(|(f, w)| w * f).sum();
            let sums: Vec<f64> = (0..channels).map(sum).collect();
            let (mut matrix, mut vector) = (vec![f32::NAN; products.len()], vec![f32::NAN; channels]);
            with(2, |exec| {
                moments(&f, guide, &mut matrix, Some(&mut vector), isa, exec)
            });
            let (e, e_of_sums) = (error(&matrix, &products), error(&vector, &sums));
            assert!(
                e < 3e-7 && e_of_sums < 3e-7,
                "{e:e} {e_of_sums:e} {isa:?} {channels} {pixels}"
            );
            for i in 0..channels * channels {
                assert_eq!(matrix[i], matrix[i % channels * channels + i / channels]);
            }
        }
    }
}

/// `w (A f + b)`, plus `add`, through the ReLU.
fn injected(f: &[f32], w: &[f64], matrix: &[f32], vector: Option<&[f32]>, add: Option<&[f32]>) -> Vec<f64> {
    let pixels = w.len();
    let channels = f.len() / pixels;
    let slope = |place: usize| {
        let (i, pixel) = (place / pixels, place % pixels);
        let products =
            (0..channels).map(|j| f64::from(matrix[i * channels + j]) * f64::from(f[j * pixels + pixel]));
        let shift = vector.map_or(0.0, |vector| f64::from(vector[i]));
        let slope = w[pixel] * (products.sum::<f64>() + shift) + add.map_or(0.0, |add| f64::from(add[place]));
        if f[place] > 0.0 { slope } else { 0.0 }
    };
    (0..f.len()).map(slope).collect()
}

fn what_is_injected_agrees_with_f64(isa: Isa) {
    for (isa, channels, pixels) in cases(isa) {
        let (f, weights) = (features(channels, pixels), weights(pixels));
        let (matrix, vector) = (noise(channels * channels, 2), noise(channels, 3));
        let elsewhere = noise(f.len(), 4);
        for (guide, w) in guides(&weights) {
            for (vector, add) in [
                (None, Addend::Zero),
                (Some(&vector[..]), Addend::Tensor(&elsewhere)),
                (Some(&vector[..]), Addend::Output),
            ] {
                let added = (!matches!(add, Addend::Zero)).then_some(&elsewhere[..]);
                let want = injected(&f, &w, &matrix, vector, added);
                let mut df = match add {
                    Addend::Output => elsewhere.clone(),
                    _ => vec![f32::NAN; f.len()],
                };
                let gradient = MomentsGradient {
                    f: &f,
                    guide,
                    matrix: &matrix,
                    vector,
                    add,
                };
                with(2, |exec| gradient.run(&mut df, isa, exec));
                let bound = if matches!(isa, Isa::Amx | Isa::EmulatedAmx) {
                    1e-5
                } else {
                    1e-6
                };
                let e = error(&df, &want);
                assert!(e < bound, "{e:e} {isa:?} {channels} {pixels} {guide:?}");
            }
        }
    }
}

fn bytes_depend_neither_on_threads_nor_on_how_a_whole_layer_is_told(isa: Isa) {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    for (isa, channels, pixels) in cases(isa) {
        let (f, ones) = (features(channels, pixels), vec![1.0; pixels]);
        assert!(matches!(Guide::of(&ones), Guide::Whole));
        let all = |threads: usize, guide: Guide<'_>| {
            let mut matrix = vec![f32::NAN; channels * channels];
            let (mut sums, mut df) = (vec![f32::NAN; channels], vec![f32::NAN; f.len()]);
            let square = with(threads, |exec| {
                moments(&f, guide, &mut matrix, Some(&mut sums), isa, exec);
                let gradient = MomentsGradient {
                    f: &f,
                    guide,
                    matrix: &matrix,
                    vector: Some(&sums),
                    add: Addend::Zero,
                };
                gradient.run(&mut df, isa, exec);
                square_difference(&df, &f, &ones, isa, exec)
            });
            (bits(&matrix), bits(&sums), bits(&df), square.to_bits())
        };
        let one = all(1, Guide::Whole);
        for (threads, guide) in [
            (1, Guide::Weights(&ones)),
            (2, Guide::Whole),
            (3, Guide::Weights(&ones)),
            (16, Guide::Whole),
        ] {
            assert!(
                all(threads, guide) == one,
                "{threads} threads, {guide:?}, {isa:?} {channels} {pixels}"
            );
        }
    }
}

fn the_content_term_and_its_gradient_agree_with_f64(isa: Isa) {
    for (channels, pixels) in [(1, 1), (3, 21), (5, 1000), (2, 50_001)] {
        let len = channels * pixels;
        let (f, target, add) = (noise(len, 1), noise(len, 2), noise(len, 3));
        let guide: Vec<f32> = noise(pixels, 4).iter().map(|w| w.max(0.0) + 0.25).collect();
        let difference = |i: usize| f64::from(f[i]) - f64::from(target[i]);
        let weight = |i: usize| f64::from(guide[i % pixels]);
        let want: f64 = (0..len).map(|i| weight(i) * difference(i).powi(2)).sum();
        let got = with(2, |exec| square_difference(&f, &target, &guide, isa, exec));
        assert!((got - want).abs() < 3e-7 * want, "{got} {want}");

        let slope = |i: usize| 0.5 * weight(i) * difference(i) + f64::from(add[i]);
        let want: Vec<f64> = (0..len).map(slope).collect();
        let mut df = vec![f32::NAN; len];
        with(2, |exec| {
            content_gradient(&f, &target, &guide, 0.5, Some(&add), &mut df, isa, exec)
        });
        assert!(error(&df, &want) < 1e-6);
    }
}

fn the_gradient_before_a_relu_is_zero_where_its_output_is(isa: Isa) {
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

crate::on_every_instruction_set! {
    sums_agree_with_f64_and_those_of_products_are_symmetric
    what_is_injected_agrees_with_f64
    bytes_depend_neither_on_threads_nor_on_how_a_whole_layer_is_told
    the_content_term_and_its_gradient_agree_with_f64
    the_gradient_before_a_relu_is_zero_where_its_output_is
}
