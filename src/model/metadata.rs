//! The graph metadata: what a graph file says of itself, read and checked before ONNX Runtime loads it.
//!
//! The contract is described in `onnx/README.md`; the exporter writes it, this module reads it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use prost::Message as _;
use serde::{Deserialize, Serialize};

use super::ModelError;
use super::layers::{halo, layer_size};
use super::tiles::{Tiling, Window};
use crate::files::{self, Input, InputError};

/// The most bytes of a graph, which has its weights in another file.
const MAX_GRAPH_BYTES: u64 = 64 << 20;
/// The most bytes of the weights.
const MAX_WEIGHTS_BYTES: u64 = 1 << 30;

/// The contract version that this program understands.
pub const CONTRACT_VERSION: &str = "5";

/// The graphs of a preset that this program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Image to sums over places and content features.
    Forward,
    /// Sums of the style to what a style loss compares with.
    Targets,
    /// Sums over places, targets and weights to style terms and what they inject.
    Head,
    /// Image, what is injected and content to gradient and the other terms.
    Backward,
    /// Image, targets and weights to loss, terms and gradient.
    LossGradient,
}

impl Kind {
    /// The name in a file's name and in its metadata.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Forward => "forward",
            Kind::Targets => "targets",
            Kind::Head => "head",
            Kind::Backward => "backward",
            Kind::LossGradient => "loss_grad",
        }
    }
}

/// What a graph is built of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operators {
    /// ONNX's operators, which every provider runs.
    Portable,
    /// The program's own operators, for the processor.
    Cpu,
}

impl Operators {
    /// The name in a graph's metadata.
    pub fn name(self) -> &'static str {
        match self {
            Operators::Portable => "portable",
            Operators::Cpu => "cpu",
        }
    }

    /// The file of a graph of preset `name`, in `folder`.
    pub fn file(self, folder: &Path, name: &str, kind: Kind) -> PathBuf {
        let kind = kind.name();
        folder.join(match self {
            Operators::Portable => format!("{name}.{kind}.onnx"),
            Operators::Cpu => format!("{name}.{kind}.cpu.onnx"),
        })
    }
}

/// What a graph file says of itself.
#[derive(Clone, Debug, Serialize)]
pub struct GraphMetadata {
    /// The file.
    #[serde(skip)]
    pub path: PathBuf,
    /// The graph's preset: `gatys`, `book`, …
    pub preset: String,
    /// `max` or `avg`.
    pub pooling: String,
    /// The layers that carry style, in network order.
    pub style_layers: Vec<String>,
    /// The layers whose features are compared, in network order.
    pub content_layers: Vec<String>,
    /// The style loss, in graphs that depend on it.
    pub style_loss: Option<String>,
    /// The terms of the loss, in such graphs.
    pub terms: Vec<Term>,
    /// The smallest height and width in pixels that the deepest layer allows.
    pub min_size: u32,
    /// Where the weights come from.
    pub weights: String,
    /// The sha256 of the file that the weights were read from.
    pub weights_sha256: String,
    /// The version of the exporter.
    pub exporter: String,
    /// The sha256 of the graph file.
    pub sha256: String,
    /// The file with the weights, beside the graph, and its sha256.
    #[serde(skip)]
    external_data: (String, String),
}

/// A term of the loss, as a graph lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// `style/relu1_1`, …, `content/relu4_2`, `tv`.
    pub name: String,
    /// What it is a term of.
    pub kind: TermKind,
    /// The layer it looks at, if it does not look at the picture itself.
    pub layer: Option<String>,
    /// The input that has its weight.
    pub weight: String,
    /// The output that has its weighted value.
    pub loss: String,
    /// Its place in both.
    pub index: usize,
    /// Its weight where the style, content or total variation weight is 1.
    pub unit: f64,
    /// The style, content or total variation weight that the loss is meant for; without it, whatever a preset has.
    pub default: Option<f64>,
}

/// What a term is a term of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TermKind {
    /// The style at a layer.
    Style,
    /// The content at a layer.
    Content,
    /// The total variation of the picture.
    Tv,
}

/// An ONNX model, but for all that is not read here (field numbers: `onnx.proto`, `ModelProto`).
#[derive(prost::Message)]
struct ModelProto {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(message, repeated, tag = "14")]
    metadata_props: Vec<StringStringEntry>,
}

#[derive(prost::Message)]
struct StringStringEntry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

