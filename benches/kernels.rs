//! One evaluation of VGG19 up to relu5_1, forward and backward, layer by layer, as the preset
//! `gatys` needs it: what each kernel takes, and how far it is from the machine's roof.
//!
//! `cargo bench --bench kernels -- [SIZE] [THREADS] [RUNS] [ISA]`; by default 512 pixels, 2
//! threads, the best of 5 runs, the fastest instruction set, otherwise the fastest whose name begins so:
//! `portable`, or `portable(four`. On a machine that does other work too,
//! set `CPU_TIME` to see processor time instead of wall clock time.
#![allow(
    clippy::print_stdout,
    reason = "a table in the terminal is what a bench is for"
)]

mod support;

use impasto_kernels::{
    Addend, Conv3x3, Exec, Gradient, Guide, Isa, Lanes, MomentsGradient, Parallel, Pool, Size, Threads,
    Workspace, content_gradient, moments, relu_gradient,
};
use std::array::from_fn;
use std::hint::black_box;
use std::ops::{Deref, DerefMut};
use std::sync::LazyLock;
use std::time::Instant;

/// Name, input channels, output channels, whether a pooling follows, whether a style term does.
const LAYERS: [(&str, usize, usize, bool, bool); 13] = [
    ("1_1", 3, 64, false, true),
    ("1_2", 64, 64, true, false),
    ("2_1", 64, 128, false, true),
    ("2_2", 128, 128, true, false),
    ("3_1", 128, 256, false, true),
    ("3_2", 256, 256, false, false),
    ("3_3", 256, 256, false, false),
    ("3_4", 256, 256, true, false),
    ("4_1", 256, 512, false, true),
    ("4_2", 512, 512, false, false),
    ("4_3", 512, 512, false, false),
    ("4_4", 512, 512, true, false),
    ("5_1", 512, 512, false, true),
];

/// The layer that a content term looks at.
const CONTENT: &str = "4_2";

fn main() {
    support::end_with_stdout();
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = |i: usize, default: usize| {
        args.get(i).map_or(default, |arg| {
            arg.parse().expect("SIZE, THREADS, RUNS are numbers")
        })
    };
    let (size, threads, runs) = (number(0, 512), Threads(number(1, 2)), number(2, 5));
    let isa = args.get(3).map_or(Isa::detect(), |name| {
        let named = |isa: &Isa| format!("{isa:?}").to_lowercase().starts_with(name);
        Isa::available()
            .into_iter()
            .rfind(named)
            .expect("no such instruction set here")
    });
    let workspace = Workspace::new();
    let mut network = Network::new(size, isa);
    let exec = Exec {
        parallel: &threads,
        workspace: &workspace,
        flushes_tiny_gradients: false,
    };
    for _ in 0..runs {
        network.forward(exec);
        network.backward(exec);
    }
    println!(
        "{isa:?}, {} threads, {size} x {size} pixels, best of {runs}",
        threads.0
    );
    network.report(peak_gflops(threads, isa), isa);
    println!(
        "copying {:.1} GB/s; scratch {:.1} MB",
        copy(threads),
        workspace.bytes() as f64 / 1e6
    );
}

struct Layer {
    name: &'static str,
    conv: Conv3x3,
    size: Size,
    pooled: bool,
    /// The output; after the pooling if there is one.
    y: Tensor,
    /// Where the gradient goes on; empty if a term looks at the output.
    mask: Vec<u8>,
    gram: Option<Vec<f32>>,
    /// Best times: forward, backward, Gram matrix, its gradient.
    seconds: [f64; 4],
}

struct Network {
    isa: Isa,
    image: Tensor,
    layers: Vec<Layer>,
    gradients: [Tensor; 2],
}

impl Network {
    fn new(size: usize, isa: Isa) -> Self {
        let mut size = Size {
            height: size,
            width: size,
        };
        let image = Tensor::noise(3 * size.area(), 100.0);
        let gradients = [(); 2].map(|()| Tensor::zeros(64 * size.area()));
        let layer = |(name, inputs, outputs, pooled, style): (_, usize, usize, bool, bool)| {
            let weights = Tensor::noise(outputs * inputs * 9, (0.7 / inputs as f32).sqrt());
            let conv = Conv3x3::new(&weights[..outputs * inputs * 9], &vec![0.1; outputs], inputs, isa);
            let before = size;
            if pooled {
                size = size.pooled();
            }
            let len = outputs * size.area();
            let mask = vec![0; if style || name == CONTENT { 0 } else { len }];
            let gram = style.then(|| vec![0.0; outputs * outputs]);
            let seconds = [f64::INFINITY; 4];
            Layer {
                name,
                conv,
                size: before,
                pooled,
                y: Tensor::zeros(len),
                mask,
                gram,
                seconds,
            }
        };
        Self {
            isa,
            image,
            layers: LAYERS.into_iter().map(layer).collect(),
            gradients,
        }
    }

