//! From the style and content images to the targets of the loss.

use ndarray::ArrayView4;
use ort::session::{Session, SessionInputValue};
use ort::value::DynValue;

use super::forward::{Means, Sums, see};
use super::metadata::Kind;
use super::session::Pictures;
use super::{GraphMetadata, Graphs, ModelError, Padding, session};
use crate::runtime::Engine;

/// What the painted image is compared with: inputs of the loss graph by name.
#[derive(Debug)]
pub struct Targets {
    /// `target/LAYER/NAME`, of the style image.
    pub(super) styles: Vec<(String, DynValue)>,
    /// `content/LAYER`, f32 `[1, C, h, w]`, of the content image: one per content layer, in order.
    pub(super) contents: Vec<(String, DynValue)>,
    /// The sum over the style layers of the mean square of the Gram matrix over C², for C channels.
    style_square: f64,
    /// The content image's width and height in pixels.
    pub(super) size: (u32, u32),
}

/// The sessions that compute targets; they take pictures of any size.
pub struct FeatureSession<'a> {
    forward: (&'a GraphMetadata, Session),
    targets: (&'a GraphMetadata, Session),
    padding: Padding,
}

impl Graphs {
    /// Builds the sessions that compute targets.
    ///
    /// # Errors
    /// A session cannot be built.
    pub fn features(&self, engine: &Engine) -> Result<FeatureSession<'_>, ModelError> {
        let build = |kind: Kind| {
            let (metadata, kernels) = self.choose(engine, kind);
            let session = session::build(engine, (metadata, kernels), Pictures::Any)?;
            Ok::<_, ModelError>((metadata, session))
        };
        Ok(FeatureSession {
            forward: build(Kind::Forward)?,
            targets: build(Kind::Targets)?,
            padding: self.padding,
        })
    }
}

impl Targets {
    /// The content weight, for a style weight of 1 and Gram matrices, at which nothing at all would be as far from the
    /// content as from the style: the sum over the style layers of the mean square of the Gram matrix over C², for C
    /// channels, by the mean over the content layers of the mean square of the features.
    ///
    /// It is 1 where one of them is 0.
    pub fn balance(&self) -> f64 {
        let content = self.contents.iter();
        let content: f64 = content.map(|(_, features)| mean_square(features)).sum();
        let balance = self.style_square * self.contents.len() as f64 / content;
        if balance.is_normal() { balance } else { 1.0 }
    }
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
    /// Computes the targets: the features of `content`, and what the style loss compares with, of `styles`, blended.
    ///
    /// All are images in the network's convention ([`to_tensor`](crate::tensor::to_tensor)), f32
    /// `[1, 3, height, width]`, each of its own size. A style image comes with the share that its Gram matrices and
    /// means have in the sum; the shares add up to 1. Pictures are seen in tiles whose windows have some `side` pixels; 0:
    /// whole.
    ///
    /// # Errors
    /// A session fails.
    pub fn targets(
        &mut self,
        content: ArrayView4<'_, f32>,
        styles: &[(ArrayView4<'_, f32>, f64)],
        side: u32,
    ) -> Result<Targets, ModelError> {
        let (_, _, height, width) = content.dim();
        let mut seen = |image, wanted| {
            see(
                &mut self.forward.1,
                self.forward.0,
                image,
                self.padding,
                side,
                wanted,
            )
        };
        let parts = styles
            .iter()
            .map(|(style, share)| Ok((seen(*style, false)?.means(), *share)))
            .collect::<Result<Vec<_>, ModelError>>()?;
        let contents = seen(content, true)?.contents;
        let means = Means::blended(&parts);
        let square = |means: &Means| means.gram.mapv(|value| value * value).mean().unwrap_or(0.0);
        let style_square = means
            .iter()
            .map(|means| square(means) / (means.mean.len() as f64).powi(2));
        Ok(Targets {
            style_square: style_square.sum(),
            styles: self.style_targets(&means)?,
            contents,
            size: (width as u32, height as u32),
        })
    }

    /// What the style loss makes of a style of these means.
    fn style_targets(&mut self, means: &[Means]) -> Result<Vec<(String, DynValue)>, ModelError> {
        let (metadata, session) = &mut self.targets;
        let failed = |cause| ModelError::run(&metadata.path, cause);
        let inputs = sums_of_one(means).map_err(failed)?;
        let outputs = session.run(inputs).map_err(failed)?;
        Ok(outputs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect())
    }
}

/// Sums over the places that have these means, as if there were one place.
fn sums_of_one(means: &[Means]) -> ort::Result<Vec<(String, SessionInputValue<'static>)>> {
    let mut inputs = Vec::new();
    for Means { layer, gram, mean } in means {
        let sums = Sums {
            layer: layer.clone(),
            products: gram.clone(),
            sums: mean.clone(),
            count: 1.0,
        };
        inputs.extend(sums.inputs()?);
    }
    Ok(inputs)
}
