//! The objective as the optimiser sees it: one run of the graph for each point, however often it is asked about (but for
//! equal bytes computed anew, as by a line search that fails), the best point kept, the observer told, and every reason
//! to stop in one place.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::time::Instant;

use argmin::core::{CostFunction, Error, Gradient};

use crate::model::{Evaluation, LossGradient};
use crate::observe::{Evaluated, Event, Iterated, Observer};
use crate::optimize::vector::Vector;
use crate::optimize::{OptimizeError, Outcome, StopReason};

/// A point and what the graph says about it.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) at: Vector,
    /// In loss per grey level.
    pub(crate) gradient: Vector,
    pub(crate) result: Evaluation,
}

/// Why a step was not finished.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The optimisation is over and has its result.
    Stop(StopReason),
    /// It is over and has none.
    Fail(OptimizeError),
    /// The method got stuck; it may start again from the best point. The text says why.
    Retry(&'static str),
}

/// A loss and its gradient with a memory.
///
/// argmin takes it by shared reference and asks for cost and gradient one after the other, so what changes sits in
/// cells. A halt goes through argmin as a bare error; [`Objective::halted`] has what really happened.
pub(crate) struct Objective<'a> {
    state: RefCell<State<'a>>,
}

struct State<'a> {
    function: &'a mut dyn LossGradient,
    observer: &'a mut dyn Observer,
    deadline: Option<Instant>,
    evaluations: u64,
    iterations: u64,
    /// Runs of the graph that the step under way may still cost.
    budget: u64,
    last: Option<Point>,
    best: Option<Point>,
    halt: Option<Halt>,
}

impl<'a> Objective<'a> {
    pub(crate) fn new(
        function: &'a mut dyn LossGradient,
        observer: &'a mut dyn Observer,
        deadline: Option<Instant>,
    ) -> Self {
        let state = State {
            function,
            observer,
            deadline,
            evaluations: 0,
            iterations: 0,
            budget: u64::MAX,
            last: None,
            best: None,
            halt: None,
        };
        Self {
            state: RefCell::new(state),
        }
    }

    /// What the graph says at `at`; it runs unless that is the last or the best point it has run on.
    pub(crate) fn evaluate(&self, at: &Vector) -> Result<Point, Halt> {
        self.state.borrow_mut().evaluate(at)
    }

    /// Allows the coming step this many runs of the graph.
    pub(crate) fn set_budget(&self, evaluations: u64) {
        self.state.borrow_mut().budget = evaluations;
    }

    /// Counts `point` as an iteration and tells the observer.
    pub(crate) fn accept(&self, point: &Point) -> Result<(), Halt> {
        let state = &mut *self.state.borrow_mut();
        state.iterations += 1;
        let image = point.at.values();
        let event = Event::Iterated(Iterated {
            iteration: state.iterations,
            evaluation: state.evaluations,
            loss: point.result.loss,
            image: &image,
        });
        state.tell(&event)
    }

    /// Tells the observer that the method starts again.
    pub(crate) fn restart(&self, why: &str) -> Result<(), Halt> {
        self.state.borrow_mut().tell(&Event::Restarted(why))
    }

    /// What stopped the last evaluation, if something did.
    pub(crate) fn halted(&self) -> Option<Halt> {
        self.state.borrow_mut().halt.take()
    }

    /// Accepted points so far.
    pub(crate) fn iterations(&self) -> u64 {
        self.state.borrow().iterations
    }

    /// The best point so far. There is one once the start has been evaluated.
    pub(crate) fn best(&self) -> Point {
        self.state
            .borrow()
            .best
            .clone()
            .expect("a run goes on only from a start that is finite")
    }

    /// What came of it.
    pub(crate) fn outcome(&self, stop: StopReason) -> Outcome {
        let best = self.best();
        let state = self.state.borrow();
        Outcome {
            image: best.at.values().to_vec(),
            loss: best.result.loss,
            terms: best.result.terms,
            iterations: state.iterations,
            evaluations: state.evaluations,
            stop,
        }
    }

