//! Convolutions, forward and backward.

use crate::reference::{BOUND, convolve, error, first_largest, gradient_bound, noise, turned, wide, windows};
use crate::with;
use impasto_kernels::{Conv3x3, Exec, Gradient, Isa, Pool, Size, Threads, Workspace};

/// Channels in, channels out, height, width.
const SHAPES: [(usize, usize, usize, usize); 16] = [
    (1, 1, 1, 1),
    (3, 8, 5, 7),
    (8, 16, 16, 16),
    (3, 64, 33, 18),
    (64, 3, 8, 70),
    (16, 32, 1, 37),
    (32, 16, 41, 1),
    (5, 7, 4, 4),
    (64, 64, 27, 29),
    (13, 70, 9, 131),
    (70, 40, 2, 3),
    (40, 96, 12, 66),
    (2, 3, 22, 601),
    (2, 2, 70, 300),
    (260, 130, 6, 10),
    (36, 520, 3, 6),
];

struct Case {
    isa: Isa,
    conv: Conv3x3,
    weights: Vec<f64>,
    bias: Vec<f32>,
    inputs: usize,
    outputs: usize,
    size: Size,
    x: Vec<f32>,
    dy: Vec<f32>,
}

impl Case {
    fn new((inputs, outputs, height, width): (usize, usize, usize, usize), isa: Isa) -> Self {
        let size = Size { height, width };
        let weights = noise(outputs * inputs * 9, 1);
        let bias = noise(outputs, 2);
        Self {
            isa,
            conv: Conv3x3::new(&weights, &bias, inputs, isa),
            weights: wide(&weights),
            bias,
            inputs,
            outputs,
            size,
            x: noise(inputs * size.area(), 3),
            dy: noise(outputs * size.area(), 4),
        }
    }

    fn name(&self) -> String {
        format!(
            "{:?}, {} to {} channels, {:?}",
            self.isa, self.inputs, self.outputs, self.size
        )
    }

    /// The most that forward may be off; a deep layer has what a gradient has.
    fn bound(&self) -> f64 {
        if self.outputs < 512 {
            BOUND
        } else {
            gradient_bound(self.isa)
        }
    }

    /// Convolution, bias and ReLU in f64.
    fn expected(&self) -> Vec<f64> {
        let mut y = convolve(
            &wide(&self.x),
            &self.weights,
            self.inputs,
            self.outputs,
            self.size,
        );
        for (y, &bias) in y.chunks_exact_mut(self.size.area()).zip(&self.bias) {
            y.iter_mut().for_each(|y| *y = (*y + f64::from(bias)).max(0.0));
        }
        y
    }

    /// The gradient of the input in f64.
    fn expected_gradient(&self, dy: &[f64]) -> Vec<f64> {
        let weights = turned(&self.weights, self.inputs, self.outputs);
        convolve(dy, &weights, self.outputs, self.inputs, self.size)
    }

    fn forward(&self, exec: Exec<'_>) -> Vec<f32> {
        let mut y = vec![f32::NAN; self.outputs * self.size.area()];
        self.conv.forward(&self.x, self.size, &mut y, None, exec);
        y
    }

    fn forward_masked(&self, exec: Exec<'_>) -> (Vec<f32>, Vec<u8>) {
        let len = self.outputs * self.size.area();
        let (mut y, mut mask) = (vec![f32::NAN; len], vec![255; len]);
        self.conv
            .forward(&self.x, self.size, &mut y, Some(&mut mask), exec);
        (y, mask)
    }

    fn forward_pooled(&self, pool: Pool, exec: Exec<'_>) -> (Vec<f32>, Vec<u8>) {
        let len = self.outputs * self.size.pooled().area();
        let (mut y, mut mask) = (vec![f32::NAN; len], vec![255; len]);
        self.conv
            .forward_pooled(&self.x, self.size, pool, &mut y, &mut mask, exec);
        (y, mask)
    }

    fn backward(&self, dy: Gradient<'_>, exec: Exec<'_>) -> Vec<f32> {
        let mut dx = vec![f32::NAN; self.inputs * self.size.area()];
        self.conv.backward(dy, self.size, &mut dx, exec);
        dx
    }
}

fn cases(isa: Isa) -> impl Iterator<Item = Case> {
    SHAPES.into_iter().map(move |shape| Case::new(shape, isa))
}

