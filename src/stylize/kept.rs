//! What stays the photo while the rest is painted.

use ndarray::Array4;

use crate::model::{Advance, Evaluation, LossGradient, ObjectiveError};

/// The loss of the image blended with the content by the mask of what is kept.
pub(super) struct Kept<'a> {
    loss: Box<dyn LossGradient + 'a>,
    /// For each pixel, 0 to 1.
    keep: &'a [f32],
    /// f32 `[1, 3, height, width]`
    content: Array4<f32>,
    image: Vec<f32>,
}

impl<'a> Kept<'a> {
    pub(super) fn new(loss: Box<dyn LossGradient + 'a>, keep: &'a [f32], content: Array4<f32>) -> Self {
        Self {
            loss,
            keep,
            content,
            image: Vec::new(),
        }
    }
}

impl LossGradient for Kept<'_> {
    fn term_names(&self) -> &[String] {
        self.loss.term_names()
    }

    fn evaluate(
        &mut self,
        image: &[f32],
        gradient: &mut [f32],
        advance: Advance<'_>,
    ) -> Result<Evaluation, ObjectiveError> {
        let keep = || self.keep.iter().cycle();
        self.image.clear();
        let pixels = image.iter().zip(&self.content).zip(keep());
        self.image
            .extend(pixels.map(|((image, content), keep)| image * (1.0 - keep) + content * keep));
        let evaluation = self.loss.evaluate(&self.image, gradient, advance)?;
        gradient
            .iter_mut()
            .zip(keep())
            .for_each(|(slope, keep)| *slope *= 1.0 - keep);
        Ok(evaluation)
    }
}
