//! Building ONNX Runtime sessions.

use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;

use super::{Contract, ModelError};
use crate::runtime::Runtime;

/// Builds a session of a graph.
///
/// With `size` (width, height in pixels) the graph's symbolic shape is fixed, so that ONNX Runtime folds shapes and
/// plans its memory; without, the session takes any size.
pub(super) fn build(
    runtime: &Runtime,
    threads: usize,
    contract: &Contract,
    size: Option<(u32, u32)>,
) -> Result<Session, ModelError> {
    try_build(runtime, threads, contract, size).map_err(|source| ModelError::Session {
        path: contract.path.clone(),
        source,
    })
}

fn try_build(
    runtime: &Runtime,
    threads: usize,
    contract: &Contract,
    size: Option<(u32, u32)>,
) -> ort::Result<Session> {
    let mut builder = Session::builder(runtime.environment())?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads)?
        // One block planned for all tensors took 1264 MB at 512x512; taken as they come, 824 MB.
        .with_memory_pattern(false)?;
    if let Some((width, height)) = size {
        builder = builder
            .with_dimension_override("width", width.into())?
            .with_dimension_override("height", height.into())?;
    }
    builder.commit_from_file(&contract.path)
}
