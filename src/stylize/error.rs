//! The library's error: one type with a variant per stage, each of which names the thing and the remedy.

use super::Stylized;
use crate::config::ConfigError;
use crate::frames::FrameError;
use crate::memory::Bytes;
use crate::model::{ModelError, UnusableKernels};
use crate::optimize::OptimizeError;
use crate::picture::PictureError;
use crate::record::RecordError;
use crate::regions::MaskError;
use crate::runtime::{EngineError, RequestError, RuntimeError};

/// Whatever stops a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option that is out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A picture that cannot be read or written.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// A mask that cannot be used.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// An optical flow, or its mask, that cannot be used.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// ONNX Runtime that cannot be found or loaded.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A provider asked for things that it does not know.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Kernels that this machine cannot run.
    #[error(transparent)]
    Kernels(#[from] UnusableKernels),
    /// A provider that cannot run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A graph that cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A recorded run that cannot be repeated.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A picture that has no room in the memory that it may take.
    #[error(
        "{} of {}x{} pixels takes {} of memory at least, but may take {}",
        if *is_for_targets { "what the photo and the style images give a picture" } else { "a picture" },
        size.0, size.1, needed.rounded(), budget.rounded()
    )]
    Memory {
        /// The picture's width and height in pixels.
        size: (u32, u32),
        /// Whether the targets take the most, which come of the photo and the style images.
        is_for_targets: bool,
        /// What it takes in the smallest tiles, with the shortest history.
        needed: Bytes,
        /// What it may take.
        budget: Bytes,
        /// The largest size, in pixels as settings have it, that has room.
        largest: Option<u32>,
    },
    /// An optimisation that failed.
    #[error(transparent)]
    Optimize(#[from] OptimizeError),
    /// An optimisation that failed on its way.
    #[error("the run broke off after {} evaluations", best.outcome.evaluations)]
    Unfinished {
        /// The best picture until then.
        best: Box<Stylized>,
        /// Why.
        source: Box<Error>,
    },
}
