//! The record of a run, as one JSON object: all that it takes to repeat it, and what came of it. The head of a checkpoint. What
//! a picture's file says of its making.

mod checkpoint;
mod embedded;
mod error;
mod repeat;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Settings;
use crate::files::{self, OutputError, STANDARD};
use crate::model::GraphMetadata;
use crate::observe::Recorder;
use crate::picture::OutputFormat;

pub use checkpoint::{Checkpoint, head};
pub use embedded::{NamedFile, Record};
pub use error::RecordError;
pub use repeat::Recorded;

/// A file that took part in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// What it was: `content`, `style`, `init`, `mask`, `previous`, `flow`, `forward-flow`, `flow-mask`, `output`; `forward`,
    /// `targets`, `loss_grad`, `weights`, `temporal`.
    pub role: String,
    /// Its path, as it was given; `-` for standard input or standard output.
    pub path: PathBuf,
    /// The same path from the root; `-` is the same.
    pub absolute: PathBuf,
    /// The sha256 of its bytes, in hexadecimal.
    pub sha256: String,
}

impl FileRecord {
    /// A file and its sha256.
    pub fn new(role: &str, path: &Path, sha256: String) -> FileRecord {
        let absolute = match path == Path::new(STANDARD) {
            true => path.into(),
            false => std::path::absolute(path).unwrap_or_else(|_| path.into()),
        };
        FileRecord {
            role: role.to_owned(),
            path: path.into(),
            absolute,
            sha256,
        }
    }
}

/// All that it takes to repeat a run: written with [`Settings`], read back with
/// [`Options`](crate::config::Options), which have the same names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest<S> {
    /// The resolved settings.
    pub settings: S,
    /// What the bytes may depend on: `impasto`, `contract`, `onnxruntime`, `provider`, `kernels`, `machine`.
    pub versions: BTreeMap<String, String>,
    /// The ONNX Runtime library.
    pub library: PathBuf,
    /// The graphs that ran, and the weights.
    pub graphs: Vec<FileRecord>,
    /// The pictures: `content` unless it is a texture, every `style` in its order, `init` if the start was a file, every
    /// `mask`, and what a frame has of the last one: `previous`, `flow`, `forward-flow`, `flow-mask`.
    pub inputs: Vec<FileRecord>,
    /// The picture that came of it.
    pub output: FileRecord,
    /// Its format; older traces leave it to the extension.
    #[serde(default)]
    pub format: Option<OutputFormat>,
    /// The evaluations after which a signal, the time limit or a failure ended the run; none if it ended by itself.
    pub ended_after: Option<u64>,
}

/// The whole record of a run.
#[derive(Serialize)]
pub struct Trace<'a> {
    /// What was run.
    #[serde(flatten)]
    pub manifest: &'a Manifest<Settings>,
    /// What the loss graph says of itself.
    pub graph: &'a GraphMetadata,
    /// The painted picture's width and height in pixels.
    pub size: (u32, u32),
    /// Why the optimisation stopped.
    pub stop: String,
    /// Accepted points.
    pub iterations: u64,
    /// Every evaluation; seconds count from the start of the run.
    pub evaluations: &'a Recorder,
}

impl Trace<'_> {
    /// Writes the trace to `path`, as [`files::write`] does.
    ///
    /// # Errors
    /// It cannot be written, or there is a file and `overwrite` is not set.
    pub fn write(&self, path: &Path, overwrite: bool) -> Result<(), OutputError> {
        let mut json = serde_json::to_vec_pretty(self)
            .map_err(Into::into)
            .map_err(OutputError::writing(path))?;
        json.push(b'\n');
        files::write(path, overwrite, &json)
    }
}

/// The machine, as far as the bytes may depend on it: operating system, architecture, and where it is told the model
/// of the processor.
pub fn machine() -> String {
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = told.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map(|rest| rest.trim_start_matches([':', ' ', '\t']));
    [std::env::consts::OS, std::env::consts::ARCH]
        .into_iter()
        .chain(model)
        .collect::<Vec<_>>()
        .join(", ")
}
