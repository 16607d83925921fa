//! The threads that work on an optimisation's numbers.

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Threads of the optimiser's own; none where the caller's does all the work.
pub(super) struct Workers(Option<ThreadPool>);

impl Workers {
    /// So many `threads`, at least 1.
    pub(super) fn new(threads: usize) -> Result<Self, ThreadPoolBuildError> {
        let pool = ThreadPoolBuilder::new().num_threads(threads);
        Ok(Self(if threads > 1 { Some(pool.build()?) } else { None }))
    }

    /// Runs `kernel` on every task, in parallel, and returns what it returns in the order of the tasks: sums over the
    /// results do not depend on the number of threads.
    pub(super) fn map<T: Send, R: Send>(
        &self,
        tasks: impl Iterator<Item = T>,
        kernel: impl Fn(T) -> R + Sync + Send,
    ) -> Vec<R> {
        let Some(pool) = &self.0 else {
            return tasks.map(kernel).collect();
        };
        let tasks: Vec<T> = tasks.collect();
        pool.install(|| tasks.into_par_iter().map(kernel).collect())
    }
}
