use impasto_kernels::kernels::{Conv3x3, Exec, Gradient, Isa, Size, Threads, Workspace};
fn cpu() -> f64 {
    #[repr(C)] struct Ts { s: i64, n: i64 }
    unsafe extern "C" { fn clock_gettime(id: i32, t: *mut Ts) -> i32; }
    let mut t = Ts { s: 0, n: 0 };
    unsafe { clock_gettime(3, &mut t) };
    t.s as f64 + t.n as f64 * 1e-9
}
fn noise(len: usize, scale: f32) -> Vec<f32> {
    let mut state = 0x9e37_79b9_u32;
    (0..len).map(|_| { state ^= state << 13; state ^= state >> 17; state ^= state << 5;
        (state as f32 / u32::MAX as f32 * 2.0 - 1.0) * scale }).collect()
}
fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let n = |i: usize| args[i].parse::<usize>().unwrap();
    let (c, k, s, runs) = (n(0), n(1), n(2), n(3));
    let isa = args.get(4).map_or(Isa::detect(), |name| *Isa::available().iter().find(|i| format!("{i:?}").eq_ignore_ascii_case(name)).unwrap());
    let side = Size { height: s, width: s };
    let w = Workspace::new();
    let exec = Exec { parallel: &Threads(1), workspace: &w };
    let conv = Conv3x3::new(&noise(c * k * 9, 0.1), &noise(k, 1.0), c, isa);
    let x = noise(c * side.area(), 1.0);
    let dy = noise(k * side.area(), 1.0);
    let mut y = vec![0.0; k * side.area()];
    let mut dx = vec![0.0; c * side.area()];
    let (mut f, mut b) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..runs {
        let t = cpu();
        conv.forward(&x, side, true, &mut y, exec);
        f = f.min(cpu() - t);
        let t = cpu();
        conv.backward(Gradient::Gated { dy: &dy, y: &y }, side, &mut dx, exec);
        b = b.min(cpu() - t);
    }
    let g = 4.5 * (c * k * side.area()) as f64 / 1e9;
    println!("{c}x{k}@{s}: fwd {:.2} ms {:.0} GF/s, bwd {:.2} ms {:.0} GF/s", f * 1e3, g / f, b * 1e3, g / b);
}
