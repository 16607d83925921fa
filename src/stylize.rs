//! The pipeline.

use std::path::{Path, PathBuf};

use ndarray::Array4;

use crate::config::{Options, Pooling, Settings};
use crate::error::Error;
use crate::init::Init;
use crate::judge::Judge;
use crate::model::{
    Contract, Evaluation, Graphs, KernelSet, LossGradient, ModelError, Targets, Weights, default_folder,
};
use crate::observe::{Event, InUnits, Observer, Started};
use crate::optimize::{self, Method, OptimizeError, Outcome, minimize};
use crate::picture::{Fit, Picture, fit};
use crate::runtime::{Choice, Engine, Placement, Runtime, Sought};
use crate::tensor::{from_values, to_tensor};

/// Paints pictures: ONNX Runtime loaded, graphs checked, settings resolved.
///
/// ```no_run
/// use std::ops::ControlFlow;
/// use std::path::Path;
///
/// use impasto::observe::Event;
/// use impasto::picture::Picture;
/// use impasto::stylize::Stylizer;
///
/// # fn main() -> Result<(), impasto::Error> {
/// let stylizer = Stylizer::builder().size(384).iterations(200).build()?;
/// let content = Picture::load(Path::new("photo.jpg"))?;
/// let style = Picture::load(Path::new("painting.jpg"))?;
/// let mut quiet = |_: &Event<'_>| ControlFlow::Continue(());
/// let stylized = stylizer.stylize(&content, &style, &mut quiet)?;
/// stylized.picture.save(Path::new("painted.png"), false)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stylizer {
    settings: Settings,
    engine: Engine,
    graphs: Graphs,
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
}

