//! The optimiser: from a start image to the image with the lowest loss it can find.
//!
//! [`minimize`] works on any [`LossGradient`]. argmin's `Executor` drives a solver (L-BFGS or Adam) over an `Objective`,
//! which runs the graph once for each point (a line search that fails may ask for its best one again), tells an
//! [`Observer`] what happens, and keeps the best point it has seen, whatever ends the run. A method that gets stuck (a
//! line search that fails on the rounding noise of late iterations, a loss that is suddenly not a number) starts again
//! from that point.
//!
//! Nothing depends on the scale of the loss: multiplied by any factor, it leads to the same picture within rounding
//! (that of L-BFGS's pairs to 8 bits), and to the same bytes if the factor is a power of two. Nor do the bytes depend
//! on the number of threads.
//!
//! Memory, in vectors of the image's size (12 bytes a pixel): L-BFGS keeps one for every two pairs of its history, which
//! are in 8 bits, and six more (the last point, one of the line search and the best, with their gradients). Adam keeps
//! seven, its moments among them. [`minimize_preconditioned`] takes 72 bytes a pixel more.

mod adam;
mod checkpoint;
mod history;
mod kernels;
mod lbfgs;
mod line_search;
mod objective;
mod options;
mod outcome;
mod preconditioner;
mod quantised;
mod workers;

use argmin::core::{Executor, Solver};

use crate::files::binary::Reader;
use crate::model::LossGradient;
use crate::observe::Observer;
use adam::Adam;
use checkpoint::{Attempt, Begin, EveryIteration, Save};
use lbfgs::Lbfgs;
use objective::{Objective, Point, State, StepError};
pub use options::{AdamOptions, Method, Options};
pub use outcome::{OptimizeError, Outcome, StopReason};
use preconditioner::Preconditioner;
use workers::Workers;

/// How often in a row the method may start again without finding a better point.
const FRUITLESS_RESTARTS: i32 = 3;

