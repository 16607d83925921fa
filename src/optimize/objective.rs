//! The objective as a method sees it: a run of the graph for each point, the best point kept, the observer told, and
//! every reason to stop in one place.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Instant;

use argmin::core::{IterState, State as _};

use super::preconditioner::Preconditioner;
use super::quantised::dot;
use super::workers::Workers;
use super::{OptimizeError, Outcome, StopReason};
use crate::files::binary::{Reader, Writer, unfit};
use crate::model::{Evaluation, LossGradient};
use crate::observe::{Evaluated, Evaluating, Event, Iterated, Observer, Resumable};

/// Numbers that do not change, shared by all who need them.
pub(super) type Vector = Rc<Vec<f32>>;

/// What argmin hands from iteration to iteration.
pub(super) type State = IterState<Vector, Vector, (), (), (), f64>;

/// Iterations over which [`Options::tolerance`](super::Options::tolerance) looks back.
const WINDOW: usize = 10;

/// A point in the optimiser's variables, the loss there and its gradient.
#[derive(Clone)]
pub(super) struct Point {
    pub(super) at: Vector,
    /// In loss per grey level.
    pub(super) gradient: Vector,
    pub(super) loss: f64,
}

impl Point {
    /// Takes the point of `state`, and forgets the best one before it: what was seen best, the objective keeps.
    pub(super) fn take_from(state: &mut State) -> Self {
        state.take_prev_best_param();
        let missing = "argmin hands on the point that it was given";
        Self {
            at: state.take_param().expect(missing),
            gradient: state.take_gradient().expect(missing),
            loss: state.get_cost(),
        }
    }

    /// The point of `state`, which keeps it.
    pub(super) fn of(state: &State) -> Self {
        let missing = "argmin hands on the point that it was given";
        Self {
            at: Rc::clone(state.get_param().expect(missing)),
            gradient: Rc::clone(state.get_gradient().expect(missing)),
            loss: state.get_cost(),
        }
    }

    pub(super) fn put_into(self, state: State) -> State {
        state.param(self.at).gradient(self.gradient).cost(self.loss)
    }

    /// The root of the mean square of the gradient.
    pub(super) fn gradient_rms(&self, workers: &Workers) -> f64 {
        (dot(&self.gradient, &self.gradient, workers) / self.gradient.len() as f64).sqrt()
    }

    fn save(&self, to: &mut Writer<'_>) -> io::Result<()> {
        to.number(self.loss)?;
        to.numbers(&self.at)?;
        to.numbers(&self.gradient)
    }

    /// A point of `len` numbers that was saved.
    fn restore(len: usize, from: &mut Reader) -> io::Result<Self> {
        Ok(Self {
            loss: from.number()?,
            at: Rc::new(vector(len, from)?),
            gradient: Rc::new(vector(len, from)?),
        })
    }
}

/// A vector of `len` numbers that was saved.
pub(super) fn vector(len: usize, from: &mut Reader) -> io::Result<Vec<f32>> {
    let numbers: Vec<f32> = from.numbers()?;
    match numbers.len() == len {
        true => Ok(numbers),
        false => Err(unfit("a vector has not the picture's size")),
    }
}

/// Why a step was not finished.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    /// The optimisation is over and has its result.
    #[error("{0}")]
    Stop(StopReason),
    /// It is over and has none.
    #[error(transparent)]
    Failed(OptimizeError),
    /// The method got stuck; it may start again from the best point. The text says why.
    #[error("{0}")]
    Stuck(&'static str),
}

/// Of all that a step does, only what was saved is read from a file.
impl From<io::Error> for StepError {
    fn from(error: io::Error) -> Self {
        Self::Failed(OptimizeError::Saved(error))
    }
}

/// A loss with a memory.
///
/// argmin's traits take it by shared reference, so what changes sits in a cell.
pub(super) struct Objective<'a> {
    workers: Workers,
    preconditioner: Option<Preconditioner>,
    progress: RefCell<Progress<'a>>,
}

struct Progress<'a> {
    function: &'a mut dyn LossGradient,
    observer: &'a mut dyn Observer,
    deadline: Option<Instant>,
    whole_iterations: bool,
    tolerance: Option<f64>,
    evaluations: u64,
    iterations: u64,
    /// The image and the loss of the last evaluation.
    latest: Option<(Vector, f64)>,
    best: Option<Best>,
    /// The losses of the last iterations.
    window: VecDeque<f64>,
}

/// The best point so far, what it shows, and the terms of its loss.
struct Best {
    point: Point,
    image: Vector,
    terms: Vec<f64>,
}