impl GraphMetadata {
    /// Reads and checks the contract of the graph at `path`, and that its weights lie beside it unchanged.
    ///
    /// # Errors
    /// The graph or its weights are missing, cut, changed, or of another contract.
    pub fn read(path: &Path, kind: Kind) -> Result<GraphMetadata, ModelError> {
        let metadata = GraphMetadata::parse(path, kind, Operators::Portable)?;
        metadata.check_weights()?;
        Ok(metadata)
    }

    /// Reads and checks the contract of another graph of the same export; the weights, which it shares, are not read
    /// again.
    ///
    /// # Errors
    /// The graph is missing, cut, of another contract, or was not exported together with this one.
    pub fn read_other(
        &self,
        path: &Path,
        kind: Kind,
        operators: Operators,
    ) -> Result<GraphMetadata, ModelError> {
        let other = GraphMetadata::parse(path, kind, operators)?;
        if other.belongs_to(self) {
            return Ok(other);
        }
        Err(ModelError::Mismatch {
            one: self.path.clone(),
            other: other.path,
        })
    }

    /// Whether both see the same layers of the same network.
    fn belongs_to(&self, other: &GraphMetadata) -> bool {
        self.weights_sha256 == other.weights_sha256
            && self.external_data == other.external_data
            && self.style_layers == other.style_layers
            && self.content_layers == other.content_layers
            && self.pooling == other.pooling
    }

    pub(super) fn parse(path: &Path, kind: Kind, operators: Operators) -> Result<GraphMetadata, ModelError> {
        let (metadata, sha256) = properties(path)?;
        GraphMetadata::from_metadata(path, &metadata, (kind, operators), sha256)
    }

    fn from_metadata(
        path: &Path,
        metadata: &HashMap<String, String>,
        (kind, operators): (Kind, Operators),
        sha256: String,
    ) -> Result<GraphMetadata, ModelError> {
        let get = |key: &'static str| {
            // Graphs that say nothing of their operators are portable.
            let assumed = (key == "operators").then(|| Operators::Portable.name().to_owned());
            property(path, metadata, key).or_else(|error| assumed.ok_or(error))
        };
        check_contract(path, metadata, kind.name())?;
        expect(path, "operators", get("operators")?, operators.name())?;
        let layers = |key| Ok::<_, ModelError>(get(key)?.split(',').map(str::to_owned).collect());
        let min_size = get("min_size")?;
        let terms = match kind {
            Kind::LossGradient => read_terms(path, get("terms")?)?,
            _ => Vec::new(),
        };
        let weights_name = get("external_data")?;
        if Path::new(&weights_name).file_name() != Some(weights_name.as_ref()) {
            return Err(ModelError::WrongContract {
                path: path.to_path_buf(),
                key: "external_data",
                found: weights_name,
                expected: "the name of a file beside the graph".to_owned(),
            });
        }
        Ok(GraphMetadata {
            path: path.to_path_buf(),
            preset: get("preset")?,
            pooling: get("pooling")?,
            style_layers: layers("style_layers")?,
            content_layers: layers("content_layers")?,
            style_loss: (!matches!(kind, Kind::Forward | Kind::Backward))
                .then(|| get("style_loss"))
                .transpose()?,
            terms,
            min_size: min_size.parse().map_err(|_| ModelError::WrongContract {
                path: path.to_path_buf(),
                key: "min_size",
                found: min_size,
                expected: "a number of pixels".to_owned(),
            })?,
            weights: get("weights")?,
            weights_sha256: get("weights_sha256")?,
            exporter: get("exporter")?,
            sha256,
            external_data: (weights_name, get("external_data_sha256")?),
        })
    }

    /// The tiles of a picture of `size` (width, height) with such windows.
    pub(crate) fn tiling(&self, size: (u32, u32), window: Window) -> Tiling {
        Tiling::new(size, window, self.layers())
    }

    /// How far beyond a place of any layer that the loss looks at there is something that it sees, in pixels, rounded up to
    /// places of the deepest layer.
    pub(super) fn halo(&self) -> u32 {
        halo(self.layers())
    }

    fn layers(&self) -> impl Iterator<Item = &String> {
        self.style_layers.iter().chain(&self.content_layers)
    }

    /// The bytes that the activations of the content layers take in a picture of `size` (width, height in pixels).
    pub(crate) fn content_bytes(&self, size: (u32, u32)) -> u64 {
        let bytes = |layer: &String| {
            let (width, height) = layer_size(layer, size);
            let pools = (size.0 / width.max(1)).ilog2() as usize;
            4 * CHANNELS[pools.min(4)] * u64::from(width) * u64::from(height)
        };
        self.content_layers.iter().map(bytes).sum()
    }

    /// The file with the weights.
    pub fn weights_file(&self) -> PathBuf {
        self.path.with_file_name(&self.external_data.0)
    }

    /// Its name, as the graph has it.
    pub(super) fn weights_name(&self) -> &str {
        &self.external_data.0
    }

    /// The sha256 of the file with the weights.
    pub fn weights_digest(&self) -> &str {
        &self.external_data.1
    }

    /// The weights, as their file has them.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_weights(&self) -> Result<Vec<u8>, InputError> {
        files::read_file(&self.weights_file(), MAX_WEIGHTS_BYTES).map(Input::into_bytes)
    }

    fn check_weights(&self) -> Result<(), ModelError> {
        let path = self.weights_file();
        let found = files::digest_file(&path, MAX_WEIGHTS_BYTES).map_err(missing_or_unreadable)?;
        if found == self.external_data.1 {
            return Ok(());
        }
        Err(ModelError::WeightsChanged {
            path,
            graph: self.path.clone(),
            found,
            expected: self.external_data.1.clone(),
        })
    }

    /// The weight that the loss is meant to give its terms of a kind, if it says so.
    pub fn default_weight(&self, kind: TermKind) -> Option<f64> {
        let mut terms = self.terms.iter().filter(|term| term.kind == kind);
        terms.find_map(|term| term.default)
    }
}

