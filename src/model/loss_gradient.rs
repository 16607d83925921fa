//! The loss graph: image, targets and weights to loss, terms and gradient.

use ort::memory::Allocator;
use ort::session::{IoBinding, Session};
use ort::value::{DynValue, Tensor};

use super::{Contract, Evaluation, Graphs, LossGradient, ModelError, ObjectiveError, Targets, session};
use crate::runtime::Runtime;

/// The weights of the style and content terms.
#[derive(Clone, Copy, Debug)]
pub struct Weights {
    /// The style weight W: the term of a layer with C channels is `W / C²` times the mean squared difference of
    /// the Gram matrices (Gatys et al. 2016, equations 4 and 5, with the weights of the authors' own code).
    pub style: f64,
    /// The factor of the mean squared difference of the content features.
    pub content: f64,
}

/// A session of the loss graph with its targets and weights bound; one run is one evaluation.
///
/// All inputs but the image are handed over once; loss, terms and gradient come back into the same buffers each time.
pub struct OnnxLossGradient {
    session: Session,
    binding: IoBinding,
    image: Tensor<f32>,
    contract: Contract,
    term_names: Vec<String>,
}

impl Graphs {
    /// Builds the loss for images of the size of the targets' content image.
    ///
    /// # Errors
    /// The session cannot be built, or the targets do not fit it.
    pub fn loss_gradient(
        &self,
        runtime: &Runtime,
        threads: usize,
        targets: &Targets,
        weights: Weights,
    ) -> Result<OnnxLossGradient, ModelError> {
        let contract = self.loss_gradient.clone();
        let session = session::build(runtime, threads, &contract, Some(targets.size))?;
        let bound = bind(&session, targets, weights);
        let (binding, image) = bound.map_err(|source| ModelError::Session {
            path: contract.path.clone(),
            source,
        })?;
        let term_names = contract.term_names();
        Ok(OnnxLossGradient {
            session,
            binding,
            image,
            contract,
            term_names,
        })
    }
}

/// Binds all inputs but the image, and all outputs.
fn bind(session: &Session, targets: &Targets, weights: Weights) -> ort::Result<(IoBinding, Tensor<f32>)> {
    let mut binding = session.create_binding()?;
    for (name, value) in targets.grams.iter().chain(&targets.contents) {
        binding.bind_input(name, value)?;
    }
    let style: Vec<f32> = targets
        .grams
        .iter()
        .map(|(_, gram)| (weights.style / channels(gram).powi(2)) as f32)
        .collect();
    let content = vec![weights.content as f32; targets.contents.len()];
    let (style_layers, content_layers) = (style.len(), content.len());
    binding.bind_input("style_weight", &Tensor::from_array(([style_layers], style))?)?;
    binding.bind_input(
        "content_weight",
        &Tensor::from_array(([content_layers], content))?,
    )?;

    let (width, height) = targets.size;
    let image_shape = [1, 3, height as usize, width as usize];
    let allocator = Allocator::default();
    binding.bind_output("gradient", Tensor::<f32>::new(&allocator, image_shape)?)?;
    binding.bind_output("loss", Tensor::<f32>::new(&allocator, [0_usize; 0])?)?;
    binding.bind_output("style_losses", Tensor::<f32>::new(&allocator, [style_layers])?)?;
    binding.bind_output(
        "content_losses",
        Tensor::<f32>::new(&allocator, [content_layers])?,
    )?;
    Ok((binding, Tensor::<f32>::new(&allocator, image_shape)?))
}

/// The channels C of a Gram matrix `[C, C]`.
fn channels(gram: &DynValue) -> f64 {
    gram.shape().first().copied().unwrap_or(1) as f64
}

impl OnnxLossGradient {
    fn run(&mut self, image: &[f32], gradient: &mut [f32]) -> ort::Result<Vec<f64>> {
        self.image.extract_tensor_mut().1.copy_from_slice(image);
        self.binding.bind_input("image", &self.image)?;
        let outputs = self.session.run_binding(&self.binding)?;
        gradient.copy_from_slice(outputs["gradient"].try_extract_tensor::<f32>()?.1);
        let style = outputs["style_losses"].try_extract_tensor::<f32>()?.1;
        let content = outputs["content_losses"].try_extract_tensor::<f32>()?.1;
        Ok(style.iter().chain(content).map(|&term| f64::from(term)).collect())
    }
}

impl LossGradient for OnnxLossGradient {
    fn term_names(&self) -> &[String] {
        &self.term_names
    }

    fn evaluate(&mut self, image: &[f32], gradient: &mut [f32]) -> Result<Evaluation, ObjectiveError> {
        let terms = self.run(image, gradient).map_err(|source| ModelError::Run {
            path: self.contract.path.clone(),
            source,
        })?;
        // Summed here in double precision: the optimiser compares losses that differ in their last digits.
        Ok(Evaluation {
            loss: terms.iter().sum(),
            terms,
        })
    }
}
