//! What to paint and how: presets, options, and the settings they resolve to.

mod presets;

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

pub use presets::{PRESETS, Preset};

use crate::init::Init;
use crate::model::{Contract, GraphOptions, KernelSet, LayerFactors, ModelError, Padding, Weights};
use crate::optimize::Method;
use crate::picture::Fit;
use crate::runtime::Request;

/// How the network pools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Maximum, as VGG19 was trained.
    #[default]
    Max,
    /// Average, which Gatys et al. 2016 found to give slightly smoother pictures.
    Avg,
}

/// An option that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{option} is {value}, but must be {expected}")]
pub struct ConfigError {
    /// The option's name.
    pub option: &'static str,
    /// The value given.
    pub value: String,
    /// What it may be.
    pub expected: &'static str,
}

/// What the caller chose; a `None` is left to the preset, or to the default that is named here.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The preset's name (default `gatys`).
    pub preset: Option<String>,
    /// How the network pools (default max).
    pub pooling: Option<Pooling>,
    /// The painted picture's longer or shorter side in pixels, 1 to 32768 (default 512).
    pub size: Option<u32>,
    /// Which side `size` speaks of (default the preset's).
    pub fit: Option<Fit>,
    /// The style image's longer side in pixels (default: that of the painted picture, never enlarged).
    pub style_size: Option<u32>,
    /// The style weight, 0 or more (default the preset's).
    pub style_weight: Option<f64>,
    /// The content weight, 0 or more (default the preset's).
    pub content_weight: Option<f64>,
    /// The weight of the total variation, 0 or more (default the preset's).
    pub tv_weight: Option<f64>,
    /// What the style weight is multiplied by for single layers, 0 or more (default 1).
    pub style_layer_weights: Option<LayerFactors>,
    /// What the content weight is multiplied by for single layers, 0 or more (default 1).
    pub content_layer_weights: Option<LayerFactors>,
    /// Whether every layer's gradient is brought to the L1 norm of its weight (default no); not with L-BFGS.
    pub normalize_gradients: Option<bool>,
    /// What the first convolution sees around a picture (default zeros).
    pub padding: Option<Padding>,
    /// The start image (default the content image).
    pub init: Option<Init>,
    /// The seed of a random start image (default 0).
    pub seed: Option<u64>,
    /// L-BFGS iterations (default 500).
    pub iterations: Option<u64>,
    /// Pairs that L-BFGS remembers, 1 to 1000 (default 20); each takes 24 bytes a pixel.
    pub history: Option<usize>,
    /// Threads (default: as many as the process may use).
    pub threads: Option<usize>,
    /// The kernels of the CPU provider (default auto).
    pub kernels: Option<KernelSet>,
    /// The execution provider and its options (default auto).
    pub provider: Request,
    /// The folder with the graphs (default: see [`default_folder`](crate::model::default_folder)).
    pub graphs: Option<PathBuf>,
    /// The ONNX Runtime library (default: see [`Runtime::load`](crate::runtime::Runtime::load)).
    pub onnxruntime: Option<PathBuf>,
    /// The name of the ONNX Runtime to take, of those that lie side by side: `cpu`, `cuda`, …
    pub runtime: Option<String>,
}

/// Options with nothing left open, checked. The fields are those of [`Options`].
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in Options")]
pub struct Settings {
    pub preset: String,
    pub pooling: Pooling,
    pub size: u32,
    #[serde(serialize_with = "text")]
    pub fit: Fit,
    pub style_size: Option<u32>,
    pub style_weight: f64,
    pub content_weight: f64,
    pub tv_weight: f64,
    #[serde(serialize_with = "text")]
    pub style_layer_weights: LayerFactors,
    #[serde(serialize_with = "text")]
    pub content_layer_weights: LayerFactors,
    pub normalize_gradients: bool,
    pub padding: Padding,
    #[serde(serialize_with = "text")]
    pub init: Init,
    pub seed: u64,
    pub iterations: u64,
    pub history: usize,
    pub threads: usize,
    #[serde(serialize_with = "text")]
    pub kernels: KernelSet,
    pub provider: Request,
}

/// The largest side of a picture, in pixels.
pub const MAX_SIZE: u32 = 32_768;

