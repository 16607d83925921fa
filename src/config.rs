//! What to paint and how: presets, options, and the settings they resolve to.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeBounds;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::color::ColorMode;
use crate::init::Init;
use crate::model::contract::TermKind;
use crate::model::{
    Contract, GraphOptions, KernelSet, LayerFactors, ModelError, Padding, USUAL_STYLE_LOSS, Weights,
};
use crate::optimize::Method;
use crate::picture::{Bits, Encoding, Fit};
use crate::runtime::{Choice, Precision, Request};
use crate::scales::Scales;

mod file;
mod json;
mod layers;
mod optimizer;
mod presets;
pub mod range;

pub use file::{ConfigFile, ConfigFileError};
pub use optimizer::Optimizer;
pub use presets::{PRESETS, Preset};
use range::whole;

/// How the network pools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    pub expected: Cow<'static, str>,
}

/// What the caller chose; a `None` is left to the preset, or to the default that is named here.
///
/// A settings file and the settings in a trace have the same names in kebab case, which are those of the flags too.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// The preset's name (default `impasto`).
    pub preset: Option<String>,
    /// How the network pools (default max).
    pub pooling: Option<Pooling>,
    /// The painted picture's longer or shorter side in pixels, 1 to 32768 (default 512).
    pub size: Option<u32>,
    /// Which side `size` speaks of (default the preset's).
    pub fit: Option<Fit>,
    /// The style image's longer side in pixels (default: that of the painted picture, never enlarged).
    pub style_size: Option<u32>,
    /// A factor on the style image's default longer side, 0.01 to 100 (default 1); not beside `style_size`.
    pub style_scale: Option<f64>,
    /// The share of each style image, 0 or more, in any unit (default equal shares).
    pub style_blend: Option<Vec<f64>>,
    /// The style weight, 0 or more (default the preset's, or that of another style loss than `gram`).
    pub style_weight: Option<f64>,
    /// The content weight, 0 or more (default the preset's, or the style loss's own); with preset `impasto` in a unit that
    /// follows the pair, unless the style loss has a content weight of its own.
    pub content_weight: Option<f64>,
    /// Whose colours the picture gets (default the style image's).
    pub color: Option<ColorMode>,
    /// The weight of the total variation, 0 or more (default the preset's).
    pub tv_weight: Option<f64>,
    /// What the style weight is multiplied by for single layers, 0 or more (default the preset's with `gram`, or
    /// else 1).
    pub style_layer_weights: Option<LayerFactors>,
    /// What the content weight is multiplied by for single layers, 0 or more (default 1).
    pub content_layer_weights: Option<LayerFactors>,
    /// The style loss, by the name of its graphs (default `gram`).
    pub style_loss: Option<String>,
    /// What the first convolution sees around a picture (default the preset's).
    pub padding: Option<Padding>,
    /// The start image (default the content image).
    pub init: Option<Init>,
    /// The seed of a random start image (default 0).
    pub seed: Option<u64>,
    /// The optimiser (default L-BFGS).
    pub optimizer: Option<Optimizer>,
    /// Its iterations at the finest scale; coarser ones have a quarter of them (default 500).
    pub iterations: Option<u64>,
    /// The scales that are painted from coarse to fine (default the preset's; 1 for a start from a file).
    pub scales: Option<Scales>,
    /// Pairs that L-BFGS remembers, 1 to 1000 (default 80); each takes 6 bytes a pixel.
    pub history: Option<usize>,
    /// How far a step of Adam moves a pixel, in grey levels: more than 0, at most 255 (default 5).
    pub learning_rate: Option<f64>,
    /// How much of the gradient's mean each step of Adam keeps, 0 to below 1 (default 0.9).
    pub beta1: Option<f64>,
    /// How much of the gradient's mean square each step of Adam keeps, 0 to below 1 (default 0.99).
    pub beta2: Option<f64>,
    /// Stop when ten iterations have changed the loss by less than this fraction of it, 0 to 1 (default never).
    pub tolerance: Option<f64>,
    /// Stop at the first evaluation that ends later than this many seconds after the start (default never).
    pub max_seconds: Option<f64>,
    /// Bits a channel of the picture file, 8 or 16 (default 8); 16 in PNG and TIFF only.
    pub bits: Option<Bits>,
    /// The quality of a JPEG file, 1 to 100 (default 95); other formats are lossless.
    pub jpeg_quality: Option<u8>,
    /// Threads (default: as many as the process may use).
    pub threads: Option<usize>,
    /// The kernels of the CPU provider (default auto).
    pub kernels: Option<KernelSet>,
    /// The execution provider (default auto).
    pub provider: Option<Choice>,
    /// The number of the provider's device (default its first).
    pub device_id: Option<u32>,
    /// Options of the provider, which win over what the program sets by itself (default none).
    pub provider_option: Option<BTreeMap<String, String>>,
    /// The library of a provider that comes as a plugin (default none).
    pub provider_library: Option<PathBuf>,
    /// What the provider computes in (default f32).
    pub precision: Option<Precision>,
    /// The folder with the graphs (default: see [`default_folder`](crate::model::default_folder)).
    pub graphs: Option<PathBuf>,
    /// The ONNX Runtime library (default: see [`Runtime::load`](crate::runtime::Runtime::load)).
    pub onnxruntime: Option<PathBuf>,
    /// The name of the ONNX Runtime to take, of those that lie side by side: `cpu`, `cuda`, …
    pub runtime: Option<String>,
}