    fn forward(&mut self, exec: Exec<'_>) {
        let mut x: &[f32] = &self.image;
        for layer in &mut self.layers {
            let Layer {
                conv,
                size,
                y,
                mask,
                seconds,
                ..
            } = layer;
            let x_now = &x[..conv.inputs() * size.area()];
            timed(&mut seconds[0], || match layer.pooled {
                true => conv.forward_pooled(x_now, *size, Pool::Max, y, mask, exec),
                false => {
                    let mask = (!mask.is_empty()).then_some(&mut mask[..]);
                    conv.forward(x_now, *size, y, mask, exec);
                }
            });
            if let Some(matrix) = &mut layer.gram {
                timed(&mut seconds[2], || {
                    moments(y, Guide::Whole, matrix, None, self.isa, exec);
                });
            }
            x = &layer.y;
        }
    }

    fn backward(&mut self, exec: Exec<'_>) {
        let [mut dy, mut other] = self.gradients.each_mut();
        dy.fill(0.0);
        for layer in self.layers.iter_mut().rev() {
            let Layer {
                conv,
                size,
                y,
                mask,
                seconds,
                ..
            } = layer;
            let len = y.len();
            if let Some(matrix) = &layer.gram {
                let gradient = MomentsGradient {
                    f: y,
                    guide: Guide::Whole,
                    matrix,
                    vector: None,
                    add: Addend::Output,
                };
                timed(&mut seconds[3], || gradient.run(&mut dy[..len], self.isa, exec));
            }
            if layer.name == CONTENT {
                let target = Tensor::zeros(len);
                content_gradient(
                    y,
                    &target,
                    &vec![1.0; size.area()],
                    1e-9,
                    Some(&dy[..len]),
                    &mut other[..len],
                    self.isa,
                    exec,
                );
                relu_gradient(y, &mut other[..len], self.isa, exec);
                std::mem::swap(&mut dy, &mut other);
            }
            let dx = &mut other[..conv.inputs() * size.area()];
            let dy_now = &dy[..len];
            let gradient = match layer.pooled {
                true => Gradient::Pooled {
                    dy: dy_now,
                    mask,
                    pool: Pool::Max,
                },
                false if mask.is_empty() => Gradient::Whole(dy_now),
                false => Gradient::Masked { dy: dy_now, mask },
            };
            timed(&mut seconds[1], || conv.backward(gradient, *size, dx, exec));
            std::mem::swap(&mut dy, &mut other);
        }
        black_box(&dy[0]);
    }

    /// Prints a table. The roof counts what the products of F(4x4, 3x3) and of the Gram matrices
    /// need, transforms left out.
    fn report(&self, peak: f64, isa: Isa) {
        println!("peak of vectors {peak:.0} GFLOP/s");
        println!("layer   forward        backward       gram           gradient       (ms, % of roof)");
        let mut total = [0.0; 4];
        for layer in &self.layers {
            let (inputs, outputs) = (layer.conv.inputs(), layer.conv.outputs());
            let area = layer.size.area() as f64;
            let products = 4.5 * area * (inputs * outputs) as f64;
            let square = area * (outputs * outputs) as f64;
            let flops = [products, products, square, 2.0 * square];
            let times = times_vectors(isa, inputs, outputs);
            print!("{:5}", layer.name);
            for i in 0..4 {
                if layer.seconds[i].is_finite() {
                    total[i] += layer.seconds[i];
                    let share = flops[i] / layer.seconds[i] / (times[i] * peak) / 1e7;
                    print!("{:8.2} {share:4.0} %", layer.seconds[i] * 1e3);
                }
            }
            println!();
        }
        let [forward, backward, gram, gradient] = total.map(|seconds| seconds * 1e3);
        println!("total{forward:8.2}       {backward:8.2}       {gram:8.2}       {gradient:8.2}");
        println!(
            "convolutions {:.1} ms, all {:.1} ms",
            forward + backward,
            forward + backward + gram + gradient
        );
        let filters: usize = self.layers.iter().map(|layer| layer.conv.bytes()).sum();
        println!("filters {:.1} MB", filters as f64 / 1e6);
    }
}

fn timed(best: &mut f64, run: impl FnOnce()) {
    let start = seconds();
    run();
    *best = best.min(seconds() - start);
}

/// Seconds since some time; of this process on all processors with `CPU_TIME` set.
fn seconds() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    static CPU_TIME: LazyLock<bool> = LazyLock::new(|| std::env::var_os("CPU_TIME").is_some());
    #[cfg(target_os = "linux")]
    if *CPU_TIME {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the clock exists, and `time` is there to be written.
        unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
        return time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9;
    }
    START.elapsed().as_secs_f64()
}

/// Values that start at a cache line, as ONNX Runtime's do.
struct Tensor {
    lines: Vec<Line>,
    len: usize,
}

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[allow(dead_code, reason = "read as plain values")] [f32; 16]);

impl Tensor {
    fn zeros(len: usize) -> Self {
        Self {
            lines: vec![Line([0.0; 16]); len.div_ceil(16)],
            len,
        }
    }

