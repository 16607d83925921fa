//! Options over options: flags over a settings file over the record of an earlier run.

use merge::Merge as _;
use serde_json::Value;

use super::{ConfigError, Optimizer, Options};
use crate::color::ColorMode;
use crate::init::Init;

impl Options {
    /// These options, and what they leave open from `other`.
    ///
    /// What in `other` belongs to a style loss, an optimiser, a schedule, a style size, a provider or an ONNX Runtime that
    /// these options replace is dropped.
    #[must_use]
    pub fn or(mut self, other: Options) -> Options {
        self.merge(other.without_contradictions(&self));
        self
    }

    /// The options for a picture of styles alone: what they say of a photo is passed over, and the start is [`Init::Random`]
    /// unless they say otherwise.
    ///
    /// # Errors
    /// The start is the photo, wholly or in part.
    pub fn without_photo(self) -> Result<Options, ConfigError> {
        let init = self.init.unwrap_or(Init::Random);
        if matches!(init, Init::Content | Init::Blend(_) | Init::Previous) {
            let expected = "random, gray, style-stats or a picture's file where there is no photo";
            return Err(ConfigError::new("init", init, expected));
        }
        Ok(Options {
            init: Some(init),
            content_weight: Some(0.0),
            content_layer_weights: None,
            color: Some(ColorMode::Style),
            mask: None,
            keep: None,
            mask_content_weights: None,
            mask_colors: None,
            previous: None,
            flow: None,
            forward_flow: None,
            flow_mask: None,
            temporal_weight: None,
            ..self
        })
    }

    /// The options for a photo, which has edges: what they say of seamless textures is passed over.
    #[must_use]
    pub fn with_photo(self) -> Options {
        Options {
            seamless: None,
            ..self
        }
    }

    fn without_contradictions(self, upper: &Options) -> Options {
        let mut options = self;
        match upper.optimizer {
            Some(Optimizer::Adam) => options.history = None,
            Some(Optimizer::Lbfgs) => {
                options.learning_rate = None;
                options.beta1 = None;
                options.beta2 = None;
            }
            None => {}
        }
        if upper.style_loss.is_some() {
            options.style_weight = None;
            options.content_weight = None;
        }
        if upper.provider.is_some() || upper.provider_library.is_some() {
            options.provider = None;
            options.device_id = None;
            options.provider_option = None;
            options.provider_library = None;
            options.precision = None;
        }
        if upper.size.is_some() || upper.iterations.is_some() {
            options.scales = options.scales.filter(|scales| scales.finest().is_none());
        }
        if upper
            .scales
            .as_ref()
            .is_some_and(|scales| scales.finest().is_some())
        {
            options.size = None;
            options.iterations = None;
        }
        if upper.style_size.is_some() || upper.style_scale.is_some() {
            options.style_size = None;
            options.style_scale = None;
        }
        if upper.runtime.is_some() || upper.onnxruntime.is_some() {
            options.runtime = None;
            options.onnxruntime = None;
        }
        options
    }