/// Options with nothing left open, checked. The fields are those of [`Options`].
///
/// As JSON or TOML they read back as [`Options`] that resolve to the same settings.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the fields are documented in Options")]
pub struct Settings {
    pub preset: String,
    pub pooling: Pooling,
    pub size: u32,
    pub fit: Fit,
    pub style_size: Option<u32>,
    pub style_scale: f64,
    pub style_blend: Vec<f64>,
    pub style_loss: String,
    /// None: what the style loss is meant for.
    pub style_weight: Option<f64>,
    /// None: what the style loss is meant for, or else the preset's.
    pub content_weight: Option<f64>,
    pub color: ColorMode,
    pub tv_weight: f64,
    pub style_layer_weights: LayerFactors,
    pub content_layer_weights: LayerFactors,
    pub padding: Padding,
    pub init: Init,
    pub seed: u64,
    #[serde(flatten)]
    pub method: Method,
    pub iterations: u64,
    pub scales: Scales,
    pub tolerance: Option<f64>,
    pub max_seconds: Option<f64>,
    #[serde(flatten)]
    pub encoding: Encoding,
    pub threads: usize,
    pub kernels: KernelSet,
    #[serde(flatten)]
    pub provider: Request,
    /// What was asked for and is not done, a sentence each.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

impl Options {
    /// Fills in what was left open and checks all ranges.
    ///
    /// # Errors
    /// The first option that is out of its range.
    pub fn resolve(&self) -> Result<Settings, ConfigError> {
        let name = self.preset.clone().unwrap_or_else(|| PRESETS[0].name.to_owned());
        let preset = Preset::named_or_own(&name);
        let scales = self.scales(preset)?;
        let (size, iterations) = self.finest(&scales)?;
        let (threads, warnings) = self.threads()?;
        let style_loss = self.style_loss()?;
        // The weights of a preset are those of its loss.
        let of_preset = style_loss == USUAL_STYLE_LOSS;
        let settings = Settings {
            preset: name,
            pooling: self.pooling.unwrap_or_default(),
            size: whole("size", size)?,
            fit: self.fit.unwrap_or(preset.fit),
            style_size: self
                .style_size
                .map(|size| whole("style-size", size))
                .transpose()?,
            style_scale: self.style_scale()?,
            style_blend: self.style_blend()?,
            style_weight: self
                .style_weight
                .or(of_preset.then_some(preset.style_weight))
                .map(|value| weight("style-weight", value))
                .transpose()?,
            content_weight: self
                .content_weight
                .or(of_preset.then_some(preset.content_weight))
                .map(|value| weight("content-weight", value))
                .transpose()?,
            style_loss,
            color: self.color.unwrap_or_default(),
            tv_weight: weight("tv-weight", self.tv_weight.unwrap_or(preset.tv_weight))?,
            style_layer_weights: factors(
                "style-layer-weights",
                match (&self.style_layer_weights, of_preset) {
                    (Some(factors), _) => factors.clone(),
                    (None, true) => preset.layer_factors(),
                    (None, false) => LayerFactors::default(),
                },
            )?,
            content_layer_weights: factors(
                "content-layer-weights",
                self.content_layer_weights.clone().unwrap_or_default(),
            )?,
            padding: self.padding.unwrap_or(preset.padding),
            init: self.init.clone().unwrap_or_default(),
            seed: self.seed.unwrap_or(0),
            method: self.method()?,
            iterations: whole("iterations", iterations)?,
            scales,
            tolerance: self
                .tolerance
                .map(|value| within("tolerance", value, 0.0..=1.0, "a fraction of the loss, 0 to 1"))
                .transpose()?,
            max_seconds: self
                .max_seconds
                .map(|value| within("max-seconds", value, 0.0..=1e9, "0 to 1e9 seconds"))
                .transpose()?,
            encoding: self.encoding()?,
            threads,
            kernels: self.kernels.unwrap_or_default().resolved(),
            provider: self.request()?,
            warnings,
        };
        if settings.style_weight == Some(0.0) && settings.content_weight == Some(0.0) {
            return Err(ConfigError {
                option: "style-weight",
                value: "0 and so is content-weight".to_owned(),
                expected: "more than 0 for at least one of them, or there is nothing to paint".into(),
            });
        }
        Ok(settings)
    }

