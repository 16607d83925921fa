//! The pipeline.

mod error;
mod evaluation;
mod kept;
mod painting;
mod proposal;
mod regions;
mod stages;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use ndarray::Array4;

use crate::config::{Options, Settings};
use crate::grey::Grey;
use crate::init::Init;
use crate::model::metadata::{CONTRACT_VERSION, Kind};
use crate::model::{
    Enlarge, Evaluation, GraphMetadata, Graphs, LossGradient, Targets, Weights, default_folder,
};
use crate::observe::{Event, Observer, Planned, Started};
use crate::optimize::{self, OptimizeError, Outcome, StopReason};
use crate::picture::{Fit, Picture, fit};
use crate::record::{FileRecord, machine};
use crate::regions::{Masks, RegionNote};
use crate::runtime::{Engine, LibraryQuery, Placement, Runtime};
use crate::tensor::to_tensor;
pub use error::Error;
use kept::Kept;
use painting::Painting;
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
///     size: Some(384),
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
    engine: Engine,
    graphs: Graphs,
    weights: Weights,
    masks: Masks,
}

/// A painted picture and how the optimisation ended.
#[derive(Debug)]
pub struct Stylized {
    /// The picture.
    pub picture: Picture,
    /// The optimiser's account: losses, counts, why it stopped. Its image is moved into `picture`.
    pub outcome: Outcome,
}

/// The loss of a given picture.
#[derive(Debug)]
pub struct Judged {
    /// The names of the terms, in the graph's order.
    pub term_names: Vec<String>,
    /// The loss and its terms.
    pub evaluation: Evaluation,
    /// The gradient with respect to the image, f32 `[1, 3, height, width]`, BGR, loss per grey level.
    pub gradient: Array4<f32>,
    /// Where the nodes of the graph ran, when not all of them on the processor.
    pub placement: Option<Placement>,
    /// The tiles that it was computed in: how many, and their width and height in pixels.
    pub tiles: (usize, (u32, u32)),
    /// What is to be told of its regions.
    pub notes: Vec<RegionNote>,
}

impl Stylizer {
    /// Resolves `options`, reads the masks that they name, loads ONNX Runtime and checks the graphs.
    ///
    /// # Errors
    /// An option out of its range, a mask, ONNX Runtime or a graph that cannot be used.
    pub fn new(options: &Options) -> Result<Stylizer, Error> {
        let settings = options.resolve()?;
        let masks = Masks::load(&settings.regions, |path| Ok::<_, Error>(Picture::load(path)?))?;
        Stylizer::with_masks(options, masks)
    }

    /// The same with masks that have been read.
    ///
    /// # Errors
    /// As [`Stylizer::new`].
    pub fn with_masks(options: &Options, masks: Masks) -> Result<Stylizer, Error> {
        let settings = options.resolve()?;
        settings.provider.check()?;
        settings.kernels.check()?;
        let name = settings.graph_name();
        let folder = options.graphs.clone().map_or_else(|| default_folder(&name), Ok)?;
        let graphs = Graphs::open(&folder, &name, &settings.graph_options())?;
        let weights = settings.weights(&graphs.loss_gradient)?;
        let runtime = Runtime::load(&LibraryQuery {
            file: options.onnxruntime.clone(),
            name: options.runtime.clone(),
            provider: settings.provider.provider,
        })?;
        let engine = Engine::start(&runtime, &settings.provider, settings.threads)?;
        Ok(Stylizer {
            settings,
            engine,
            graphs,
            weights,
            masks,
        })
    }

    /// The resolved settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// ONNX Runtime and the provider that runs the graphs.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What the loss graph says of itself.
    pub fn metadata(&self) -> &GraphMetadata {
        &self.graphs.loss_gradient
    }

    /// The graphs that run, and their weights.
    pub fn files(&self) -> Vec<FileRecord> {
        let graphs = self.graphs.chosen(&self.engine);
        let record = |(kind, graph): (Kind, &GraphMetadata)| {
            FileRecord::new(kind.name(), &graph.path, graph.sha256.clone())
        };
        let loss = &self.graphs.loss_gradient;
        let weights = FileRecord::new("weights", &loss.weights_file(), loss.weights_digest().to_owned());
        graphs.into_iter().map(record).chain([weights]).collect()
    }

    /// All files that were read so far: graphs, whichever of them run, their weights, ONNX Runtime's library.
    pub fn files_read(&self) -> Vec<PathBuf> {
        let library = self.engine.runtime().path().to_path_buf();
        self.graphs.files().into_iter().chain([library]).collect()
    }

