//! Building ONNX Runtime sessions.

use ort::session::Session;

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
    let mut builder = engine.builder(key.as_deref().map_or(Purpose::FewRuns, Purpose::ManyRuns))?;
    let failed = |source| ModelError::Session {
        path: contract.path.clone(),
        source,
    };
    if let Some((width, height)) = size {
        builder = builder
            .with_dimension_override("width", width.into())
            .and_then(|builder| builder.with_dimension_override("height", height.into()))
            .map_err(|error| failed(error.into()))?;
    }
    builder.commit_from_file(&contract.path).map_err(failed)
}
