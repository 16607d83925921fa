//! L-BFGS on our vectors, with argmin's line search. argmin's own L-BFGS always starts from the inverse Hessian of the
//! last pair; a longer one needs up to a fifth fewer evaluations ([`REACH`]).
//!
//! D. C. Liu and J. Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical
//! Programming 45 (1989); the line search is that of J. J. Moré and D. J. Thuente, "Line search algorithms with
//! guaranteed sufficient decrease", ACM Transactions on Mathematical Software 20 (1994).

use std::collections::VecDeque;

use argmin::core::{Executor, IterState, LineSearch};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin_math::{ArgminDot, ArgminScaledAdd};

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

/// The initial inverse Hessian, in multiples of what the last pairs say of it.
///
/// The usual one is that of the last pair, too short in new directions: a step of length 1 left 0.3 of the slope.
/// Measured on two pairs of pictures at 512 pixels, after a coarse scale, as the loss after 120 evaluations relative
/// to that with the usual one: three times the last pair's 0.977 and 0.963, three times the mean of ten 0.959 and
/// 0.949, of eighty 0.961 and 0.951. Six times the mean of ten goes too far: 1.07 and 1.01 after 113. Adapted on the
/// way so that steps leave no slope, the factor stayed between 2.7 and 4, with the same losses.
const REACH: f64 = 3.0;

/// How many pairs [`REACH`] is about: one alone may be three times off.
const LATELY: usize = 10;

const STUCK: Halt = Halt::Retry("the line search finds no lower loss");

type LineState = IterState<Vector, Vector, (), (), (), f64>;

/// A run of L-BFGS from one point, with a history of its own.
pub(super) struct Lbfgs {
    /// The most pairs to remember.
    history: usize,
    /// Oldest first.
    pairs: VecDeque<Pair>,
    /// The inverse Hessian, a factor, as long as there are no pairs.
    first: f64,
    /// Where the next step starts; none while a step is under way or after one that failed.
    from: Option<Point>,
}

/// A step and how it changed the gradient, both rounded.
struct Pair {
    step: Vector,
    change: Vector,
    /// Their product: the curvature along the step, times the square of its length.
    curvature: f64,
    /// The factor that brings the change nearest to the step.
    inverse: f64,
}

impl Pair {
    fn between(from: &Point, to: &Point) -> Self {
        let step = to.at.rounded_difference(&from.at);
        let change = to.gradient.rounded_difference(&from.gradient);
        let curvature = step.dot(&change);
        Self {
            step,
            inverse: curvature / change.dot(&change),
            change,
            curvature,
        }
    }
}

impl Lbfgs {
    /// Starts at `start`, with a first step that is shorter after so many `fruitless` restarts.
    pub(super) fn new(start: Point, history: usize, fruitless: i32) -> Self {
        Self {
            history,
            pairs: VecDeque::new(),
            first: FIRST_STEP * SHORTER.powi(fruitless) / start.gradient.rms(),
            from: Some(start),
        }
    }

    /// Minus the approximate inverse Hessian times the gradient: J. Nocedal and S. J. Wright, "Numerical
    /// Optimization" (2006), algorithm 7.4.
    fn direction(&self, gradient: &Vector) -> Vector {
        let mut direction = gradient.times(-1.0);
        let mut factors = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let factor = pair.step.dot(&direction) / pair.curvature;
            direction = direction.scaled_add(&-factor, &pair.change);
            factors.push(factor);
        }
        direction = direction.times(self.initial());
        for (pair, factor) in self.pairs.iter().zip(factors.into_iter().rev()) {
            let factor = factor - pair.change.dot(&direction) / pair.curvature;
            direction = direction.scaled_add(&factor, &pair.step);
        }
        direction
    }

    /// The inverse Hessian in directions that no pair knows: a factor.
    ///
    /// The mean is geometric, relative to the last pair: ratios do not depend on the scale of the loss, logarithms of
    /// the factors themselves would round differently.
    fn initial(&self) -> f64 {
        let Some(last) = self.pairs.back() else {
            return self.first;
        };
        let lately = self.pairs.iter().rev().take(LATELY);
        let count = lately.len() as f64;
        let ratios = lately.map(|pair| (pair.inverse / last.inverse).ln());
        REACH * last.inverse * (ratios.sum::<f64>() / count).exp()
    }

    /// Remembers a pair of positive curvature; with another the inverse Hessian would not be positive either.
    fn remember(&mut self, pair: Pair) {
        if pair.curvature <= 0.0 {
            return;
        }
        if self.pairs.len() == self.history {
            self.pairs.pop_front();
        }
        self.pairs.push_back(pair);
    }
}

impl Steps for Lbfgs {
    fn step(&mut self, objective: &Objective<'_>) -> Result<Point, Halt> {
        objective.set_budget(LINE_SEARCH_BUDGET);
        let from = self.from.take().ok_or(STUCK)?;
        let point = search(objective, &from, self.direction(&from.gradient))?;
        self.remember(Pair::between(&from, &point));
        self.from = Some(point.clone());
        Ok(point)
    }
}

