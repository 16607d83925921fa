//! The CPU kernels against plain loops in f64, one test for each kernel and instruction set.

/// Tests of functions that take an instruction set, one for each of them and each set.
#[macro_export]
macro_rules! on_every_instruction_set {
    ($($test:ident)*) => {
        $(
            mod $test {
                use impasto_kernels::{Isa, Lanes};

                $crate::on_instruction_sets! { super::$test;
                    portable_4 Isa::Portable(Lanes::Four)
                    portable_8 Isa::Portable(Lanes::Eight)
                    portable_16 Isa::Portable(Lanes::Sixteen)
                    avx2 Isa::Avx2
                    avx512 Isa::Avx512
                    amx Isa::Amx
                    emulated_amx Isa::EmulatedAmx
                    neon Isa::Neon
                }
            }
        )*
    };
}

/// The tests of one function.
#[macro_export]
macro_rules! on_instruction_sets {
    ($test:path; $($name:ident $isa:expr)*) => {
        $(
            #[test]
            fn $name() {
                $crate::on($isa, $test);
            }
        )*
    };
}

mod conv;
mod moments;
mod pool;
mod reference;
mod replicated;
mod total_variation;

use impasto_kernels::{Exec, Isa, Threads, Workspace};

/// Runs a kernel with this many threads.
fn with<T>(threads: usize, run: impl FnOnce(Exec<'_>) -> T) -> T {
    run(Exec {
        parallel: &Threads(threads),
        workspace: &Workspace::new(),
        flushes_tiny_gradients: false,
    })
}

/// Runs a test on an instruction set, or says that this machine lacks it.
#[allow(
    clippy::print_stdout,
    reason = "what ran is told to those who ask for the output of tests"
)]
fn on(isa: Isa, test: fn(Isa)) {
    if isa.is_available() {
        println!("on {isa:?}");
        test(isa);
    } else {
        println!("this machine has no {isa:?}");
    }
}
