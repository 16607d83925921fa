//! From options to settings.

use serde::Serialize;

use super::checks::{factors, weight, within};
use super::{ConfigError, Options, PRESETS, Pooling, Preset, Size, whole};
use crate::color::ColorMode;
use crate::frames::FrameOptions;
use crate::init::Init;
use crate::memory::Bytes;
use crate::model::{KernelSet, LayerFactors, Padding, USUAL_STYLE_LOSS};
use crate::optimize::Method;
use crate::picture::{Encoding, Fit, Seamless};
use crate::regions::RegionOptions;
use crate::runtime::Request;
use crate::scales::Scales;

/// Options with nothing left open, checked. The fields are those of [`Options`].
///
/// As JSON or TOML they read back as [`Options`] that resolve to the same settings.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the fields are documented in Options")]
pub struct Settings {
    pub preset: String,
    pub pooling: Pooling,
    pub size: Size,
    pub fit: Fit,
    pub seamless: Option<Seamless>,
    pub style_size: Option<u32>,
    pub style_scale: f64,
    pub style_blend: Vec<f64>,
    pub style_loss: String,
    /// None: what the style loss is meant for.
    pub style_weight: Option<f64>,
    /// None: what the style loss is meant for, or else the preset's.
    pub content_weight: Option<f64>,
    pub color: ColorMode,
    #[serde(flatten)]
    pub regions: RegionOptions,
    pub tv_weight: f64,
    pub style_layer_weights: LayerFactors,
    pub content_layer_weights: LayerFactors,
    pub padding: Padding,
    pub init: Init,
    pub seed: u64,
    #[serde(flatten)]
    pub frame: FrameOptions,
    #[serde(flatten)]
    pub method: Method,
    pub iterations: u64,
    pub scales: Scales,
    pub tolerance: Option<f64>,
    pub max_seconds: Option<f64>,
    #[serde(flatten)]
    pub encoding: Encoding,
    pub threads: usize,
    /// None: four fifths of what is left.
    pub memory: Option<Bytes>,
    /// None: as the memory demands.
    pub tile: Option<u32>,
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
        let fit = self.fit.unwrap_or(preset.fit);
        let (size, iterations) = self.finest(&scales, preset)?;
        let (threads, warnings) = self.threads()?;
        let style_loss = self.style_loss()?;
        // The weights of a preset are those of its loss.
        let of_preset = style_loss == USUAL_STYLE_LOSS;
        let settings = Settings {
            preset: name,
            pooling: self.pooling.unwrap_or_default(),
            size,
            fit,
            seamless: self.seamless,
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
            regions: self.regions()?,
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
            init: self.init()?,
            seed: self.seed.unwrap_or(0),
            frame: self.frame()?,
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
            memory: self.memory,
            tile: self.tile.map(|side| whole("tile", side)).transpose()?,
            kernels: self.kernels.unwrap_or_default().resolved(),
            provider: self.request()?,
            warnings,
        };
        if settings.style_weight == Some(0.0) && settings.content_weight == Some(0.0) {
            return Err(ConfigError::new(
                "style-weight",
                "0 and so is content-weight",
                "more than 0 for at least one of them, or there is nothing to paint",
            ));
        }
        Ok(settings)
    }
}
