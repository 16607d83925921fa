//! Building ONNX Runtime sessions.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ort::session::Session;
use ort::session::builder::SessionBuilder;

use super::operators::{Kernels, SessionInfo};
use super::reuse::{Held, Key, Pictures, Reuse};
use super::{GraphMetadata, ModelError};
use crate::runtime::{Engine, Purpose};

/// A session of a graph, as [`build`] makes it, or one that has waited for a further run.
pub(super) fn take(
    engine: &Engine,
    reuse: &Arc<Reuse>,
    graph: (&GraphMetadata, Option<&Arc<Kernels>>),
    pictures: Pictures,
    regions: usize,
) -> Result<Held, ModelError> {
    let key = Key {
        graph: graph.0.sha256.clone(),
        pictures,
        regions,
    };
    // Runs that are recorded and replayed have their inputs and outputs where they were at first.
    let none = Arc::default();
    let is_replayed = engine.memory().is_some_and(|memory| memory.replay);
    let reuse = if is_replayed { &none } else { reuse };
    reuse.session(key, || build(engine, graph, pictures, regions))
}

/// Held while a session is built: ONNX Runtime looks whether the process knows the operators' domain and then adds it,
/// and fails if another session has added it in between.
static BUILDING: Mutex<()> = Mutex::new(());

/// Builds a session of a graph for so many regions, which may be of the program's own operators.
pub(super) fn build(
    engine: &Engine,
    (metadata, kernels): (&GraphMetadata, Option<&Arc<Kernels>>),
    pictures: Pictures,
    regions: usize,
) -> Result<Session, ModelError> {
    let (size, tiles) = match pictures {
        Pictures::Any => (None, false),
        Pictures::Whole(size) => (Some(size), false),
        Pictures::Tiles(size) => (Some(size), true),
    };
    let key = size.map(|(width, height)| match regions {
        1 => format!("{}|{width}x{height}", metadata.sha256),
        _ => format!("{}|{width}x{height}|{regions}", metadata.sha256),
    });
    let builder = engine.builder(key.as_deref().map_or(Purpose::FewRuns, Purpose::ManyRuns))?;
    let info = SessionInfo {
        threads: engine.threads(),
        tiles,
    };
    let _alone = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let committed =
        with_operators(builder, kernels, info).and_then(|builder| commit(builder, metadata, (size, regions)));
    committed.map_err(|cause| ModelError::session(&metadata.path, cause))
}

fn with_operators(
    builder: SessionBuilder,
    kernels: Option<&Arc<Kernels>>,
    info: SessionInfo,
) -> ort::Result<SessionBuilder> {
    match kernels {
        Some(kernels) => Ok(builder.with_operators(kernels.domain(info)?)?),
        None => Ok(builder),
    }
}

fn commit(
    mut builder: SessionBuilder,
    metadata: &GraphMetadata,
    (size, regions): (Option<(u32, u32)>, usize),
) -> ort::Result<Session> {
    builder = builder.with_dimension_override("regions", regions as i64)?;
    if let Some((width, height)) = size {
        builder = builder
            .with_dimension_override("width", width.into())?
            .with_dimension_override("height", height.into())?;
    }
    if !reads_weights_itself(metadata) {
        let weights = metadata.read_weights();
        let weights = weights.map_err(|error| ort::Error::new(error.to_string()))?;
        builder =
            builder.with_external_initializer_file_in_memory(metadata.weights_name(), weights.into())?;
    }
    builder.commit_from_file(&metadata.path)
}

/// Whether ONNX Runtime finds the weights by itself: it follows no link out of the graph's folder, and on Linux it looks
/// at `/proc` for where a file is that it has opened.
fn reads_weights_itself(metadata: &GraphMetadata) -> bool {
    let folder = |path: &Path| path.canonicalize().ok()?.parent().map(Path::to_path_buf);
    let beside = folder(&metadata.weights_file()) == folder(&metadata.path);
    beside && (cfg!(not(target_os = "linux")) || Path::new("/proc/self/fd").exists())
}
