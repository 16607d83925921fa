//! The optimiser on functions whose minimum is known, and on functions that misbehave.

use std::ops::ControlFlow;

use impasto::model::{Evaluation, LossGradient, ObjectiveError};
use impasto::observe::Event;
use impasto::optimize::{Options, minimize};

/// An objective made of a closure that writes the gradient and returns the terms.
struct Fake<F> {
    names: Vec<String>,
    function: F,
    runs: u64,
}

impl<F: FnMut(u64, &[f32], &mut [f32]) -> Result<Vec<f64>, ObjectiveError>> Fake<F> {
    /// `function` gets the number of the evaluation, from 1, the point, and where to write the gradient.
    fn new(names: &[&str], function: F) -> Self {
        Self {
            names: names.iter().map(|&name| name.into()).collect(),
            function,
            runs: 0,
        }
    }
}

impl<F: FnMut(u64, &[f32], &mut [f32]) -> Result<Vec<f64>, ObjectiveError>> LossGradient for Fake<F> {
    fn term_names(&self) -> &[String] {
        &self.names
    }

    fn evaluate(&mut self, image: &[f32], gradient: &mut [f32]) -> Result<Evaluation, ObjectiveError> {
        self.runs += 1;
        let terms = (self.function)(self.runs, image, gradient)?;
        Ok(Evaluation {
            loss: terms.iter().sum(),
            terms,
        })
    }
}

/// `sum of curvature_i * (x_i - target_i)^2`, times `scale`, in f64.
fn quadratic(scale: f64, x: &[f32], gradient: &mut [f32]) -> f64 {
    let mut loss = 0.0;
    for (i, (&x, gradient)) in x.iter().zip(gradient).enumerate() {
        let curvature = scale * (1.0 + (i % 100) as f64);
        let off = f64::from(x) - target(i);
        loss += curvature * off * off;
        *gradient = (2.0 * curvature * off) as f32;
    }
    loss
}

fn target(i: usize) -> f64 {
    (i % 17) as f64 - 8.0
}

/// Rosenbrock's valley in any even number of dimensions: the minimum is 0, at ones.
fn rosenbrock(x: &[f32], gradient: &mut [f32]) -> f64 {
    let mut loss = 0.0;
    for (x, gradient) in x.chunks(2).zip(gradient.chunks_mut(2)) {
        let (a, b) = (f64::from(x[0]), f64::from(x[1]));
        let (wall, floor) = (b - a * a, 1.0 - a);
        loss += 100.0 * wall * wall + floor * floor;
        gradient[0] = (-400.0 * a * wall - 2.0 * floor) as f32;
        gradient[1] = (200.0 * wall) as f32;
    }
    loss
}

fn options(iterations: u64) -> Options {
    Options {
        iterations,
        threads: 1,
        ..Options::default()
    }
}

fn ignore(_: &Event<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn finds_the_minimum_of_a_convex_quadratic() {
    let mut objective = Fake::new(&["q"], |_, x, g| Ok(vec![quadratic(1.0, x, g)]));
    let outcome = minimize(&mut objective, vec![100.0; 1000], &options(500), &mut ignore).unwrap();
    for (i, &x) in outcome.image.iter().enumerate() {
        assert!(
            (f64::from(x) - target(i)).abs() < 1e-4,
            "element {i}: {x} instead of {}",
            target(i)
        );
    }
    println!(
        "{:?} {} {} {}",
        outcome.stop, outcome.iterations, outcome.evaluations, outcome.loss
    );
}

#[test]
fn finds_the_minimum_of_rosenbrocks_valley_in_many_dimensions() {
    let mut objective = Fake::new(&["r"], |_, x, g| Ok(vec![rosenbrock(x, g)]));
    let start = [-1.2, 1.0].repeat(50);
    let outcome = minimize(&mut objective, start, &options(500), &mut ignore).unwrap();
    println!(
        "{:?} {} {} {}",
        outcome.stop, outcome.iterations, outcome.evaluations, outcome.loss
    );
    assert!(
        outcome.image.iter().all(|x| (x - 1.0).abs() < 1e-3),
        "{:?}",
        outcome.image
    );
}
