//! Adam: D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.
//!
//! It needs no history, so its memory is bounded: two vectors of moments beside the points and gradients.

use super::Steps;
use super::kernels::{self, AdamStep};
use super::numbers::CHUNK;
use super::options::AdamOptions;
use super::vector::Vector;
use crate::objective::{Halt, Objective, Point};

/// A run of Adam from one point.
pub(super) struct Adam {
    options: AdamOptions,
    /// Makes the first gradient one of root mean square 1, so that `epsilon` means the same for every loss.
    scale: f32,
    /// Where the next step starts; none while a step is under way or after one that failed.
    from: Option<Point>,
    mean: Vec<f32>,
    variance: Vec<f32>,
    steps: i32,
}

impl Adam {
    /// Starts at `from`, with moments of zero, and half the learning rate for each of so many `fruitless` restarts.
    pub(super) fn new(from: Point, mut options: AdamOptions, fruitless: i32) -> Self {
        options.learning_rate *= 0.5_f64.powi(fruitless);
        let len = from.at.values().len();
        Self {
            options,
            scale: (1.0 / from.gradient.rms()) as f32,
            from: Some(from),
            mean: vec![0.0; len],
            variance: vec![0.0; len],
            steps: 0,
        }
    }

    /// Updates the moments and returns the point to go to.
    fn next(&mut self, from: Point) -> Vector {
        self.steps += 1;
        let step = AdamStep::new(&self.options, self.scale, self.steps);
        let space = from.at.space();
        let (gradient, old) = (from.gradient.values(), from.at.values());
        let mut new = space.buffer();
        // One run of tasks for each colour plane, which has bounds of its own.
        let bounds = self.options.bounds.map_or(vec![(f32::MIN, f32::MAX)], Vec::from);
        let plane = new.len().div_ceil(bounds.len());
        let tasks = new
            .chunks_mut(plane)
            .zip(old.chunks(plane))
            .zip(gradient.chunks(plane))
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
        space.map(tasks, |((((new, old), gradient), (mean, variance)), bounds)| {
            kernels::adam(&step, bounds, gradient, mean, variance, old, new);
        });
        Vector::new(&space, new)
    }
}

impl Steps for Adam {
    fn step(&mut self, objective: &Objective<'_>) -> Result<Point, Halt> {
        let from = self.from.take().ok_or(Halt::Retry("the step failed"))?;
        let point = objective.evaluate(&self.next(from))?;
        self.from = Some(point.clone());
        Ok(point)
    }
}