/// The line search.
fn search(objective: &Objective<'_>, from: &Point, direction: Vector) -> Result<Point, Halt> {
    let mut line_search = MoreThuenteLineSearch::new();
    line_search.search_direction(direction);
    let start = |state: LineState| {
        state
            .param(from.at.clone())
            .gradient(from.gradient.clone())
            .cost(from.result.loss)
    };
    let found = Executor::new(objective, line_search)
        .configure(start)
        .ctrlc(false)
        .run();
    // What failed it, the objective knows.
    match found.map(|found| found.state) {
        Ok(LineState {
            param: Some(at),
            cost,
            ..
        }) if cost < from.result.loss => objective.evaluate(&at),
        _ => Err(objective.halted().unwrap_or(STUCK)),
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::model::Evaluation;
    use crate::optimize::space::Space;

    /// Several chunks, and no multiple of anything.
    const LEN: usize = 5013;

    /// A point of a bowl whose curvatures are 1 to 7.
    fn point(at: Vec<f32>, space: &Rc<Space>) -> Point {
        let gradient = at
            .iter()
            .enumerate()
            .map(|(i, x)| x * (1 + i % 7) as f32)
            .collect();
        Point {
            at: Vector::new(space, at),
            gradient: Vector::new(space, gradient),
            result: Evaluation {
                loss: 0.0,
                terms: vec![],
            },
        }
    }

    fn points(space: &Rc<Space>, count: usize) -> Vec<Point> {
        let at = |seed: usize| {
            (0..LEN)
                .map(|i| ((i * 31 + seed * 17) % 101) as f32 - 50.0)
                .collect()
        };
        (0..count).map(|seed| point(at(seed), space)).collect()
    }

    fn numbers(vector: &Vector) -> Vec<f64> {
        vector.values().iter().copied().map(f64::from).collect()
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    /// `a += factor * b`.
    fn add(a: &mut [f64], factor: f64, b: &[f64]) {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += factor * b);
    }

    /// After all of the points, with a history of `history`.
    fn lbfgs(points: &[Point], history: usize) -> Lbfgs {
        let mut lbfgs = Lbfgs::new(points[0].clone(), history, 0);
        for ends in points.windows(2) {
            lbfgs.remember(Pair::between(&ends[0], &ends[1]));
        }
        lbfgs
    }

    #[test]
    fn the_direction_is_that_of_the_recursion_on_plain_numbers() {
        let space = Space::new(LEN, 2).unwrap();
        let points = points(&space, 15);
        let lbfgs = lbfgs(&points, 12);
        let gradient = &points[14].gradient;
        let found = lbfgs.direction(gradient);

        let plain = |vector: &Vector| numbers(&vector.times(1.0));
        let pairs: Vec<_> = lbfgs
            .pairs
            .iter()
            .map(|pair| (plain(&pair.step), plain(&pair.change)))
            .collect();
        assert_eq!(pairs.len(), 12);
        let mut wanted = numbers(gradient);
        let mut alphas = Vec::new();
        for (s, y) in pairs.iter().rev() {
            let alpha = dot(s, &wanted) / dot(y, s);
            add(&mut wanted, -alpha, y);
            alphas.push(alpha);
        }
        // Three times the geometric mean of s.y / y.y of the last ten.
        let factors = pairs[2..].iter().map(|(s, y)| dot(s, y) / dot(y, y));
        let initial = 3.0 * factors.product::<f64>().powf(0.1);
        wanted.iter_mut().for_each(|number| *number *= initial);
        for (s, y) in &pairs {
            let beta = dot(y, &wanted) / dot(y, s);
            add(&mut wanted, alphas.pop().unwrap() - beta, s);
        }
        let slope = -dot(&wanted, &numbers(gradient));
        assert!((gradient.dot(&found) / slope - 1.0).abs() < 1e-6);
        for (found, wanted) in numbers(&found).iter().zip(wanted) {
            assert!((found + wanted).abs() < 1e-3, "{found}, not {}", -wanted);
        }
    }

    #[test]
    fn the_initial_inverse_hessian_has_the_scale_of_the_loss_to_the_bit() {
        let space = Space::new(LEN, 1).unwrap();
        let points = points(&space, 12);
        let plain = lbfgs(&points, 20).initial();
        for scale in [2_f64.powi(-41), 2_f64.powi(33)] {
            let scaled: Vec<Point> = points
                .iter()
                .map(|point| Point {
                    gradient: point.gradient.times(scale),
                    ..point.clone()
                })
                .collect();
            assert_eq!(lbfgs(&scaled, 20).initial() * scale, plain);
        }
    }

    #[test]
    fn it_starts_with_a_step_of_a_given_length_against_the_gradient() {
        let space = Space::new(LEN, 1).unwrap();
        let start = &points(&space, 1)[0];
        for (fruitless, length) in [(0, 6.0), (2, 6.0 / 256.0)] {
            let direction = Lbfgs::new(start.clone(), 5, fruitless).direction(&start.gradient);
            assert!((direction.rms() / length - 1.0).abs() < 1e-9);
            let cosine =
                direction.dot(&start.gradient) / (direction.rms() * start.gradient.rms() * LEN as f64);
            assert!((cosine + 1.0).abs() < 1e-9, "{cosine}");
        }
    }

    #[test]
    fn a_pair_without_positive_curvature_is_not_remembered() {
        let space = Space::new(LEN, 1).unwrap();
        let mut points = points(&space, 4);
        points[2].gradient = points[1].gradient.clone();
        points[3].gradient = points[2]
            .gradient
            .scaled_add(&-1.0, &points[3].at.rounded_difference(&points[2].at));
        assert_eq!(lbfgs(&points, 5).pairs.len(), 1);
    }
}