impl<'a> Objective<'a> {
    /// `function` in terms of what `preconditioner` says, or else in those of the image itself.
    pub(super) fn new(
        function: &'a mut dyn LossGradient,
        preconditioner: Option<Preconditioner>,
        observer: &'a mut dyn Observer,
        options: &super::Options,
        workers: Workers,
    ) -> Self {
        let progress = Progress {
            function,
            observer,
            deadline: options.deadline(),
            whole_iterations: options.whole_iterations,
            tolerance: options.tolerance,
            evaluations: 0,
            iterations: 0,
            latest: None,
            best: None,
            window: VecDeque::new(),
        };
        Self {
            workers,
            preconditioner,
            progress: RefCell::new(progress),
        }
    }

    pub(super) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Runs the graph at the point `at`.
    pub(super) fn evaluate(&self, at: Vec<f32>) -> Result<Point, StepError> {
        let progress = &mut *self.progress.borrow_mut();
        progress.latest = None;
        let at = Rc::new(at);
        let image = self.image(&at);
        let mut gradient = vec![0.0; image.len()];
        let result = progress.run(&image, &mut gradient)?;
        if let Some(preconditioner) = &self.preconditioner {
            preconditioner.pull_back(&mut gradient);
        }
        let point = Point {
            at,
            gradient: Rc::new(gradient),
            loss: result.loss,
        };
        let told = progress.tell(&Event::Evaluated(Evaluated {
            evaluation: progress.evaluations,
            iteration: progress.iterations,
            result: &result,
        }));
        if let Some(what) = progress.not_finite(&result, &image, point.gradient_rms(&self.workers)) {
            // Without a finite start there is nothing to return, whatever the observer says.
            if progress.best.is_none() {
                return Err(StepError::Failed(OptimizeError::NotFinite { what }));
            }
            return told.and(Err(StepError::Stuck(
                "the loss or its gradient is not a finite number",
            )));
        }
        progress.keep_if_best(&point, &image, result.terms);
        progress.latest = Some((image, point.loss));
        told?;
        if progress.is_late() && !progress.whole_iterations {
            return Err(StepError::Stop(StopReason::OutOfTime));
        }
        Ok(point)
    }

    /// The image that a point shows.
    fn image(&self, at: &Vector) -> Vector {
        match &self.preconditioner {
            Some(preconditioner) => Rc::new(preconditioner.image(at)),
            None => Rc::clone(at),
        }
    }

    /// Counts the point of the last evaluation as an iteration, and tells the observer; says why to stop there, if so.
    pub(super) fn accept(&self) -> Option<StopReason> {
        let progress = &mut *self.progress.borrow_mut();
        let (image, loss) = progress.latest.clone()?;
        progress.iterations += 1;
        let event = Event::Iterated(Iterated {
            iteration: progress.iterations,
            evaluation: progress.evaluations,
            loss,
            image: &image,
        });
        let told = progress.tell(&event);
        // Convergence takes precedence over a stop from outside.
        if progress.is_flat(loss) {
            return Some(StopReason::Converged);
        }
        match told {
            Err(StepError::Stop(stop)) => Some(stop),
            _ => progress.is_late().then_some(StopReason::OutOfTime),
        }
    }

    /// Shows the observer the optimisation at `point`, between two iterations; `ends` says that the next one is not to be.
    pub(super) fn show_resumable(
        &self,
        ends: bool,
        point: &Point,
        save_solver: &dyn Fn(&mut Writer<'_>) -> io::Result<()>,
    ) -> Result<(), StepError> {
        let Progress {
            observer,
            evaluations,
            iterations,
            best,
            window,
            ..
        } = &mut *self.progress.borrow_mut();
        let gain = self.preconditioner.as_ref().and_then(Preconditioner::gain);
        let save = |to: &mut Writer<'_>| {
            to.number([*iterations, *evaluations])?;
            to.numbers(&window.iter().copied().collect::<Vec<_>>())?;
            to.number(gain.unwrap_or(1.0))?;
            point.save(to)?;
            let best = best.as_ref().ok_or_else(|| unfit("there is no best point"))?;
            to.numbers(&best.terms)?;
            let is_other = !Rc::ptr_eq(&best.point.at, &point.at);
            to.number(u8::from(is_other))?;
            if is_other {
                best.point.save(to)?;
            }
            save_solver(to)
        };
        let shown = observer.observe(&Event::Resumable(Resumable { ends, save: &save }));
        go_on(shown)
    }

