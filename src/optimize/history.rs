//! L-BFGS's history: the last steps with their changes of the gradient, and the direction that they make of a gradient.
//!
//! The recursion would spend its time in `q -= alpha * y` followed by `s . q`, twice for every pair. But `q` is a sum of
//! multiples of the gradient and of the pairs, so that `s . q` is a sum of multiples of products of those, which do not
//! change: W. Chen, Z. Wang and J. Zhou, "Large-scale L-BFGS using MapReduce", NIPS 2014. So the products are kept, and
//! memory is read twice an iteration: for the products of the new gradient, and for the next point. Those of the change
//! of two gradients are the differences of theirs.

use std::collections::VecDeque;
use std::io;

use super::objective::Point;
use super::quantised::{self, Quantised};
use super::workers::Workers;
use crate::files::binary::{Reader, Writer, unfit};

/// The initial inverse Hessian, in multiples of what the last pairs say of it.
///
/// The usual one is that of the last pair, which underestimates the step in new directions: at length 1 the slope was still 0.3
/// of the initial one.
/// Measured on two pairs of pictures at 512 pixels, after a coarse scale, as the loss after 120 evaluations relative
/// to that with the usual one: three times the last pair's 0.977 and 0.963, three times the mean of ten 0.959 and
/// 0.949, of eighty 0.961 and 0.951. Six times the mean of ten goes too far: 1.07 and 1.01 after 113. A factor
/// that adapts until the slope at length 1 is zero stayed between 2.7 and 4, with the same losses.
const INITIAL_HESSIAN_SCALE: f64 = 3.0;

/// How many pairs [`INITIAL_HESSIAN_SCALE`] is about: one alone may be three times off.
const INITIAL_HESSIAN_PAIRS: usize = 10;

/// The last steps and changes of the gradient.
pub(super) struct History {
    /// The most pairs to remember.
    capacity: usize,
    /// Oldest first.
    pairs: VecDeque<Pair>,
    /// The initial inverse Hessian, a factor, as long as there are no pairs.
    first_inverse: f64,
}

/// A step and how it changed the gradient.
struct Pair {
    step: Quantised,
    change: Quantised,
    /// The products of the change with the history.
    products: Products,
    /// `step . change`.
    curvature: f64,
    /// `step . change / change . change`.
    inverse: f64,
}

/// The products of one vector with all steps and all changes of the history, oldest first.
#[derive(Clone, Default)]
pub(super) struct Products {
    steps: VecDeque<f64>,
    changes: VecDeque<f64>,
}

impl Products {
    fn push(&mut self, step: f64, change: f64) {
        self.steps.push_back(step);
        self.changes.push_back(change);
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let pairs = self.steps.iter().zip(&self.changes);
        to.numbers(&pairs.map(|(step, change)| [*step, *change]).collect::<Vec<_>>())
    }

    /// The pairs that were saved, `count` of them.
    fn restore(count: usize, from: &mut Reader) -> io::Result<Self> {
        let pairs: Vec<[f64; 2]> = from.numbers()?;
        if pairs.len() != count {
            return Err(unfit("the history has not as many products as pairs"));
        }
        let (steps, changes) = pairs.into_iter().map(|[step, change]| (step, change)).unzip();
        Ok(Self { steps, changes })
    }

    fn forget_oldest(&mut self) {
        self.steps.pop_front();
        self.changes.pop_front();
    }

    /// The inner products of the difference of two vectors. What quantising the difference adds to them is as good as noise, which
    /// a product with a whole vector averages out.
    fn minus(&self, other: &Self) -> Self {
        let difference = |a: &VecDeque<f64>, b: &VecDeque<f64>| a.iter().zip(b).map(|(a, b)| a - b).collect();
        Self {
            steps: difference(&self.steps, &other.steps),
            changes: difference(&self.changes, &other.changes),
        }
    }
}

/// Where to go: a sum of multiples of the history's steps and changes, oldest first, and of the gradient.
pub(super) struct Direction {
    steps: Vec<f64>,
    changes: Vec<f64>,
    gradient: f64,
}

impl Direction {
    /// The product with a vector that has these with the history, and `gradient` with the gradient.
    pub(super) fn dot(&self, products: &Products, gradient: f64) -> f64 {
        let steps = self.steps.iter().zip(&products.steps).rev();
        let changes = self.changes.iter().zip(&products.changes);
        let sum: f64 = steps
            .chain(changes)
            .map(|(factor, product)| factor * product)
            .sum();
        sum + self.gradient * gradient
    }

