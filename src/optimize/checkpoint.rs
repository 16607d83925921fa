//! An optimisation between two iterations: argmin asks for it to be saved there, and it goes on from there.
//!
//! What is saved is all that the next iteration depends on, to the bit: the point with its loss and its gradient, the best
//! point if that is another, the counts, and the solver with its history or its moments. The picture that a point shows
//! follows from the point.

use std::io;

use argmin::core::checkpointing::{Checkpoint, CheckpointingFrequency};
use argmin::core::{Error, KV, Problem, Solver, State as _, TerminationReason};

use super::StopReason;
use super::objective::{Objective, Point, State};
use crate::files::binary::{Reader, Writer};

/// A run of a solver from one point, until it gets stuck.
pub(super) struct Attempt<'o, 'a, S> {
    pub(super) objective: &'o Objective<'a>,
    pub(super) solver: S,
    pub(super) begin: Begin,
    /// Why it has ended.
    pub(super) stop: Option<StopReason>,
}

/// Where an attempt began.
#[derive(Clone, Copy)]
pub(super) struct Begin {
    /// The loss there.
    pub(super) loss: f64,
    /// How many attempts in a row before it have found nothing better.
    pub(super) fruitless: i32,
}

impl Begin {
    pub(super) fn restore(from: &mut Reader) -> io::Result<Self> {
        Ok(Self {
            loss: from.number()?,
            fruitless: from.number()?,
        })
    }

    fn save(self, to: &mut Writer<'_>) -> io::Result<()> {
        to.number(self.loss)?;
        to.number(self.fruitless)
    }
}

/// A solver whose state can be saved.
pub(super) trait Save {
    fn save(&self, to: &mut Writer<'_>) -> io::Result<()>;
}

impl<'o, 'a, S: Solver<&'o Objective<'a>, State>> Solver<&'o Objective<'a>, State> for Attempt<'o, 'a, S> {
    fn name(&self) -> &str {
        self.solver.name()
    }

    fn next_iter(
        &mut self,
        problem: &mut Problem<&'o Objective<'a>>,
        state: State,
    ) -> Result<(State, Option<KV>), Error> {
        let (state, log) = self.solver.next_iter(problem, state)?;
        self.stop = self.objective.accept();
        let state = match self.stop {
            Some(stop) => state.terminate_with(TerminationReason::SolverExit(stop.to_string())),
            None => state,
        };
        Ok((state, log))
    }
}

/// Shows the observer the point after each iteration, which may save it.
pub(super) struct EveryIteration;

impl<'o, 'a, S: Save> Checkpoint<Attempt<'o, 'a, S>, State> for EveryIteration {
    fn save(&self, attempt: &Attempt<'o, 'a, S>, state: &State) -> Result<(), Error> {
        if attempt.stop == Some(StopReason::Converged) {
            // Nothing is left to go on with.
            return Ok(());
        }
        let ends = attempt.stop.is_some();
        let solver = |to: &mut Writer<'_>| {
            attempt.begin.save(to)?;
            attempt.solver.save(to)
        };
        let objective = attempt.objective;
        Ok(objective.show_resumable(ends, &Point::of(state), &solver)?)
    }

    /// Nothing: an optimisation that is resumed gives argmin its solver and its point as any other does.
    fn load(&self) -> Result<Option<(Attempt<'o, 'a, S>, State)>, Error> {
        Ok(None)
    }

    fn frequency(&self) -> CheckpointingFrequency {
        CheckpointingFrequency::Always
    }
}
