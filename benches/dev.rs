use impasto_kernels::kernels::{Conv3x3, Exec, Gradient, Isa, Pool, Size, Threads, Workspace};
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
fn huge(v: Vec<f32>) -> &'static mut [f32] {
    if std::env::var("HUGE").is_err() { return v.leak(); }
    let l = std::alloc::Layout::from_size_align(v.len() * 4, 2 << 20).unwrap();
    unsafe extern "C" { fn madvise(a: *mut u8, l: usize, advice: i32) -> i32; }
    unsafe {
        let p = std::alloc::alloc(l);
        madvise(p, v.len() * 4, 14);
        let s = std::slice::from_raw_parts_mut(p as *mut f32, v.len());
        s.copy_from_slice(&v);
        s
    }
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
    let x = huge(noise(c * side.area(), 1.0));
    let dy = huge(noise(k * side.area(), 1.0));
    let y = huge(vec![0.0; k * side.area()]);
    let dx = huge(vec![0.0; c * side.area()]);
    let pooled = huge(vec![0.0; k * side.area() / 4]);
    let gate = vec![0u8; k * side.area() / 4].leak();
    let (mut f, mut b) = (f64::INFINITY, f64::INFINITY);
    let best = [[0.0; 3]; 2];
    for _ in 0..runs {
        let t = cpu();
        if std::env::var("POOL").is_ok() { conv.forward_pooled(x, side, Pool::Max, pooled, gate, exec); } else { conv.forward(x, side, true, y, exec); }
        f = f.min(cpu() - t);
        let t = cpu();
        if std::env::var("POOL").is_ok() { conv.backward(Gradient::Pooled { dy: pooled, gate, pool: Pool::Max }, side, dx, exec); } else { conv.backward(Gradient::Gated { dy, y }, side, dx, exec); }
        b = b.min(cpu() - t);
    }
    let g = 4.5 * (c * k * side.area()) as f64 / 1e9;
    println!("{c}x{k}@{s}: fwd {:.2} ms {:.0} GF/s {:.1?} ({:.0}), bwd {:.2} ms {:.0} GF/s {:.1?} ({:.0})", f * 1e3, g / f, best[0], g / best[0][1] * 1e3, b * 1e3, g / b, best[1], g / best[1][1] * 1e3);
}
