//! The pipeline.

mod error;
mod evaluation;
mod footprint;
mod kept;
mod loss;
mod network;
mod pace;
mod painting;
mod proposal;
mod pyramid;
mod regions;
mod schedule;
mod sizes;
mod stages;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::config::{Options, Settings};
use crate::files::binary::Reader;
use crate::frames::{self, LastFrame};
use crate::init::Init;
use crate::memory::Bytes;
use crate::model::metadata::{CONTRACT_VERSION, Kind};
use crate::model::{GraphMetadata, TEMPORAL, TemporalGraph, Weights};
use crate::observe::{Event, Observer, Planned, Started};
use crate::optimize::{self, OptimizeError, Outcome, StopReason};
use crate::picture::Picture;
use crate::record::{FileRecord, machine};
use crate::regions::Masks;
use crate::runtime::Engine;
use crate::tensor::to_tensor;
pub use error::Error;
pub use evaluation::Judged;
pub use footprint::Memory;
pub use network::{Network, Networks};
pub use pace::Pace;
use painting::{Nature, Painting};
pub use schedule::{ScalePlan, Schedule};
use stages::Stage;

/// Paints pictures: ONNX Runtime loaded, graphs checked, settings resolved.
///
/// ```no_run
/// use std::ops::ControlFlow;
/// use std::path::Path;
///
/// use impasto::config::Options;
/// use impasto::observe::Event;
/// use impasto::picture::Picture;
/// use impasto::stylize::Stylizer;
///
/// # fn main() -> Result<(), impasto::Error> {
/// let stylizer = Stylizer::new(&Options {
///     size: Some(384.into()),
///     iterations: Some(200),
///     ..Options::default()
/// })?;
/// let content = Picture::load(Path::new("photo.jpg"))?;
/// let style = Picture::load(Path::new("painting.jpg"))?;
/// let mut quiet = |_: &Event<'_>| ControlFlow::Continue(());
/// let stylized = stylizer.stylize(content, vec![style], &mut quiet)?;
/// stylized.picture.save(Path::new("painted.png"), false)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stylizer {
    settings: Settings,
    network: Network,
    weights: Weights,
    masks: Masks,
    last: Option<LastFrame>,
    /// The graph of the temporal term, if that counts.
    temporal: Option<TemporalGraph>,
    /// What a run may take; none where the system does not say what is left.
    budget: Option<Bytes>,
    /// What the graphs may take of a card's memory; none on the processor, and where nothing is known of it.
    card_budget: Option<Bytes>,
    whole_iterations: bool,
}

/// A painted picture and how the optimisation ended.
#[derive(Debug)]
pub struct Stylized {
    /// The picture.
    pub picture: Picture,
    /// The optimiser's account: losses, counts, why it stopped. Its image is moved into `picture`.
    pub outcome: Outcome,
}

/// Where a run starts.
#[derive(Debug)]
pub enum Start<'a> {
    /// Where the settings say; a file that they name is read.
    AsSet,
    /// At this picture.
    Picture(Picture),
    /// Where it was left: a [`Checkpoint`](crate::record::Checkpoint) of it has this to read.
    Saved(&'a mut Reader),
}

impl Stylizer {
    /// Resolves `options`, reads the masks and the last frame that they name, loads ONNX Runtime and checks the graphs.
    ///
    /// # Errors
    /// An option out of its range, a mask, a flow, ONNX Runtime or a graph that cannot be used.
    pub fn new(options: &Options) -> Result<Stylizer, Error> {
        let settings = options.resolve()?;
        let masks = Masks::load(&settings.regions, |path| Ok::<_, Error>(Picture::load(path)?))?;
        let last = LastFrame::load::<Error>(&settings.frame, frames::read)?;
        Ok(Stylizer::with_masks(options, masks)?.with_last_frame(last))
    }

    /// As [`Stylizer::new`], with masks that have been read and without a last frame.
    ///
    /// # Errors
    /// As [`Stylizer::new`].
    pub fn with_masks(options: &Options, masks: Masks) -> Result<Stylizer, Error> {
        let network = Network::load(options, &options.resolve()?)?;
        Stylizer::on(network, options, masks)
    }

    /// As [`Stylizer::new`], on a network that is loaded: the one of these options ([`Networks::of`]).
    ///
    /// # Errors
    /// An option out of its range, or weights for layers that the graphs do not look at.
    pub fn on(network: Network, options: &Options, masks: Masks) -> Result<Stylizer, Error> {
        let settings = options.resolve()?;
        let graph = &network.graphs.loss_gradient;
        let weights = settings.weights(graph)?;
        let folder = graph.path.parent().unwrap_or(Path::new(""));
        let temporal = settings.frame.weight().map(|_| TemporalGraph::open(folder));
        let temporal = temporal.transpose()?;
        let card_budget = settings.memory.or(network.card_budget);
        Ok(Stylizer {
            budget: settings.memory.or(network.budget),
            card_budget: card_budget.filter(|_| !network.engine.is_cpu()),
            settings,
            network,
            weights,
            masks,
            last: None,
            temporal,
            whole_iterations: false,
        })
    }

