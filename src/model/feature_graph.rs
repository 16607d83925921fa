//! A graph `forward` by itself: what the network sees in a picture, for judging rather than for painting.

use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, Array4, ArrayView4};
use ort::value::DynValue;

use super::forward::{Means, View, see, wrong};
use super::metadata::{Kind, Operators};
use super::operators::{KernelSet, Kernels};
use super::reuse::Pictures;
use super::tiles::Window;
use super::{GraphMetadata, ModelError, Padding, session};
use crate::runtime::Engine;

/// The name of the graph with the held-out layers, `judge.forward.onnx`.
pub const JUDGE: &str = "judge";

/// A graph `forward` without a loss graph, its contract checked: `judge`, or that of any preset.
#[derive(Debug)]
pub struct FeatureGraph {
    portable: GraphMetadata,
    /// The graph of the program's own kernels with them, for the processor, if it is there and wanted.
    cpu: Option<(GraphMetadata, Arc<Kernels>)>,
}

/// What the network sees in a picture: one entry a layer, in network order, by the layer's name.
#[derive(Debug)]
pub struct Features {
    /// The Gram matrices of the style layers, `[C, C]`, of each region.
    pub grams: Vec<Vec<(String, Array2<f32>)>>,
    /// The activations of the content layers, `[1, C, h, w]`.
    pub contents: Vec<(String, Array4<f32>)>,
}

impl FeatureGraph {
    /// Opens `NAME.forward.onnx` in `folder`, to run on these kernels.
    ///
    /// # Errors
    /// The graph or its weights are missing, cut, changed, or of another contract.
    pub fn open(folder: &Path, name: &str, kernels: KernelSet) -> Result<FeatureGraph, ModelError> {
        let file = |operators: Operators| operators.file(folder, name, Kind::Forward);
        let portable = GraphMetadata::read(&file(Operators::Portable), Kind::Forward)?;
        let own = file(Operators::Cpu);
        let cpu = match Kernels::choose(kernels).filter(|_| own.exists()) {
            Some(kernels) => Some((portable.read_other(&own, Kind::Forward, Operators::Cpu)?, kernels)),
            None => None,
        };
        Ok(FeatureGraph { portable, cpu })
    }

    /// What the graph says of itself: its layers and the smallest picture.
    pub fn metadata(&self) -> &GraphMetadata {
        &self.portable
    }

    /// Computes the features of `image`, f32 `[1, 3, height, width]` in the network's convention
    /// ([`to_tensor`](crate::tensor::to_tensor)), seen with zeros around it, whole or in tiles with such
    /// windows. `guides` weigh the places of the style layers by region, f32 `[regions, 1, h, w]`; without them all is one.
    ///
    /// # Errors
    /// The session cannot be built or fails.
    pub fn run(
        &self,
        engine: &Engine,
        image: ArrayView4<'_, f32>,
        guides: Option<&[Array4<f32>]>,
        window: Window,
    ) -> Result<Features, ModelError> {
        let (metadata, kernels) = match self.cpu.as_ref().filter(|_| engine.is_cpu()) {
            Some((metadata, kernels)) => (metadata, Some(kernels)),
            None => (&self.portable, None),
        };
        let regions = guides.map_or(1, |guides| guides[0].dim().0);
        let mut session = session::build(engine, (metadata, kernels), Pictures::Any, regions)?;
        let view = View {
            image,
            padding: Padding::Zero,
            guides,
        };
        let seen = see(&mut session, metadata, view, window, true, &mut |_| {})?;
        let gram = |means: Means| (means.layer, means.gram.mapv(|value| value as f32));
        let grams = (0..regions).map(|region| seen.means(region).into_iter().map(gram).collect());
        let contents = metadata.content_layers.iter().zip(&seen.contents);
        let activation = |(layer, (name, value)): (&String, &(String, DynValue))| {
            let array = value.try_extract_array::<f32>().ok();
            let array = array.and_then(|array| array.into_dimensionality().ok());
            let array = array.ok_or_else(|| wrong(metadata, name, Some(value)))?;
            Ok((layer.clone(), array.into_owned()))
        };
        let contents = contents.map(activation).collect::<Result<_, ModelError>>()?;
        Ok(Features {
            grams: grams.collect(),
            contents,
        })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, Dimension};

    use super::*;
    use crate::runtime::{LibraryQuery, Request, Runtime};

    fn features(kernels: KernelSet, height: usize, width: usize) -> Result<Features, ModelError> {
        let runtime = Runtime::load(&LibraryQuery::default()).unwrap();
        let engine = Engine::start(&runtime, &Request::default(), 1).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        let graph = FeatureGraph::open(&folder, "judge", kernels).unwrap();
        assert_eq!(graph.metadata().min_size, 16);
        let image = Array4::from_shape_fn((1, 3, height, width), |(_, channel, y, x)| {
            ((x * 37 + y * 101 + channel * 53) % 251) as f32 - 120.0
        });
        graph.run(&engine, image.view(), None, Window::WHOLE)
    }

    fn error<D: Dimension>(found: &Array<f32, D>, expected: &Array<f32, D>) -> f32 {
        let norm = |array: &Array<f32, D>| array.iter().map(|value| value * value).sum::<f32>().sqrt();
        norm(&(found - expected)) / norm(expected)
    }

    #[test]
    fn the_judge_sees_layers_that_no_objective_looks_at_alike_on_all_kernels() {
        let [own, reference] =
            [KernelSet::Auto, KernelSet::OnnxRuntime].map(|kernels| features(kernels, 21, 34).unwrap());
        let names: Vec<&str> = own.grams[0].iter().map(|(layer, _)| layer.as_str()).collect();
        assert_eq!(
            names,
            [
                "relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_3", "relu4_1", "relu4_3",
                "relu5_1"
            ]
        );
        for ((layer, own), (_, reference)) in own.grams[0].iter().zip(&reference.grams[0]) {
            assert!(error(own, reference) < 1e-5, "{layer}");
            assert!(error(&own.t().to_owned(), own) < 1e-6, "{layer}");
        }
        let [(layer, own)] = &own.contents[..] else {
            panic!("one content layer")
        };
        assert_eq!((layer.as_str(), own.dim()), ("relu4_2", (1, 32, 2, 4)));
        assert!(error(own, &reference.contents[0].1) < 1e-5);
    }

    #[test]
    fn a_picture_too_small_for_the_deepest_layer_is_an_error() {
        let message = features(KernelSet::Auto, 8, 8).unwrap_err().to_string();
        assert!(
            message.contains("judge") && message.contains("no pixels"),
            "{message}"
        );
    }

    #[test]
    fn a_judge_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = FeatureGraph::open(folder.path(), "judge", KernelSet::Auto).unwrap_err();
        assert!(
            error.to_string().contains("judge.forward.onnx is missing"),
            "{error}"
        );
    }
}