/// Minimises `function` from `start`, and returns the best point seen.
///
/// `start` is an image in the convention of [`LossGradient::evaluate`], brought within the method's bounds if it has
/// some. `observer` is told of every evaluation, every accepted point and every restart; when it breaks, the run ends
/// there and the outcome is the best point until then.
///
/// # Errors
/// When an option is out of range, the function fails (the error has the best point until then), or the loss is not
/// finite at `start`. A loss that stops being finite later is none: the method steps back to the best point and takes
/// shorter steps.
pub fn minimize(
    function: &mut dyn LossGradient,
    start: Vec<f32>,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Outcome, OptimizeError> {
    let workers = check(options)?;
    let start = options.method.within_bounds(start);
    let objective = Objective::new(function, None, observer, options, workers);
    run(objective, Start::At(start), options)
}

/// As [`minimize`], for a picture whose large shapes are still to be found: the variables are smoothed changes of it.
///
/// `start` is an image of this `size` (width, height), which [`LossGradient::evaluate`] takes; so are all that the
/// observer and the outcome show. Bounds of the method are those of the variables, of no use here.
///
/// # Errors
/// The errors of [`minimize`].
///
/// # Panics
/// When `start` is not of that size.
pub fn minimize_preconditioned(
    function: &mut dyn LossGradient,
    start: Vec<f32>,
    size: (u32, u32),
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Outcome, OptimizeError> {
    let workers = check(options)?;
    let zeros = vec![0.0; start.len()];
    let preconditioner = Preconditioner::new(start, size, options.threads);
    let objective = Objective::new(function, Some(preconditioner), observer, options, workers);
    run(objective, Start::At(zeros), options)
}

/// Goes on with an optimisation of an image of this `size` (width, height) from a point that an
/// [`Event::Resumable`](crate::observe::Event::Resumable) has shown: to the bytes that it would have come to.
///
/// `start` is that of [`minimize_preconditioned`], or nothing if it was [`minimize`]; function and options are what they
/// were. More iterations or another time may be allowed than before; the iterations already done count.
///
/// # Errors
/// The errors of [`minimize`], or what was `saved` cannot be read or is of another size.
///
/// # Panics
/// When `start` is not of that size.
pub fn resume(
    function: &mut dyn LossGradient,
    start: Option<Vec<f32>>,
    size: (u32, u32),
    options: &Options,
    observer: &mut dyn Observer,
    saved: &mut Reader,
) -> Result<Outcome, OptimizeError> {
    let workers = check(options)?;
    let preconditioner = start.map(|start| Preconditioner::new(start, size, options.threads));
    let objective = Objective::new(function, preconditioner, observer, options, workers);
    let len = 3 * size.0 as usize * size.1 as usize;
    run(objective, Start::Saved { len, saved }, options)
}

fn check(options: &Options) -> Result<Workers, OptimizeError> {
    options.check()?;
    let threads = options.threads;
    Workers::new(threads).map_err(|source| OptimizeError::Threads { threads, source })
}

/// Where an optimisation starts.
enum Start<'r> {
    /// At a point in the optimiser's variables.
    At(Vec<f32>),
    /// Between two iterations, with vectors of `len` numbers.
    Saved { len: usize, saved: &'r mut Reader },
}

fn run(objective: Objective<'_>, start: Start<'_>, options: &Options) -> Result<Outcome, OptimizeError> {
    match solve(&objective, start, options) {
        Ok(stop) | Err(StepError::Stop(stop)) => Ok(objective.outcome(stop)),
        Err(StepError::Stuck(_)) => Ok(objective.outcome(StopReason::Stalled)),
        Err(StepError::Failed(error)) => Err(objective.failure(error)),
    }
}

/// Runs the method, and again from the best point where it gets stuck, until that no longer helps.
fn solve(objective: &Objective<'_>, start: Start<'_>, options: &Options) -> Result<StopReason, StepError> {
    let (mut begin, mut end) = match start {
        Start::At(start) => {
            let from = objective.evaluate(start)?;
            let begin = Begin {
                loss: from.loss,
                fruitless: 0,
            };
            (begin, solve_from(objective, from, begin, options))
        }
        Start::Saved { len, saved } => {
            let from = objective.restore(len, saved)?;
            let begin = Begin::restore(saved)?;
            (begin, go_on_from(objective, from, begin, options, saved))
        }
    };
    loop {
        let why = match end {
            Err(StepError::Stuck(why)) => why,
            end => return end,
        };
        let fruitless = if objective.best_loss() < begin.loss {
            0
        } else {
            begin.fruitless + 1
        };
        if fruitless > FRUITLESS_RESTARTS {
            return Ok(StopReason::Stalled);
        }
        let from = objective.restart(why)?;
        begin = Begin {
            loss: from.loss,
            fruitless,
        };
        end = solve_from(objective, from, begin, options);
    }
}

/// Runs the method from one point. After fruitless attempts in a row it takes shorter steps.
fn solve_from(
    objective: &Objective<'_>,
    from: Point,
    begin: Begin,
    options: &Options,
) -> Result<StopReason, StepError> {
    let gradient_rms = from.gradient_rms(objective.workers());
    if gradient_rms == 0.0 {
        return Ok(StopReason::Converged);
    }
    match options.method.clone() {
        Method::Lbfgs { history } => {
            let lbfgs = Lbfgs::new(gradient_rms, history, begin.fruitless);
            execute(objective, lbfgs, from, begin, options)
        }
        Method::Adam(adam) => {
            let adam = Adam::new(gradient_rms, from.at.len(), adam, begin.fruitless);
            execute(objective, adam, from, begin, options)
        }
    }
}

/// Goes on with a solver that was saved on its way, from the point where it was.
fn go_on_from(
    objective: &Objective<'_>,
    from: Point,
    begin: Begin,
    options: &Options,
    saved: &mut Reader,
) -> Result<StopReason, StepError> {
    let len = from.at.len();
    match options.method.clone() {
        Method::Lbfgs { history } => {
            let lbfgs = Lbfgs::restore(history, len, saved)?;
            execute(objective, lbfgs, from, begin, options)
        }
        Method::Adam(adam) => {
            let adam = Adam::restore(adam, len, saved)?;
            execute(objective, adam, from, begin, options)
        }
    }
}

/// Lets argmin drive the solver, to the last iteration or to an error, which is a reason to stop as well.
fn execute<'o, 'a: 'o, S: Solver<&'o Objective<'a>, State> + Save>(
    objective: &'o Objective<'a>,
    solver: S,
    from: Point,
    begin: Begin,
    options: &Options,
) -> Result<StopReason, StepError> {
    let iterations = options.iterations.saturating_sub(objective.iterations());
    let attempt = Attempt {
        objective,
        solver,
        begin,
        stop: None,
    };
    let run = Executor::new(objective, attempt)
        .configure(|state| from.put_into(state).max_iters(iterations))
        .checkpointing(EveryIteration)
        .ctrlc(false)
        .run();
    match run {
        Ok(result) => Ok(result.solver.stop.unwrap_or(StopReason::Iterations)),
        Err(error) => Err(error
            .downcast()
            .unwrap_or(StepError::Stuck("the solver gives up"))),
    }
}
