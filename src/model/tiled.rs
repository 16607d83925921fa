//! The loss tile by tile, for pictures that have no room in one run: every tile forward, the head once on the sums, every
//! tile forward and backward. It is the same loss.

use std::collections::HashMap;

use ndarray::{ArrayView4, ArrayViewMut4, s};
use ort::session::SessionInputValue;
use ort::value::{DynValue, Tensor, TensorRef};

use super::forward::{Sums, View, see};
use super::layers::layer_size;
use super::loss_gradient::{TermWeights, over_regions};
use super::metadata::{Kind, Term, TermKind};
use super::reuse::{Held, Pictures};
use super::tiles::{Tile, Tiling, Window};
use super::{
    Advance, Evaluation, GraphMetadata, Graphs, LossGradient, ModelError, ObjectiveError, Padding, Targets,
    Weights, session,
};
use crate::runtime::{Engine, Placement};

/// The part of an evaluation's time that the first look at the tiles takes.
const FORWARD: f64 = 1.0 / 3.0;

/// The sessions of `forward`, `head` and `backward` with their targets and weights.
pub struct TiledLossGradient<'a> {
    targets: &'a Targets,
    tiling: Tiling,
    window: Window,
    forward: (&'a GraphMetadata, Held),
    head: (&'a GraphMetadata, Held),
    backward: (&'a GraphMetadata, Held),
    padding: Padding,
    terms: &'a [Term],
    /// The weights of the style terms, and of the other terms.
    weights: [Vec<TermWeights>; 2],
    /// The sums over the whole picture of the guides of the content terms, in the order of the targets.
    content_counts: Vec<f32>,
    term_names: Vec<String>,
    placement: Option<Placement>,
}

impl Graphs {
    /// The tiles of a picture of `size` (width, height in pixels) with such windows: how many, and their width and height.
    pub fn tiles(&self, size: (u32, u32), window: Window) -> (usize, (u32, u32)) {
        let tiling = self.forward.tiling(size, window);
        (tiling.tiles.len(), tiling.tile)
    }

    /// Builds the loss for images of the size of the targets' content image, to be computed in tiles with such windows;
    /// none where the whole picture is one tile.
    ///
    /// # Errors
    /// A session cannot be built.
    pub fn tiled_loss_gradient<'a>(
        &'a self,
        engine: &Engine,
        targets: &'a Targets,
        weights: &Weights,
        window: Window,
    ) -> Result<Option<TiledLossGradient<'a>>, ModelError> {
        let tiling = self.forward.tiling(targets.size, window);
        if tiling.is_whole() {
            return Ok(None);
        }
        let (head, backward) = self.in_tiles(engine)?;
        let (forward, kernels) = self.choose(engine, Kind::Forward);
        let (pictures, regions) = (Pictures::Tiles(tiling.tile), targets.regions());
        let take = |graph, pictures| session::take(engine, &self.reuse, graph, pictures, regions);
        let of_tiles = |metadata| take((metadata, kernels), pictures);
        let terms = &self.loss_gradient.terms[..];
        let weights = TermWeights::of(terms, weights, targets.guides.as_ref()).into_iter();
        let (of_style, of_others) = weights.partition(|weights| weights.kind == TermKind::Style);
        let backward = (backward, of_tiles(backward)?);
        let placement = engine.placement(&backward.1);
        Ok(Some(TiledLossGradient {
            targets,
            forward: (forward, of_tiles(forward)?),
            head: (head, take((head, None), Pictures::Any)?),
            backward,
            tiling,
            window,
            padding: self.padding,
            terms,
            weights: [of_style, of_others],
            content_counts: content_counts(targets, terms),
            term_names: terms.iter().map(|term| term.name.clone()).collect(),
            placement,
        }))
    }
}

type Inputs<'v> = Vec<(String, SessionInputValue<'v>)>;