fn forward_agrees_with_f64(isa: Isa) {
    for case in cases(isa) {
        let want = case.expected();
        let e = with(2, |exec| error(&case.forward(exec), &want));
        assert!(e < case.bound(), "{e:e} {}", case.name());
    }
}

fn a_mask_is_set_where_the_output_is_positive(isa: Isa) {
    for case in cases(isa) {
        let (y, mask) = with(2, |exec| case.forward_masked(exec));
        assert!(y == with(1, |exec| case.forward(exec)), "{}", case.name());
        let want: Vec<u8> = y.iter().map(|&y| u8::from(y > 0.0)).collect();
        assert!(mask == want, "{}", case.name());
    }
}

fn backward_agrees_with_f64(isa: Isa) {
    for case in cases(isa) {
        let want = case.expected_gradient(&wide(&case.dy));
        let e = with(2, |exec| {
            error(&case.backward(Gradient::Whole(&case.dy), exec), &want)
        });
        assert!(e < gradient_bound(case.isa), "{e:e} {}", case.name());
    }
}

fn backward_through_a_relu_counts_positive_outputs_only(isa: Isa) {
    for case in cases(isa) {
        let (y, mask) = with(1, |exec| case.forward_masked(exec));
        let masked = case
            .dy
            .iter()
            .zip(&y)
            .map(|(&dy, &y)| if y > 0.0 { dy.into() } else { 0.0 });
        let want = case.expected_gradient(&masked.collect::<Vec<f64>>());
        let dy = Gradient::Masked {
            dy: &case.dy,
            mask: &mask,
        };
        let e = with(2, |exec| error(&case.backward(dy, exec), &want));
        assert!(e < gradient_bound(case.isa), "{e:e} {}", case.name());
    }
}

fn fused_pooling_is_the_pooled_relu_of_the_convolution(isa: Isa) {
    for case in cases(isa) {
        let full = with(1, |exec| case.forward(exec));
        for pool in [Pool::Max, Pool::Average] {
            let (y, mask) = with(2, |exec| case.forward_pooled(pool, exec));
            for (i, window) in windows(case.outputs, case.size).into_iter().enumerate() {
                let values = window.map(|place| f64::from(full[place]));
                let first = first_largest(values);
                let (value, bits) = match pool {
                    Pool::Max => (values[first], u8::from(values[first] > 0.0) << first),
                    Pool::Average => (
                        values.iter().sum::<f64>() / 4.0,
                        (0..4).map(|i| u8::from(values[i] > 0.0) << i).sum(),
                    ),
                };
                assert_eq!(mask[i], bits, "{} {values:?}", case.name());
                assert!((f64::from(y[i]) - value).abs() <= 1e-6 * value, "{}", case.name());
            }
        }
    }
}

fn backward_through_a_pooling_goes_where_the_mask_says(isa: Isa) {
    for case in cases(isa) {
        for (pool, share) in [(Pool::Max, 1.0), (Pool::Average, 0.25)] {
            let (y, mask) = with(1, |exec| case.forward_pooled(pool, exec));
            let dy = noise(y.len(), 5);
            let mut spread = vec![0.0; case.outputs * case.size.area()];
            for (i, window) in windows(case.outputs, case.size).into_iter().enumerate() {
                for (bit, place) in window.into_iter().enumerate() {
                    if mask[i] >> bit & 1 == 1 {
                        spread[place] = share * f64::from(dy[i]);
                    }
                }
            }
            let want = case.expected_gradient(&spread);
            let dy = Gradient::Pooled {
                dy: &dy,
                mask: &mask,
                pool,
            };
            let e = with(2, |exec| error(&case.backward(dy, exec), &want));
            assert!(e < gradient_bound(case.isa), "{e:e} {}", case.name());
        }
    }
}

fn a_tie_in_fused_pooling_goes_to_the_first_value_and_zeros_to_none(isa: Isa) {
    let size = Size { height: 7, width: 10 };
    let conv = Conv3x3::new(&[0.0; 2 * 9], &[1.0, -1.0], 1, isa);
    let len = size.pooled().area();
    let (mut y, mut mask) = (vec![f32::NAN; 2 * len], vec![255; 2 * len]);
    let x = noise(size.area(), 6);
    with(1, |exec| {
        conv.forward_pooled(&x, size, Pool::Max, &mut y, &mut mask, exec)
    });
    assert!(y[..len].iter().all(|&y| y == 1.0) && mask[..len].iter().all(|&mask| mask == 1));
    assert!(y[len..].iter().all(|&y| y == 0.0) && mask[len..].iter().all(|&mask| mask == 0));
}

