//! Who runs the tasks of a kernel, and the memory they work in.

use super::scratch::{Output, Workspace};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs independent tasks, on as many threads as it likes.
///
/// Kernels form every value from the same terms in the same order, however their work is cut: the
/// bytes of a result depend neither on the number of threads nor on the order of the tasks.
///
/// # Safety
///
/// Tasks write to memory that no other task touches: [`Parallel::par_for`] must call each of them once, and none beyond.
pub unsafe trait Parallel {
    /// How many tasks run at the same time, at least 1; only a hint for cutting the work.
    fn threads(&self) -> usize;

    /// Calls `task(i)` exactly once for every `i` in `0..tasks` and returns when all are done.
    fn par_for(&self, tasks: usize, task: &(dyn Fn(usize) + Sync));
}

/// Runs tasks on this many threads, started anew for each call: for tests and benchmarks.
#[derive(Clone, Copy, Debug)]
pub struct Threads(
    /// Number of threads, at least 1.
    pub usize,
);

// SAFETY: each number is fetched once.
unsafe impl Parallel for Threads {
    fn threads(&self) -> usize {
        self.0
    }

    fn par_for(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let work = || {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= tasks {
                    break;
                }
                task(i);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.0.min(tasks) {
                scope.spawn(work);
            }
            work();
        });
    }
}

/// What a kernel needs besides its tensors.
#[derive(Clone, Copy)]
pub struct Exec<'a> {
    /// Runs the kernel's tasks.
    pub parallel: &'a dyn Parallel,
    /// Scratch memory, shared by all kernels that run one after another.
    pub workspace: &'a Workspace,
    /// Whether a convolution flushes gradients below 1e-30 to 0. In the halo of a tile they decay layer by layer to subnormal
    /// numbers, with which the next layer is several times slower. In a whole picture nothing decays, and looking at every
    /// value takes an eighth of an evaluation.
    pub flushes_tiny_gradients: bool,
}

impl Exec<'_> {
    /// The sum of `count` numbers, of which `task(i, number)` sets number `i`; they are added in f64, in their order.
    pub(crate) fn sum(&self, count: usize, task: impl Fn(usize, &mut f32) + Sync) -> f64 {
        let mut numbers = self.workspace.take(count);
        let numbers = &mut numbers[..count];
        self.par_chunks(numbers, 1, |i, number| task(i, &mut number[0]));
        numbers.iter().map(|&number| f64::from(number)).sum()
    }

    /// Calls `task(i, chunk)` for every chunk of `len` values; the last one may be shorter.
    pub(crate) fn par_chunks<T: Send>(
        &self,
        values: &mut [T],
        len: usize,
        task: impl Fn(usize, &mut [T]) + Sync,
    ) {
        if values.is_empty() {
            return;
        }
        let end = values.len();
        let values = Output::new(values);
        self.parallel.par_for(end.div_ceil(len), &|i| {
            let start = i * len;
            let len = len.min(end - start);
            // SAFETY: every task has its own chunk.
            task(i, unsafe {
                std::slice::from_raw_parts_mut(values.at(start, len), len)
            });
        });
    }
}
