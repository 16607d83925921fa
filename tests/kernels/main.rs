//! The CPU kernels against plain loops in f64, on every instruction set of the machine.

mod conv;
mod moments;
mod pool;
mod reference;
mod replicated;
mod total_variation;

use impasto::kernels::{Exec, Threads, Workspace};

/// Runs a kernel with this many threads.
fn with<T>(threads: usize, run: impl FnOnce(Exec<'_>) -> T) -> T {
    run(Exec {
        parallel: &Threads(threads),
        workspace: &Workspace::new(),
    })
}
