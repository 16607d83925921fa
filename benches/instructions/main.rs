//! What the program's own kernels gain on lesser processors than this one: the seconds that an evaluation takes with
//! them and with ONNX Runtime's plain graph, by turns, while AVX-512 is hidden from both, or AVX altogether.
//!
//! `cargo bench --bench instructions -- [SIZE] [PAIRS] [THREADS]`; by default 256 pixels a side, 3 pairs, 2 threads. It
//! needs Linux on an Intel or AMD processor, and the graphs and pictures of `make setup`. Where the processor does not
//! let `cpuid` fault, nothing is hidden, and only the kernels of `auto` and the portable ones are measured.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a table in the terminal is what a bench is for"
)]

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "../support/mod.rs"]
mod support;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "../support/demo.rs"]
mod demo;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "../support/order.rs"]
mod order;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod comparison;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod hiding;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod table;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() -> std::process::ExitCode {
    support::end_with_stdout();
    match table::main() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() {
    println!("instructions cannot be hidden here: that takes Linux on x86-64");
}