impl TiledLossGradient<'_> {
    /// Where the nodes of `backward` run, when not all of them on the processor.
    pub fn placement(&self) -> Option<&Placement> {
        self.placement.as_ref()
    }

    /// The style terms, and what they inject, of these sums.
    fn head(&mut self, sums: &[Sums]) -> ort::Result<HashMap<String, DynValue>> {
        let mut inputs: Inputs<'_> = Vec::new();
        for sums in sums {
            inputs.extend(sums.inputs()?);
        }
        for (name, value) in &self.targets.styles {
            inputs.push((name.clone(), value.view().into()));
        }
        for weights in &self.weights[0] {
            inputs.push((weights.input.clone(), weights.tensor()?.into()));
        }
        let outputs = self.head.1.run(inputs)?;
        Ok(outputs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect())
    }

    /// Adds the gradient of a tile and its part of the terms that are not the style's.
    fn backward(
        &mut self,
        tile: &Tile,
        image: ArrayView4<'_, f32>,
        injected: &HashMap<String, DynValue>,
        gradient: &mut ArrayViewMut4<'_, f32>,
        values: &mut HashMap<String, Vec<f64>>,
    ) -> ort::Result<()> {
        let [rows, columns] = self.tiling.place(tile, None);
        let image = image.slice(s![.., .., rows.clone(), columns.clone()]);
        let image = image.as_standard_layout().into_owned();
        let mut inputs: Inputs<'_> = vec![
            ("image".to_owned(), TensorRef::from_array_view(&image)?.into()),
            ("padding".to_owned(), self.padding.tensor()?.into()),
        ];
        for term in self.terms {
            let whole = self.targets.guide(term);
            let guide = self.tiling.guide(tile, term.layer.as_deref(), whole);
            inputs.push((format!("guide/{}", term.name), Tensor::from_array(guide)?.into()));
        }
        let is_injected = |name: &str| name.starts_with("matrix/") || name.starts_with("vector/");
        for (name, value) in injected.iter().filter(|(name, _)| is_injected(name)) {
            inputs.push((name.clone(), value.view().into()));
        }
        for ((name, value), &count) in self.targets.contents.iter().zip(&self.content_counts) {
            let layer = name.trim_start_matches("content/");
            let count = Tensor::from_array(([1], vec![count]))?;
            inputs.push((format!("count/{name}"), count.into()));
            let whole = value.try_extract_array::<f32>()?;
            let [rows, columns] = self.tiling.place(tile, Some(layer));
            let part = whole.slice(s![.., .., rows, columns]);
            let part = part.as_standard_layout().into_owned();
            inputs.push((name.clone(), Tensor::from_array(part)?.into()));
        }
        for weights in &self.weights[1] {
            inputs.push((weights.input.clone(), weights.tensor()?.into()));
        }
        let outputs = self.backward.1.run(inputs)?;
        let part = outputs["gradient"].try_extract_array::<f32>()?;
        let mut place = gradient.slice_mut(s![.., .., rows, columns]);
        place += &part;
        for weights in &self.weights[1] {
            let found = outputs[weights.output.as_str()].try_extract_tensor::<f32>()?.1;
            let sums = values
                .entry(weights.output.clone())
                .or_insert_with(|| vec![0.0; found.len()]);
            sums.iter_mut()
                .zip(found)
                .for_each(|(sum, value)| *sum += f64::from(*value));
        }
        Ok(())
    }

    fn run(
        &mut self,
        image: &[f32],
        gradient: &mut [f32],
        advance: Advance<'_>,
    ) -> Result<Vec<f64>, ModelError> {
        let (width, height) = self.targets.size;
        let shape = (1, 3, height as usize, width as usize);
        let fits = "the image has the size of the targets";
        let image = ArrayView4::from_shape(shape, image).expect(fits);
        gradient.fill(0.0);
        let mut gradient = ArrayViewMut4::from_shape(shape, gradient).expect(fits);
        let (metadata, session) = &mut self.forward;
        let view = View {
            image,
            padding: self.padding,
            guides: self.targets.guides.as_ref().map(|guides| &guides.style[..]),
        };
        let sums = see(session, metadata, view, self.window, false, &mut |part| {
            advance(FORWARD * part)
        })?
        .sums;
        let (of_head, of_backward) = (self.head.0, self.backward.0);
        let failed = |metadata: &GraphMetadata, cause| ModelError::run(&metadata.path, cause);
        let injected = self.head(&sums).map_err(|cause| failed(of_head, cause))?;
        let mut values = HashMap::new();
        for weights in &self.weights[0] {
            let found = injected[&weights.output].try_extract_tensor::<f32>();
            let found = found.map_err(|cause| failed(of_head, cause))?.1;
            let terms = weights.shape.last().copied().unwrap_or(1);
            values.insert(weights.output.clone(), over_regions(found, terms));
        }
        let tiles = self.tiling.tiles.clone();
        for (index, tile) in tiles.iter().enumerate() {
            self.backward(tile, image, &injected, &mut gradient, &mut values)
                .map_err(|cause| failed(of_backward, cause))?;
            advance(FORWARD + (1.0 - FORWARD) * (index + 1) as f64 / tiles.len() as f64);
        }
        Ok(self
            .terms
            .iter()
            .map(|term| values[&term.loss][term.index])
            .collect())
    }
}

