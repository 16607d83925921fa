//! The optimiser: from a start image to the image with the lowest loss it can find.
//!
//! [`minimize`] works on any [`LossGradient`]. It asks for the value of every point once, tells an [`Observer`] what
//! happens, and returns the best point it has seen, whatever ended the run. A method that gets stuck (a line search
//! that fails on the rounding noise of late iterations, a loss that is suddenly not a number) starts again from
//! that point.
//!
//! Nothing depends on the scale of the loss: multiplied by any factor, it leads to the same picture within rounding,
//! and to the same bytes if the factor is a power of two. Nor do the bytes depend on the number of threads.
//!
//! Memory, in vectors of the image's size: L-BFGS keeps two for each pair of its history (24 bytes a pixel and pair)
//! and five more, two of them the point under test and its gradient; seven when a line search goes on past the best
//! point so far.

mod kernels;
mod lbfgs;
pub(crate) mod vector;

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZero;
use std::time::{Duration, Instant};

use crate::model::{LossGradient, ObjectiveError};
use crate::objective::{Halt, Objective, Point};
use crate::observe::Observer;
use lbfgs::Lbfgs;
use vector::{Space, Vector};

/// Iterations over which [`Options::tolerance`] looks back.
const WINDOW: usize = 10;

/// How often in a row the method may start again without finding a better point.
const FRUITLESS_RESTARTS: i32 = 3;

/// The first step of such a restart, as a part of the one before.
const SHORTER: f64 = 1.0 / 16.0;

/// How to optimise, and when to stop.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The method. Default: L-BFGS.
    pub method: Method,
    /// Stop after this many accepted points. With 0 the start image is evaluated and returned. Default: 500.
    pub iterations: u64,
    /// Threads for the optimiser's own arithmetic, at least 1. Default: those that the machine has.
    pub threads: usize,
    /// Stop when the best loss has changed by less than this fraction within ten iterations. Default: never.
    pub tolerance: Option<f64>,
    /// Stop at the first evaluation that ends later than this many seconds after the start. Default: never.
    pub max_seconds: Option<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: Method::default(),
            iterations: 500,
            threads: std::thread::available_parallelism().map_or(1, NonZero::get),
            tolerance: None,
            max_seconds: None,
        }
    }
}

impl Options {
    /// Checks the ranges; returns when [`Options::max_seconds`] from now are over.
    fn deadline(&self) -> Result<Option<Instant>, OptimizeError> {
        let check = |name, value: String, range, is_right| {
            if is_right {
                Ok(())
            } else {
                Err(OptimizeError::Option { name, value, range })
            }
        };
        let Method::Lbfgs { history } = self.method;
        check("history", history.to_string(), "at least 1", history >= 1)?;
        check(
            "threads",
            self.threads.to_string(),
            "at least 1",
            self.threads >= 1,
        )?;
        if let Some(tolerance) = self.tolerance {
            check(
                "tolerance",
                tolerance.to_string(),
                "from 0 to 1",
                (0.0..=1.0).contains(&tolerance),
            )?;
        }
        if let Some(seconds) = self.max_seconds {
            check("max_seconds", seconds.to_string(), "0 or more", seconds >= 0.0)?;
        }
        // A time too long for the clock is no limit.
        let time = self
            .max_seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Ok(time.and_then(|time| Instant::now().checked_add(time)))
    }
}

/// A way to get from point to point.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// Limited-memory BFGS (Liu and Nocedal 1989) with the line search of Moré and Thuente (1994).
    Lbfgs {
        /// Pairs of steps and gradient changes to remember, at least 1; each takes 24 bytes a pixel. Default: 20.
        history: usize,
    },
}

