//! Every kernel against plain loops in f64, on every instruction set of the machine.

use impasto_kernels::kernels::{Conv3x3, Exec, Gradient, Isa, Size, Threads, Workspace};

/// Bound for the relative L2 error of a convolution, forward or backward.
const BOUND: f64 = 5e-6;

/// Channels in, channels out, height, width.
const SHAPES: [(usize, usize, usize, usize); 12] = [
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
];

fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0) as f32
    };
    (0..len).map(|_| next()).collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// Plain convolution in f64.
fn reference(x: &[f64], w: &[f64], inputs: usize, outputs: usize, size: Size) -> Vec<f64> {
    let Size { height, width } = size;
    let mut y = vec![0.0; outputs * size.area()];
    for k in 0..outputs {
        for c in 0..inputs {
            for i in 0..height * width {
                let (row, col) = (i / width, i % width);
                for tap in 0..9 {
                    let (r, s) = ((row + tap / 3).wrapping_sub(1), (col + tap % 3).wrapping_sub(1));
                    if r < height && s < width {
                        y[k * size.area() + i] += x[c * size.area() + r * width + s] * w[(k * inputs + c) * 9 + tap];
                    }
                }
            }
        }
    }
    y
}

/// Inputs and outputs swapped, filters turned: the weights of the gradient's convolution.
fn turned(w: &[f64], inputs: usize, outputs: usize) -> Vec<f64> {
    let mut turned = vec![0.0; w.len()];
    for (i, &value) in w.iter().enumerate() {
        let (k, c, tap) = (i / 9 / inputs, i / 9 % inputs, i % 9);
        turned[(c * outputs + k) * 9 + 8 - tap] = value;
    }
    turned
}

fn error(got: &[f32], want: &[f64]) -> f64 {
    let square = |sum: f64, x: f64| sum + x * x;
    let difference = got.iter().zip(want).map(|(&g, &w)| f64::from(g) - w).fold(0.0, square);
    (difference / want.iter().copied().fold(f64::MIN_POSITIVE, square)).sqrt()
}

struct Case {
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

    /// Convolution and bias.
    fn expected(&self) -> Vec<f64> {
        let mut y = reference(&wide(&self.x), &self.weights, self.inputs, self.outputs, self.size);
        for (i, y) in y.iter_mut().enumerate() {
            *y += f64::from(self.bias[i / self.size.area()]);
        }
        y
    }

    fn forward(&self, relu: bool, threads: usize) -> Vec<f32> {
        let mut y = vec![f32::NAN; self.outputs * self.size.area()];
        with(threads, |exec| self.conv.forward(&self.x, self.size, relu, &mut y, exec));
        y
    }

    fn backward(&self, dy: Gradient<'_>, threads: usize) -> Vec<f32> {
        let mut dx = vec![f32::NAN; self.inputs * self.size.area()];
        with(threads, |exec| self.conv.backward(dy, self.size, &mut dx, exec));
        dx
    }
}

fn with(threads: usize, run: impl FnOnce(Exec<'_>)) {
    run(Exec { parallel: &Threads(threads), workspace: &Workspace::new() });
}

fn cases() -> impl Iterator<Item = Case> {
    let isas = Isa::available();
    isas.into_iter().flat_map(|isa| SHAPES.into_iter().map(move |shape| Case::new(shape, isa)))
}

#[test]
fn forward_agrees_with_f64() {
    for case in cases() {
        let mut want = case.expected();
        let e = error(&case.forward(false, 2), &want);
        assert!(e < BOUND, "{e} {:?}", case.size);
        want.iter_mut().for_each(|y| *y = y.max(0.0));
        let e = error(&case.forward(true, 2), &want);
        assert!(e < BOUND, "{e} {:?}", case.size);
    }
}

#[test]
fn backward_agrees_with_f64() {
    for case in cases() {
        let w = turned(&case.weights, case.inputs, case.outputs);
        let want = reference(&wide(&case.dy), &w, case.outputs, case.inputs, case.size);
        let e = error(&case.backward(Gradient::Whole(&case.dy), 2), &want);
        assert!(e < BOUND, "{e} {:?}", case.size);

        let y = case.forward(true, 1);
        let gated: Vec<f64> = wide(&case.dy).iter().zip(&y).map(|(&dy, &y)| if y > 0.0 { dy } else { 0.0 }).collect();
        let want = reference(&gated, &w, case.outputs, case.inputs, case.size);
        let e = error(&case.backward(Gradient::Gated { dy: &case.dy, y: &y }, 2), &want);
        assert!(e < BOUND, "{e} {:?}", case.size);
    }
}
