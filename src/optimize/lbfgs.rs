//! L-BFGS as a solver of argmin's. argmin's own always starts from the inverse Hessian of the last pair, and keeps whole
//! vectors: a longer one needs up to a fifth fewer evaluations, vectors in 8 bits a quarter of the memory.
//!
//! D. C. Liu and J. Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical
//! Programming 45 (1989).

use std::io;

use argmin::core::{Error, KV, Problem, Solver};

use super::checkpoint::Save;
use super::history::{History, Products};
use super::line_search::{self, Trial};
use super::objective::{Objective, Point, State, StepError};
use crate::files::binary::{Reader, Writer};

/// How far the first step goes, in grey levels (root mean square over the picture).
///
/// Measured from a photo, preset gatys: the loss after the first step is 0.59 times that of the start with 2, 0.39
/// with 4, 0.30 with 6, 0.33 with 8, and 1.9 with 16, which is too far.
const FIRST_STEP: f64 = 6.0;

/// The first step after a restart that found nothing better, as a part of the one before.
const SHORTER: f64 = 1.0 / 16.0;

/// A run of L-BFGS from one point, with a history of its own.
pub(super) struct Lbfgs {
    history: History,
    /// The inner products of the gradient at the current point.
    products: Products,
}

impl Lbfgs {
    /// Starts where the gradient has this root mean square, with at most `capacity` pairs, and a first step that is
    /// shorter after so many `fruitless` restarts.
    pub(super) fn new(gradient_rms: f64, capacity: usize, fruitless: i32) -> Self {
        let first_inverse = FIRST_STEP * SHORTER.powi(fruitless) / gradient_rms;
        Self {
            history: History::new(capacity, first_inverse),
            products: Products::default(),
        }
    }

    /// One that was saved, for vectors of `len` numbers.
    pub(super) fn restore(capacity: usize, len: usize, from: &mut Reader) -> io::Result<Self> {
        let history = History::restore(capacity, len, from)?;
        Ok(Self {
            products: history.restore_products(from)?,
            history,
        })
    }

    fn step(&mut self, objective: &Objective<'_>, point: Point) -> Result<Point, StepError> {
        let products = std::mem::take(&mut self.products);
        let from = Trial { point, products };
        let direction = self.history.direction(&from.products);
        let to = line_search::search(objective, &self.history, &direction, &from)?;
        let ends = ((&from.point, &from.products), (&to.point, to.products));
        self.products = self.history.remember(ends.0, ends.1, objective.workers());
        Ok(to.point)
    }
}

impl Solver<&Objective<'_>, State> for Lbfgs {
    fn name(&self) -> &str {
        "L-BFGS"
    }

    fn next_iter(
        &mut self,
        problem: &mut Problem<&Objective<'_>>,
        mut state: State,
    ) -> Result<(State, Option<KV>), Error> {
        let from = Point::take_from(&mut state);
        let to = problem.problem("steps", |objective| Ok(self.step(objective, from)?))?;
        Ok((to.put_into(state), None))
    }
}

impl Save for Lbfgs {
    fn save(&self, to: &mut Writer<'_>) -> io::Result<()> {
        self.history.save(to)?;
        self.products.save(to)
    }
}
