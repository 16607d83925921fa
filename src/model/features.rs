//! From the style and content images to the targets of the loss.

use ndarray::{Array1, Array4, ArrayD, ArrayView4, Axis, concatenate};
use ort::session::SessionInputValue;
use ort::value::{DynValue, Tensor};

use super::forward::{Means, Seen, Sums, View, see};
use super::layers::layer_size;
use super::metadata::{Kind, Term};
use super::reuse::{Held, Pictures, Reuse};
use super::seamless::{with_margins, with_opposite_ends};
use super::tiles::Window;
use super::{GraphMetadata, Graphs, Guides, ModelError, Padding, session};
use crate::runtime::Engine;

/// What the painted image is compared with: inputs of the loss graph by name.
#[derive(Debug)]
pub struct Targets {
    /// `target/LAYER/NAME`, of the styles, by region.
    pub(super) styles: Vec<(String, DynValue)>,
    /// `content/LAYER`, f32 `[1, C, h, w]`, of the content image: one per content layer, in order.
    pub(super) contents: Vec<(String, DynValue)>,
    /// The sum over the style layers of the mean square of the Gram matrix over C², for C channels.
    style_square: f64,
    /// The width and height in pixels of what the network looks at: the content image, and its margins.
    pub(super) size: (u32, u32),
    /// The margins around a seamless picture in pixels, across and down; else 0.
    pub(super) margins: (u32, u32),
    /// The guides of the regions; none: all of the picture is one.
    pub(super) guides: Option<Guides>,
}

/// A style image of a region.
#[derive(Clone, Copy, Debug)]
pub struct StyleImage<'a> {
    /// f32 `[1, 3, height, width]` in the network's convention ([`to_tensor`](crate::tensor::to_tensor)).
    pub image: ArrayView4<'a, f32>,
    /// The share that its Gram matrices and means have in the region's; the shares of a region add up to 1.
    pub share: f64,
    /// The weights of the places of each style layer, f32 `[1, 1, h, w]`; none: 1 everywhere.
    pub guides: Option<&'a [Array4<f32>]>,
}

/// The sessions that compute targets; they take pictures of any size.
pub struct FeatureSession<'a> {
    forward: (&'a GraphMetadata, Held),
    targets: (&'a GraphMetadata, Held),
    reuse: &'a Reuse,
    padding: Padding,
    /// The margins around a seamless picture in pixels, across and down; else 0.
    margins: (u32, u32),
    /// The windows of the tiles that pictures are seen in.
    window: Window,
    /// Whether the content is looked at.
    sees_content: bool,
}

impl Graphs {
    /// Builds the sessions that compute targets.
    ///
    /// # Errors
    /// A session cannot be built.
    pub fn features(&self, engine: &Engine) -> Result<FeatureSession<'_>, ModelError> {
        let build = |kind: Kind| {
            let (metadata, kernels) = self.choose(engine, kind);
            let session = session::take(engine, &self.reuse, (metadata, kernels), Pictures::Any, 1)?;
            Ok::<_, ModelError>((metadata, session))
        };
        Ok(FeatureSession {
            forward: build(Kind::Forward)?,
            targets: build(Kind::Targets)?,
            reuse: &self.reuse,
            padding: self.padding,
            margins: self.margins(),
            window: Window::WHOLE,
            sees_content: true,
        })
    }
}

impl Targets {
    /// How many regions there are: 1 without guides.
    pub(super) fn regions(&self) -> usize {
        self.guides.as_ref().map_or(1, Guides::regions)
    }

    /// The weights of the places of a term, f32 `[regions, 1, h, w]`; none: 1 everywhere.
    pub(super) fn guide(&self, term: &Term) -> Option<&Array4<f32>> {
        self.guides.as_ref()?.of(term)
    }

    /// The content weight, for a style weight of 1 and Gram matrices, at which the content and the style loss of
    /// features that are all zero are equal: the sum over the style layers of the mean square of the Gram matrix over C², for C
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
    /// From now on pictures are seen in tiles with such windows; at first they are seen whole.
    pub fn see_in_tiles(&mut self, window: Window) {
        self.window = window;
    }

    /// Says whether the content counts; if not, it is not looked at, and the targets are zeros in its place.
    pub fn see_content(&mut self, sees: bool) {
        self.sees_content = sees;
    }