    /// The scales; a start from a file is a picture to go on from, which a coarser scale would undo.
    fn scales(&self, preset: &Preset) -> Result<Scales, ConfigError> {
        let from_file = matches!(self.init, Some(Init::File(_)));
        let default = match preset.coarse_to_fine && !from_file {
            true => Scales::Auto,
            false => Scales::Count(1),
        };
        let scales = self.scales.clone().unwrap_or(default);
        // A number and a list as text are checked where they are read, those of a caller here.
        match scales.to_string().parse::<Scales>() {
            Ok(_) => Ok(scales),
            Err(_) => Err(ConfigError {
                option: "scales",
                value: format!("\"{scales}\""),
                expected: "auto, a number from 1 to 16, or sizes that grow, each with its iterations".into(),
            }),
        }
    }

    /// The size and the iterations of the finest scale; a list of scales says both by itself.
    fn finest(&self, scales: &Scales) -> Result<(u32, u64), ConfigError> {
        let (size, iterations) = scales
            .finest()
            .map_or((512, 500), |scale| (scale.size, scale.iterations));
        let chosen = (self.size.unwrap_or(size), self.iterations.unwrap_or(iterations));
        if scales.finest().is_some() && chosen != (size, iterations) {
            return Err(ConfigError {
                option: "scales",
                value: format!("{scales} beside size {} and iterations {}", chosen.0, chosen.1),
                expected: "the only one to say sizes and iterations; leave out size and iterations".into(),
            });
        }
        Ok(chosen)
    }

    /// A name, which becomes part of a file's.
    fn style_loss(&self) -> Result<String, ConfigError> {
        let name = self.style_loss.as_deref().unwrap_or(USUAL_STYLE_LOSS);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.is_empty() && name.chars().all(is_name) {
            return Ok(name.to_owned());
        }
        Err(ConfigError {
            option: "style-loss",
            value: format!("{name:?}"),
            expected: "a name of letters, digits and _, as gram, moments, wasserstein".into(),
        })
    }

