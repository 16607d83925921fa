//! Where settings come from: flags, below them variables of the environment, the file of `--config`, the user's own file,
//! below all what a command brings.

use std::env;
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

    /// Do not read your own settings file
    ///
    /// $XDG_CONFIG_HOME/impasto/config.toml, or else ~/.config/impasto/config.toml: a file as --config takes it, which wins
    /// over it. --repeat and resume never read it.
    #[arg(long, help_heading = "Records", hide_short_help = true)]
    pub no_config: bool,
}

impl Config {
    /// The sources without the user's own file, for a run whose settings are recorded.
    pub fn of_recorded_run(&self) -> Config {
        Config {
            file: self.file.clone(),
            no_config: true,
        }
    }

    /// The options of all settings files together.
    pub fn options(&self) -> anyhow::Result<Options> {
        self.files().try_fold(Options::default(), |upper, path| {
            Ok(upper.or(ConfigFile::read(&path)?.options().clone()))
        })
    }

    /// The settings files that are read, the one that wins first.
    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let own = (!self.no_config).then(own_file).flatten();
        self.file.clone().into_iter().chain(own)
    }
}

/// The user's own settings file, if there is one.
fn own_file() -> Option<PathBuf> {
    let named = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    // What is not absolute counts for nothing (XDG Base Directory Specification).
    let folder = named
        .filter(|folder| folder.is_absolute())
        .or_else(|| Some(env::home_dir()?.join(".config")))?;
    Some(folder.join("impasto/config.toml")).filter(|file| file.exists())
}

/// The files that a run reads beside its pictures: settings, graphs, weights, ONNX Runtime.
pub fn read_beside(config: &Config, stylizer: &Stylizer) -> impl Iterator<Item = PathBuf> {
    config.files().chain(stylizer.files_read())
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
    let files: Vec<ConfigFile> = config
        .files()
        .map(|path| ConfigFile::read(&path))
        .collect::<Result<_, _>>()?;
    let below = |upper: Options, file: &ConfigFile| upper.or(file.options().clone());
    let upper = files.iter().fold(flags.clone(), below);
    let lowest = lowest(&upper);
    let resolved = finish(upper.or(lowest)).and_then(|options| {
        let settings = options.resolve()?;
        Ok((options, settings))
    });
    match resolved {
        Ok(resolved) => Ok(resolved),
        Err(error) if flags.sets(error.option) => Err(error.into()),
        Err(error) => {
            let located = files.iter().find_map(|file| file.locate(&error));
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
