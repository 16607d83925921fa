//! L-BFGS: argmin's, on our vectors.
//!
//! D. C. Liu and J. Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical
//! Programming 45 (1989); the line search is that of J. J. Moré and D. J. Thuente, "Line search algorithms with
//! guaranteed sufficient decrease", ACM Transactions on Mathematical Software 20 (1994).

use argmin::core::{IterState, Problem, Solver, State};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use argmin_math::ArgminMul;

use super::Steps;
use super::vector::Vector;
use crate::objective::{Halt, Objective, Point};

/// How far the first step goes, in grey levels (root mean square over the picture).
///
/// Measured from a photo, preset gatys: the loss after the first step is 0.59 times that of the start with 2, 0.39
/// with 4, 0.30 with 6, 0.33 with 8, and 1.9 with 16, which is too far.
const FIRST_STEP: f64 = 6.0;

/// The first step after a restart that found nothing better, as a part of the one before.
const SHORTER: f64 = 1.0 / 16.0;

/// Runs of the graph that a line search may cost. A healthy one needs one or two.
const LINE_SEARCH_BUDGET: u64 = 20;

type IterationState = IterState<Vector, Vector, (), (), (), f64>;

/// A run of L-BFGS from one point, with a history of its own.
pub(super) struct Lbfgs {
    solver: LBFGS<MoreThuenteLineSearch<Vector, Vector, f64>, Vector, Vector, f64>,
    /// Taken by a step; a step that failed does not give it back.
    state: Option<IterationState>,
}

impl Lbfgs {
    /// Starts at `start`, with a first step that is shorter after so many `fruitless` restarts.
    ///
    /// The first direction is minus the gradient and argmin tries a step of length 1 along it, so loss and gradient
    /// are scaled for that. A factor on the loss cancels out here; nothing after this depends on it either.
    pub(super) fn new(objective: &Objective<'_>, start: Point, history: usize, fruitless: i32) -> Self {
        let scale = FIRST_STEP * SHORTER.powi(fruitless) / start.gradient.rms();
        objective.set_scale(scale);
        let state = IterState::new()
            .param(start.at)
            .cost(start.result.loss * scale)
            .gradient(start.gradient.mul(&scale));
        let solver = LBFGS::new(MoreThuenteLineSearch::new(), history);
        Self {
            solver,
            state: Some(state),
        }
    }
}

impl Steps for Lbfgs {
    fn step(&mut self, objective: &Objective<'_>) -> Result<Point, Halt> {
        const STUCK: Halt = Halt::Retry("the line search finds no lower loss");
        objective.set_budget(LINE_SEARCH_BUDGET);
        let state = self.state.take().ok_or(STUCK)?;
        let before = state.get_cost();
        let mut problem = Problem::new(objective);
        // A failed line search comes back as a state that says so; what failed it, the objective knows.
        let (mut state, _) = match self.solver.next_iter(&mut problem, state) {
            Ok(next) if !next.0.terminated() && next.0.get_cost() < before => next,
            _ => return Err(objective.halted().unwrap_or(STUCK)),
        };
        state.increment_iter();
        let point = state
            .get_param()
            .map(|at| objective.evaluate(at))
            .ok_or(STUCK)??;
        self.state = Some(state);
        Ok(point)
    }
}
