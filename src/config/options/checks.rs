//! What is checked before options become settings.

use std::fmt::Display;
use std::ops::RangeBounds;

use super::range::whole;
use super::{ConfigError, Options, Preset, Size};
use crate::frames::{FrameOptions, TEMPORAL_WEIGHT};
use crate::init::Init;
use crate::model::{LayerFactors, USUAL_STYLE_LOSS};
use crate::picture::Encoding;
use crate::regions::{MaskSource, RegionOptions};
use crate::runtime::Request;
use crate::scales::Scales;

impl Options {
    /// The scales; a start from a file is a picture to go on from, which a coarser scale would undo.
    pub(super) fn scales(&self, preset: &Preset) -> Result<Scales, ConfigError> {
        let from_file = matches!(self.init, Some(Init::File(_)));
        let default = match preset.coarse_to_fine && !from_file {
            true => Scales::Auto,
            false => Scales::Count(1),
        };
        let scales = self.scales.clone().unwrap_or(default);
        // A number and a list as text are checked where they are read, those of a caller here.
        match scales.to_string().parse::<Scales>() {
            Ok(_) => Ok(scales),
            Err(_) => Err(ConfigError::new(
                "scales",
                format!("\"{scales}\""),
                "auto, a number from 1 to 16, or sizes that grow, each with its iterations",
            )),
        }
    }

    /// The size of the finest scale, and the iterations of the one that has most; of a list, which says both by itself, those of
    /// the finest one.
    pub(super) fn finest(&self, scales: &Scales, preset: &Preset) -> Result<(Size, u64), ConfigError> {
        let fit = self.fit.unwrap_or(preset.fit);
        let (size, iterations) = scales
            .finest()
            .map_or((512, preset.iterations), |scale| (scale.size, scale.iterations));
        let chosen = (
            self.size.unwrap_or(size.into()),
            self.iterations.unwrap_or(iterations),
        );
        let (width, height) = chosen.0.exact();
        whole("size", width).and(whole("size", height))?;
        if scales.finest().is_some() && (chosen.0.side(fit), chosen.1) != (size, iterations) {
            return Err(ConfigError::new(
                "scales",
                format!("{scales} beside size {} and iterations {}", chosen.0, chosen.1),
                "the only one to say sizes and iterations; leave out size and iterations",
            ));
        }
        Ok(chosen)
    }

    /// A name, which becomes part of a file's.
    pub(super) fn style_loss(&self) -> Result<String, ConfigError> {
        let name = self.style_loss.as_deref().unwrap_or(USUAL_STYLE_LOSS);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.is_empty() && name.chars().all(is_name) {
            return Ok(name.to_owned());
        }
        Err(ConfigError::new(
            "style-loss",
            format!("{name:?}"),
            "a name of letters, digits and _, as gram, moments, wasserstein",
        ))
    }

    pub(super) fn style_scale(&self) -> Result<f64, ConfigError> {
        let scale = self.style_scale.unwrap_or(1.0);
        if self.style_size.is_some() && scale != 1.0 {
            return Err(ConfigError::new(
                "style-scale",
                scale,
                "left out beside style-size, which says the size by itself",
            ));
        }
        within("style-scale", scale, 0.01..=100.0, "a factor from 0.01 to 100")
    }

    pub(super) fn style_blend(&self) -> Result<Vec<f64>, ConfigError> {
        let blend = self.style_blend.clone().unwrap_or_default();
        let right = blend.iter().all(|part| (0.0..=1e9).contains(part));
        if right && (blend.is_empty() || blend.iter().any(|&part| part > 0.0)) {
            return Ok(blend);
        }
        let parts: Vec<String> = blend.iter().map(f64::to_string).collect();
        Err(ConfigError::new(
            "style-blend",
            parts.join(","),
            "numbers from 0 to 1e9, not all of them 0",
        ))
    }