    /// Whether the option called `name`, as a flag without its dashes, is set.
    pub fn sets(&self, name: &str) -> bool {
        serde_json::to_value(self).is_ok_and(|options| !matches!(options.get(name), None | Some(Value::Null)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::config::options::available_threads;
    use crate::optimize::Method;
    use crate::scales::Scales;

    fn json(settings: &Settings) -> Value {
        serde_json::to_value(settings).unwrap()
    }

    /// All options, each set to something that is not its default.
    const ALL: &str = r#"
        preset = "own"
        pooling = "avg"
        size = 100
        fit = "short"
        seamless = "x"
        scales = "40:3,100:3"
        style-blend = [1.0, 2.0]
        style-size = 90
        style-weight = 7
        content-weight = 0.5
        tv-weight = 0.25
        style-layer-weights = { relu1_1 = 2 }
        content-layer-weights = "relu4_2=3"
        style-loss = "moments"
        padding = "zero"
        color = "match"
        mask = ["sky.png", "map.png#ff0000"]
        style-mask = ["none", "stars.png"]
        keep = "face.png"
        mask-content-weights = [1, 2]
        mask-colors = ["original", "style"]
        init = "blend:0.3"
        seed = 5
        previous = "last.png"
        flow = "back.flo"
        forward-flow = "on.flo"
        flow-mask = "seen.png"
        temporal-weight = 3
        optimizer = "adam"
        iterations = 3
        learning-rate = 2.5
        beta1 = 0.5
        beta2 = 0.75
        tolerance = 0.01
        max-seconds = 9.5
        bits = 16
        jpeg-quality = 80
        threads = 1
        memory = "1G"
        tile = 256
        kernels = "portable"
        provider = "cuda"
        device-id = 1
        provider-option = { use_tf32 = "1" }
        precision = "tf32"
    "#;

    #[test]
    fn settings_read_back_as_options_that_resolve_to_the_same_settings() {
        let all: Options = toml::from_str(ALL).unwrap();
        for options in [Options::default(), all] {
            let settings = options.resolve().unwrap();
            let again: Options = serde_json::from_value(json(&settings)).unwrap();
            assert_eq!(json(&again.resolve().unwrap()), json(&settings));
        }
    }

    #[test]
    fn every_option_counts_and_is_taken_from_below_where_it_is_open() {
        let all: Options = toml::from_str(ALL).unwrap();
        let defaults = json(&Options::default().resolve().unwrap());
        let merged = json(&Options::default().or(all).resolve().unwrap());
        for (name, value) in merged.as_object().unwrap() {
            // `style-scale` has no place beside `style-size`; a machine may have one processor.
            let open = ["provider-library", "style-scale"].contains(&name.as_str())
                || (name == "threads" && available_threads() == 1);
            assert!(
                open || Some(value) != defaults.get(name),
                "{name} is still {value}"
            );
        }
    }

    #[test]
    fn the_upper_option_wins() {
        let upper: Options = toml::from_str("size = 64\ncolor = \"style\"").unwrap();
        let settings = upper.or(toml::from_str(ALL).unwrap()).resolve().unwrap();
        assert_eq!((settings.size, settings.style_size), (64.into(), Some(90)));
        assert_eq!(json(&settings)["color"], "style");
    }

    #[test]
    fn a_size_replaces_a_schedule_and_a_style_scale_a_style_size() {
        let upper: Options = toml::from_str("size = 64\nstyle-scale = 0.5").unwrap();
        let settings = upper.or(toml::from_str(ALL).unwrap()).resolve().unwrap();
        assert_eq!(
            (settings.scales, settings.size, settings.iterations),
            (Scales::Auto, 64.into(), 3)
        );
        assert_eq!((settings.style_scale, settings.style_size), (0.5, None));
        let upper: Options = toml::from_str("scales = \"50:1,64:2\"").unwrap();
        let settings = upper.or(toml::from_str(ALL).unwrap()).resolve().unwrap();
        assert_eq!((settings.size, settings.iterations), (64.into(), 2));
    }

    #[test]
    fn what_belongs_to_another_loss_optimiser_provider_or_library_is_dropped() {
        let upper: Options = toml::from_str(
            "optimizer = \"lbfgs\"\nstyle-loss = \"gram\"\nprovider = \"cpu\"\nruntime = \"cpu\"",
        )
        .unwrap();
        let mut lower: Options = toml::from_str(ALL).unwrap();
        lower.onnxruntime = Some("a.so".into());
        let merged = upper.or(lower);
        assert!(merged.onnxruntime.is_none());
        let settings = merged.resolve().unwrap();
        assert_eq!(settings.method, Method::Lbfgs { history: 80 });
        assert_eq!(
            (settings.style_weight, settings.content_weight),
            (Some(1e3), Some(1.0))
        );
        settings.provider.check().unwrap();
    }

    #[test]
    fn what_is_set_is_known_by_the_name_of_its_flag() {
        let options: Options = toml::from_str("style-size = 64").unwrap();
        assert!(options.sets("style-size") && !options.sets("size") && !options.sets("nonsense"));
    }
}
