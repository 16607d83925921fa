//! Building ONNX Runtime sessions.

use ort::session::Session;
use ort::session::builder::SessionBuilder;

use super::{Contract, ModelError};
use crate::runtime::{Engine, Purpose};

/// Builds a session of a graph.
///
/// With `size` (width, height in pixels) the graph's symbolic shape is fixed, so that ONNX Runtime folds shapes and
/// plans its memory, and the session is made for many runs; without, it takes any size and is made for a few.
pub(super) fn build(
    engine: &Engine,
    contract: &Contract,
    size: Option<(u32, u32)>,
) -> Result<Session, ModelError> {
    let key = size.map(|(width, height)| format!("{}|{width}x{height}", contract.sha256));
    let builder = engine.builder(key.as_deref().map_or(Purpose::FewRuns, Purpose::ManyRuns))?;
    commit(builder, contract, size).map_err(|source| ModelError::Session {
        path: contract.path.clone(),
        source,
    })
}

fn commit(
    mut builder: SessionBuilder,
    contract: &Contract,
    size: Option<(u32, u32)>,
) -> ort::Result<Session> {
    if let Some((width, height)) = size {
        builder = builder
            .with_dimension_override("width", width.into())?
            .with_dimension_override("height", height.into())?;
    }
    builder.commit_from_file(&contract.path)
}
