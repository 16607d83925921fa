//! Where settings come from: flags, below them the file of `--config`, below that what a command brings.

use std::path::PathBuf;

use clap::Args;

use impasto::config::{ConfigError, ConfigFile, Options, Settings};
use impasto::model::KernelSet;
use impasto::regions::MaskSource;
use impasto::stylize::Stylizer;

/// Settings from elsewhere.
#[derive(Debug, Default, Args)]
pub struct Config {
    /// Take settings from a TOML file; flags win over it
    ///
    /// Its keys are the long flags' names: size = 768, color = "match", provider-option = { use_tf32 = "1" }. All flags
    /// that say what to paint and how can stand there; pictures, outputs and --force cannot. texture, evaluate
    /// and compare take the same files and pass over what they have no need of.
    #[arg(long = "config", value_name = "FILE.toml", help_heading = "Records")]
    pub file: Option<PathBuf>,
}

/// The files that a run reads beside its pictures: settings, graphs, weights, ONNX Runtime.
pub fn read_beside(config: &Config, stylizer: &Stylizer) -> impl Iterator<Item = PathBuf> {
    config.file.clone().into_iter().chain(stylizer.files_read())
}

/// The files of all masks, each once.
pub fn mask_files(settings: &Settings) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in settings.regions.sources().filter_map(MaskSource::path) {
        if !files.iter().any(|known| known == path) {
            files.push(path.to_owned());
        }
    }
    files
}

/// Puts the options together and resolves them; an error that a settings file is to blame for names its line.
/// `lowest` makes the lowest layer, told what those above it say; `finish` sees all layers together.
pub fn resolve(
    flags: Options,
    config: &Config,
    lowest: impl FnOnce(&Options) -> Options,
    finish: impl FnOnce(Options) -> Result<Options, ConfigError>,
) -> anyhow::Result<(Options, Settings)> {
    let file = config.file.as_deref().map(ConfigFile::read).transpose()?;
    let below = file
        .as_ref()
        .map(|file| file.options().clone())
        .unwrap_or_default();
    let upper = flags.clone().or(below);
    let lowest = lowest(&upper);
    let resolved = finish(upper.or(lowest)).and_then(|options| {
        let settings = options.resolve()?;
        Ok((options, settings))
    });
    match resolved {
        Ok(resolved) => Ok(resolved),
        Err(error) => {
            let file = file.filter(|_| !flags.sets(error.option));
            let located = file.and_then(|file| file.locate(&error));
            Err(located.map_or_else(|| error.into(), Into::into))
        }
    }
}

/// The same for one evaluation to judge by, with a photo or without one: exactness counts, not speed.
pub fn resolve_to_judge(
    flags: Options,
    config: &Config,
    has_photo: bool,
) -> anyhow::Result<(Options, Settings)> {
    let exact = Options {
        kernels: Some(KernelSet::OnnxRuntime),
        ..Options::default()
    };
    // Nothing is started.
    let without_start = |options: Options| Options {
        init: None,
        ..options
    };
    resolve(
        flags,
        config,
        |_| exact,
        |options| match has_photo {
            true => Ok(options.with_photo()),
            false => without_start(options).without_photo(),
        },
    )
}