    fn scale(&mut self, factor: f64) {
        self.changes.iter_mut().for_each(|change| *change *= factor);
        self.gradient *= factor;
    }
}

impl History {
    /// No pairs yet, and at most `capacity`; until there are some, the inverse Hessian is `first_inverse`.
    pub(super) fn new(capacity: usize, first_inverse: f64) -> Self {
        Self {
            capacity,
            pairs: VecDeque::new(),
            first_inverse,
        }
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) -> io::Result<()> {
        to.number(self.first_inverse)?;
        to.number(self.pairs.len() as u64)?;
        self.pairs.iter().try_for_each(|pair| {
            pair.step.save(to)?;
            pair.change.save(to)?;
            pair.products.save(to)?;
            to.number([pair.curvature, pair.inverse])
        })
    }

    /// One that was saved, of vectors of `len` numbers, with at most `capacity` pairs from now on.
    pub(super) fn restore(capacity: usize, len: usize, from: &mut Reader) -> io::Result<Self> {
        let mut history = Self::new(capacity, from.number()?);
        let count: u64 = from.number()?;
        if count > capacity as u64 {
            return Err(unfit("the history is longer than it can be"));
        }
        for _ in 0..count {
            let (step, change) = (Quantised::restore(len, from)?, Quantised::restore(len, from)?);
            let products = Products::restore(count as usize, from)?;
            let [curvature, inverse] = from.number()?;
            history.pairs.push_back(Pair {
                step,
                change,
                products,
                curvature,
                inverse,
            });
        }
        Ok(history)
    }

    /// The products of a vector with all steps and changes, as they were saved.
    pub(super) fn restore_products(&self, from: &mut Reader) -> io::Result<Products> {
        Products::restore(self.pairs.len(), from)
    }

    /// The products of a whole vector with all steps and changes.
    pub(super) fn products(&self, vector: &[f32], workers: &Workers) -> Products {
        let both = self.pairs.iter().flat_map(|pair| [&pair.step, &pair.change]);
        let products = quantised::products(vector, &both.collect::<Vec<_>>(), workers);
        let mut sorted = Products::default();
        for pair in products.chunks_exact(2) {
            sorted.push(pair[0], pair[1]);
        }
        sorted
    }

    /// Minus the approximate inverse Hessian times the gradient, which has these products with the history, by the two-loop
    /// recursion: J. Nocedal and S. J. Wright, "Numerical Optimization" (2006), algorithm 7.4. The direction comes as factors
    /// of the pairs and of the gradient.
    pub(super) fn direction(&self, gradient: &Products) -> Direction {
        let count = self.pairs.len();
        let mut direction = Direction {
            steps: Vec::new(),
            changes: vec![0.0; count],
            gradient: -1.0,
        };
        for (i, pair) in self.pairs.iter().enumerate().rev() {
            let changes = self.pairs.range(i + 1..).zip(&direction.changes[i + 1..]);
            let known: f64 = changes
                .map(|(other, factor)| factor * other.products.steps[i])
                .sum();
            direction.changes[i] = -(known - gradient.steps[i]) / pair.curvature;
        }
        let alphas: Vec<f64> = direction.changes.iter().map(|factor| -factor).collect();
        direction.scale(self.initial_inverse());
        for (i, (pair, alpha)) in self.pairs.iter().zip(alphas).enumerate() {
            let beta = direction.dot(&pair.products, gradient.changes[i]) / pair.curvature;
            direction.steps.push(alpha - beta);
        }
        direction
    }

    /// The point `step` times the `direction` away from a point.
    pub(super) fn point_along(
        &self,
        direction: &Direction,
        step: f64,
        from: &Point,
        workers: &Workers,
    ) -> Vec<f32> {
        let steps = direction.steps.iter().zip(&self.pairs).rev();
        let changes = direction.changes.iter().zip(&self.pairs);
        let pairs: Vec<_> = steps
            .map(|(factor, pair)| (step * factor, &pair.step))
            .chain(changes.map(|(factor, pair)| (step * factor, &pair.change)))
            .collect();
        // The point comes last: its numbers are the largest, those of a step to it are better added up first.
        let full = [
            (step * direction.gradient, &from.gradient[..]),
            (1.0, &from.at[..]),
        ];
        quantised::sum(&pairs, &full, workers)
    }

