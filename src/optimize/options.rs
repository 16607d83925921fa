//! How to optimise, and when to stop.

use std::num::NonZero;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::OptimizeError;

/// How to optimise, and when to stop.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The method. Default: L-BFGS.
    pub method: Method,
    /// Stop after this many accepted points. With 0 the start image is evaluated and returned. Default: 500.
    pub iterations: u64,
    /// Threads for the optimiser's own arithmetic, at least 1. Default: those that the machine has.
    pub threads: usize,
    /// Stop when ten iterations have changed the loss by less than this fraction of it, 0 to 1. Default: never.
    pub tolerance: Option<f64>,
    /// Stop at the first evaluation that ends later than this many seconds after the start. Default: never.
    pub max_seconds: Option<f64>,
    /// Let the iteration go to its end when the time is over, so that the optimisation can be resumed from there.
    /// Default: false.
    pub whole_iterations: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: Method::default(),
            iterations: 500,
            threads: std::thread::available_parallelism().map_or(1, NonZero::get),
            tolerance: None,
            max_seconds: None,
            whole_iterations: false,
        }
    }
}

/// A way to get from point to point.
///
/// Its serialised form has the names of the program's flags.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "optimizer", rename_all = "lowercase")]
pub enum Method {
    /// Limited-memory BFGS (Liu and Nocedal 1989) with the line search of Moré and Thuente (1994).
    Lbfgs {
        /// Pairs of steps and gradient changes to remember, at least 1; each takes 6 bytes a pixel. Default: 80.
        ///
        /// On a photo of 256x192 the loss after 200 evaluations was 9 % above that of a history of 100 with 10
        /// pairs, 5 % with 20, 3 % with 30, 2 % with 40. At 256x256, after 240, it was 2.3 % lower
        /// with 80 than with 40.
        history: usize,
    },
    /// Adam (Kingma and Ba 2015): slower, in less memory, and it can keep to a range.
    Adam(AdamOptions),
}

impl Default for Method {
    fn default() -> Self {
        Self::Lbfgs {
            history: Self::HISTORY,
        }
    }
}

impl Method {
    /// The history that L-BFGS has by default.
    pub const HISTORY: usize = 80;

    /// The image, its values within the bounds of the method.
    pub(super) fn within_bounds(&self, mut image: Vec<f32>) -> Vec<f32> {
        if let Self::Adam(AdamOptions {
            bounds: Some(bounds), ..
        }) = self
        {
            let plane = image.len().div_ceil(bounds.len()).max(1);
            for (plane, &(low, high)) in image.chunks_mut(plane).zip(bounds) {
                plane.iter_mut().for_each(|value| *value = value.clamp(low, high));
            }
        }
        image
    }
}

/// Adam's numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AdamOptions {
    /// How far a step moves a pixel, in grey levels, more than 0. Default: 5, as style-transfer-pytorch has it
    /// (0.02 of the range); neural-style takes 10.
    pub learning_rate: f64,
    /// How much of the gradient's mean each step keeps, 0 to below 1. Default: 0.9.
    pub beta1: f64,
    /// How much of its mean square each step keeps, 0 to below 1. Default: 0.99, as style-transfer-pytorch has it;
    /// the paper's 0.999 remembers the steep gradients of the start for too long.
    pub beta2: f64,
    /// Added to the gradient's root mean square, relative to that of the whole first gradient, more than 0.
    /// Default: 1e-8.
    #[serde(skip)]
    pub epsilon: f64,
    /// The least and the greatest value of each channel, in the image's order and unit (for the displayable range
    /// in BGR, minus the mean and 255 minus the mean). Default: none.
    #[serde(skip)]
    pub bounds: Option<[(f32, f32); 3]>,
}

impl Default for AdamOptions {
    fn default() -> Self {
        Self {
            learning_rate: 5.0,
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
            bounds: None,
        }
    }
}

impl Options {
    /// Checks all ranges.
    pub(super) fn check(&self) -> Result<(), OptimizeError> {
        match &self.method {
            Method::Lbfgs { history } => check("history", history, "at least 1", *history >= 1)?,
            Method::Adam(adam) => adam.check()?,
        }
        check("threads", self.threads, "at least 1", self.threads >= 1)?;
        if let Some(tolerance) = self.tolerance {
            check(
                "tolerance",
                tolerance,
                "from 0 to 1",
                (0.0..=1.0).contains(&tolerance),
            )?;
        }
        if let Some(seconds) = self.max_seconds {
            check("max_seconds", seconds, "0 or more", seconds >= 0.0)?;
        }
        Ok(())
    }

    /// When [`Options::max_seconds`] from now are over. A time too long for the clock is no limit.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let time = Duration::try_from_secs_f64(self.max_seconds?).ok()?;
        Instant::now().checked_add(time)
    }
}

impl AdamOptions {
    fn check(&self) -> Result<(), OptimizeError> {
        let Self {
            learning_rate,
            beta1,
            beta2,
            epsilon,
            bounds,
        } = *self;
        let positive = |value: f64| value > 0.0 && value.is_finite();
        check(
            "learning_rate",
            learning_rate,
            "more than 0",
            positive(learning_rate),
        )?;
        check(
            "beta1",
            beta1,
            "at least 0 and below 1",
            (0.0..1.0).contains(&beta1),
        )?;
        check(
            "beta2",
            beta2,
            "at least 0 and below 1",
            (0.0..1.0).contains(&beta2),
        )?;
        check("epsilon", epsilon, "more than 0", positive(epsilon))?;
        for (low, high) in bounds.into_iter().flatten() {
            check(
                "bounds",
                format!("{low} to {high}"),
                "a range, the least value first",
                low <= high,
            )?;
        }
        Ok(())
    }
}

fn check(
    name: &'static str,
    value: impl ToString,
    range: &'static str,
    is_right: bool,
) -> Result<(), OptimizeError> {
    if is_right {
        Ok(())
    } else {
        Err(OptimizeError::Option {
            name,
            value: value.to_string(),
            range,
        })
    }
}
