//! Finding a preset's graphs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::metadata::{GraphMetadata, Kind, Operators, graph_digest};
use super::operators::{KernelSet, Kernels};
use super::reuse::Reuse;
use super::{Enlarge, JUDGE, ModelError, Padding};
use crate::picture::Seamless;
use crate::runtime::Engine;
use crate::runtime::locate::{in_repository, program_folder};

/// The style loss whose graphs are called like their preset.
pub const USUAL_STYLE_LOSS: &str = "gram";

/// How a preset's graphs are run.
#[derive(Clone, Debug)]
pub struct GraphOptions {
    /// The kernels of the CPU provider.
    pub kernels: KernelSet,
    /// What the first convolution sees around a picture.
    pub padding: Padding,
    /// Along which axes pictures go on at their opposite ends instead.
    pub seamless: Option<Seamless>,
    /// The style loss, by name.
    pub style_loss: String,
}

impl Default for GraphOptions {
    fn default() -> Self {
        Self {
            kernels: KernelSet::default(),
            padding: Padding::default(),
            seamless: None,
            style_loss: USUAL_STYLE_LOSS.to_owned(),
        }
    }
}

/// The graphs of a preset and a style loss, their contracts checked.
#[derive(Clone, Debug)]
pub struct Graphs {
    /// `PRESET.forward.onnx`.
    pub forward: GraphMetadata,
    /// `PRESET.targets.onnx`, or `PRESET-LOSS.targets.onnx`.
    pub targets: GraphMetadata,
    /// `PRESET.loss_grad.onnx`, or `PRESET-LOSS.loss_grad.onnx`.
    pub loss_gradient: GraphMetadata,
    /// What the first convolution sees around a picture.
    pub(super) padding: Padding,
    pub(super) seamless: Option<Seamless>,
    /// What computes the gradient tile by tile, or the file of it that is missing: whole pictures need none of it.
    in_tiles: Result<InTiles, PathBuf>,
    /// The graphs of the program's own kernels, for the processor, if they are there and wanted.
    cpu: Option<CpuGraphs>,
    pub(super) reuse: Arc<Reuse>,
}

/// What computes the gradient tile by tile.
#[derive(Clone, Debug)]
struct InTiles {
    /// `PRESET.head.onnx`, or `PRESET-LOSS.head.onnx`.
    head: GraphMetadata,
    /// `PRESET.backward.onnx`
    backward: GraphMetadata,
    /// `backward` for the processor.
    cpu: Option<GraphMetadata>,
}

/// The graphs of the program's own operators.
#[derive(Clone, Debug)]
struct CpuGraphs {
    forward: GraphMetadata,
    loss_gradient: GraphMetadata,
    kernels: Arc<Kernels>,
}

impl Graphs {
    /// Opens the graphs called `name` (`gatys`, `gatys-avg`, …) in `folder`, to be run so.
    ///
    /// # Errors
    /// They are missing, cut, of another contract, do not belong together, or their weights are missing or changed.
    pub fn open(folder: &Path, name: &str, options: &GraphOptions) -> Result<Graphs, ModelError> {
        let of_loss = match options.style_loss.as_str() {
            USUAL_STYLE_LOSS => name.to_owned(),
            loss => format!("{name}-{loss}"),
        };
        let file = |name: &str, kind: Kind| Operators::Portable.file(folder, name, kind);
        let (forward, loss_gradient) = (file(name, Kind::Forward), file(&of_loss, Kind::LossGradient));
        if !forward.exists() && !loss_gradient.exists() {
            return Err(ModelError::UnknownPreset {
                preset: name.to_owned(),
                folder: folder.to_path_buf(),
                available: available(folder).join(", "),
            });
        }
        let forward = GraphMetadata::read(&forward, Kind::Forward)?;
        let read = |kind: Kind| forward.read_other(&file(&of_loss, kind), kind, Operators::Portable);
        if of_loss != name {
            let said = GraphMetadata::parse(&loss_gradient, Kind::LossGradient, Operators::Portable);
            let is_another = |said: GraphMetadata| said.style_loss.as_ref() != Some(&options.style_loss);
            if !loss_gradient.exists() || said.is_ok_and(is_another) {
                return Err(unknown_style_loss(folder, name, options));
            }
        }
        let mut graphs = Graphs {
            loss_gradient: read(Kind::LossGradient)?,
            targets: read(Kind::Targets)?,
            forward,
            padding: options.padding,
            seamless: options.seamless,
            in_tiles: Err(file(name, Kind::Backward)),
            cpu: None,
            reuse: Arc::default(),
        };
        if let Some(kernels) = Kernels::choose(options.kernels) {
            let file = |name: &str, kind: Kind| Operators::Cpu.file(folder, name, kind);
            let files = [file(name, Kind::Forward), file(&of_loss, Kind::LossGradient)];
            graphs.cpu = graphs.read_cpu(&files, kernels)?;
        }
        let of_tiles = [file(&of_loss, Kind::Head), file(name, Kind::Backward)];
        let own = Operators::Cpu.file(folder, name, Kind::Backward);
        graphs.in_tiles = graphs.read_in_tiles(of_tiles, &own)?;
        Ok(graphs)
    }