    /// The regions; what belongs to masks has no place without them.
    pub(super) fn regions(&self) -> Result<RegionOptions, ConfigError> {
        let options = RegionOptions {
            mask: self.mask.clone().unwrap_or_default(),
            style_mask: self.style_mask.clone().unwrap_or_default(),
            keep: self.keep.clone(),
            mask_content_weights: self.mask_content_weights.clone().unwrap_or_default(),
            mask_colors: self.mask_colors.clone().unwrap_or_default(),
        };
        let refused = |option, expected| Err(ConfigError::new(option, "without mask", expected));
        if options.mask.is_empty() && !options.mask_content_weights.is_empty() {
            return refused(
                "mask-content-weights",
                "left out there: each number belongs to a mask",
            );
        }
        if options.mask.is_empty() && !options.mask_colors.is_empty() {
            return refused("mask-colors", "left out there: each mode belongs to a mask");
        }
        for factor in &options.mask_content_weights {
            weight("mask-content-weights", *factor)?;
        }
        let (rest, none) = (&[MaskSource::Rest][..], &[MaskSource::None][..]);
        without("mask", &options.mask, none, "a picture's file, or rest")?;
        without(
            "style-mask",
            &options.style_mask,
            rest,
            "a picture's file, or none",
        )?;
        without(
            "keep",
            options.keep.as_slice(),
            &[rest, none].concat(),
            "a picture's file",
        )?;
        Ok(options)
    }

    /// The start; that of a frame is the last one, if there is one.
    pub(super) fn init(&self) -> Result<Init, ConfigError> {
        match (&self.init, &self.previous) {
            (Some(Init::Previous), None) => Err(ConfigError::new(
                "init",
                Init::Previous,
                "beside previous, which names the last frame",
            )),
            (Some(init), _) => Ok(init.clone()),
            (None, Some(_)) => Ok(Init::Previous),
            (None, None) => Ok(Init::default()),
        }
    }

    /// What a frame has of the last one; nothing of it has a place without that.
    pub(super) fn frame(&self) -> Result<FrameOptions, ConfigError> {
        let beside = |option, missing, is_set: bool, is_there: bool| match is_set && !is_there {
            true => Err(ConfigError::new(
                option,
                format!("without {missing}"),
                format!("left out there, or beside {missing}"),
            )),
            false => Ok(()),
        };
        let (is_frame, has_flow) = (self.previous.is_some(), self.flow.is_some());
        beside("flow", "previous", has_flow, is_frame)?;
        beside("forward-flow", "flow", self.forward_flow.is_some(), has_flow)?;
        beside("flow-mask", "previous", self.flow_mask.is_some(), is_frame)?;
        beside(
            "temporal-weight",
            "previous",
            self.temporal_weight.is_some(),
            is_frame,
        )?;
        let usual = match has_flow || self.flow_mask.is_some() {
            true => TEMPORAL_WEIGHT,
            false => 0.0,
        };
        let chosen = weight("temporal-weight", self.temporal_weight.unwrap_or(usual))?;
        Ok(FrameOptions {
            previous: self.previous.clone(),
            flow: self.flow.clone(),
            forward_flow: self.forward_flow.clone(),
            flow_mask: self.flow_mask.clone(),
            temporal_weight: is_frame.then_some(chosen),
        })
    }

    pub(super) fn encoding(&self) -> Result<Encoding, ConfigError> {
        let quality = self.jpeg_quality.unwrap_or(Encoding::default().jpeg_quality);
        Ok(Encoding {
            format: None,
            bits: self.bits.unwrap_or_default(),
            jpeg_quality: whole("jpeg-quality", quality)?,
        })
    }

    pub(super) fn request(&self) -> Result<Request, ConfigError> {
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
    pub(super) fn threads(&self) -> Result<(usize, Vec<String>), ConfigError> {
        let available = available_threads();
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

pub(in crate::config) fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Checks that masks come from none of these sources.
fn without(
    option: &'static str,
    masks: &[MaskSource],
    refused: &[MaskSource],
    expected: &'static str,
) -> Result<(), ConfigError> {
    match masks.iter().find(|mask| refused.contains(mask)) {
        None => Ok(()),
        Some(mask) => Err(ConfigError::new(option, mask, expected)),
    }
}

pub(super) fn factors(option: &'static str, factors: LayerFactors) -> Result<LayerFactors, ConfigError> {
    for (_, factor) in &factors.0 {
        weight(option, *factor)?;
    }
    Ok(factors)
}

pub(super) fn weight(option: &'static str, value: f64) -> Result<f64, ConfigError> {
    within(option, value, 0.0..=1e15, "a number from 0 to 1e15")
}

/// The value, if it is in its range, which `expected` says in words.
pub(in crate::config) fn within<T: PartialOrd + Display>(
    option: &'static str,
    value: T,
    range: impl RangeBounds<T>,
    expected: &'static str,
) -> Result<T, ConfigError> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(ConfigError::new(option, value, expected))
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
