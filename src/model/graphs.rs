//! Finding a preset's graphs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::contract::{Contract, Kind, Operators, graph_digest};
use super::operators::{KernelSet, Kernels};
use super::{ModelError, Padding};
use crate::picture::MAX_PIXELS;
use crate::runtime::Engine;
use crate::runtime::locate::{in_repository, program_folder};

/// How a preset's graphs are run.
#[derive(Clone, Copy, Debug, Default)]
pub struct GraphOptions {
    /// The kernels of the CPU provider.
    pub kernels: KernelSet,
    /// What the first convolution sees around a picture.
    pub padding: Padding,
    /// Whether the gradient that each layer's term adds has the L1 norm of its weight, as neural-style's
    /// `-normalize_gradients` has it. It is then not the gradient of the loss.
    pub normalize_gradients: bool,
}

/// The two graphs of a preset, their contracts checked.
#[derive(Clone, Debug)]
pub struct Graphs {
    /// `PRESET.features.onnx`.
    pub features: Contract,
    /// `PRESET.loss_grad.onnx`, or `PRESET.normalized_grad.onnx`.
    pub loss_gradient: Contract,
    /// What the first convolution sees around a picture.
    pub(super) padding: Padding,
    /// The same for the processor, if they are there and wanted.
    cpu: Option<CpuGraphs>,
}

/// The two graphs of the program's own operators.
#[derive(Clone, Debug)]
struct CpuGraphs {
    features: Contract,
    loss_gradient: Contract,
    kernels: Arc<Kernels>,
}

impl Graphs {
    /// Opens the graphs called `name` (`gatys`, `gatys-avg`, …) in `folder`, to be run so.
    ///
    /// # Errors
    /// They are missing, cut, of another contract, do not belong together, or their weights are missing or changed.
    pub fn open(folder: &Path, name: &str, options: GraphOptions) -> Result<Graphs, ModelError> {
        let kind = match options.normalize_gradients {
            false => Kind::LossGradient,
            true => Kind::NormalizedGradient,
        };
        let file = |kind: Kind| Operators::Portable.file(folder, name, kind);
        let (features, loss_gradient) = (file(Kind::Features), file(kind));
        if !features.exists() && !loss_gradient.exists() {
            return Err(ModelError::UnknownPreset {
                preset: name.to_owned(),
                folder: folder.to_path_buf(),
                available: available(folder).join(", "),
            });
        }
        let features = Contract::read(&features, Kind::Features)?;
        let mut graphs = Graphs {
            loss_gradient: features.read_other(&loss_gradient, kind, Operators::Portable)?,
            features,
            padding: options.padding,
            cpu: None,
        };
        if let Some(kernels) = Kernels::choose(options.kernels) {
            graphs.cpu = graphs.read_cpu(folder, name, kind, kernels)?;
        }
        Ok(graphs)
    }

    fn read_cpu(
        &self,
        folder: &Path,
        name: &str,
        kind: Kind,
        kernels: Arc<Kernels>,
    ) -> Result<Option<CpuGraphs>, ModelError> {
        let file = |kind: Kind| Operators::Cpu.file(folder, name, kind);
        let (features, loss_gradient) = (file(Kind::Features), file(kind));
        if !features.exists() && !loss_gradient.exists() {
            return Ok(None);
        }
        let read = |path: &Path, kind: Kind| self.features.read_other(path, kind, Operators::Cpu);
        Ok(Some(CpuGraphs {
            features: read(&features, Kind::Features)?,
            loss_gradient: read(&loss_gradient, kind)?,
            kernels,
        }))
    }

    /// The graph that `engine` runs, and what its operators share if they are the program's own.
    pub(super) fn choose(&self, engine: &Engine, kind: Kind) -> (&Contract, Option<&Arc<Kernels>>) {
        let cpu = self.cpu.as_ref().filter(|_| engine.is_cpu());
        match (cpu, kind) {
            (Some(cpu), Kind::Features) => (&cpu.features, Some(&cpu.kernels)),
            (Some(cpu), _) => (&cpu.loss_gradient, Some(&cpu.kernels)),
            (None, Kind::Features) => (&self.features, None),
            (None, _) => (&self.loss_gradient, None),
        }
    }

    /// The graphs that `engine` runs.
    pub fn chosen(&self, engine: &Engine) -> [&Contract; 2] {
        [Kind::Features, Kind::LossGradient].map(|kind| self.choose(engine, kind).0)
    }

    /// All files that were read: the graphs, whichever of them runs, and the weights.
    pub fn files(&self) -> Vec<PathBuf> {
        let cpu = self
            .cpu
            .iter()
            .flat_map(|cpu| [&cpu.features, &cpu.loss_gradient]);
        let graphs = [&self.features, &self.loss_gradient].into_iter().chain(cpu);
        let weights = self.features.weights_file();
        graphs.map(|graph| graph.path.clone()).chain([weights]).collect()
    }

    /// The kernels that the network runs on; `None` for those of a provider other than the processor's.
    pub fn kernels(&self, engine: &Engine) -> Option<KernelSet> {
        let own = self.choose(engine, Kind::LossGradient).1;
        engine
            .is_cpu()
            .then(|| own.map_or(KernelSet::OnnxRuntime, |kernels| kernels.set()))
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
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            return Err(ModelError::TooLarge { what, width, height });
        }
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
            let sha256 = graph_digest(&path).ok()?;
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
