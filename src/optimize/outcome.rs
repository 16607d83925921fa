//! What comes of an optimisation, or why nothing does.

use std::fmt;

use crate::model::ObjectiveError;

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The best point seen, in the layout of the start image.
    pub image: Vec<f32>,
    /// The loss there.
    pub loss: f64,
    /// Its weighted terms, in the order of [`LossGradient::term_names`](crate::model::LossGradient::term_names).
    pub terms: Vec<f64>,
    /// Accepted points.
    pub iterations: u64,
    /// Evaluations of the objective that gave a loss: runs of the graph.
    pub evaluations: u64,
    /// Why it ended.
    pub stop: StopReason,
}

/// Why an optimisation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// All iterations are done.
    Iterations,
    /// The gradient is zero, or the loss changes by less than [`Options::tolerance`](super::Options::tolerance).
    Converged,
    /// No lower loss is found any more, also after starting again: rounding hides what is left.
    Stalled,
    /// [`Options::max_seconds`](super::Options::max_seconds) have passed.
    OutOfTime,
    /// The observer asked for it.
    Interrupted,
    /// An evaluation failed: the outcome is that of the evaluations before.
    Failed,
}

impl StopReason {
    /// Whether the run was ended from outside, so that the settings alone do not tell how far it went.
    pub fn is_from_outside(self) -> bool {
        matches!(self, Self::OutOfTime | Self::Interrupted | Self::Failed)
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iterations => "all iterations done",
            Self::Converged => "converged",
            Self::Stalled => "no lower loss to be found",
            Self::OutOfTime => "out of time",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        })
    }
}

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum OptimizeError {
    /// An option is out of its range.
    #[error("{name} is {value}; it must be {range}")]
    Option {
        /// The option.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        range: &'static str,
    },
    /// The threads could not be started.
    #[error("cannot start {threads} threads for the optimiser")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system said.
        source: rayon::ThreadPoolBuildError,
    },
    /// The objective failed.
    #[error("evaluation {evaluation} of the loss failed")]
    Objective {
        /// Which one, from 1.
        evaluation: u64,
        /// The first error; nothing was evaluated after it.
        source: ObjectiveError,
        /// What came of the evaluations before, if there were any.
        best: Option<Box<Outcome>>,
    },
    /// What was saved of a run cannot be read, or is not of this one.
    #[error("the saved state is not that of this run ({0})")]
    Saved(std::io::Error),
    /// There is nothing to start from: the loss or its gradient is NaN or infinite at the start image.
    #[error("cannot start: {what} is not a finite number at the start image")]
    NotFinite {
        /// The cause: the image itself, one of the terms (by name, with its value), the loss or the gradient.
        what: String,
    },
}

impl OptimizeError {
    /// The error of an optimisation that goes on from others, which have taken so many `evaluations`.
    pub(crate) fn after(mut self, evaluations: u64) -> OptimizeError {
        if let Self::Objective { evaluation, .. } = &mut self {
            *evaluation += evaluations;
        }
        self
    }

    /// Takes out what came of the evaluations before the failure.
    pub fn take_best(&mut self) -> Option<Outcome> {
        match self {
            Self::Objective { best, .. } => best.take().map(|best| *best),
            _ => None,
        }
    }
}
