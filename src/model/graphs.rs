//! Finding a preset's graphs.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::ModelError;
use super::contract::{Contract, Kind, file_digest};
use crate::runtime::locate::{in_repository, program_folder};

/// The two graphs of a preset, their contracts checked.
#[derive(Clone, Debug)]
pub struct Graphs {
    /// `PRESET.features.onnx`.
    pub features: Contract,
    /// `PRESET.loss_grad.onnx`.
    pub loss_gradient: Contract,
}

impl Graphs {
    /// Opens the graphs called `name` (`gatys`, `gatys-avg`, …) in `folder`.
    ///
    /// # Errors
    /// They are missing, cut, of another contract, do not belong together, or their weights are missing or changed.
    pub fn open(folder: &Path, name: &str) -> Result<Graphs, ModelError> {
        let file = |kind: Kind| folder.join(format!("{name}.{}.onnx", kind.name()));
        let (features, loss_gradient) = (file(Kind::Features), file(Kind::LossGradient));
        if !features.exists() && !loss_gradient.exists() {
            return Err(ModelError::UnknownPreset {
                preset: name.to_owned(),
                folder: folder.to_path_buf(),
                available: available(folder).join(", "),
            });
        }
        let graphs = Graphs {
            features: Contract::read(&features, Kind::Features)?,
            loss_gradient: Contract::read(&loss_gradient, Kind::LossGradient)?,
        };
        graphs.check_pair()?;
        Ok(graphs)
    }

    fn check_pair(&self) -> Result<(), ModelError> {
        let (a, b) = (&self.features, &self.loss_gradient);
        let same = a.weights_sha256 == b.weights_sha256
            && a.style_layers == b.style_layers
            && a.content_layers == b.content_layers
            && a.pooling == b.pooling;
        if same {
            return Ok(());
        }
        Err(ModelError::Mismatch {
            features: a.path.clone(),
            loss_gradient: b.path.clone(),
        })
    }

    /// Checks that a picture of `size` (width, height in pixels) is large enough for the deepest layer. `what` and
    /// `option` name it and the flag that changes its size in the error.
    ///
    /// # Errors
    /// [`ModelError::TooSmall`].
    pub fn check_size(
        &self,
        (width, height): (u32, u32),
        what: &'static str,
        option: &'static str,
    ) -> Result<(), ModelError> {
        let min_size = self.loss_gradient.min_size;
        if width.min(height) >= min_size {
            return Ok(());
        }
        let graph = self.loss_gradient.preset.clone();
        Err(ModelError::TooSmall {
            what,
            width,
            height,
            graph,
            min_size,
            option,
        })
    }
}

/// A graph file, as it lies there.
#[derive(Clone, Debug, Serialize)]
pub struct GraphFile {
    /// The file.
    pub path: PathBuf,
    /// Its sha256, in hexadecimal.
    pub sha256: String,
}

/// All graph files in `folder`, sorted by name.
pub fn list_graphs(folder: &Path) -> Vec<GraphFile> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    paths.sort();
    paths
        .into_iter()
        .filter_map(|path| {
            let sha256 = file_digest(&path).ok()?;
            Some(GraphFile { path, sha256 })
        })
        .collect()
}

/// The names of the graphs in `folder`, sorted.
fn available(folder: &Path) -> Vec<String> {
    let suffix = format!(".{}.onnx", Kind::LossGradient.name());
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            Some(
                entry
                    .ok()?
                    .file_name()
                    .to_str()?
                    .strip_suffix(&suffix)?
                    .to_owned(),
            )
        })
        .collect();
    names.sort();
    if names.is_empty() {
        vec!["none (run `make setup`)".to_owned()]
    } else {
        names
    }
}

/// The folder with the graphs when none is named: `onnx` beside the program, `../share/impasto/onnx` from there,
/// or `onnx` of the repository that the program or the working directory lies in.
///
/// # Errors
/// [`ModelError::NoGraphs`].
pub fn default_folder(name: &str) -> Result<PathBuf, ModelError> {
    let installed = program_folder()
        .into_iter()
        .flat_map(|folder| [folder.join("onnx"), folder.join("../share/impasto/onnx")]);
    let has_graphs = |folder: &PathBuf| fs::read_dir(folder).is_ok_and(|mut entries| entries.any(is_graph));
    installed
        .chain(in_repository(Path::new("onnx")))
        .find(has_graphs)
        .ok_or_else(|| ModelError::NoGraphs {
            preset: name.to_owned(),
            searched: "beside the program, in ../share/impasto/onnx and in the repository's onnx folder",
        })
}

fn is_graph(entry: std::io::Result<fs::DirEntry>) -> bool {
    entry.is_ok_and(|entry| {
        entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "onnx")
    })
}
