//! The ONNX graphs, and the one trait through which the rest of the program evaluates them. No loss is defined in Rust: the
//! exporter has them, in `scripts/exporter/losses`.
//!
//! [`Graphs`] finds a preset's graphs and checks them; [`FeatureSession::targets`] runs `forward` on the style and content
//! images, and `targets` on what the style is; [`Graphs::loss_gradient`] binds those targets to the loss graph once, after which
//! every evaluation is one run. [`FeatureGraph`] looks at pictures without a loss. Nothing outside this module runs a
//! session.

mod feature_graph;
mod features;
mod forward;
mod graphs;
mod guides;
mod layers;
mod loss_gradient;
pub mod metadata;
mod operators;
mod reuse;
mod seamless;
mod session;
mod temporal;
mod tiled;
mod tiles;
mod weights;

use std::error::Error as StdError;
use std::path::{Path, PathBuf};

pub use feature_graph::{FeatureGraph, Features, JUDGE};
pub use features::{FeatureSession, StyleImage, Targets};
pub(crate) use graphs::check_size;
pub use graphs::{GraphFile, GraphOptions, Graphs, USUAL_STYLE_LOSS, default_folder, list_graphs};
pub use guides::{ContentGuide, Guides};
pub(crate) use layers::{layer_size, reach};
pub use loss_gradient::OnnxLossGradient;
pub use metadata::GraphMetadata;
pub use operators::{KernelSet, UnusableKernels};
pub(crate) use temporal::TEMPORAL;
pub use temporal::TemporalGraph;
pub use tiled::TiledLossGradient;
pub use tiles::Window;
pub use weights::{LayerFactors, NoLayerFactors, Weights};

use ort::value::Tensor;
use serde::{Deserialize, Serialize};

use crate::files::{InputError, shown};
use crate::runtime::EngineError;

/// What the first convolution sees around a picture; the others see zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Padding {
    /// Zeros, which are the mean colour, as the network was trained.
    #[default]
    Zero,
    /// The picture's edge, repeated.
    Replicate,
}

impl Padding {
    /// As the graphs take it.
    fn tensor(self) -> ort::Result<Tensor<f32>> {
        loss_gradient::scalar(match self {
            Padding::Zero => 0.0,
            Padding::Replicate => 1.0,
        })
    }
}

/// The loss at one image, and the weighted terms it is the sum of.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The total loss: the sum of all terms.
    pub loss: f64,
    /// The weighted terms in the graph's order: the style layers', the content layers', the total variation, with a last
    /// frame the temporal term.
    pub terms: Vec<f64>,
}

/// A boxed error of an objective: a session's failure, or whatever a fake in a test returns.
pub type ObjectiveError = Box<dyn StdError + Send + Sync + 'static>;

/// Is told how much of an evaluation is done, from 0 to 1.
pub type Advance<'a> = &'a mut dyn FnMut(f64);

/// Computes a loss and its gradient with respect to the image.
///
/// ONNX Runtime sits behind this trait, so that the optimiser can be tested on functions whose minimum is known.
pub trait LossGradient {
    /// The names of [`Evaluation::terms`], in their order: `style/relu1_1`, …, `content/relu4_2`, `tv`; with a last frame
    /// `temporal`.
    fn term_names(&self) -> &[String];

    /// Evaluates the loss at `image` and writes its gradient.
    ///
    /// `image` is a picture in the network's convention, flattened from `[1, 3, height, width]`: BGR, 0 to 255,
    /// the mean subtracted. `gradient` has the same length and order; its unit is loss per grey level.
    ///
    /// Where the computation has parts, `advance` is told of each.
    ///
    /// # Errors
    /// Whatever the computation failed with. A loss that is not a number is not an error here.
    fn evaluate(
        &mut self,
        image: &[f32],
        gradient: &mut [f32],
        advance: Advance<'_>,
    ) -> Result<Evaluation, ObjectiveError>;
}