    /// With the last frame that the settings name, which has been read.
    pub fn with_last_frame(mut self, last: Option<LastFrame>) -> Stylizer {
        self.last = last;
        self
    }

    /// If `whole`, a time limit lets an iteration go to its end, so that the run can be resumed from there.
    pub fn with_whole_iterations(mut self, whole: bool) -> Stylizer {
        self.whole_iterations = whole;
        self
    }

    /// The resolved settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The memory that a run may take; none where the system does not say what is left, and no setting does.
    pub fn budget(&self) -> Option<Bytes> {
        self.budget
    }

    /// ONNX Runtime and the provider that runs the graphs.
    pub fn engine(&self) -> &Engine {
        &self.network.engine
    }

    /// What the loss graph says of itself.
    pub fn metadata(&self) -> &GraphMetadata {
        &self.network.graphs.loss_gradient
    }

    /// The graphs that run, and their weights.
    pub fn files(&self) -> Vec<FileRecord> {
        let graphs = self.network.graphs.chosen(&self.network.engine);
        let record = |(kind, graph): (Kind, &GraphMetadata)| {
            FileRecord::new(kind.name(), &graph.path, graph.sha256.clone())
        };
        let loss = &self.network.graphs.loss_gradient;
        let weights = FileRecord::new("weights", &loss.weights_file(), loss.weights_digest().to_owned());
        let temporal = self.temporal.iter();
        let temporal = temporal.map(|graph| FileRecord::new(TEMPORAL, &graph.path, graph.sha256.clone()));
        graphs
            .into_iter()
            .map(record)
            .chain([weights])
            .chain(temporal)
            .collect()
    }

    /// All files that were read so far: graphs, whichever of them run, their weights, ONNX Runtime's library.
    pub fn files_read(&self) -> Vec<PathBuf> {
        let library = self.network.engine.runtime().path().to_path_buf();
        let temporal = self.temporal.iter().map(|graph| graph.path.clone());
        let graphs = self.network.graphs.files().into_iter().chain(temporal);
        graphs.chain([library]).collect()
    }

    /// What the bytes of a picture may depend on beside settings, pictures and graphs, by name: `impasto`, `contract`,
    /// `onnxruntime`, `provider`, `kernels` (on the processor), `machine`.
    pub fn versions(&self) -> BTreeMap<String, String> {
        let kernels = self.network.graphs.kernels(&self.network.engine);
        let versions = [
            ("impasto", env!("CARGO_PKG_VERSION").to_owned()),
            ("contract", CONTRACT_VERSION.to_owned()),
            ("onnxruntime", self.network.engine.runtime().version().to_owned()),
            ("provider", self.network.engine.provider().to_owned()),
            ("machine", machine()),
        ];
        versions
            .into_iter()
            .chain(kernels.map(|kernels| ("kernels", kernels.to_string())))
            .map(|(name, version)| (name.to_owned(), version))
            .collect()
    }

    /// Paints `content` in the style of `styles`, scale by scale from coarse to fine. It takes the pictures, so that
    /// large ones take no memory while it paints.
    ///
    /// When `observer` or the clock ends the run at a coarse scale, the picture comes enlarged to the wanted size, and
    /// the outcome is that of the coarse one.
    ///
    /// # Errors
    /// A picture too small for the network, a blend for another number of styles, a session that fails, a loss that is
    /// not a number. What fails later than the first evaluation is an [`Error::Unfinished`], which has the best picture
    /// until then.
    pub fn stylize(
        &self,
        content: Picture,
        styles: Vec<Picture>,
        observer: &mut dyn Observer,
    ) -> Result<Stylized, Error> {
        self.stylize_from(Start::AsSet, content, styles, observer)
    }

