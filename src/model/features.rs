//! The features graph: from the style and content images to the targets of the loss.

use ndarray::{Array4, ArrayD, ArrayView4};
use ort::session::{Session, SessionOutputs};
use ort::value::{DynValue, Tensor, TensorRef};

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

/// A session of the features graph; it takes pictures of any size.
pub struct FeatureSession<'a> {
    contract: &'a Contract,
    session: Session,
    padding: Padding,
}

impl Graphs {
    /// Builds the session that computes targets.
    ///
    /// # Errors
    /// The session cannot be built.
    pub fn features(&self, engine: &Engine) -> Result<FeatureSession<'_>, ModelError> {
        let (contract, kernels) = self.choose(engine, Kind::Features);
        let session = session::build(engine, (contract, kernels), None)?;
        Ok(FeatureSession {
            contract,
            session,
            padding: self.padding,
        })
    }
}

impl Targets {
    /// The content weight, for a style weight of 1, at which nothing at all would be as far from the content as from the
    /// style: the sum over the style layers of the mean square of the Gram matrix over C², for C channels, by the mean
    /// over the content layers of the mean square of the features.
    ///
    /// It is 1 where one of them is 0.
    pub fn balance(&self) -> f64 {
        let style = self.grams.iter();
        let style: f64 = style
            .map(|(_, gram)| mean_square(gram) / channels(gram).powi(2))
            .sum();
        let content = self.contents.iter();
        let content: f64 = content.map(|(_, features)| mean_square(features)).sum();
        let balance = style * self.contents.len() as f64 / content;
        if balance.is_normal() { balance } else { 1.0 }
    }
}

/// The channels C of a Gram matrix `[C, C]`.
pub(super) fn channels(gram: &DynValue) -> f64 {
    gram.shape().first().copied().unwrap_or(1) as f64
}

/// The mean square of a tensor of f32, 0 of anything else.
fn mean_square(value: &DynValue) -> f64 {
    let Ok((_, values)) = value.try_extract_tensor::<f32>() else {
        return 0.0;
    };
    let squares = values.iter().map(|&value| f64::from(value).powi(2));
    squares.sum::<f64>() / values.len() as f64
}

impl FeatureSession<'_> {
    /// Computes the targets: the features of `content`, and the Gram matrices of `styles`, blended.
    ///
    /// All are images in the network's convention ([`to_tensor`](crate::tensor::to_tensor)), f32
    /// `[1, 3, height, width]`, each of its own size. A style image comes with the share that its Gram matrices have in
    /// the sum; the shares add up to 1.
    ///
    /// # Errors
    /// The session fails.
    pub fn targets(
        &mut self,
        content: ArrayView4<'_, f32>,
        styles: &[(ArrayView4<'_, f32>, f64)],
    ) -> Result<Targets, ModelError> {
        let (_, _, height, width) = content.dim();
        let contents = names("content", &self.contract.content_layers);
        Ok(Targets {
            grams: self.grams(styles)?,
            contents: self.run(content, &contents)?,
            size: (width as u32, height as u32),
        })
    }

    /// The blended Gram matrices by name.
    fn grams(
        &mut self,
        styles: &[(ArrayView4<'_, f32>, f64)],
    ) -> Result<Vec<(String, DynValue)>, ModelError> {
        let names = names("gram", &self.contract.style_layers);
        let parts = styles
            .iter()
            .map(|(style, share)| Ok((self.run(*style, &names)?, *share)))
            .collect::<Result<Vec<_>, ModelError>>()?;
        let blended = names.into_iter().enumerate().map(|(layer, name)| {
            let layers = parts.iter().map(|(grams, share)| (&grams[layer].1, *share));
            let blended = blend(layers).map_err(|cause| ModelError::run(&self.contract.path, cause))?;
            Ok((name, blended))
        });
        blended.collect()
    }

    /// Runs the graph on `image` and keeps the outputs in `wanted`.
    fn run(
        &mut self,
        image: ArrayView4<'_, f32>,
        wanted: &[String],
    ) -> Result<Vec<(String, DynValue)>, ModelError> {
        let contract = self.contract;
        let mut outputs = see(&mut self.session, contract, image, self.padding)?;
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
}

/// Runs a features graph on `image`, f32 `[1, 3, height, width]`.
pub(super) fn see<'s>(
    session: &'s mut Session,
    contract: &Contract,
    image: ArrayView4<'_, f32>,
    padding: Padding,
) -> Result<SessionOutputs<'s>, ModelError> {
    let failed = |cause| ModelError::run(&contract.path, cause);
    let image: Array4<f32> = image.as_standard_layout().into_owned();
    let input = TensorRef::from_array_view(&image).map_err(failed)?;
    let padding = padding.tensor().map_err(failed)?;
    let inputs = ort::inputs!["image" => input, "padding" => padding];
    session.run(inputs).map_err(failed)
}

/// The sum of matrices of one shape, each times its share; summed in double precision.
fn blend<'a>(parts: impl Iterator<Item = (&'a DynValue, f64)>) -> ort::Result<DynValue> {
    let mut sum: Option<ArrayD<f64>> = None;
    for (part, share) in parts {
        let part = part
            .try_extract_array::<f32>()?
            .mapv(|value| share * f64::from(value));
        sum = Some(match sum {
            Some(sum) => sum + part,
            None => part,
        });
    }
    let sum = sum.unwrap_or_default().mapv(|value| value as f32);
    Ok(Tensor::from_array(sum)?.into_dyn())
}

fn names(prefix: &str, layers: &[String]) -> Vec<String> {
    layers.iter().map(|layer| format!("{prefix}/{layer}")).collect()
}
