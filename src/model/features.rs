//! The features graph: from the style and content images to the targets of the loss.

use ndarray::{Array4, ArrayView4};
use ort::session::Session;
use ort::value::{DynValue, TensorRef};

use super::contract::Kind;
use super::{Contract, Graphs, ModelError, Padding, session};
use crate::runtime::Engine;

/// What the painted image is compared with: inputs of the loss graph by name.
#[derive(Debug)]
pub struct Targets {
    /// `gram/LAYER`, f32 `[C, C]` with C the layer's channels, of the style image: one per style layer, in order.
    pub(super) grams: Vec<(String, DynValue)>,
    /// `content/LAYER`, f32 `[1, C, h, w]`, of the content image: one per content layer, in order.
    pub(super) contents: Vec<(String, DynValue)>,
    /// The content image's width and height in pixels.
    pub(super) size: (u32, u32),
}

impl Graphs {
    /// Computes the targets: the Gram matrices of `style` and the features of `content`.
    ///
    /// Both are images in the network's convention ([`to_tensor`](crate::tensor::to_tensor)), f32
    /// `[1, 3, height, width]`, each of its own size.
    ///
    /// # Errors
    /// The session cannot be built or fails.
    pub fn targets(
        &self,
        engine: &Engine,
        content: ArrayView4<'_, f32>,
        style: ArrayView4<'_, f32>,
    ) -> Result<Targets, ModelError> {
        let (contract, kernels) = self.choose(engine, Kind::Features);
        let mut session = session::build(engine, (contract, kernels), None)?;
        let (_, _, height, width) = content.dim();
        Ok(Targets {
            grams: run(
                &mut session,
                contract,
                (style, self.padding),
                &names("gram", &contract.style_layers),
            )?,
            contents: run(
                &mut session,
                contract,
                (content, self.padding),
                &names("content", &contract.content_layers),
            )?,
            size: (width as u32, height as u32),
        })
    }
}

fn names(prefix: &str, layers: &[String]) -> Vec<String> {
    layers.iter().map(|layer| format!("{prefix}/{layer}")).collect()
}

/// Runs the features graph on `image` and keeps the outputs in `wanted`.
fn run(
    session: &mut Session,
    contract: &Contract,
    (image, padding): (ArrayView4<'_, f32>, Padding),
    wanted: &[String],
) -> Result<Vec<(String, DynValue)>, ModelError> {
    let failed = |source| ModelError::Run {
        path: contract.path.clone(),
        source,
    };
    let image: Array4<f32> = image.as_standard_layout().into_owned();
    let input = TensorRef::from_array_view(&image).map_err(failed)?;
    let padding = padding.tensor().map_err(failed)?;
    let inputs = ort::inputs!["image" => input, "padding" => padding];
    let mut outputs = session.run(inputs).map_err(failed)?;
    let mut take = |name: &String| {
        let value = outputs.remove(name).ok_or_else(|| ModelError::WrongOutput {
            path: contract.path.clone(),
            output: name.clone(),
            shape: Vec::new(),
        })?;
        Ok((name.clone(), value))
    };
    wanted.iter().map(&mut take).collect()
}
