//! The graph contract, and the one trait through which the rest of the program evaluates it.

use std::error::Error as StdError;

/// The loss at one image, and the weighted terms it is the sum of.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The total loss: the sum of all terms.
    pub loss: f64,
    /// The weighted terms in the graph's order: the style layers', then the content layers'.
    pub terms: Vec<f64>,
}

/// A boxed error of an objective: a session's failure, or whatever a fake in a test returns.
pub type ObjectiveError = Box<dyn StdError + Send + Sync + 'static>;

/// Computes a loss and its gradient with respect to the image.
///
/// ONNX Runtime sits behind this trait, so that the optimiser can be tested on functions whose minimum is known.
pub trait LossGradient {
    /// The names of [`Evaluation::terms`], in their order: `style/relu1_1`, …, `content/relu4_2`.
    fn term_names(&self) -> &[String];

    /// Evaluates the loss at `image` and writes its gradient.
    ///
    /// `image` is a picture in the network's convention, flattened from `[1, 3, height, width]`: BGR, 0 to 255,
    /// the mean subtracted. `gradient` has the same length and order; its unit is loss per grey level.
    ///
    /// # Errors
    /// Whatever the computation failed with. A loss that is not a number is not an error here.
    fn evaluate(&mut self, image: &[f32], gradient: &mut [f32]) -> Result<Evaluation, ObjectiveError>;
}