impl Options {
    /// Fills in what was left open and checks all ranges.
    ///
    /// # Errors
    /// The first option that is out of its range.
    pub fn resolve(&self) -> Result<Settings, ConfigError> {
        let name = self.preset.clone().unwrap_or_else(|| PRESETS[0].name.to_owned());
        let preset = Preset::named(&name).unwrap_or(&PRESETS[0]);
        let settings = Settings {
            preset: name,
            pooling: self.pooling.unwrap_or_default(),
            size: pixels("size", self.size.unwrap_or(512))?,
            fit: self.fit.unwrap_or(preset.fit),
            style_size: self
                .style_size
                .map(|size| pixels("style-size", size))
                .transpose()?,
            style_weight: weight("style-weight", self.style_weight.unwrap_or(preset.style_weight))?,
            content_weight: weight(
                "content-weight",
                self.content_weight.unwrap_or(preset.content_weight),
            )?,
            tv_weight: weight("tv-weight", self.tv_weight.unwrap_or(preset.tv_weight))?,
            style_layer_weights: factors("style-layer-weights", self.style_layer_weights.as_ref())?,
            content_layer_weights: factors("content-layer-weights", self.content_layer_weights.as_ref())?,
            normalize_gradients: self.normalize_gradients.unwrap_or(false),
            padding: self.padding.unwrap_or_default(),
            init: self.init.clone().unwrap_or_default(),
            seed: self.seed.unwrap_or(0),
            iterations: self.iterations.unwrap_or(500),
            history: within("history", self.history.unwrap_or(20), 1..=1000, "1 to 1000")?,
            threads: within(
                "threads",
                self.threads.unwrap_or_else(available_threads),
                1..=1024,
                "1 to 1024",
            )?,
            kernels: self.kernels.unwrap_or_default(),
            provider: self.provider.clone(),
        };
        if settings.style_weight == 0.0 && settings.content_weight == 0.0 {
            return Err(ConfigError {
                option: "style-weight",
                value: "0 and so is content-weight".to_owned(),
                expected: "more than 0 for at least one of them, or there is nothing to paint",
            });
        }
        Ok(settings)
    }
}

impl Settings {
    /// The name of the graphs: the preset's, and `-avg` with average pooling.
    pub fn graph_name(&self) -> String {
        let graphs = Preset::named(&self.preset).map_or(&*self.preset, |preset| preset.graphs);
        match self.pooling {
            Pooling::Max => graphs.to_owned(),
            Pooling::Avg => format!("{graphs}-avg"),
        }
    }

    /// How the graphs are run.
    pub fn graph_options(&self) -> GraphOptions {
        GraphOptions {
            kernels: self.kernels,
            padding: self.padding,
            normalize_gradients: self.normalize_gradients,
        }
    }

    /// The weights of the terms of a graph.
    ///
    /// # Errors
    /// A weight for a layer that the graph does not look at, or no layer with a weight.
    pub fn weights(&self, contract: &Contract) -> Result<Weights, ModelError> {
        Weights::uniform(contract, self.style_weight, self.content_weight, self.tv_weight).with_factors(
            contract,
            &self.style_layer_weights,
            &self.content_layer_weights,
        )
    }

    /// Checks that `method` can work with these gradients: normalised ones are not those of the loss, whose decrease
    /// a line search looks for.
    ///
    /// # Errors
    /// L-BFGS is to take normalised gradients.
    pub fn check_method(&self, method: &Method) -> Result<(), ConfigError> {
        match method {
            Method::Lbfgs { .. } if self.normalize_gradients => Err(ConfigError {
                option: "normalize-gradients",
                value: "set".to_owned(),
                expected: "left out with L-BFGS, which needs the gradient of the loss; add --optimizer adam",
            }),
            _ => Ok(()),
        }
    }
}

fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn pixels(option: &'static str, value: u32) -> Result<u32, ConfigError> {
    within(option, value, 1..=MAX_SIZE, "1 to 32768 pixels")
}

fn factors(option: &'static str, given: Option<&LayerFactors>) -> Result<LayerFactors, ConfigError> {
    let factors = given.cloned().unwrap_or_default();
    for (_, factor) in &factors.0 {
        weight(option, *factor)?;
    }
    Ok(factors)
}

fn weight(option: &'static str, value: f64) -> Result<f64, ConfigError> {
    within(option, value, 0.0..=1e15, "a number from 0 to 1e15")
}

/// The value, if it is in its range, which `expected` says in words.
fn within<T: PartialOrd + Display>(
    option: &'static str,
    value: T,
    range: RangeInclusive<T>,
    expected: &'static str,
) -> Result<T, ConfigError> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(ConfigError {
        option,
        value: value.to_string(),
        expected,
    })
}

/// Writes a setting as its flag's value.
fn text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
