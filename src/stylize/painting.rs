//! The painted image on its way through the scales.

use super::Stylized;
use crate::finish::Finish;
use crate::model::LossGradient;
use crate::observe::{Observer, Relayed};
use crate::optimize::{OptimizeError, Options, Outcome, StopReason, minimize};
use crate::picture::Picture;
use crate::tensor::{from_values, to_tensor};

/// An image and the account of the run that has led to it.
pub(super) struct Painting {
    /// Width and height in pixels.
    size: (u32, u32),
    /// Iterations and evaluations of the whole run; loss, terms and the image of the last stage.
    outcome: Outcome,
}

impl Painting {
    /// The start of a run: `image` is f32 `[1, 3, height, width]`, flattened, of this `size` (width, height).
    pub(super) fn new(image: Vec<f32>, size: (u32, u32)) -> Painting {
        let outcome = Outcome {
            image,
            loss: f64::INFINITY,
            terms: Vec::new(),
            iterations: 0,
            evaluations: 0,
            stop: StopReason::Iterations,
        };
        Painting { size, outcome }
    }

    /// The same image in another size.
    pub(super) fn enlarged(mut self, size: (u32, u32)) -> Painting {
        if size != self.size {
            let picture = from_values(&self.outcome.image, self.size.0, self.size.1).resize(size.0, size.1);
            self.outcome.image = to_tensor(&picture).into_raw_vec_and_offset().0;
            self.size = size;
        }
        self
    }

    /// Goes on from here to a lower `loss`, whose values are in multiples of `unit`.
    pub(super) fn optimize(
        &mut self,
        loss: &mut dyn LossGradient,
        options: &Options,
        unit: f64,
        observer: &mut dyn Observer,
    ) -> Result<(), OptimizeError> {
        let (iterations, evaluations) = (self.outcome.iterations, self.outcome.evaluations);
        let mut observer = Relayed {
            unit,
            iterations,
            evaluations,
            observer,
        };
        let start = std::mem::take(&mut self.outcome.image);
        let outcome = minimize(loss, start, options, &mut observer)?;
        self.outcome = Outcome {
            loss: outcome.loss * unit,
            terms: outcome.terms.iter().map(|term| term * unit).collect(),
            iterations: iterations + outcome.iterations,
            evaluations: evaluations + outcome.evaluations,
            ..outcome
        };
        Ok(())
    }

    /// Whether somebody wanted the last stage to end before its time.
    pub(super) fn ended_early(&self) -> bool {
        matches!(self.outcome.stop, StopReason::OutOfTime | StopReason::Interrupted)
    }

    /// The picture that the image shows.
    pub(super) fn picture(&self, finish: &Finish) -> Picture {
        finish.picture(&self.outcome.image)
    }

    /// The picture and the account.
    pub(super) fn finished(mut self, finish: &Finish) -> Stylized {
        let picture = self.picture(finish);
        self.outcome.image = Vec::new();
        Stylized {
            picture,
            outcome: self.outcome,
        }
    }
}
