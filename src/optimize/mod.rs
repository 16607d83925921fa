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

use crate::model::LossGradient;
use crate::observe::Observer;
use adam::Adam;
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
    run(objective, start, options)
}

/// As [`minimize`], for a picture whose large shapes are still to be found: the variables are smoothed changes of it.
///
/// `start` is an image of this `size` (width, height), which [`LossGradient::evaluate`] takes; so are all that the
/// observer and the outcome show. Bounds of the method are those of the variables, of no use here.
///
/// # Errors
/// Those of [`minimize`].
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
    run(objective, zeros, options)
}

fn check(options: &Options) -> Result<Workers, OptimizeError> {
    options.check()?;
    let threads = options.threads;
    Workers::new(threads).map_err(|source| OptimizeError::Threads { threads, source })
}

fn run(objective: Objective<'_>, start: Vec<f32>, options: &Options) -> Result<Outcome, OptimizeError> {
    match solve(&objective, start, options) {
        Ok(stop) | Err(StepError::Stop(stop)) => Ok(objective.outcome(stop)),
        Err(StepError::Stuck(_)) => Ok(objective.outcome(StopReason::Stalled)),
        Err(StepError::Failed(error)) => Err(objective.failure(error)),
    }
}

/// Runs the method, and again from the best point where it gets stuck, until that no longer helps.
fn solve(objective: &Objective<'_>, start: Vec<f32>, options: &Options) -> Result<StopReason, StepError> {
    let mut from = objective.evaluate(start)?;
    let mut fruitless = 0;
    loop {
        let loss = from.loss;
        let why = match solve_from(objective, from, options, fruitless) {
            Err(StepError::Stuck(why)) => why,
            end => return end,
        };
        fruitless = if objective.best_loss() < loss {
            0
        } else {
            fruitless + 1
        };
        if fruitless > FRUITLESS_RESTARTS {
            return Ok(StopReason::Stalled);
        }
        from = objective.restart(why)?;
    }
}

/// Runs the method from one point. After `fruitless` restarts in a row it takes shorter steps.
fn solve_from(
    objective: &Objective<'_>,
    from: Point,
    options: &Options,
    fruitless: i32,
) -> Result<StopReason, StepError> {
    let gradient_rms = from.gradient_rms(objective.workers());
    if gradient_rms == 0.0 {
        return Ok(StopReason::Converged);
    }
    match options.method.clone() {
        Method::Lbfgs { history } => execute(
            objective,
            Lbfgs::new(gradient_rms, history, fruitless),
            from,
            options,
        ),
        Method::Adam(adam) => {
            let adam = Adam::new(gradient_rms, from.at.len(), adam, fruitless);
            execute(objective, adam, from, options)
        }
    }
}

/// Lets argmin drive the solver, to the last iteration or to an error, which is a reason to stop as well.
fn execute<'a, 'b: 'a>(
    objective: &'a Objective<'b>,
    solver: impl Solver<&'a Objective<'b>, State>,
    from: Point,
    options: &Options,
) -> Result<StopReason, StepError> {
    let iterations = options.iterations - objective.iterations();
    let run = Executor::new(objective, solver)
        .configure(|state| from.put_into(state).max_iters(iterations))
        .ctrlc(false)
        .run();
    match run {
        Ok(_) => Ok(StopReason::Iterations),
        Err(error) => Err(error
            .downcast()
            .unwrap_or(StepError::Stuck("the solver gives up"))),
    }
}