    /// The graphs for many runs on one engine: sessions wait for further pictures of their size, and what a style image
    /// comes to is not computed again. Results are the same.
    #[must_use]
    pub fn for_many_runs(self) -> Graphs {
        Graphs {
            reuse: Reuse::on(),
            ..self
        }
    }

    /// Gives back the memory of sessions that wait.
    pub fn forget_sessions(&self) {
        self.reuse.forget_sessions();
    }

    fn read_cpu(
        &self,
        [forward, loss_gradient]: &[PathBuf; 2],
        kernels: Arc<Kernels>,
    ) -> Result<Option<CpuGraphs>, ModelError> {
        if !forward.exists() && !loss_gradient.exists() {
            return Ok(None);
        }
        let read = |path: &Path, kind: Kind| self.forward.read_other(path, kind, Operators::Cpu);
        Ok(Some(CpuGraphs {
            forward: read(forward, Kind::Forward)?,
            loss_gradient: read(loss_gradient, Kind::LossGradient)?,
            kernels,
        }))
    }

    fn read_in_tiles(
        &self,
        of_tiles: [PathBuf; 2],
        own: &Path,
    ) -> Result<Result<InTiles, PathBuf>, ModelError> {
        if let Some(missing) = of_tiles.iter().find(|path| !path.exists()) {
            return Ok(Err(missing.clone()));
        }
        let read = |path: &Path, kind, operators| self.forward.read_other(path, kind, operators);
        let [head, backward] = &of_tiles;
        let cpu = self.cpu.as_ref();
        Ok(Ok(InTiles {
            head: read(head, Kind::Head, Operators::Portable)?,
            backward: read(backward, Kind::Backward, Operators::Portable)?,
            cpu: cpu
                .map(|_| read(own, Kind::Backward, Operators::Cpu))
                .transpose()?,
        }))
    }

    /// The graph that `engine` runs, and what its operators share if they are the program's own.
    pub(super) fn choose(&self, engine: &Engine, kind: Kind) -> (&GraphMetadata, Option<&Arc<Kernels>>) {
        let cpu = self.cpu.as_ref().filter(|_| engine.is_cpu());
        match (cpu, kind) {
            (_, Kind::Targets) => (&self.targets, None),
            (Some(cpu), Kind::Forward) => (&cpu.forward, Some(&cpu.kernels)),
            (Some(cpu), _) => (&cpu.loss_gradient, Some(&cpu.kernels)),
            (None, Kind::Forward) => (&self.forward, None),
            (None, _) => (&self.loss_gradient, None),
        }
    }

    /// Checks that the graphs are there that compute the gradient tile by tile.
    ///
    /// # Errors
    /// [`ModelError::Missing`]
    pub(crate) fn check_tiles(&self, engine: &Engine) -> Result<(), ModelError> {
        self.in_tiles(engine).map(drop)
    }

    /// `head`, and `backward` as `engine` runs it.
    ///
    /// # Errors
    /// They are missing.
    pub(super) fn in_tiles(&self, engine: &Engine) -> Result<(&GraphMetadata, &GraphMetadata), ModelError> {
        let missing = |path: &PathBuf| ModelError::Missing { path: path.clone() };
        let InTiles { head, backward, cpu } = self.in_tiles.as_ref().map_err(missing)?;
        let cpu = cpu.as_ref().filter(|_| engine.is_cpu());
        Ok((head, cpu.unwrap_or(backward)))
    }

