//! Times the layers of VGG19 up to relu5_1, forward and backward, kernel by kernel.
//!
//! `cargo bench --bench kernels -- [SIZE] [THREADS] [RUNS] [ISA]`; defaults 512 2 5 and the fastest.

use impasto_kernels::kernels::{Conv3x3, Exec, Gradient, Isa, Size, Threads, Workspace};
use std::time::Instant;

/// Input channels, output channels, and by what the picture's size is divided.
const LAYERS: [(&str, usize, usize, usize); 13] = [
    ("1_1", 3, 64, 1),
    ("1_2", 64, 64, 1),
    ("2_1", 64, 128, 2),
    ("2_2", 128, 128, 2),
    ("3_1", 128, 256, 4),
    ("3_2", 256, 256, 4),
    ("3_3", 256, 256, 4),
    ("3_4", 256, 256, 4),
    ("4_1", 256, 512, 8),
    ("4_2", 512, 512, 8),
    ("4_3", 512, 512, 8),
    ("4_4", 512, 512, 8),
    ("5_1", 512, 512, 16),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = |i: usize, default: usize| args.get(i).map_or(default, |a| a.parse().unwrap());
    let (size, threads, runs) = (number(0, 512), number(1, 2), number(2, 5));
    let isa = args.get(3).map_or(Isa::detect(), |name| {
        let all = Isa::available();
        *all.iter().find(|isa| format!("{isa:?}").eq_ignore_ascii_case(name)).expect("no such ISA")
    });
    let only = args.get(4);
    let threads = Threads(threads);
    let workspace = Workspace::new();
    let exec = Exec { parallel: &threads, workspace: &workspace };
    let peak = peak(threads, isa);
    println!("{isa:?}, {} threads, {size} pixels, best of {runs}", threads.0);
    println!("peak {peak:.0} GFLOP/s, copy {:.1} GB/s", copy(threads));
    println!("layer  channels   size    fwd ms  bwd ms  fwd GFLOP/s  % of roof  bwd  % of roof");
    let mut total = [0.0; 2];
    let mut last = None;
    for (name, inputs, outputs, divisor) in LAYERS {
        if only.is_some_and(|only| only != name) { continue; }
        let side = Size { height: size / divisor, width: size / divisor };
        let conv = if last == Some((inputs, outputs)) { None } else { Some(0) };
        let _ = conv;
        last = Some((inputs, outputs));
        let weights = noise(outputs * inputs * 9, 1.0 / (inputs as f32 * 4.5).sqrt());
        let conv = Conv3x3::new(&weights, &noise(outputs, 1.0), inputs, isa);
        let x = noise(inputs * side.area(), 1.0);
        let mut y = vec![0.0; outputs * side.area()];
        let mut dx = vec![0.0; inputs * side.area()];
        let dy = noise(outputs * side.area(), 1.0);
        let mut best = [f64::INFINITY; 2];
        for _ in 0..runs {
            let start = Instant::now();
            conv.forward(&x, side, true, &mut y, exec);
            best[0] = best[0].min(start.elapsed().as_secs_f64());
            let start = Instant::now();
            conv.backward(Gradient::Gated { dy: &dy, y: &y }, side, &mut dx, exec);
            best[1] = best[1].min(start.elapsed().as_secs_f64());
        }
        // Multiplications and additions of F(4x4, 3x3), transforms not counted.
        let gflop = 2.0 * 36.0 / 16.0 * (inputs * outputs * side.area()) as f64 / 1e9;
        let share = |s: f64| (gflop / s, 100.0 * gflop / s / peak);
        let ((f, fr), (b, br)) = (share(best[0]), share(best[1]));
        println!(
            "{name:5} {inputs:4} {outputs:4}  {:5} {:9.2} {:7.2} {f:12.0} {fr:10.0} {b:4.0} {br:10.0}",
            side.width,
            best[0] * 1e3,
            best[1] * 1e3
        );
        total[0] += best[0];
        total[1] += best[1];
    }
    println!("total {:23.2} {:7.2}  = {:.2} ms", total[0] * 1e3, total[1] * 1e3, (total[0] + total[1]) * 1e3);
    println!("scratch {:.1} MB", workspace.bytes() as f64 / 1e6);
}

/// Values between -scale and scale, always the same.
fn noise(len: usize, scale: f32) -> Vec<f32> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state as f32 / u32::MAX as f32 * 2.0 - 1.0) * scale
    };
    (0..len).map(|_| next()).collect()
}

/// GFLOP/s of multiply-adds on registers.
fn peak(threads: Threads, isa: Isa) -> f64 {
    const STEPS: usize = 4_000_000;
    let lanes = isa.lanes();
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        use impasto_kernels::kernels::Parallel;
        threads.par_for(threads.0, &|_| {
            std::hint::black_box(fma_loop(isa, STEPS));
        });
        best = best.min(start.elapsed().as_secs_f64());
    }
    (threads.0 * STEPS * 12 * lanes * 2) as f64 / best / 1e9
}

#[cfg(target_arch = "x86_64")]
fn fma_loop(isa: Isa, steps: usize) -> f32 {
    use std::arch::x86_64::*;
    #[target_feature(enable = "avx512f")]
    fn wide(steps: usize) -> f32 {
        let mut a = [_mm512_set1_ps(1.0); 12];
        let (x, y) = (_mm512_set1_ps(0.5), _mm512_set1_ps(0.25));
        for _ in 0..steps {
            for a in &mut a {
                *a = _mm512_fmadd_ps(*a, x, y);
            }
        }
        a.iter().map(|&a| _mm512_reduce_add_ps(a)).sum()
    }
    #[target_feature(enable = "avx2,fma")]
    fn narrow(steps: usize) -> f32 {
        let mut a = [_mm256_set1_ps(1.0); 12];
        let (x, y) = (_mm256_set1_ps(0.5), _mm256_set1_ps(0.25));
        for _ in 0..steps {
            for a in &mut a {
                *a = _mm256_fmadd_ps(*a, x, y);
            }
        }
        a.iter().map(|&a| _mm256_cvtss_f32(a)).sum()
    }
    match isa {
        // SAFETY: an available ISA was chosen.
        Isa::Avx512 => unsafe { wide(steps) },
        // SAFETY: as above.
        Isa::Avx2 => unsafe { narrow(steps) },
        _ => 0.0,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn fma_loop(_: Isa, _: usize) -> f32 {
    0.0
}

/// GB/s read plus written when copying.
fn copy(threads: Threads) -> f64 {
    use impasto_kernels::kernels::Parallel;
    const LEN: usize = 16 << 20;
    let from = vec![1.0_f32; LEN];
    let to: Vec<std::sync::Mutex<Vec<f32>>> =
        (0..threads.0).map(|_| std::sync::Mutex::new(vec![0.0; LEN / threads.0])).collect();
    let mut best = f64::INFINITY;
    for _ in 0..4 {
        let start = Instant::now();
        threads.par_for(threads.0, &|i| {
            let part = LEN / threads.0;
            to[i].lock().unwrap().copy_from_slice(&from[i * part..(i + 1) * part]);
        });
        best = best.min(start.elapsed().as_secs_f64());
    }
    (LEN * 8) as f64 / best / 1e9
}