    /// The inverse Hessian in directions that no pair knows: a factor.
    ///
    /// The mean is geometric, relative to the last pair: ratios do not depend on the scale of the loss, logarithms of
    /// the factors themselves would round differently.
    fn initial_inverse(&self) -> f64 {
        let Some(last) = self.pairs.back() else {
            return self.first_inverse;
        };
        let lately = self.pairs.iter().rev().take(INITIAL_HESSIAN_PAIRS);
        let count = lately.len() as f64;
        let ratios = lately.map(|pair| (pair.inverse / last.inverse).ln());
        INITIAL_HESSIAN_SCALE * last.inverse * (ratios.sum::<f64>() / count).exp()
    }

    /// Remembers the pair between two points whose gradients have these products with the pairs so far; returns those
    /// of the later one with all that are remembered now.
    ///
    /// A pair without positive curvature is left out: with it the inverse Hessian would not be positive either.
    pub(super) fn remember(
        &mut self,
        (from, before): (&Point, &Products),
        (to, mut after): (&Point, Products),
        workers: &Workers,
    ) -> Products {
        let step = Quantised::difference(&to.at, &from.at, workers);
        let change = Quantised::difference(&to.gradient, &from.gradient, workers);
        let own = change.products(&[&step, &change], workers);
        let (curvature, square) = (own[0], own[1]);
        if curvature.is_nan() || curvature <= 0.0 {
            return after;
        }
        let mut products = after.minus(before);
        if self.pairs.len() == self.capacity {
            self.pairs.pop_front();
            let rows = self.pairs.iter_mut().map(|pair| &mut pair.products);
            rows.chain([&mut products, &mut after])
                .for_each(Products::forget_oldest);
        }
        let changes: Vec<_> = self.pairs.iter().map(|pair| &pair.change).collect();
        let with_step = step.products(&changes, workers);
        for ((pair, with_step), with_change) in self.pairs.iter_mut().zip(with_step).zip(&products.changes) {
            pair.products.push(with_step, *with_change);
        }
        products.push(curvature, square);
        let with_gradient = quantised::products(&to.gradient, &[&step, &change], workers);
        after.push(with_gradient[0], with_gradient[1]);
        self.pairs.push_back(Pair {
            step,
            change,
            products,
            curvature,
            inverse: curvature / square,
        });
        after
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    /// Several chunks, and no multiple of anything.
    const LEN: usize = 5013;

    /// A point of a bowl whose curvatures are 1 to 7, times `scale`.
    fn point(seed: usize, scale: f32) -> Point {
        let at: Vec<f32> = (0..LEN)
            .map(|i| ((i * 31 + seed * 17) % 101) as f32 - 50.0)
            .collect();
        let slopes = at.iter().enumerate().map(|(i, x)| scale * x * (1 + i % 7) as f32);
        Point {
            gradient: Rc::new(slopes.collect()),
            at: Rc::new(at),
            loss: 0.0,
        }
    }

    fn points(count: usize) -> Vec<Point> {
        (0..count).map(|seed| point(seed, 1.0)).collect()
    }

    fn workers() -> Workers {
        Workers::new(2).unwrap()
    }

    /// After all of the points, with room for `capacity` pairs, and the products of the last gradient.
    fn history(points: &[Point], capacity: usize) -> (History, Products) {
        let (mut history, mut products) = (History::new(capacity, 0.5), Products::default());
        for ends in points.windows(2) {
            let after = history.products(&ends[1].gradient, &workers());
            products = history.remember((&ends[0], &products), (&ends[1], after), &workers());
        }
        (history, products)
    }

    /// The numbers of each pair, in f64.
    fn pairs(history: &History) -> Vec<(Vec<f64>, Vec<f64>)> {
        let read = |vector: &Quantised| {
            let numbers = quantised::sum(&[(1.0, vector)], &[(0.0, &[0.0; LEN])], &workers());
            numbers.into_iter().map(f64::from).collect()
        };
        let pairs = history.pairs.iter();
        pairs.map(|pair| (read(&pair.step), read(&pair.change))).collect()
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    /// `a += factor * b`.
    fn add(a: &mut [f64], factor: f64, b: &[f64]) {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += factor * b);
    }

    #[test]
    fn the_products_are_those_of_the_numbers() {
        let points = points(9);
        let (history, gradient) = history(&points, 5);
        let pairs = pairs(&history);
        assert_eq!(pairs.len(), 5);
        let last: Vec<f64> = points[8].gradient.iter().map(|&x| x.into()).collect();
        // A difference's products with others are those of what it was before it was quantised.
        let check = |found: &Products, vector: &[f64], tolerance: f64| {
            assert_eq!((found.steps.len(), found.changes.len()), (5, 5));
            for (i, (step, change)) in pairs.iter().enumerate() {
                for (found, other) in [(found.steps[i], step), (found.changes[i], change)] {
                    let norms = (dot(vector, vector) * dot(other, other)).sqrt();
                    let off = (found - dot(vector, other)).abs();
                    assert!(off < tolerance * norms, "{found}, off by {off}, norms {norms}");
                }
            }
        };
        check(&gradient, &last, 1e-6);
        for (pair, (_, change)) in history.pairs.iter().zip(&pairs) {
            check(&pair.products, change, 1e-3);
        }
    }

    /// Points whose steps and changes of the gradient are whole numbers, 127 the largest of each chunk: 8 bits hold them.
    fn whole_points(count: usize) -> Vec<Point> {
        let number = |i: usize, seed: usize| match i % quantised::CHUNK {
            0 => 127.0,
            _ => ((i * 31 + seed * 17) % 101) as f32 - 50.0,
        };
        let mut points = points(1);
        for seed in 1..count {
            let from = &points[seed - 1];
            let step = |(i, x): (usize, &f32)| x + number(i, seed);
            // Half of the numbers are the step's, so that the curvature is positive.
            let change = |(i, x): (usize, &f32)| x + number(i, if i % 2 == 0 { seed } else { 3 * seed });
            let to = Point {
                at: Rc::new(from.at.iter().enumerate().map(step).collect()),
                gradient: Rc::new(from.gradient.iter().enumerate().map(change).collect()),
                loss: 0.0,
            };
            points.push(to);
        }
        points
    }

    #[test]
    fn the_direction_is_that_of_the_recursion_on_plain_numbers() {
        let points = whole_points(15);
        let (history, products) = history(&points, 12);
        let direction = history.direction(&products);
        let from = &points[14];
        let zero = Point {
            at: Rc::new(vec![0.0; LEN]),
            ..from.clone()
        };
        let found = history.point_along(&direction, 1.0, &zero, &workers());

        let pairs = pairs(&history);
        assert_eq!(pairs.len(), 12);
        let gradient: Vec<f64> = from.gradient.iter().map(|&x| x.into()).collect();
        let mut wanted = gradient.clone();
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
        let slope = -dot(&wanted, &gradient);
        assert!((direction.dot(&products, dot(&gradient, &gradient)) / slope - 1.0).abs() < 1e-6);
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(
                (f64::from(*found) + wanted).abs() < 1e-3,
                "{found}, not {}",
                -wanted
            );
        }
        let half = history.point_along(&direction, 0.5, from, &workers());
        for ((half, at), whole) in half.iter().zip(&*from.at).zip(found) {
            assert!((half - at - 0.5 * whole).abs() < 1e-2);
        }
    }