impl Default for Method {
    fn default() -> Self {
        Self::Lbfgs { history: 20 }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The best point seen, in the layout of the start image.
    pub image: Vec<f32>,
    /// The loss there.
    pub loss: f64,
    /// Its weighted terms, in the order of [`LossGradient::term_names`].
    pub terms: Vec<f64>,
    /// Accepted points.
    pub iterations: u64,
    /// Evaluations of the objective: runs of the graph.
    pub evaluations: u64,
    /// Why it ended.
    pub stop: StopReason,
}

/// Why an optimisation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// All iterations are done.
    Iterations,
    /// The gradient is zero, or the loss changes by less than [`Options::tolerance`].
    Converged,
    /// No lower loss is found any more, also after starting again: rounding hides what is left.
    Stalled,
    /// [`Options::max_seconds`] have passed.
    OutOfTime,
    /// The observer asked for it.
    Interrupted,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iterations => "all iterations done",
            Self::Converged => "converged",
            Self::Stalled => "no lower loss to be found",
            Self::OutOfTime => "out of time",
            Self::Interrupted => "interrupted",
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
    },
    /// There is nothing to start from: the loss or its gradient is NaN or infinite at the start image.
    #[error("cannot start: {what} is not a finite number at the start image")]
    NotFinite {
        /// The cause: the image itself, one of the terms (by name, with its value), the loss or the gradient.
        what: String,
    },
}

/// Minimises `objective` from `start`, and returns the best point seen.
///
/// `start` is an image in the convention of [`LossGradient::evaluate`]. `observer` is told of every evaluation, every
/// accepted point and every restart; when it breaks, the run ends there and the outcome is the best point until then.
///
/// # Errors
/// When an option is out of range, the objective fails, or the loss is not finite at `start`. A loss that stops being
/// finite later is none: the method steps back to the best point and takes shorter steps.
pub fn minimize(
    objective: &mut dyn LossGradient,
    start: Vec<f32>,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Outcome, OptimizeError> {
    let deadline = options.deadline()?;
    let threads = options.threads;
    let space =
        Space::new(start.len(), threads).map_err(|source| OptimizeError::Threads { threads, source })?;
    let objective = Objective::new(objective, observer, deadline);
    let stop = match run(&objective, Vector::new(&space, start), options) {
        Ok(stop) | Err(Halt::Stop(stop)) => stop,
        Err(Halt::Retry(_)) => StopReason::Stalled,
        Err(Halt::Fail(error)) => return Err(error),
    };
    Ok(objective.outcome(stop))
}

/// Walks, and starts again from the best point where the method gets stuck, until that no longer helps.
fn run(objective: &Objective<'_>, start: Vector, options: &Options) -> Result<StopReason, Halt> {
    let mut from = objective.evaluate(&start)?;
    drop(start);
    let mut fruitless = 0;
    loop {
        let loss = from.result.loss;
        let why = match walk(objective, from, options, SHORTER.powi(fruitless)) {
            Err(Halt::Retry(why)) => why,
            end => return end,
        };
        from = objective.best();
        fruitless = if from.result.loss < loss { 0 } else { fruitless + 1 };
        if fruitless > FRUITLESS_RESTARTS {
            return Ok(StopReason::Stalled);
        }
        objective.restart(why)?;
    }
}

/// Steps from point to point until the options say that it is enough. `shorter` shortens the first step.
fn walk(objective: &Objective<'_>, from: Point, options: &Options, shorter: f64) -> Result<StopReason, Halt> {
    if from.gradient.rms() == 0.0 {
        return Ok(StopReason::Converged);
    }
    let mut window = Window::new(options.tolerance);
    let mut method = match options.method {
        Method::Lbfgs { history } => Lbfgs::new(objective, from, history, shorter * lbfgs::FIRST_STEP),
    };
    while objective.iterations() < options.iterations {
        let point = method.step(objective)?;
        objective.accept(&point)?;
        if window.is_flat(objective.best().result.loss) {
            return Ok(StopReason::Converged);
        }
    }
    Ok(StopReason::Iterations)
}

/// The best losses of the last iterations.
struct Window {
    tolerance: Option<f64>,
    losses: VecDeque<f64>,
}

impl Window {
    fn new(tolerance: Option<f64>) -> Self {
        Self {
            tolerance,
            losses: VecDeque::new(),
        }
    }

    /// Takes note of `loss`; true when it is hardly lower than [`WINDOW`] iterations ago.
    fn is_flat(&mut self, loss: f64) -> bool {
        self.losses.push_back(loss);
        if self.losses.len() <= WINDOW {
            return false;
        }
        let before = self.losses.pop_front();
        self.tolerance
            .zip(before)
            .is_some_and(|(tolerance, before)| before - loss < tolerance * before.abs())
    }
}
