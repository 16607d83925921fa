//! The optimiser: from a start image to the image with the lowest loss it can find.
//!
//! [`minimize`] works on any [`LossGradient`]. It asks for the value of every point once (a line search that fails may ask
//! for its best one again), tells an [`Observer`] what happens, and returns the best point it has seen, whatever ended the
//! run. A method that gets stuck (a line search that fails on the rounding noise of late iterations, a loss that is
//! suddenly not a number) starts again from that point.
//!
//! Nothing depends on the scale of the loss: multiplied by any factor, it leads to the same picture within rounding
//! (that of L-BFGS's pairs to 8 bits), and to the same bytes if the factor is a power of two. Nor do the bytes depend
//! on the number of threads.
//!
//! Memory, in vectors of the image's size (12 bytes a pixel): L-BFGS keeps one for every two pairs of its history, which
//! are in 8 bits, and seven more (the last point, one of the line search and the best, with their gradients,
//! and the pair that the last direction still holds). Adam keeps seven. [`minimize_smoothly`] takes 72 bytes a pixel more.

mod adam;
mod kernels;
mod lbfgs;
mod numbers;
mod options;
mod outcome;
mod smooth;
mod space;
pub(crate) mod vector;

use std::collections::VecDeque;

use crate::model::LossGradient;
use crate::objective::{Halt, Objective, Point};
use crate::observe::Observer;
use adam::Adam;
use lbfgs::Lbfgs;
pub use options::{AdamOptions, Method, Options};
pub use outcome::{OptimizeError, Outcome, StopReason};
pub use smooth::minimize_smoothly;
use space::Space;
use vector::Vector;

/// Iterations over which [`Options::tolerance`] looks back.
const WINDOW: usize = 10;

/// How often in a row the method may start again without finding a better point.
const FRUITLESS_RESTARTS: i32 = 3;

/// Minimises `objective` from `start`, and returns the best point seen.
///
/// `start` is an image in the convention of [`LossGradient::evaluate`], brought within the method's bounds if it has
/// some. `observer` is told of every evaluation, every accepted point and every restart; when it breaks, the run ends
/// there and the outcome is the best point until then.
///
/// # Errors
/// When an option is out of range, the objective fails (the error has the best point until then), or the loss is not
/// finite at `start`. A loss that stops being
/// finite later is none: the method steps back to the best point and takes shorter steps.
pub fn minimize(
    objective: &mut dyn LossGradient,
    start: Vec<f32>,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Outcome, OptimizeError> {
    options.check()?;
    let threads = options.threads;
    let space =
        Space::new(start.len(), threads).map_err(|source| OptimizeError::Threads { threads, source })?;
    let start = options.method.within_bounds(start);
    let objective = Objective::new(objective, observer, options.deadline());
    let stop = match run(&objective, Vector::new(&space, start), options) {
        Ok(stop) | Err(Halt::Stop(stop)) => stop,
        Err(Halt::Retry(_)) => StopReason::Stalled,
        Err(Halt::Fail(error)) => return Err(objective.with_best(error)),
    };
    Ok(objective.outcome(stop))
}

/// A run of a method: it remembers what it has learnt on its way.
trait Steps {
    /// Goes to the next point and returns it. After an error the run is over.
    fn step(&mut self, objective: &Objective<'_>) -> Result<Point, Halt>;
}

/// Walks, and starts again from the best point where the method gets stuck, until that no longer helps.
fn run(objective: &Objective<'_>, start: Vector, options: &Options) -> Result<StopReason, Halt> {
    let mut from = objective.evaluate(&start)?;
    drop(start);
    let mut fruitless = 0;
    loop {
        let loss = from.result.loss;
        let why = match walk(objective, from, options, fruitless) {
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

/// Steps from point to point until the options say that it is enough. After `fruitless` restarts in a row the
/// method takes shorter steps.
fn walk(
    objective: &Objective<'_>,
    from: Point,
    options: &Options,
    fruitless: i32,
) -> Result<StopReason, Halt> {
    if from.gradient.rms() == 0.0 {
        return Ok(StopReason::Converged);
    }
    let mut window = Window::new(options.tolerance);
    let mut method: Box<dyn Steps> = match options.method.clone() {
        Method::Lbfgs { history } => Box::new(Lbfgs::new(from, history, fruitless)),
        Method::Adam(adam) => Box::new(Adam::new(from, adam, fruitless)),
    };
    while objective.iterations() < options.iterations {
        let point = method.step(objective)?;
        objective.accept(&point)?;
        if window.is_flat(point.result.loss) {
            return Ok(StopReason::Converged);
        }
    }
    Ok(StopReason::Iterations)
}

/// The losses of the last iterations.
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

    /// Takes note of `loss`; true when the last [`WINDOW`] iterations have hardly moved it, up or down.
    fn is_flat(&mut self, loss: f64) -> bool {
        self.losses.push_back(loss);
        if self.losses.len() <= WINDOW {
            return false;
        }
        let least = self.losses.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = self.losses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.losses.pop_front();
        self.tolerance
            .is_some_and(|tolerance| greatest - least < tolerance * greatest.abs())
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::rc::Rc;

    use super::*;
    use crate::model::{Evaluation, ObjectiveError};
    use crate::observe::Event;

    /// Rosenbrock's valley, which needs more than one trial in some line searches.
    struct Valley;

    impl LossGradient for Valley {
        fn term_names(&self) -> &[String] {
            &[]
        }

        fn evaluate(&mut self, x: &[f32], gradient: &mut [f32]) -> Result<Evaluation, ObjectiveError> {
            let mut loss = 0.0;
            for (x, gradient) in x.chunks(2).zip(gradient.chunks_mut(2)) {
                let (wall, floor) = (x[1] - x[0] * x[0], 1.0 - x[0]);
                loss += f64::from(100.0 * wall * wall + floor * floor);
                gradient[0] = -400.0 * x[0] * wall - 2.0 * floor;
                gradient[1] = 200.0 * wall;
            }
            Ok(Evaluation { loss, terms: vec![] })
        }
    }

    /// The most vectors that were alive at once, full ones and rounded ones.
    fn peak(method: Method) -> (usize, usize) {
        let space = Space::new(100, 1).unwrap();
        let start = Vector::new(&space, [-1.2, 1.0].repeat(50));
        let mut observer = |_: &Event<'_>| ControlFlow::Continue(());
        let mut valley = Valley;
        let objective = Objective::new(&mut valley, &mut observer, None);
        let options = Options {
            method,
            iterations: 30,
            ..Options::default()
        };
        assert!(matches!(
            run(&objective, start, &options),
            Ok(StopReason::Iterations)
        ));
        drop(objective);
        assert_eq!(Rc::strong_count(&space), 1);
        space.allocated()
    }

    #[test]
    fn memory_is_bounded_as_the_documentation_says() {
        // The run with the longest history happens to need two less than the most.
        for (history, full) in [(4, 6), (8, 6), (16, 4)] {
            assert_eq!(peak(Method::Lbfgs { history }), (full, 2 * history + 2));
        }
        // And its two moments, which it takes for itself.
        let (full, rounded) = peak(Method::Adam(AdamOptions::default()));
        assert_eq!((full + 2, rounded), (7, 0));
    }
}
