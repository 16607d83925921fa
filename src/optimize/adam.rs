//! Adam as a solver of argmin's: D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015,
//! algorithm 1.
//!
//! It needs no history, so its memory is bounded: two vectors of moments beside the points and gradients.

use std::io;

use argmin::core::{Error, KV, Problem, Solver};

use super::checkpoint::Save;
use super::kernels::{self, AdamStep};
use super::objective::{Objective, Point, State, StepError, vector};
use super::options::AdamOptions;
use super::quantised::CHUNK;
use super::workers::Workers;
use crate::files::binary::{Reader, Writer};

/// A run of Adam from one point.
pub(super) struct Adam {
    options: AdamOptions,
    /// Makes the first gradient one of root mean square 1, so that `epsilon` means the same for every loss.
    scale: f32,
    mean: Vec<f32>,
    variance: Vec<f32>,
    steps: i32,
}

impl Adam {
    /// Starts where the gradient, of `len` numbers, has this root mean square: with moments of zero, and half the
    /// learning rate for each of so many `fruitless` restarts.
    pub(super) fn new(gradient_rms: f64, len: usize, mut options: AdamOptions, fruitless: i32) -> Self {
        options.learning_rate *= 0.5_f64.powi(fruitless);
        Self {
            options,
            scale: (1.0 / gradient_rms) as f32,
            mean: vec![0.0; len],
            variance: vec![0.0; len],
            steps: 0,
        }
    }

    /// One that was saved, for vectors of `len` numbers.
    pub(super) fn restore(mut options: AdamOptions, len: usize, from: &mut Reader) -> io::Result<Self> {
        options.learning_rate = from.number()?;
        Ok(Self {
            options,
            scale: from.number()?,
            steps: from.number()?,
            mean: vector(len, from)?,
            variance: vector(len, from)?,
        })
    }

    /// Updates the moments and returns the point to go to.
    fn next(&mut self, from: &Point, workers: &Workers) -> Vec<f32> {
        self.steps += 1;
        let step = AdamStep::new(&self.options, self.scale, self.steps);
        let mut new = vec![0.0; from.at.len()];
        // One run of tasks for each colour plane, which has bounds of its own.
        let bounds = self.options.bounds.map_or(vec![(f32::MIN, f32::MAX)], Vec::from);
        let plane = new.len().div_ceil(bounds.len());
        let tasks = new
            .chunks_mut(plane)
            .zip(from.at.chunks(plane))
            .zip(from.gradient.chunks(plane))
            .zip(self.mean.chunks_mut(plane).zip(self.variance.chunks_mut(plane)))
            .zip(bounds)
            .flat_map(|((((new, old), gradient), (mean, variance)), bounds)| {
                let moments = mean.chunks_mut(CHUNK).zip(variance.chunks_mut(CHUNK));
                let points = new.chunks_mut(CHUNK).zip(old.chunks(CHUNK));
                points
                    .zip(gradient.chunks(CHUNK))
                    .zip(moments)
                    .map(move |task| (task, bounds))
            });
        workers.map(tasks, |((((new, old), gradient), (mean, variance)), bounds)| {
            kernels::adam(&step, bounds, gradient, mean, variance, old, new);
        });
        new
    }

    fn step(&mut self, objective: &Objective<'_>, from: Point) -> Result<Point, StepError> {
        let at = self.next(&from, objective.workers());
        drop(from);
        objective.evaluate(at)
    }
}

impl Solver<&Objective<'_>, State> for Adam {
    fn name(&self) -> &str {
        "Adam"
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

impl Save for Adam {
    fn save(&self, to: &mut Writer<'_>) -> io::Result<()> {
        to.number(self.options.learning_rate)?;
        to.number(self.scale)?;
        to.number(self.steps)?;
        to.numbers(&self.mean)?;
        to.numbers(&self.variance)
    }
}