    #[test]
    fn without_pairs_the_direction_is_down_the_gradient() {
        let (history, products) = history(&points(1), 5);
        let found = history.point_along(&history.direction(&products), 2.0, &point(0, 1.0), &workers());
        for ((found, at), gradient) in found.iter().zip(&*point(0, 1.0).at).zip(&*point(0, 1.0).gradient) {
            assert_eq!(*found, -gradient + at);
        }
    }

    #[test]
    fn the_initial_inverse_hessian_has_the_scale_of_the_loss_to_the_bit() {
        let plain = history(&points(12), 20).0.initial_inverse();
        for scale in [2_f32.powi(-41), 2_f32.powi(33)] {
            let scaled: Vec<Point> = (0..12).map(|seed| point(seed, scale)).collect();
            assert_eq!(history(&scaled, 20).0.initial_inverse() * f64::from(scale), plain);
        }
    }

    #[test]
    fn a_pair_without_positive_curvature_is_not_remembered() {
        let mut points = points(4);
        points[2].gradient = Rc::clone(&points[1].gradient);
        let against = points[3].at.iter().zip(&*points[2].at).zip(&*points[2].gradient);
        points[3].gradient = Rc::new(
            against
                .map(|((to, from), gradient)| gradient - (to - from))
                .collect(),
        );
        let (history, products) = history(&points, 5);
        assert_eq!((history.pairs.len(), products.steps.len()), (1, 1));
    }
}