impl Stylizer {
    /// A builder with every option left to its default.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Resolves `options`, loads ONNX Runtime and checks the graphs.
    ///
    /// # Errors
    /// An option out of its range, ONNX Runtime or a graph that cannot be used.
    pub fn new(options: &Options) -> Result<Stylizer, Error> {
        let settings = options.resolve()?;
        settings.provider.check()?;
        let name = settings.graph_name();
        let folder = options.graphs.clone().map_or_else(|| default_folder(&name), Ok)?;
        let graphs = Graphs::open(&folder, &name, settings.kernels)?;
        let runtime = Runtime::load(&Sought {
            file: options.onnxruntime.clone(),
            name: options.runtime.clone(),
            provider: options.provider.provider,
        })?;
        let engine = Engine::start(&runtime, &settings.provider, settings.threads)?;
        Ok(Stylizer {
            settings,
            engine,
            graphs,
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
    pub fn contract(&self) -> &Contract {
        &self.graphs.loss_gradient
    }

    /// Paints `content` in the style of `style`.
    ///
    /// # Errors
    /// A picture too small for the network, a session that fails, a loss that is not a number.
    pub fn stylize(
        &self,
        content: &Picture,
        style: &Picture,
        observer: &mut dyn Observer,
    ) -> Result<Stylized, Error> {
        let (content, style) = self.resize(content, style)?;
        let start = self.settings.init.tensor(&content, &style, self.settings.seed)?;
        let targets = self.targets(&content, &style)?;
        drop(style);
        let weights = self.weights();
        let mut loss = self
            .graphs
            .loss_gradient(&self.engine, &targets, weights.relative())?;
        if let Some(placement) = loss.placement() {
            let _ = observer.observe(&Event::Placed(placement));
        }
        let (width, height) = content.size();
        let _ = observer.observe(&Event::Started(Started {
            width,
            height,
            term_names: loss.term_names(),
        }));
        let mut outcome = minimize(
            &mut loss,
            start.into_raw_vec_and_offset().0,
            &self.optimizer(),
            &mut InUnits::of(weights.unit(), observer),
        )?;
        outcome.loss *= weights.unit();
        outcome.terms.iter_mut().for_each(|term| *term *= weights.unit());
        let picture = from_values(&std::mem::take(&mut outcome.image), width, height).with_alpha_of(&content);
        Ok(Stylized { picture, outcome })
    }

    /// The loss of `image`, with its terms and its gradient; nothing is optimised.
    ///
    /// `image` is taken at its own size; `content` is resized to it; `style` keeps its size unless the settings name
    /// a style size.
    ///
    /// # Errors
    /// A picture too small for the network, or a session that fails.
    pub fn evaluate(&self, image: &Picture, content: &Picture, style: &Picture) -> Result<Judged, Error> {
        let (width, height) = image.size();
        self.check_judged(image)?;
        let style = self.judged_style(style)?;
        let targets = self.targets(&content.resize(width, height), &style)?;
        let mut loss = self
            .graphs
            .loss_gradient(&self.engine, &targets, self.weights())?;
        let image = to_tensor(image).into_raw_vec_and_offset().0;
        let mut gradient = Array4::zeros((1, 3, height as usize, width as usize));
        let evaluation = loss
            .evaluate(&image, gradient.as_slice_mut().unwrap_or_default())
            .map_err(|source| OptimizeError::Objective {
                evaluation: 1,
                source,
            })?;
        Ok(Judged {
            term_names: loss.term_names().to_vec(),
            evaluation,
            gradient,
            placement: loss.placement().cloned(),
        })
    }

    /// A judge of pictures in the style of `style`, which keeps its size unless the settings name a style size.
    ///
    /// It sees the layers of the loss as the settings' preset and pooling do, and held-out layers through the graph
    /// [`JUDGE`](crate::judge::JUDGE), which pools by maximum.
    ///
    /// # Errors
    /// A style image too small for the network, or a graph that cannot be used. That there is no graph with held-out
    /// layers is no error: they are left out.
    pub fn judge(&self, style: &Picture) -> Result<Judge<'_>, Error> {
        Judge::new(self, &self.judged_style(style)?)
    }

    /// The folder with the graphs.
    pub fn folder(&self) -> &Path {
        self.contract().path.parent().unwrap_or(Path::new(""))
    }

    /// Checks that a picture to judge is large enough.
    pub(crate) fn check_judged(&self, image: &Picture) -> Result<(), ModelError> {
        self.graphs.check_size(image.size(), "image", "picture")
    }

    /// The style image at the size that pictures are judged by.
    fn judged_style(&self, style: &Picture) -> Result<Picture, ModelError> {
        let (width, height) = self
            .settings
            .style_size
            .map_or(style.size(), |size| fit(style.size(), size, Fit::Long));
        self.graphs
            .check_size((width, height), "style image", "--style-size")?;
        Ok(style.resize(width, height))
    }

    /// Brings both pictures to the sizes of the settings.
    fn resize(&self, content: &Picture, style: &Picture) -> Result<(Picture, Picture), Error> {
        let size = fit(content.size(), self.settings.size, self.settings.fit);
        self.graphs
            .check_size(size, "content image", "--size, or --fit short")?;
        let style_size = self.style_size(size, style.size());
        self.graphs
            .check_size(style_size, "style image", "--style-size")?;
        Ok((
            content.resize(size.0, size.1),
            style.resize(style_size.0, style_size.1),
        ))
    }

    /// The style image's size: what `style_size` says; else its own, but no longer than the painted picture.
    fn style_size(&self, painted: (u32, u32), own: (u32, u32)) -> (u32, u32) {
        let longest = |(width, height): (u32, u32)| width.max(height);
        let side = self
            .settings
            .style_size
            .unwrap_or_else(|| longest(own).min(longest(painted)));
        fit(own, side, Fit::Long)
    }

    fn targets(&self, content: &Picture, style: &Picture) -> Result<Targets, Error> {
        let (content, style) = (to_tensor(content), to_tensor(style));
        Ok(self.graphs.targets(&self.engine, content.view(), style.view())?)
    }

    fn weights(&self) -> Weights {
        Weights {
            style: self.settings.style_weight,
            content: self.settings.content_weight,
        }
    }

    fn optimizer(&self) -> optimize::Options {
        optimize::Options {
            iterations: self.settings.iterations,
            method: Method::Lbfgs {
                history: self.settings.history,
            },
            threads: self.settings.threads,
            ..optimize::Options::default()
        }
    }
}

/// Builds a [`Stylizer`] option by option; see [`Options`] for ranges and defaults.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    options: Options,
}

/// One method an option: sets it and returns the builder.
macro_rules! setters {
    ($($name:ident: $type:ty,)*) => {
        $(
            #[doc = concat!("Sets [`Options::", stringify!($name), "`].")]
            pub fn $name(mut self, $name: $type) -> Builder {
                self.options.$name = Some($name.into());
                self
            }
        )*
    };
}

impl Builder {
    setters! {
        preset: impl Into<String>,
        pooling: Pooling,
        size: u32,
        fit: Fit,
        style_size: u32,
        style_weight: f64,
        content_weight: f64,
        init: Init,
        seed: u64,
        iterations: u64,
        history: usize,
        kernels: KernelSet,
        threads: usize,
        graphs: impl Into<PathBuf>,
        onnxruntime: impl Into<PathBuf>,
    }

    /// Sets the execution provider; the rest of [`Request`](crate::runtime::Request) keeps its defaults.
    pub fn provider(mut self, provider: Choice) -> Builder {
        self.options.provider.provider = provider;
        self
    }

    /// See [`Stylizer::new`].
    ///
    /// # Errors
    /// Those of [`Stylizer::new`].
    pub fn build(&self) -> Result<Stylizer, Error> {
        Stylizer::new(&self.options)
    }
}
