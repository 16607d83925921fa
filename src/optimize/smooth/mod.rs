//! The first scale's variables: a picture as its start and a smoothed change, `x = start + g S z`.
//!
//! `S` lets low spatial frequencies pass and holds high ones back, as natural pictures have them. From a start that
//! nothing was painted on, what is missing most are large areas of other colours; in the pixels' own variables each step
//! of L-BFGS moves them little. C. Olah, A. Mordvintsev and L. Schubert, "Feature Visualization", Distill (2017),
//! section "Preconditioning and Parameterization", scale frequencies so.
//!
//! Measured on four pairs of pictures, L-BFGS with 40 pairs: at one scale of 192 pixels the loss after 200 evaluations
//! was 9 to 25 % lower, and the loss that the pixels' own variables had led to by then was reached after 117 to 160. At
//! 384 pixels, after 200 evaluations at half the size, it was 7 to 18 % lower after 50 at the full size and 4 to 7 %
//! after 200. At a second scale, large shapes are there and the filter only delays: over both, it gained 0 to 5 %. The
//! axes of the colours, which the article decorrelates too, made it worse.

mod filter;

use std::cell::{Cell, Ref, RefCell};
use std::ops::ControlFlow;

use crate::model::{Evaluation, LossGradient, ObjectiveError};
use crate::observe::{Event, Iterated, Observer};
use filter::Filter;

use super::kernels::dot;
use super::{OptimizeError, Options, Outcome, minimize};

/// As [`minimize`], for a picture whose large shapes are still to be found: walks in smoothed changes of it.
///
/// `start` is an image of this `size` (width, height), which [`LossGradient::evaluate`] takes; so are all that the
/// observer and the outcome show.
///
/// # Errors
/// Those of [`minimize`].
///
/// # Panics
/// When `start` is not of that size.
pub fn minimize_smoothly(
    objective: &mut dyn LossGradient,
    start: Vec<f32>,
    size: (u32, u32),
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Outcome, OptimizeError> {
    let zeros = vec![0.0; start.len()];
    let variables = Variables::new(start, size, options.threads);
    let mut seen = Seen {
        variables: &variables,
        observer,
    };
    let mut objective = Smoothed {
        variables: &variables,
        objective,
    };
    match minimize(&mut objective, zeros, options, &mut seen) {
        Ok(outcome) => Ok(variables.translated(outcome)),
        Err(OptimizeError::Objective {
            evaluation,
            source,
            best,
        }) => Err(OptimizeError::Objective {
            evaluation,
            source,
            best: best.map(|best| Box::new(variables.translated(*best))),
        }),
        Err(error) => Err(error),
    }
}

/// What pictures are in terms of `z`.
struct Variables {
    start: Vec<f32>,
    filter: RefCell<Filter>,
    /// `g`; unknown until there is a gradient.
    gain: Cell<Option<f32>>,
    /// The image that was asked for last: that of an accepted point is asked for again.
    latest: RefCell<Latest>,
}

#[derive(Default)]
struct Latest {
    z: Vec<f32>,
    image: Vec<f32>,
}

impl Variables {
    fn new(start: Vec<f32>, (width, height): (u32, u32), threads: usize) -> Self {
        let filter = Filter::new(width as usize, height as usize, threads);
        assert_eq!(start.len(), filter.len(), "the start is not of that size");
        Self {
            start,
            filter: RefCell::new(filter),
            gain: Cell::new(None),
            latest: RefCell::default(),
        }
    }

    /// `start + g S z`
    fn image(&self, z: &[f32]) -> Ref<'_, Vec<f32>> {
        if self.latest.borrow().z != z {
            self.compute(z);
        }
        Ref::map(self.latest.borrow(), |latest| &latest.image)
    }

    fn compute(&self, z: &[f32]) {
        let Latest { z: of, image } = &mut *self.latest.borrow_mut();
        for copy in [of, &mut *image] {
            copy.clear();
            copy.extend_from_slice(z);
        }
        self.filter.borrow_mut().apply(image);
        let gain = self.gain.get().unwrap_or(1.0);
        for (value, start) in image.iter_mut().zip(&self.start) {
            *value = start + gain * *value;
        }
    }

    /// From the gradient in terms of the image to that in terms of `z`: `g S gradient`.
    fn pull_back(&self, gradient: &mut [f32]) {
        self.filter.borrow_mut().apply(gradient);
        let gain = self.gain.get().unwrap_or_else(|| self.choose_gain(gradient));
        gradient.iter_mut().for_each(|value| *value *= gain);
    }

    /// Chooses `g` so that a step along the first gradient, here smoothed once, is as long in the image as in `z`: the
    /// optimiser's first step is of a given length.
    fn choose_gain(&self, smoothed: &[f32]) -> f32 {
        let mut twice = smoothed.to_vec();
        self.filter.borrow_mut().apply(&mut twice);
        let ratio = (dot(smoothed, smoothed) / dot(&twice, &twice)).sqrt() as f32;
        let gain = if ratio.is_finite() { ratio } else { 1.0 };
        self.gain.set(Some(gain));
        gain
    }

    fn translated(&self, outcome: Outcome) -> Outcome {
        Outcome {
            image: self.image(&outcome.image).clone(),
            ..outcome
        }
    }
}

