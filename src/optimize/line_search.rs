//! The line search: argmin's, on the loss along a direction, a function of one number.
//!
//! J. J. Moré and D. J. Thuente, "Line search algorithms with guaranteed sufficient decrease", ACM Transactions on
//! Mathematical Software 20 (1994).

use std::cell::{Cell, RefCell};

use argmin::core::{CostFunction, Error, Executor, Gradient, IterState, LineSearch};
use argmin::solver::linesearch::MoreThuenteLineSearch;

use super::history::{Direction, History, Products};
use super::objective::{Objective, Point, StepError};
use super::quantised::dot;

/// Runs of the graph that a line search may cost. A healthy one needs one or two.
const MOST_TRIALS: u64 = 20;

const FAILED: StepError = StepError::Stuck("the line search finds no lower loss");

/// A point on the line.
#[derive(Clone)]
pub(super) struct Trial {
    pub(super) point: Point,
    /// The products of its gradient with the history.
    pub(super) products: Products,
}

/// Finds a point of lower loss in the `direction`.
pub(super) fn search(
    objective: &Objective<'_>,
    history: &History,
    direction: &Direction,
    from: &Trial,
) -> Result<Trial, StepError> {
    let line = Line {
        objective,
        history,
        direction,
        from,
        trials: Cell::new(0),
        latest: RefCell::new(None),
    };
    let slope = line.slope(from);
    let start =
        |state: IterState<f64, f64, (), (), (), f64>| state.param(0.0).gradient(slope).cost(from.point.loss);
    let mut method = MoreThuenteLineSearch::new();
    method.search_direction(1.0);
    let run = Executor::new(&line, method).configure(start).ctrlc(false).run();
    // An error that is not the objective's is argmin's own: the line has no lower point that it can find.
    run.map_err(|error| error.downcast().unwrap_or(FAILED))?;
    match line.latest.into_inner() {
        Some((_, trial)) if trial.point.loss < from.point.loss => Ok(trial),
        _ => Err(FAILED),
    }
}

/// `f(from + t * direction)` for a number `t`.
struct Line<'a, 'o> {
    objective: &'a Objective<'o>,
    history: &'a History,
    direction: &'a Direction,
    from: &'a Trial,
    trials: Cell<u64>,
    /// The last `t` and the point there: argmin asks for the loss and for the slope one after the other.
    latest: RefCell<Option<(f64, Trial)>>,
}

impl Line<'_, '_> {
    /// What `read` reads of the point at `t`.
    fn at(&self, t: f64, read: impl FnOnce(&Trial) -> f64) -> Result<f64, Error> {
        if let Some((at, trial)) = &*self.latest.borrow()
            && *at == t
        {
            return Ok(read(trial));
        }
        // Before the next one takes its memory.
        self.latest.replace(None);
        let trial = self.evaluate(t)?;
        let number = read(&trial);
        self.latest.replace(Some((t, trial)));
        Ok(number)
    }

    fn evaluate(&self, t: f64) -> Result<Trial, StepError> {
        if self.trials.get() == MOST_TRIALS {
            return Err(StepError::Stuck("the line search does not end"));
        }
        self.trials.set(self.trials.get() + 1);
        let workers = self.objective.workers();
        let at = self
            .history
            .point_along(self.direction, t, &self.from.point, workers);
        let point = self.objective.evaluate(at)?;
        let products = self.history.products(&point.gradient, workers);
        Ok(Trial { point, products })
    }

    /// The slope of the loss along the direction.
    fn slope(&self, trial: &Trial) -> f64 {
        let (gradient, workers) = (&self.from.point.gradient, self.objective.workers());
        let product = dot(gradient, &trial.point.gradient, workers);
        self.direction.dot(&trial.products, product)
    }
}

impl CostFunction for &Line<'_, '_> {
    type Param = f64;
    type Output = f64;

    fn cost(&self, t: &f64) -> Result<f64, Error> {
        self.at(*t, |trial| trial.point.loss)
    }
}

impl Gradient for &Line<'_, '_> {
    type Param = f64;
    type Gradient = f64;

    fn gradient(&self, t: &f64) -> Result<f64, Error> {
        self.at(*t, |trial| self.slope(trial))
    }
}