/// What can go wrong with a graph, its weights or its session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No folder with graphs.
    #[error("no graphs found (looked for {preset}.loss_grad.onnx {searched}); run `make setup`")]
    NoGraphs {
        /// The graph that was looked for.
        preset: String,
        /// The places, in words.
        searched: &'static str,
    },
    /// The folder has no graph of that preset.
    #[error("no graph {preset:?} in {folder}; there are: {available}", folder = shown(folder))]
    UnknownPreset {
        /// The preset, with its pooling.
        preset: String,
        /// The folder.
        folder: PathBuf,
        /// The presets there, comma separated.
        available: String,
    },
    /// The folder has no graphs of that style loss.
    #[error(
        "no graphs of the style loss {style_loss:?} for {preset} in {folder}; there are: {available}; scripts/export_onnx.py makes others",
        folder = shown(folder)
    )]
    UnknownStyleLoss {
        /// The style loss.
        style_loss: String,
        /// The preset, with its pooling.
        preset: String,
        /// The folder.
        folder: PathBuf,
        /// The style losses there, comma separated.
        available: String,
    },
    /// A file of a graph does not exist.
    #[error("{path} is missing; export the graphs again with `make setup`", path = shown(path))]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file of a graph cannot be read.
    #[error(transparent)]
    Unreadable(InputError),
    /// The file is no ONNX model, or a cut one.
    #[error(
        "{path} is not an ONNX graph, or only a part of one; export the graphs again with `make setup`",
        path = shown(path)
    )]
    NotAGraph {
        /// The file.
        path: PathBuf,
    },
    /// The graph was not made by this project's exporter.
    #[error(
        "{path} does not say its impasto.{key}: it was not written by scripts/export_onnx.py, or is cut; export the graphs again with `make setup`",
        path = shown(path)
    )]
    NoMetadata {
        /// The file.
        path: PathBuf,
        /// The missing metadata key.
        key: &'static str,
    },
    /// The graph has another contract than this program.
    #[error(
        "{path}: impasto.{key} is {found:?}, but this program needs {expected:?}; export the graphs again with `make setup`, or `make graphs` if they are your own",
        path = shown(path)
    )]
    WrongContract {
        /// The file.
        path: PathBuf,
        /// The metadata key that differs.
        key: &'static str,
        /// Its value.
        found: String,
        /// The value that would have been understood.
        expected: String,
    },
    /// The weights file is not the one the graph was exported with.
    #[error(
        "{path} is not the weights file that {graph} was exported with (sha256 {found}, expected {expected}); export the graphs again with `make setup`",
        path = shown(path), graph = shown(graph)
    )]
    WeightsChanged {
        /// The weights file.
        path: PathBuf,
        /// The graph.
        graph: PathBuf,
        /// The sha256 found.
        found: String,
        /// The sha256 that the graph names.
        expected: String,
    },
    /// Two graphs of a preset do not belong together.
    #[error(
        "{one} and {other} were not exported together; export the graphs again with `make setup`",
        one = shown(one), other = shown(other)
    )]
    Mismatch {
        /// One.
        one: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// A picture is smaller than the deepest layer allows.
    #[error(
        "the {what} is {width}x{height} pixels, but the graph {graph} needs at least {min_size} on each side"
    )]
    TooSmall {
        /// `painted picture`, `style image`, …
        what: &'static str,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
        /// The preset.
        graph: String,
        /// The smallest side.
        min_size: u32,
        /// What makes it larger.
        remedy: Enlarge,
    },
    /// A weight is given for a layer that the graph's loss does not look at.
    #[error("there is no {kind} layer {layer} in the graph {graph}; there are: {layers}")]
    UnknownLayer {
        /// `style` or `content`.
        kind: &'static str,
        /// The layer.
        layer: String,
        /// The preset.
        graph: String,
        /// The layers of that kind, comma separated.
        layers: String,
    },
    /// All weights are 0.
    #[error(
        "the weights of all layers are 0, so there is nothing to paint; give at least one layer a weight"
    )]
    NoWeight,
    /// The provider cannot build sessions.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// ONNX Runtime would not build a session of the graph.
    #[error("ONNX Runtime cannot load {path}: {cause}", path = shown(path))]
    Session {
        /// The graph.
        path: PathBuf,
        /// What ONNX Runtime said.
        cause: ort::Error,
    },
    /// ONNX Runtime failed while it ran the graph.
    #[error("ONNX Runtime failed while it ran {path}: {cause}", path = shown(path))]
    Run {
        /// The graph.
        path: PathBuf,
        /// What ONNX Runtime said.
        cause: ort::Error,
    },
    /// ONNX Runtime has no memory left, of the machine or of the provider's device.
    #[error("there is not enough memory for {path}")]
    OutOfMemory {
        /// The graph.
        path: PathBuf,
    },
    /// The graph gave an output of another shape than the contract says.
    #[error(
        "{path}: output {output} has shape {shape:?}, against the contract; export the graphs again with `make setup`",
        path = shown(path)
    )]
    WrongOutput {
        /// The graph.
        path: PathBuf,
        /// The output.
        output: String,
        /// The shape found.
        shape: Vec<i64>,
    },
}

/// What makes a picture as large as a graph needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enlarge {
    /// The size of the painted picture.
    Size,
    /// The style image's size.
    StyleSize,
    /// The painted picture's size; or fewer scales.
    SizeOrScales,
    /// The style image's size; or fewer scales.
    StyleSizeOrScales,
    /// A larger picture.
    Picture,
}

impl ModelError {
    /// What ONNX Runtime said when it was to build a session of the graph.
    fn session(path: &Path, cause: ort::Error) -> ModelError {
        let path = path.to_path_buf();
        match speaks_of_memory(cause.message()) {
            true => ModelError::OutOfMemory { path },
            false => ModelError::Session { path, cause },
        }
    }

    /// What ONNX Runtime said while it ran the graph.
    fn run(path: &Path, cause: ort::Error) -> ModelError {
        let path = path.to_path_buf();
        match speaks_of_memory(cause.message()) {
            true => ModelError::OutOfMemory { path },
            false => ModelError::Run { path, cause },
        }
    }
}

/// Whether an error says that memory was refused: in the words of ONNX Runtime's arena, of C++, of the devices' makers.
fn speaks_of_memory(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let words = [
        "failed to allocate",
        "bad allocation",
        "bad_alloc",
        "out of memory",
        "out_of_memory",
        "alloc_failed",
        "available memory",
        "cannot allocate memory",
    ];
    words.iter().any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{LibraryQuery, Runtime};

    #[test]
    fn memory_that_is_refused_is_told_as_such() {
        // ONNX Runtime makes its errors itself.
        Runtime::load(&LibraryQuery::default()).unwrap();
        for message in [
            "bfc_arena.cc:371 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, Stream*): Failed to allocate memory for requested buffer of size 15728640000",
            "std::bad_alloc",
            "Exception during initialization: bad allocation",
            "CUDA failure 2: out of memory ; GPU=0",
            "pthread_create failed, error code: 12 error msg: Cannot allocate memory",
            "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
        ] {
            let error = ModelError::run(Path::new("a.onnx"), ort::Error::new(message)).to_string();
            assert!(
                error.contains("not enough memory") && !error.contains("arena"),
                "{error}"
            );
        }
        let other = ModelError::session(Path::new("a.onnx"), ort::Error::new("no such operator"));
        assert!(other.to_string().contains("no such operator"));
    }
}
