//! What to paint and how: presets, options, and the settings they resolve to.

use std::borrow::Cow;
use std::fmt::Display;

use serde::{Deserialize, Serialize};

mod file;
mod json;
mod merge;
mod optimizer;
mod options;
mod presets;
mod settings;
mod size;

pub use file::{ConfigFile, ConfigFileError};
pub use optimizer::Optimizer;
pub use options::{Options, Settings};
pub use presets::{PRESETS, Preset};
pub use size::Size;

/// How the network pools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
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

impl ConfigError {
    pub(crate) fn new(
        option: &'static str,
        value: impl Display,
        expected: impl Into<Cow<'static, str>>,
    ) -> ConfigError {
        ConfigError {
            option,
            value: value.to_string(),
            expected: expected.into(),
        }
    }
}