/// The objective in terms of `z`.
struct Smoothed<'a> {
    variables: &'a Variables,
    objective: &'a mut dyn LossGradient,
}

impl LossGradient for Smoothed<'_> {
    fn term_names(&self) -> &[String] {
        self.objective.term_names()
    }

    fn evaluate(&mut self, z: &[f32], gradient: &mut [f32]) -> Result<Evaluation, ObjectiveError> {
        let evaluation = self.objective.evaluate(&self.variables.image(z), gradient)?;
        self.variables.pull_back(gradient);
        Ok(evaluation)
    }
}

/// Shows an observer images in place of `z`.
struct Seen<'a> {
    variables: &'a Variables,
    observer: &'a mut dyn Observer,
}

impl Observer for Seen<'_> {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Iterated(iterated) => self.observer.observe(&Event::Iterated(Iterated {
                image: &self.variables.image(iterated.image),
                ..*iterated
            })),
            other => self.observer.observe(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (u32, u32) = (20, 15);
    const LEN: usize = 3 * 20 * 15;

    /// How far the differences of neighbours in a row are from those of a bright bar: the larger a shape, the less it
    /// matters.
    struct Bar {
        seen: Vec<(f64, Vec<f32>)>,
        /// The evaluation that fails, if any.
        fails: Option<usize>,
    }

    impl Bar {
        fn new() -> Self {
            Self {
                seen: Vec::new(),
                fails: None,
            }
        }
    }

    impl LossGradient for Bar {
        fn term_names(&self) -> &[String] {
            &[]
        }

        fn evaluate(&mut self, image: &[f32], gradient: &mut [f32]) -> Result<Evaluation, ObjectiveError> {
            if Some(self.seen.len()) == self.fails {
                return Err("it was meant to fail".into());
            }
            gradient.fill(0.0);
            let mut loss = 0.0;
            let width = SIZE.0 as usize;
            for i in (0..LEN).filter(|i| i % width != width - 1) {
                let edge = match i % width {
                    4 => 100.0,
                    14 => -100.0,
                    _ => 0.0,
                };
                let off = image[i + 1] - image[i] - edge;
                loss += f64::from(off).powi(2);
                gradient[i + 1] += 2.0 * off;
                gradient[i] -= 2.0 * off;
            }
            self.seen.push((loss, image.to_vec()));
            Ok(Evaluation { loss, terms: vec![] })
        }
    }

    fn start() -> Vec<f32> {
        (0..LEN).map(|i| (i * 37 % 101) as f32 - 50.0).collect()
    }

    fn options(iterations: u64) -> Options {
        Options {
            iterations,
            threads: 1,
            ..Options::default()
        }
    }

    fn silent(_: &Event<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    #[test]
    fn the_gradient_through_the_variables_is_that_of_finite_differences() {
        let variables = Variables::new(start(), SIZE, 1);
        let mut objective = Bar::new();
        let mut smoothed = Smoothed {
            variables: &variables,
            objective: &mut objective,
        };
        let mut gradient = vec![0.0; LEN];
        smoothed.evaluate(&[0.0; LEN], &mut gradient).unwrap();
        assert_ne!(variables.gain.get(), None);
        let z: Vec<f32> = (0..LEN).map(|i| (i * 13 % 29) as f32 - 14.0).collect();
        smoothed.evaluate(&z, &mut gradient).unwrap();
        for stride in [3, 7, 50] {
            let direction: Vec<f32> = (0..LEN).map(|i| ((i / stride) % 5) as f32 - 2.0).collect();
            let mut loss = |step: f32| {
                let at: Vec<f32> = z.iter().zip(&direction).map(|(z, d)| z + step * d).collect();
                smoothed.evaluate(&at, &mut [0.0; LEN]).unwrap().loss
            };
            // The loss is quadratic: central differences are exact.
            let wanted = (loss(1.0) - loss(-1.0)) / 2.0;
            let slope = gradient
                .iter()
                .zip(&direction)
                .map(|(&g, &d)| f64::from(g) * f64::from(d));
            let slope: f64 = slope.sum();
            assert!(
                (slope - wanted).abs() < 1e-4 * wanted.abs(),
                "{stride}: {slope}, not {wanted}"
            );
        }
    }

    #[test]
    fn it_starts_at_the_start_with_a_step_of_the_usual_length() {
        let mut objective = Bar::new();
        let (start, mut observer) = (start(), silent);
        minimize_smoothly(&mut objective, start.clone(), SIZE, &options(1), &mut observer).unwrap();
        assert_eq!(objective.seen[0].1, start);
        let step: Vec<f32> = objective.seen[1]
            .1
            .iter()
            .zip(&start)
            .map(|(a, b)| a - b)
            .collect();
        let rms = (dot(&step, &step) / LEN as f64).sqrt();
        assert!((rms - 6.0).abs() < 0.01, "{rms}");
    }

    #[test]
    fn the_observer_and_the_outcome_show_images_that_were_evaluated() {
        let mut objective = Bar::new();
        let mut shown = Vec::new();
        let mut observer = |event: &Event<'_>| {
            if let Event::Iterated(iterated) = event {
                shown.push((iterated.loss, iterated.image.to_vec()));
            }
            ControlFlow::Continue(())
        };
        let outcome = minimize_smoothly(&mut objective, start(), SIZE, &options(9), &mut observer).unwrap();
        assert_eq!(shown.len(), 9);
        shown.push((outcome.loss, outcome.image));
        for (loss, image) in shown {
            assert!(objective.seen.contains(&(loss, image)), "{loss}");
        }
    }

    #[test]
    fn a_failure_leaves_the_best_image_until_then() {
        let mut objective = Bar {
            fails: Some(5),
            ..Bar::new()
        };
        let mut observer = silent;
        let mut error =
            minimize_smoothly(&mut objective, start(), SIZE, &options(9), &mut observer).unwrap_err();
        let best = error.take_best().unwrap();
        assert!(objective.seen.contains(&(best.loss, best.image)));
    }

    #[test]
    fn large_shapes_are_found_sooner_than_in_pixels() {
        let mut observer = silent;
        let (gray, options) = (vec![0.0; LEN], options(6));
        let smooth = minimize_smoothly(&mut Bar::new(), gray.clone(), SIZE, &options, &mut observer);
        let pixels = minimize(&mut Bar::new(), gray, &options, &mut observer);
        let (smooth, pixels) = (smooth.unwrap().loss, pixels.unwrap().loss);
        assert!(smooth < 0.5 * pixels, "{smooth} and {pixels}");
    }
}
