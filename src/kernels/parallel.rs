//! Who runs the tasks of a kernel, and the memory they work in.

use super::scratch::Workspace;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs independent tasks, on as many threads as it likes.
///
/// Kernels cut their work the same way whatever runs it, so results do not depend on the number
/// of threads, nor on the order of the tasks.
pub trait Parallel: Sync {
    /// Calls `task(i)` once for every `i` in `0..tasks` and returns when all are done.
    fn par_for(&self, tasks: usize, task: &(dyn Fn(usize) + Sync));
}

/// Runs tasks on this many threads, started anew for each call: for tests and benchmarks.
#[derive(Clone, Copy, Debug)]
pub struct Threads(
    /// Number of threads, at least 1.
    pub usize,
);

impl Parallel for Threads {
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
}