    /// What the bytes of a picture may depend on beside settings, pictures and graphs, by name: `impasto`, `contract`,
    /// `onnxruntime`, `provider`, `kernels` (on the processor), `machine`.
    pub fn versions(&self) -> BTreeMap<String, String> {
        let kernels = self.graphs.kernels(&self.engine);
        let versions = [
            ("impasto", env!("CARGO_PKG_VERSION").to_owned()),
            ("contract", CONTRACT_VERSION.to_owned()),
            ("onnxruntime", self.engine.runtime().version().to_owned()),
            ("provider", self.engine.provider().to_owned()),
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
        self.stylize_from(None, content, styles, observer)
    }

    /// The same from a start picture; without one the settings say where to start, and a file is read.
    ///
    /// # Errors
    /// As [`Stylizer::stylize`].
    pub fn stylize_from(
        &self,
        start: Option<Picture>,
        content: Picture,
        styles: Vec<Picture>,
        observer: &mut dyn Observer,
    ) -> Result<Stylized, Error> {
        let begin = Instant::now();
        let stages = self.stages(&content, &styles)?;
        for note in stages.iter().flat_map(|stage| &stage.notes) {
            let _ = observer.observe(&Event::Noted(note));
        }
        let schedule = self.schedule(&content, &styles)?;
        let mut painting = self.start(start, &stages[0], &styles[0])?;
        drop((content, styles));
        let painted = self.paint(&mut painting, &stages, &schedule, begin, observer);
        let finest = &stages[stages.len() - 1].postprocess;
        match painted {
            Ok(()) => Ok(painting.finished(finest)),
            Err(error) if painting.is_begun() => {
                painting.stop_for(StopReason::Failed);
                Err(Error::Unfinished {
                    best: Box::new(painting.finished(finest)),
                    source: Box::new(error),
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Goes through the stages of a run that began at `begin`; after an error the painting is the best one until then.
    fn paint(
        &self,
        painting: &mut Painting,
        stages: &[Stage],
        schedule: &[Planned],
        begin: Instant,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        for (scale, stage) in stages.iter().enumerate() {
            let loss = self.loss(stage, observer)?;
            let loss: Box<dyn LossGradient + '_> = match stage.postprocess.keep() {
                Some(keep) => Box::new(Kept::new(loss, keep, to_tensor(stage.postprocess.content()))),
                None => loss,
            };
            let mut loss: Box<dyn LossGradient + '_> = match stage.postprocess.is_grey() {
                true => Box::new(Grey::new(loss)),
                false => loss,
            };
            let _ = observer.observe(&Event::Started(Started {
                scale,
                schedule,
                term_names: loss.term_names(),
                postprocess: &stage.postprocess,
            }));
            let options = self.optimizer(stage, begin);
            painting.optimize(
                &mut *loss,
                stage.postprocess.content(),
                &options,
                self.weights.unit(),
                observer,
            )?;
            drop(loss);
            if scale + 1 == stages.len() || painting.stop().is_from_outside() {
                break;
            }
            if told_to_stop(observer, &painting.picture(&stage.postprocess)) {
                painting.stop_for(StopReason::Interrupted);
                break;
            }
        }
        Ok(())
    }

    /// The loss of `image`, with its terms and its gradient; nothing is optimised.
    ///
    /// `image` is taken at its own size; `content` is resized to it; `styles` keep their size unless the settings
    /// name a style size or scale.
    ///
    /// # Errors
    /// A picture too small for the network, or a session that fails.
    pub fn evaluate(&self, image: &Picture, content: &Picture, styles: &[Picture]) -> Result<Judged, Error> {
        self.check_blend(styles)?;
        let given = styles;
        let (width, height) = image.size();
        self.graphs.check_size(image.size(), "image", Enlarge::Picture)?;
        let styles = styles
            .iter()
            .map(|style| self.style_at_own_size(style))
            .collect::<Result<Vec<Picture>, Error>>()?;
        self.check_regions(content.size(), given, image.size())?;
        let mut features = self.graphs.features(&self.engine)?;
        let layout = self.masks.layout(image.size());
        let content = content.resize(width, height);
        let (targets, mut notes) = self.targets(&mut features, &content, &styles, layout.as_ref())?;
        notes.extend(layout.iter().flat_map(Stylizer::notes_of));
        drop(features);
        let unit = self.content_unit(&targets).unwrap_or(1.0);
        let weights = self.weights.clone().with_content_times(unit);
        let (mut loss, placement) = self.loss_gradient(&targets, weights)?;
        let image = to_tensor(image).into_raw_vec_and_offset().0;
        let mut gradient = Array4::zeros((1, 3, height as usize, width as usize));
        let evaluation = loss
            .evaluate(&image, gradient.as_slice_mut().unwrap_or_default())
            .map_err(|source| OptimizeError::Objective {
                evaluation: 1,
                source,
                best: None,
            })?;
        Ok(Judged {
            term_names: loss.term_names().to_vec(),
            evaluation,
            gradient,
            placement,
            tiles: self.graphs.tiles((width, height)),
            notes,
        })
    }

    /// The scales that [`Stylizer::stylize`] paints these pictures at, from coarse to fine.
    ///
    /// # Errors
    /// A picture too small for the network, a blend for another number of styles.
    pub fn schedule(&self, content: &Picture, styles: &[Picture]) -> Result<Vec<Planned>, Error> {
        let scales = self.scales(content, styles)?;
        let planned = scales.iter().map(|scale| {
            let (width, height) = self.sizes(content, styles, scale.size).0;
            Planned {
                width,
                height,
                iterations: scale.iterations,
            }
        });
        Ok(planned.collect())
    }

    /// The image to start from, at the size of the first stage.
    fn start(&self, given: Option<Picture>, first: &Stage, style: &Picture) -> Result<Painting, Error> {
        let (content, init) = (first.postprocess.content(), &self.settings.init);
        let is_file = given.is_some() || matches!(init, Init::File(_));
        let style = match init {
            Init::StyleStats => self.colored(style, content),
            _ => Cow::Borrowed(style),
        };
        let start = match given {
            Some(picture) => to_tensor(&picture.resize(content.width(), content.height())),
            None => init.tensor(content, &style, self.settings.seed)?,
        };
        Ok(Painting::new(
            start.into_raw_vec_and_offset().0,
            first.size(),
            is_file,
            self.weights.has_content(),
        ))
    }

    /// What a content weight of 1 stands for with these targets, where the preset lets it follow them.
    fn content_unit(&self, targets: &Targets) -> Option<f64> {
        let balance = self.settings.balance(self.metadata());
        balance.map(|balance| balance * targets.balance())
    }

    /// The loss of a stage; the observer is told where it runs, if that needs telling.
    ///
    /// The fewer pixels a scale has, the more the content weighs there: the style image's large shapes would otherwise
    /// take the place of the content's, and the finer scales could not bring it back. With the square of the ratio of
    /// pixels the loss is lower after as many seconds than with the ratio itself (two pairs of pictures, 1 to 2 %). A weight
    /// that follows the pair's balance has that of each scale.
    fn loss<'a>(
        &'a self,
        stage: &'a Stage,
        observer: &mut dyn Observer,
    ) -> Result<Box<dyn LossGradient + 'a>, Error> {
        let unit = self.content_unit(&stage.targets);
        let factor = unit.unwrap_or_else(|| stage.coarseness.powi(2));
        let weights = self.weights.relative().with_content_times(factor);
        let (loss, placement) = self.loss_gradient(&stage.targets, weights)?;
        if let Some(placement) = &placement {
            let _ = observer.observe(&Event::Placed(placement));
        }
        Ok(loss)
    }

    /// The loss with these targets, whole or in tiles, and where its nodes run if not all on the processor.
    fn loss_gradient<'a>(
        &'a self,
        targets: &'a Targets,
        weights: Weights,
    ) -> Result<(Box<dyn LossGradient + 'a>, Option<Placement>), Error> {
        let tiled = self.graphs.tiled_loss_gradient(&self.engine, targets, &weights)?;
        if let Some(tiled) = tiled {
            let placement = tiled.placement().cloned();
            return Ok((Box::new(tiled), placement));
        }
        let loss = self.graphs.loss_gradient(&self.engine, targets, weights)?;
        let placement = loss.placement().cloned();
        Ok((Box::new(loss), placement))
    }

    fn style_at_own_size(&self, style: &Picture) -> Result<Picture, Error> {
        let side = self.style_side(style.size(), u32::MAX);
        let (width, height) = fit(style.size(), side, Fit::Long);
        self.graphs
            .check_size((width, height), "style image", Enlarge::StyleSize)?;
        Ok(style.resize(width, height))
    }

    /// How to optimise a stage of a run that began at `begin`.
    fn optimizer(&self, stage: &Stage, begin: Instant) -> optimize::Options {
        let settings = &self.settings;
        optimize::Options {
            method: settings.method.clone(),
            iterations: stage.iterations,
            threads: settings.threads,
            tolerance: settings.tolerance,
            max_seconds: settings
                .max_seconds
                .map(|most| (most - begin.elapsed().as_secs_f64()).max(0.0)),
        }
    }
}

/// Shows the observer what a scale has come to; true when it wants no more.
fn told_to_stop(observer: &mut dyn Observer, picture: &Picture) -> bool {
    observer.observe(&Event::ScaleDone(picture)).is_break()
}