    /// Computes the targets: the features of `content`, and what the style loss compares with, of `styles`, blended.
    ///
    /// All are images in the network's convention ([`to_tensor`](crate::tensor::to_tensor)), f32
    /// `[1, 3, height, width]`, each of its own size. A style image comes with the share that its Gram matrices and
    /// means have in the sum; the shares add up to 1.
    ///
    /// # Errors
    /// A session fails.
    pub fn targets(
        &mut self,
        content: ArrayView4<'_, f32>,
        styles: &[(ArrayView4<'_, f32>, f64)],
    ) -> Result<Targets, ModelError> {
        let styles = styles.iter().map(|&(image, share)| StyleImage {
            image,
            share,
            guides: None,
        });
        self.region_targets(content, &[styles.collect()], None)
    }

    /// The targets of several regions, each with its styles; `guides` say where they are in `content`.
    ///
    /// # Errors
    /// A session fails.
    pub fn region_targets(
        &mut self,
        content: ArrayView4<'_, f32>,
        regions: &[Vec<StyleImage<'_>>],
        guides: Option<Guides>,
    ) -> Result<Targets, ModelError> {
        let (_, _, height, width) = content.dim();
        let own = (width as u32, height as u32);
        let (size, margins) = (with_margins(own, self.margins), self.margins);
        let graph = self.forward.0;
        let guides = match margins {
            (0, 0) => guides,
            margins => Some(Guides::of_middle(guides, graph, own, margins)),
        };
        let means = regions
            .iter()
            .map(|styles| self.blended(styles))
            .collect::<Result<Vec<_>, _>>()?;
        let contents = self.contents(content, size)?;
        let targets = means.iter().map(|means| self.style_targets(means));
        let targets = targets.collect::<Result<Vec<_>, _>>()?;
        let failed = |cause| ModelError::run(&self.targets.0.path, cause);
        Ok(Targets {
            style_square: style_square(&means, guides.as_ref()),
            styles: stacked(targets).map_err(failed)?,
            contents,
            size,
            margins,
            guides,
        })
    }

    /// The features of the content, with its margins of this `size`.
    fn contents(
        &mut self,
        content: ArrayView4<'_, f32>,
        size: (u32, u32),
    ) -> Result<Vec<(String, DynValue)>, ModelError> {
        let graph = self.forward.0;
        if self.sees_content {
            let seen = with_opposite_ends(content, self.margins);
            return Ok(self.see(seen.view(), None, true)?.contents);
        }
        // As many channels as there are of the smallest picture.
        let side = graph.min_size as usize;
        let smallest = Array4::zeros((1, 3, side, side));
        let seen = self.see(smallest.view(), None, true)?.contents;
        let zeros = |(layer, (name, value)): (&String, (String, DynValue))| {
            let (width, height) = layer_size(layer, size);
            let shape = [1, value.shape()[1] as usize, height as usize, width as usize];
            let zeros = Tensor::from_array(Array4::<f32>::zeros(shape))?;
            Ok((name, zeros.into_dyn()))
        };
        let zeros: ort::Result<_> = graph.content_layers.iter().zip(seen).map(zeros).collect();
        zeros.map_err(|cause| ModelError::run(&graph.path, cause))
    }

    /// The means of a region's styles, each with its share.
    fn blended(&mut self, styles: &[StyleImage<'_>]) -> Result<Vec<Means>, ModelError> {
        let parts = styles.iter().map(|style| {
            let (reuse, window) = (self.reuse, self.window);
            let see = || {
                self.see(style.image, style.guides, false)
                    .map(|seen| seen.means(0))
            };
            Ok((reuse.means(style, window, see)?, style.share))
        });
        Ok(Means::blended(&parts.collect::<Result<Vec<_>, ModelError>>()?))
    }

    fn see(
        &mut self,
        image: ArrayView4<'_, f32>,
        guides: Option<&[Array4<f32>]>,
        wanted: bool,
    ) -> Result<Seen, ModelError> {
        let (metadata, session) = &mut self.forward;
        let view = View {
            image,
            padding: self.padding,
            guides,
        };
        see(session, metadata, view, self.window, wanted, &mut |_| {})
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
            products: gram.clone().insert_axis(Axis(0)),
            sums: mean.clone().insert_axis(Axis(0)),
            count: Array1::ones(1),
        };
        inputs.extend(sums.inputs()?);
    }
    Ok(inputs)
}

/// The targets of all regions, along the first axis.
fn stacked(mut regions: Vec<Vec<(String, DynValue)>>) -> ort::Result<Vec<(String, DynValue)>> {
    if regions.len() == 1 {
        return Ok(regions.remove(0));
    }
    let names = regions[0].iter().map(|(name, _)| name.clone()).enumerate();
    let stack = |(index, name): (usize, String)| {
        let parts = regions
            .iter()
            .map(|targets| targets[index].1.try_extract_array::<f32>());
        let parts = parts.collect::<ort::Result<Vec<_>>>()?;
        let whole: ArrayD<f32> =
            concatenate(Axis(0), &parts).map_err(|error| ort::Error::new(error.to_string()))?;
        Ok((name, Tensor::from_array(whole)?.into_dyn()))
    };
    names.map(stack).collect()
}

/// See [`Targets::balance`]; regions count by their factors.
fn style_square(regions: &[Vec<Means>], guides: Option<&Guides>) -> f64 {
    let square = |means: &Means| {
        let mean = means.gram.mapv(|value| value * value).mean().unwrap_or(0.0);
        mean / (means.mean.len() as f64).powi(2)
    };
    let Some(guides) = guides else {
        return regions[0].iter().map(square).sum();
    };
    let layers = 0..regions[0].len();
    let of_layer = layers.map(|layer| {
        let factors = || guides.factors.iter().map(|factors| factors[layer]);
        let total: f64 = factors().sum();
        let squares = regions
            .iter()
            .zip(factors())
            .map(|(means, factor)| factor * square(&means[layer]));
        if total > 0.0 {
            squares.sum::<f64>() / total
        } else {
            0.0
        }
    });
    of_layer.sum()
}