    /// Takes the state of an optimisation of `len` numbers, all but the solver's, and returns the point where it was.
    pub(super) fn restore(&self, len: usize, from: &mut Reader) -> io::Result<Point> {
        let progress = &mut *self.progress.borrow_mut();
        [progress.iterations, progress.evaluations] = from.number()?;
        progress.window = from.numbers()?.into();
        let gain = from.number()?;
        if let Some(preconditioner) = &self.preconditioner {
            preconditioner.set_gain(gain);
        }
        let point = Point::restore(len, from)?;
        let terms = from.numbers()?;
        let is_other: u8 = from.number()?;
        let best = match is_other {
            0 => point.clone(),
            _ => Point::restore(len, from)?,
        };
        progress.best = Some(Best {
            image: self.image(&best.at),
            point: best,
            terms,
        });
        Ok(point)
    }

    /// Tells the observer that the method starts again, from the point that is returned: the best so far.
    pub(super) fn restart(&self, why: &str) -> Result<Point, StepError> {
        let progress = &mut *self.progress.borrow_mut();
        progress.window.clear();
        progress.tell(&Event::Restarted(why))?;
        Ok(progress.best().point.clone())
    }

    /// Accepted points so far.
    pub(super) fn iterations(&self) -> u64 {
        self.progress.borrow().iterations
    }

    /// The loss of the best point so far.
    pub(super) fn best_loss(&self) -> f64 {
        self.progress.borrow().best().point.loss
    }

    /// What came of it.
    pub(super) fn outcome(self, stop: StopReason) -> Outcome {
        let progress = self.progress.into_inner();
        progress.outcome(stop)
    }

    /// A failure of the function, with what came of the evaluations before.
    pub(super) fn failure(self, mut error: OptimizeError) -> OptimizeError {
        let progress = self.progress.into_inner();
        if let OptimizeError::Objective { best, .. } = &mut error
            && progress.best.is_some()
        {
            *best = Some(Box::new(progress.outcome(StopReason::Failed)));
        }
        error
    }
}

impl Progress<'_> {
    fn run(&mut self, image: &[f32], gradient: &mut [f32]) -> Result<Evaluation, StepError> {
        let (evaluation, iteration) = (self.evaluations + 1, self.iterations);
        let observer = &mut *self.observer;
        let mut advance = |part| {
            // A break is heeded when the evaluation is over.
            let _ = observer.observe(&Event::Evaluating(Evaluating {
                evaluation,
                iteration,
                part,
            }));
        };
        let result = self.function.evaluate(image, gradient, &mut advance);
        let result = result.map_err(|source| {
            StepError::Failed(OptimizeError::Objective {
                evaluation,
                source,
                best: None,
            })
        })?;
        self.evaluations = evaluation;
        Ok(result)
    }

    /// Names what is NaN or infinite, causes first.
    fn not_finite(&self, result: &Evaluation, image: &[f32], gradient_rms: f64) -> Option<String> {
        let Evaluation { loss, terms } = result;
        let mut terms = self.function.term_names().iter().zip(terms);
        if self.best.is_none() && !image.iter().all(|value| value.is_finite()) {
            Some("the image".into())
        } else if let Some((name, term)) = terms.find(|(_, term)| !term.is_finite()) {
            Some(format!("the term {name} ({term})"))
        } else if !loss.is_finite() {
            Some(format!("the loss ({loss})"))
        } else {
            (!gradient_rms.is_finite()).then(|| "the gradient".into())
        }
    }

    fn keep_if_best(&mut self, point: &Point, image: &Vector, terms: Vec<f64>) {
        if self.best.as_ref().is_none_or(|best| point.loss < best.point.loss) {
            self.best = Some(Best {
                point: point.clone(),
                image: Rc::clone(image),
                terms,
            });
        }
    }

    fn best(&self) -> &Best {
        let best = self.best.as_ref();
        best.expect("a run goes on only from a start that is finite")
    }

    /// Takes note of `loss`; true when the last [`WINDOW`] iterations have hardly moved it, up or down.
    fn is_flat(&mut self, loss: f64) -> bool {
        self.window.push_back(loss);
        if self.window.len() <= WINDOW {
            return false;
        }
        let least = self.window.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = self.window.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.window.pop_front();
        self.tolerance
            .is_some_and(|tolerance| greatest - least < tolerance * greatest.abs())
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn tell(&mut self, event: &Event<'_>) -> Result<(), StepError> {
        go_on(self.observer.observe(event))
    }

    fn outcome(self, stop: StopReason) -> Outcome {
        let Self {
            iterations,
            evaluations,
            best,
            ..
        } = self;
        let best = best.expect("a run goes on only from a start that is finite");
        Outcome {
            loss: best.point.loss,
            terms: best.terms,
            image: Rc::unwrap_or_clone(best.image),
            iterations,
            evaluations,
            stop,
        }
    }
}

/// Whether an observer lets the optimisation go on.
fn go_on(answer: ControlFlow<()>) -> Result<(), StepError> {
    match answer {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(StepError::Stop(StopReason::Interrupted)),
    }
}