fn backward_is_the_adjoint_of_forward(isa: Isa) {
    for case in cases(isa) {
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
        };
        let norm = |a: &[f32]| dot(a, a).sqrt();
        let plain = Conv3x3::new(
            &case.weights.iter().map(|&w| w as f32).collect::<Vec<_>>(),
            &vec![0.0; case.outputs],
            case.inputs,
            case.isa,
        );
        // What the ReLU lets through of the convolution of x, less that of -x, is all of it.
        let rectified = |x: &[f32]| {
            let mut y = vec![f32::NAN; case.dy.len()];
            with(1, |exec| plain.forward(x, case.size, &mut y, None, exec));
            y
        };
        let negative: Vec<f32> = case.x.iter().map(|x| -x).collect();
        let (y, of_negative) = (rectified(&case.x), rectified(&negative));
        let y: Vec<f32> = y.iter().zip(&of_negative).map(|(a, b)| a - b).collect();
        let dx = with(1, |exec| case.backward(Gradient::Whole(&case.dy), exec));
        let difference = (dot(&y, &case.dy) - dot(&case.x, &dx)).abs();
        let scale = norm(&y) * norm(&case.dy);
        assert!(
            difference < gradient_bound(case.isa) * scale,
            "{difference:e} of {scale:e} {}",
            case.name()
        );
    }
}

fn bytes_do_not_depend_on_threads_or_on_what_is_left_in_the_workspace(isa: Isa) {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    for case in cases(isa) {
        let workspace = Workspace::new();
        let all = |threads: usize| {
            let exec = Exec {
                parallel: &Threads(threads),
                workspace: &workspace,
                flushes_tiny_gradients: false,
            };
            let (y, open) = case.forward_masked(exec);
            let (pooled, mask) = case.forward_pooled(Pool::Max, exec);
            let dy = Gradient::Masked {
                dy: &case.dy,
                mask: &open,
            };
            let dx = case.backward(dy, exec);
            (bits(&y), open, bits(&pooled), mask, bits(&dx))
        };
        let one = all(1);
        for threads in [2, 3, 16] {
            assert!(all(threads) == one, "{threads} threads, {}", case.name());
        }
    }
}

/// As in the halo of a tile: next to nothing is nothing, and what is not a number stays so.
fn values_next_to_nothing_are_stored_as_zero_and_nan_as_nan(isa: Isa) {
    let size = Size { height: 9, width: 40 };
    let conv = Conv3x3::new(&[0.5; 9], &[0.0], 1, isa);
    let mut dy = vec![1e-36; size.area()];
    dy[20] = f32::NAN;
    dy[8 * 40 + 39] = 1e-3;
    let mut dx = vec![f32::INFINITY; size.area()];
    with(1, |exec| {
        let exec = Exec {
            flushes_tiny_gradients: true,
            ..exec
        };
        conv.backward(Gradient::Whole(&dy), size, &mut dx, exec)
    });
    assert!(dx[20].is_nan());
    assert!(dx[4 * 40] == 0.0 && dx[8 * 40 + 38] > 1e-4);
    assert!(dx.iter().all(|x| !x.is_subnormal()));
}

fn instruction_sets_agree(isa: Isa) {
    for shape in SHAPES {
        let want = wide(&with(1, |exec| Case::new(shape, Isa::portable()).forward(exec)));
        let case = Case::new(shape, isa);
        let e = with(1, |exec| error(&case.forward(exec), &want));
        assert!(e < case.bound(), "{e:e} {}", case.name());
    }
}

crate::on_every_instruction_set! {
    forward_agrees_with_f64
    a_mask_is_set_where_the_output_is_positive
    backward_agrees_with_f64
    backward_through_a_relu_counts_positive_outputs_only
    fused_pooling_is_the_pooled_relu_of_the_convolution
    backward_through_a_pooling_goes_where_the_mask_says
    a_tie_in_fused_pooling_goes_to_the_first_value_and_zeros_to_none
    backward_is_the_adjoint_of_forward
    bytes_do_not_depend_on_threads_or_on_what_is_left_in_the_workspace
    values_next_to_nothing_are_stored_as_zero_and_nan_as_nan
    instruction_sets_agree
}