    /// As [`Stylizer::stylize`], from a given start. Of a run that is resumed settings and pictures are those that it had, but that it may
    /// have more iterations or time.
    ///
    /// # Errors
    /// As [`Stylizer::stylize`]; what was saved is not of this run.
    pub fn stylize_from(
        &self,
        start: Start<'_>,
        content: Picture,
        styles: Vec<Picture>,
        observer: &mut dyn Observer,
    ) -> Result<Stylized, Error> {
        let begin = Instant::now();
        let schedule = self.schedule(&content, &styles)?;
        if !self.keeps_idle_sessions(&schedule) {
            self.network.graphs.forget_sessions();
        }
        self.network.engine.expect_bytes(schedule.network())?;
        let (given, restored) = match start {
            Start::Saved(saved) => {
                let restored = Painting::restore(begin, self.nature(), schedule.scales.len(), saved);
                (None, Some(restored.map_err(OptimizeError::Saved)?))
            }
            Start::Picture(picture) => (Some(picture), None),
            Start::AsSet => (None, None),
        };
        let begun = self.first_scale(schedule.scales.len());
        let done = restored.as_ref().map_or(begun, |(painting, _)| painting.scales());
        // Those that are done are of no use any more, unless they are in the losses of the others.
        let first = if self.settings.is_pyramid() { 0 } else { done };
        let stages = self.stages(&content, &styles, &schedule, first)?;
        for note in stages.iter().skip(done - first).flat_map(|stage| &stage.notes) {
            let _ = observer.observe(&Event::Noted(note));
        }
        let (mut painting, saved) = match restored {
            Some(restored) => restored,
            None => {
                let stage = &stages[done - first];
                (self.start(begin, given, (stage, done), &styles[0])?, None)
            }
        };
        drop((content, styles));
        let finest = stages[stages.len() - 1].postprocess.clone();
        let painted = self.paint(
            &mut painting,
            saved,
            (&stages, first),
            &schedule.planned(),
            observer,
        );
        match painted {
            Ok(()) => Ok(painting.finished(&finest)),
            Err(error) if painting.is_begun() => {
                painting.stop_for(StopReason::Failed);
                Err(Error::Unfinished {
                    best: Box::new(painting.finished(&finest)),
                    source: Box::new(error),
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Goes through the stages that are left, of those from the one called `first` on, and through the first of them from
    /// within if there is a state `saved` there; after an error the painting is the best one until then.
    fn paint(
        &self,
        painting: &mut Painting,
        mut saved: Option<&mut Reader>,
        (stages, first): (&[Stage], usize),
        schedule: &[Planned],
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        if saved.is_none() {
            painting.show_resumable(false, observer);
        }
        for scale in painting.scales()..schedule.len() {
            let (coarser, stage) = (&stages[..scale - first], &stages[scale - first]);
            let mut loss = self.loss_of(coarser, stage, observer)?;
            let _ = observer.observe(&Event::Started(Started {
                scale,
                schedule,
                term_names: loss.term_names(),
                postprocess: &stage.postprocess,
            }));
            let options = self.optimizer(stage, painting.seconds());
            painting.optimize(
                &mut *loss,
                stage.postprocess.content(),
                (&options, stage.way.preconditioned),
                self.weights.unit(),
                observer,
                saved.take(),
            )?;
            drop(loss);
            if scale + 1 == schedule.len() || painting.stop().is_from_outside() {
                break;
            }
            let ends = told_to_stop(observer, &painting.picture(&stage.postprocess));
            painting.show_resumable(ends, observer);
            if ends {
                painting.stop_for(StopReason::Interrupted);
                break;
            }
        }
        Ok(())
    }

    /// The scale to start at, of so many: the last frame has what coarser ones lay out.
    pub(super) fn first_scale(&self, scales: usize) -> usize {
        match (&self.settings.init, &self.last) {
            (Init::Previous, Some(_)) => scales - 1,
            _ => 0,
        }
    }

    /// The image to start from at `begin`, at the size of the `first` stage, before which so many scales are passed over.
    fn start(
        &self,
        begin: Instant,
        given: Option<Picture>,
        (first, passed): (&Stage, usize),
        style: &Picture,
    ) -> Result<Painting, Error> {
        let (content, init) = (first.postprocess.content(), &self.settings.init);
        let last = first.moved.as_ref().filter(|_| *init == Init::Previous);
        let is_painted = given.is_some() || last.is_some() || matches!(init, Init::File(_));
        let style = match init {
            Init::StyleStats => self.colored(style, content),
            _ => Cow::Borrowed(style),
        };
        let start = match (given, last) {
            (Some(picture), _) => to_tensor(&picture.resize(content.width(), content.height())),
            (None, Some(moved)) => moved.tensor(),
            (None, None) => init.tensor(content, &style, self.settings.seed)?,
        };
        Ok(Painting::new(
            begin,
            (start.into_raw_vec_and_offset().0, passed),
            first.size(),
            is_painted,
            self.nature(),
        ))
    }

    /// What is painted.
    fn nature(&self) -> Nature {
        Nature {
            has_content: self.weights.has_content(),
            seamless: self.settings.seamless,
        }
    }

    /// How to optimise a stage of a run that has taken so many `seconds`.
    fn optimizer(&self, stage: &Stage, seconds: f64) -> optimize::Options {
        let settings = &self.settings;
        optimize::Options {
            method: stage.way.method(&settings.method),
            iterations: stage.iterations,
            threads: settings.threads,
            tolerance: settings.tolerance,
            max_seconds: settings.max_seconds.map(|most| (most - seconds).max(0.0)),
            whole_iterations: self.whole_iterations,
        }
    }
}

/// Shows the observer what a scale has come to; true when it wants no more.
fn told_to_stop(observer: &mut dyn Observer, picture: &Picture) -> bool {
    observer.observe(&Event::ScaleDone(picture)).is_break()
}
