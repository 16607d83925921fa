//! Checkpoints: what it takes to resume the run, kept in a file while it goes on.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Event, Observer, Remember, Resumable, all};
use crate::files::OutputError;
use crate::files::binary::{self, Reader};

/// Passes events on to observers with a memory, and keeps it with the state of the run in a file, if there is to be one.
pub struct Checkpoints<'a> {
    observers: Vec<&'a mut dyn Remember>,
    plan: Option<CheckpointPlan>,
    /// When the last one was finished.
    last: Option<Instant>,
    failure: Option<OutputError>,
}

/// Where and when checkpoints are written.
#[derive(Debug)]
pub struct CheckpointPlan {
    /// The file; each takes the place of the one before.
    pub path: PathBuf,
    /// The least time from the end of one to the next. The last is written whatever the time, and so is the first, but
    /// for [`Checkpoints::after_a_while`].
    pub every: Duration,
    /// The bytes that each begins with.
    pub head: Vec<u8>,
    /// Whether the first may take the place of a file that is there.
    pub overwrite: bool,
}

impl<'a> Checkpoints<'a> {
    /// Checkpoints with the memory of `observers`, in their order; none without a plan.
    pub fn new(plan: Option<CheckpointPlan>, observers: Vec<&'a mut dyn Remember>) -> Checkpoints<'a> {
        Checkpoints {
            observers,
            plan,
            last: None,
            failure: None,
        }
    }

    /// Checkpoints of which the first is due after the usual time too; it takes the place of what is there.
    pub fn after_a_while(
        plan: Option<CheckpointPlan>,
        observers: Vec<&'a mut dyn Remember>,
    ) -> Checkpoints<'a> {
        Checkpoints {
            last: Some(Instant::now()),
            ..Checkpoints::new(plan, observers)
        }
    }

    /// Gives the observers the memory that a checkpoint has of them; the next one is due after the usual time.
    ///
    /// # Errors
    /// It is the memory of other observers.
    pub fn restore(&mut self, from: &mut Reader) -> io::Result<()> {
        self.last = Some(Instant::now());
        self.observers
            .iter_mut()
            .try_for_each(|observer| observer.restore(from))
    }

    fn save(&mut self, run: &Resumable<'_>) -> Result<(), OutputError> {
        let Some(plan) = &self.plan else {
            return Ok(());
        };
        if !run.ends && self.last.is_some_and(|last| last.elapsed() < plan.every) {
            return Ok(());
        }
        let overwrite = plan.overwrite || self.last.is_some();
        binary::write(&plan.path, overwrite, |to| {
            to.bytes(&plan.head)?;
            self.observers.iter().try_for_each(|observer| observer.save(to))?;
            (run.save)(to)
        })?;
        self.last = Some(Instant::now());
        Ok(())
    }

    /// Whether all of them could be written.
    ///
    /// # Errors
    /// The first one that could not be; it also stopped the run.
    pub fn finish(self) -> Result<(), OutputError> {
        self.failure.map_or(Ok(()), Err)
    }
}

impl Observer for Checkpoints<'_> {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        if let Event::Resumable(run) = event
            && self.failure.is_none()
        {
            self.failure = self.save(run).err();
        }
        let told = all(self.observers.iter_mut().map(|observer| observer.observe(event)));
        match self.failure {
            Some(_) => ControlFlow::Break(()),
            None => told,
        }
    }
}