    fn style_scale(&self) -> Result<f64, ConfigError> {
        let scale = self.style_scale.unwrap_or(1.0);
        if self.style_size.is_some() && scale != 1.0 {
            return Err(ConfigError {
                option: "style-scale",
                value: scale.to_string(),
                expected: "left out beside style-size, which says the size by itself".into(),
            });
        }
        within("style-scale", scale, 0.01..=100.0, "a factor from 0.01 to 100")
    }

    fn style_blend(&self) -> Result<Vec<f64>, ConfigError> {
        let blend = self.style_blend.clone().unwrap_or_default();
        let right = blend.iter().all(|part| (0.0..=1e9).contains(part));
        if right && (blend.is_empty() || blend.iter().any(|&part| part > 0.0)) {
            return Ok(blend);
        }
        let parts: Vec<String> = blend.iter().map(f64::to_string).collect();
        Err(ConfigError {
            option: "style-blend",
            value: parts.join(","),
            expected: "numbers from 0 to 1e9, not all of them 0".into(),
        })
    }

    fn encoding(&self) -> Result<Encoding, ConfigError> {
        let quality = self.jpeg_quality.unwrap_or(Encoding::default().jpeg_quality);
        Ok(Encoding {
            format: None,
            bits: self.bits.unwrap_or_default(),
            jpeg_quality: whole("jpeg-quality", quality)?,
        })
    }

    fn request(&self) -> Result<Request, ConfigError> {
        let device = self.device_id.map(|id| whole("device-id", id));
        Ok(Request {
            provider: self.provider.unwrap_or_default(),
            device: device.transpose()?,
            options: self.provider_option.clone().into_iter().flatten().collect(),
            library: self.provider_library.clone(),
            precision: self.precision,
        })
    }

    /// The threads, no more than there are processors: ten times as many take ten times as long, and the bytes are the
    /// same.
    fn threads(&self) -> Result<(usize, Vec<String>), ConfigError> {
        let available = available_threads().min(*range::THREADS.end() as usize);
        let asked = whole("threads", self.threads.unwrap_or(available))?;
        let warning = format!(
            "{asked} threads are more than the processors that this process may use: {available} run"
        );
        Ok((
            asked.min(available),
            (asked > available).then_some(warning).into_iter().collect(),
        ))
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
            style_loss: self.style_loss.clone(),
        }
    }

    /// What a content weight of 1 stands for, in units of [`Targets::balance`](crate::model::Targets::balance); nothing:
    /// for 1 itself, as with a style loss that has a content weight of its own.
    pub fn balance(&self, contract: &Contract) -> Option<f64> {
        let balance = Preset::named_or_own(&self.preset).balance;
        balance.filter(|_| contract.default_weight(TermKind::Content).is_none())
    }

    /// The weights of the terms of a graph, the content's in the preset's unit.
    ///
    /// # Errors
    /// A weight for a layer that the graph does not look at, or no layer with a weight.
    pub fn weights(&self, contract: &Contract) -> Result<Weights, ModelError> {
        let preset = Preset::named_or_own(&self.preset);
        let weight = |chosen: Option<f64>, kind: TermKind, of_preset: f64| {
            chosen
                .or_else(|| contract.default_weight(kind))
                .unwrap_or(of_preset)
        };
        let style = weight(self.style_weight, TermKind::Style, preset.style_weight);
        let content = weight(self.content_weight, TermKind::Content, preset.content_weight);
        Weights::uniform(contract, style, content, self.tv_weight).with_factors(
            contract,
            &self.style_layer_weights,
            &self.content_layer_weights,
        )
    }
}

fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn factors(option: &'static str, factors: LayerFactors) -> Result<LayerFactors, ConfigError> {
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
    range: impl RangeBounds<T>,
    expected: &'static str,
) -> Result<T, ConfigError> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(ConfigError {
        option,
        value: value.to_string(),
        expected: expected.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_that_no_text_could_say_are_refused() {
        for scales in [Scales::Count(0), Scales::Count(17), Scales::List(Vec::new())] {
            let options = Options {
                scales: Some(scales),
                ..Options::default()
            };
            assert_eq!(options.resolve().unwrap_err().option, "scales");
        }
    }
}