    /// Values between -scale and scale, always the same.
    fn noise(len: usize, scale: f32) -> Self {
        let mut tensor = Self::zeros(len);
        let mut state = 0x9e37_79b9_u32;
        for value in tensor.iter_mut() {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            *value = (state as f32 / u32::MAX as f32 * 2.0 - 1.0) * scale;
        }
        tensor
    }
}

impl Deref for Tensor {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a line is 16 values.
        let values = unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * 16) };
        &values[..self.len]
    }
}

impl DerefMut for Tensor {
    fn deref_mut(&mut self) -> &mut [f32] {
        let len = self.len;
        // SAFETY: a line is 16 values.
        let values =
            unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * 16) };
        &mut values[..len]
    }
}

/// How many times the vectors' peak the roof is of forward, backward, Gram matrix and its gradient, in a layer of so many
/// inputs and outputs. AMX has 16 times as many products in a cycle; it takes 6 for one of f32 forward, 3 in a gradient
/// and in a deep layer.
fn times_vectors(isa: Isa, inputs: usize, outputs: usize) -> [f64; 4] {
    let gradient = 16.0 / 3.0;
    let forward = if outputs < 512 { 16.0 / 6.0 } else { gradient };
    match isa {
        Isa::Amx if inputs < 32 => [1.0, 1.0, 1.0, gradient],
        Isa::Amx => [forward, gradient, 1.0, gradient],
        // Plain Rust multiplies, then adds.
        Isa::Portable(Lanes::Sixteen) => [0.5; 4],
        _ => [1.0; 4],
    }
}

/// Sums that [`multiply_adds`] makes side by side.
const CHAINS: usize = 8;

/// GFLOP/s of multiply-adds on vector registers.
fn peak_gflops(threads: Threads, isa: Isa) -> f64 {
    const STEPS: usize = 2_000_000;
    let mut best = f64::INFINITY;
    for _ in 0..8 {
        timed(&mut best, || {
            threads.par_for(threads.0, &|_| {
                black_box(multiply_adds(isa, STEPS));
            });
        });
    }
    (threads.0 * STEPS * CHAINS * isa.lanes() * 2) as f64 / best / 1e9
}

#[cfg(target_arch = "x86_64")]
fn multiply_adds(isa: Isa, steps: usize) -> f32 {
    use std::arch::x86_64::*;
    #[target_feature(enable = "avx512f")]
    fn wide(steps: usize) -> f32 {
        let mut sums = [0.5; CHAINS].map(|x| _mm512_set1_ps(black_box(x)));
        let (x, y) = (_mm512_set1_ps(0.5), _mm512_set1_ps(0.25));
        for _ in 0..steps {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, x, y);
            }
        }
        sums.iter().map(|&sum| _mm512_reduce_add_ps(sum)).sum()
    }
    #[target_feature(enable = "avx2,fma")]
    fn narrow(steps: usize) -> f32 {
        let mut sums = [0.5; CHAINS].map(|x| _mm256_set1_ps(black_box(x)));
        let (x, y) = (_mm256_set1_ps(0.5), _mm256_set1_ps(0.25));
        for _ in 0..steps {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, x, y);
            }
        }
        sums.iter().map(|&sum| _mm256_cvtss_f32(sum)).sum()
    }
    #[target_feature(enable = "avx")]
    fn plain_narrow(steps: usize) -> f32 {
        plain::<8>(steps)
    }
    match isa {
        // SAFETY: an available instruction set was chosen.
        Isa::Avx512 | Isa::Amx | Isa::Portable(Lanes::Sixteen) => unsafe { wide(steps) },
        // SAFETY: as above.
        Isa::Avx2 => unsafe { narrow(steps) },
        // SAFETY: as above.
        Isa::Portable(Lanes::Eight) => unsafe { plain_narrow(steps) },
        _ => plain::<4>(steps),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn multiply_adds(_: Isa, steps: usize) -> f32 {
    plain::<4>(steps)
}

#[inline(always)]
fn plain<const N: usize>(steps: usize) -> f32 {
    let mut sums = [[black_box(0.5_f32); N]; CHAINS];
    for _ in 0..steps {
        for sum in &mut sums {
            *sum = from_fn(|i| sum[i] * 0.5 + 0.25);
        }
    }
    sums.as_flattened().iter().sum()
}

/// GB/s, read and written ones added up.
fn copy(threads: Threads) -> f64 {
    const LEN: usize = 32 << 20;
    let from = vec![1.0_f32; LEN];
    let part = LEN / threads.0;
    let to: Vec<_> = (0..threads.0)
        .map(|_| std::sync::Mutex::new(vec![0.0_f32; part]))
        .collect();
    let mut best = f64::INFINITY;
    for _ in 0..4 {
        timed(&mut best, || {
            threads.par_for(threads.0, &|i| {
                let mut to = to[i].lock().expect("no task panics");
                to.copy_from_slice(&from[i * part..(i + 1) * part]);
            });
        });
    }
    (threads.0 * part * 8) as f64 / best / 1e9
}