    /// A failure of the function, with what came of the evaluations before.
    pub(crate) fn with_best(&self, mut error: OptimizeError) -> OptimizeError {
        let has_best = self.state.borrow().best.is_some();
        if let OptimizeError::Objective { best, .. } = &mut error
            && has_best
        {
            *best = Some(Box::new(self.outcome(StopReason::Failed)));
        }
        error
    }

    /// Runs `evaluate` for argmin, which has no use for the reason of a halt.
    fn for_argmin(&self, at: &Vector) -> Result<Point, Error> {
        self.evaluate(at).map_err(|halt| {
            // The first one counts: what comes after it is its consequence.
            self.state.borrow_mut().halt.get_or_insert(halt);
            Error::msg("halted")
        })
    }
}

impl State<'_> {
    fn evaluate(&mut self, at: &Vector) -> Result<Point, Halt> {
        if let Some(known) = [&self.last, &self.best]
            .into_iter()
            .flatten()
            .find(|known| known.at.is_clone_of(at))
        {
            return Ok(known.clone());
        }
        if self.budget == 0 {
            return Err(Halt::Retry("the line search does not end"));
        }
        self.budget -= 1;
        let point = self.run(at)?;
        let told = self.tell(&Event::Evaluated(Evaluated {
            evaluation: self.evaluations,
            iteration: self.iterations,
            result: &point.result,
        }));
        let finite = self.check_finite(&point);
        if finite.is_ok()
            && self
                .best
                .as_ref()
                .is_none_or(|best| point.result.loss < best.result.loss)
        {
            self.best = Some(point.clone());
        }
        match finite {
            // Without a finite start there is nothing to return, whatever the observer says.
            Err(Halt::Fail(error)) => return Err(Halt::Fail(error)),
            finite => told.and(finite)?,
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Halt::Stop(StopReason::OutOfTime));
        }
        self.last = Some(point.clone());
        Ok(point)
    }

    /// Runs the graph.
    fn run(&mut self, at: &Vector) -> Result<Point, Halt> {
        // Before the new gradient takes its buffer.
        self.last = None;
        let space = at.space();
        let mut gradient = space.buffer();
        let result = self
            .function
            .evaluate(&at.values(), &mut gradient)
            .map_err(|source| {
                Halt::Fail(OptimizeError::Objective {
                    evaluation: self.evaluations + 1,
                    source,
                    best: None,
                })
            })?;
        self.evaluations += 1;
        Ok(Point {
            at: at.clone(),
            gradient: Vector::new(&space, gradient),
            result,
        })
    }

    /// At the start, NaN and infinity are errors with a name; later the method may try elsewhere.
    fn check_finite(&self, point: &Point) -> Result<(), Halt> {
        match self.not_finite(point) {
            None => Ok(()),
            Some(what) if self.best.is_none() => Err(Halt::Fail(OptimizeError::NotFinite { what })),
            Some(_) => Err(Halt::Retry("the loss or its gradient is not a finite number")),
        }
    }

    /// Names what is NaN or infinite at `point`, causes first.
    fn not_finite(&self, point: &Point) -> Option<String> {
        let Evaluation { loss, terms } = &point.result;
        let mut terms = self.function.term_names().iter().zip(terms);
        if !point.at.rms().is_finite() {
            Some("the image".into())
        } else if let Some((name, term)) = terms.find(|(_, term)| !term.is_finite()) {
            Some(format!("the term {name} ({term})"))
        } else if !loss.is_finite() {
            Some(format!("the loss ({loss})"))
        } else {
            (!point.gradient.rms().is_finite()).then(|| "the gradient".into())
        }
    }

    fn tell(&mut self, event: &Event<'_>) -> Result<(), Halt> {
        match self.observer.observe(event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Halt::Stop(StopReason::Interrupted)),
        }
    }
}

impl CostFunction for &Objective<'_> {
    type Param = Vector;
    type Output = f64;

    fn cost(&self, at: &Vector) -> Result<f64, Error> {
        Ok(self.for_argmin(at)?.result.loss)
    }
}

impl Gradient for &Objective<'_> {
    type Param = Vector;
    type Gradient = Vector;

    fn gradient(&self, at: &Vector) -> Result<Vector, Error> {
        Ok(self.for_argmin(at)?.gradient)
    }
}