/// The properties of a graph file by their keys, and its sha256.
///
/// # Errors
/// It is missing, unreadable, or no graph.
pub(super) fn properties(path: &Path) -> Result<(HashMap<String, String>, String), ModelError> {
    let graph = files::read_file(path, MAX_GRAPH_BYTES).map_err(missing_or_unreadable)?;
    let model = ModelProto::decode(graph.bytes()).map_err(|_| ModelError::NotAGraph {
        path: path.to_path_buf(),
    })?;
    let entries = model.metadata_props.into_iter();
    let metadata = entries.map(|entry| (entry.key, entry.value)).collect();
    Ok((metadata, graph.sha256()))
}

/// Checks that a graph with these properties is of this program's contract, and of a kind.
///
/// # Errors
/// It is not, or does not say so.
pub(super) fn check_contract(
    path: &Path,
    metadata: &HashMap<String, String>,
    kind: &str,
) -> Result<(), ModelError> {
    for (key, expected) in [("contract", CONTRACT_VERSION), ("graph", kind)] {
        expect(path, key, property(path, metadata, key)?, expected)?;
    }
    Ok(())
}

fn property(
    path: &Path,
    metadata: &HashMap<String, String>,
    key: &'static str,
) -> Result<String, ModelError> {
    let value = metadata.get(&format!("impasto.{key}"));
    let value = value.filter(|value| !value.is_empty());
    value.cloned().ok_or_else(|| ModelError::NoMetadata {
        path: path.to_path_buf(),
        key,
    })
}

fn expect(path: &Path, key: &'static str, found: String, expected: &str) -> Result<(), ModelError> {
    if found == expected {
        return Ok(());
    }
    Err(ModelError::WrongContract {
        path: path.to_path_buf(),
        key,
        found,
        expected: expected.to_owned(),
    })
}

fn read_terms(path: &Path, text: String) -> Result<Vec<Term>, ModelError> {
    serde_json::from_str(&text).map_err(|_| ModelError::WrongContract {
        path: path.to_path_buf(),
        key: "terms",
        found: text,
        expected: "a list of terms".to_owned(),
    })
}

/// Channels of the layers of each block of VGG19 between two pools.
const CHANNELS: [u64; 5] = [64, 128, 256, 512, 512];

fn missing_or_unreadable(error: InputError) -> ModelError {
    match error {
        InputError::Missing { path } => ModelError::Missing { path },
        error => ModelError::Unreadable(error),
    }
}

/// The sha256 of a graph file, in hexadecimal.
///
/// # Errors
/// The file cannot be read.
pub fn graph_digest(path: &Path) -> Result<String, InputError> {
    files::digest_file(path, MAX_GRAPH_BYTES)
}