    /// The graphs that `engine` runs.
    pub fn chosen(&self, engine: &Engine) -> Vec<(Kind, &GraphMetadata)> {
        let kinds = [Kind::Forward, Kind::Targets, Kind::LossGradient];
        let whole = kinds.map(|kind| (kind, self.choose(engine, kind).0));
        let in_tiles = self.in_tiles(engine).ok();
        let in_tiles = in_tiles.map(|(head, backward)| [(Kind::Head, head), (Kind::Backward, backward)]);
        whole.into_iter().chain(in_tiles.into_iter().flatten()).collect()
    }

    /// All files that were read: the graphs, whichever of them runs, and the weights.
    pub fn files(&self) -> Vec<PathBuf> {
        let cpu = self.cpu.iter().flat_map(|cpu| [&cpu.forward, &cpu.loss_gradient]);
        let graphs = [&self.forward, &self.targets, &self.loss_gradient]
            .into_iter()
            .chain(cpu);
        let weights = self.forward.weights_file();
        let in_tiles = self.in_tiles.iter();
        let in_tiles =
            in_tiles.flat_map(|graphs| [&graphs.head, &graphs.backward].into_iter().chain(&graphs.cpu));
        let graphs = graphs.chain(in_tiles).map(|graph| graph.path.clone());
        graphs.chain([weights]).collect()
    }

    /// The kernels that the network runs on; `None` for those of a provider other than the processor's.
    pub fn kernels(&self, engine: &Engine) -> Option<KernelSet> {
        let own = self.choose(engine, Kind::LossGradient).1;
        engine
            .is_cpu()
            .then(|| own.map_or(KernelSet::OnnxRuntime, |kernels| kernels.set()))
    }

    /// Checks that a picture of `size` (width, height in pixels) is large enough for the deepest layer. `what` and
    /// `remedy` say in the error which it is and what makes it larger.
    ///
    /// # Errors
    /// [`ModelError::TooSmall`].
    pub fn check_size(
        &self,
        size: (u32, u32),
        what: &'static str,
        remedy: Enlarge,
    ) -> Result<(), ModelError> {
        check_size(&self.loss_gradient, size, what, remedy)
    }
}

/// Checks that a picture is large enough for a graph.
pub(crate) fn check_size(
    graph: &GraphMetadata,
    (width, height): (u32, u32),
    what: &'static str,
    remedy: Enlarge,
) -> Result<(), ModelError> {
    if width.min(height) >= graph.min_size {
        return Ok(());
    }
    Err(ModelError::TooSmall {
        what,
        width,
        height,
        graph: graph.preset.clone(),
        min_size: graph.min_size,
        remedy,
    })
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

/// That there are no graphs of a style loss, with those there are.
fn unknown_style_loss(folder: &Path, name: &str, options: &GraphOptions) -> ModelError {
    let prefix = format!("{name}-");
    let others = names(folder, Kind::Targets).into_iter().filter_map(|stem| {
        let loss = stem.strip_prefix(&prefix)?;
        let file = Operators::Portable.file(folder, &stem, Kind::Targets);
        let said = GraphMetadata::parse(&file, Kind::Targets, Operators::Portable).ok()?;
        said.style_loss.filter(|said| said == loss)
    });
    let known: Vec<String> = [USUAL_STYLE_LOSS.to_owned()].into_iter().chain(others).collect();
    ModelError::UnknownStyleLoss {
        style_loss: options.style_loss.clone(),
        preset: name.to_owned(),
        folder: folder.to_path_buf(),
        available: known.join(", "),
    }
}

/// The names of the presets in `folder`, sorted, for an error.
fn available(folder: &Path) -> Vec<String> {
    let names = names(folder, Kind::Forward);
    let names: Vec<String> = names.into_iter().filter(|name| name != JUDGE).collect();
    match names.is_empty() {
        true => vec!["none (run `make setup`)".to_owned()],
        false => names,
    }
}

/// The names of the graphs of a kind in `folder`, sorted.
fn names(folder: &Path, kind: Kind) -> Vec<String> {
    let suffix = format!(".{}.onnx", kind.name());
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
    names
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