fn content_counts(targets: &Targets, terms: &[Term]) -> Vec<f32> {
    let count = |(name, _): &(String, DynValue)| {
        let term = terms.iter().find(|term| term.name == *name);
        let count: f64 = match term.and_then(|term| targets.guide(term)) {
            Some(guide) => guide.iter().copied().map(f64::from).sum(),
            None => {
                let places = layer_size(name.trim_start_matches("content/"), targets.size);
                f64::from(places.0) * f64::from(places.1)
            }
        };
        count as f32
    };
    targets.contents.iter().map(count).collect()
}

impl LossGradient for TiledLossGradient<'_> {
    fn term_names(&self) -> &[String] {
        &self.term_names
    }

    fn evaluate(
        &mut self,
        image: &[f32],
        gradient: &mut [f32],
        advance: Advance<'_>,
    ) -> Result<Evaluation, ObjectiveError> {
        let terms = self.run(image, gradient, advance)?;
        Ok(Evaluation {
            loss: terms.iter().sum(),
            terms,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ndarray::Array4;

    use super::*;
    use crate::model::{GraphOptions, KernelSet};
    use crate::runtime::{LibraryQuery, Request, Runtime};

    fn noise(height: usize, width: usize, seed: usize) -> Array4<f32> {
        Array4::from_shape_fn((1, 3, height, width), |(_, channel, y, x)| {
            ((x * 37 + y * 101 + channel * 53 + seed * 17 + x * y % 7) % 251) as f32 - 120.0
        })
    }

    /// Loss, terms and gradient of a picture in tiles with such windows, and how many there are.
    fn evaluate(
        name: &str,
        loss: &str,
        kernels: KernelSet,
        padding: Padding,
        window: Window,
    ) -> (Vec<f64>, Vec<f32>, usize) {
        let runtime = Runtime::load(&LibraryQuery::default()).unwrap();
        let engine = Engine::start(&runtime, &Request::default(), 2).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        let options = GraphOptions {
            kernels,
            padding,
            style_loss: loss.to_owned(),
            ..GraphOptions::default()
        };
        let graphs = Graphs::open(&folder, name, &options).unwrap();
        let (content, image) = (noise(331, 299, 1), noise(331, 299, 3));
        let style = noise(260, 330, 2) * 0.5;
        let mut features = graphs.features(&engine).unwrap();
        features.see_in_tiles(window);
        let targets = features.targets(content.view(), &[(style.view(), 1.0)]).unwrap();
        drop(features);
        let weights = Weights::uniform(&graphs.loss_gradient, 1e3, 1.0, 1e-3);
        let image = image.into_raw_vec_and_offset().0;
        let mut gradient = vec![0.0; image.len()];
        let mut parts = Vec::new();
        let evaluation = match graphs
            .tiled_loss_gradient(&engine, &targets, &weights, window)
            .unwrap()
        {
            Some(mut tiled) => tiled.evaluate(&image, &mut gradient, &mut |part| parts.push(part)),
            None => graphs
                .loss_gradient(&engine, &targets, weights)
                .unwrap()
                .evaluate(&image, &mut gradient, &mut |_| {}),
        };
        let tiles = graphs.tiles((299, 331), window).0;
        if tiles > 1 {
            assert!(parts.is_sorted() && parts.len() == 2 * tiles, "{parts:?}");
            assert!((parts[parts.len() - 1] - 1.0).abs() < 1e-12, "{parts:?}");
        }
        (evaluation.unwrap().terms, gradient, tiles)
    }

    #[test]
    fn tiles_compute_what_the_whole_picture_does() {
        for (name, loss, kernels, padding, bound) in [
            ("gatys", "gram", KernelSet::Auto, Padding::Replicate, 1e-3),
            ("gatys", "moments", KernelSet::OnnxRuntime, Padding::Zero, 1e-3),
            ("gatys-avg", "gram", KernelSet::Auto, Padding::Zero, 1e-5),
        ] {
            let (whole, gradient, one) = evaluate(name, loss, kernels, padding, Window::WHOLE);
            let (terms, tiled, count) = evaluate(name, loss, kernels, padding, Window::square(64));
            assert_eq!((one, count), (1, 4), "{name}");
            for (term, whole) in terms.iter().zip(&whole) {
                assert!(
                    (term / whole - 1.0).abs() < 2e-6,
                    "{name} {loss}: {terms:?}, not {whole:?}"
                );
            }
            let square =
                |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>();
            let off = square(&mut tiled.iter().zip(&gradient).map(|(a, b)| a - b));
            let error = (off / square(&mut gradient.iter().copied())).sqrt();
            assert!(error < bound, "{name} {loss}: {error:e}");
        }
    }
}
