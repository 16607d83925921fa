//! What can go wrong with the engine.

use std::io;
use std::path::PathBuf;

use crate::files::shown;
use crate::runtime::Remedy;
use crate::runtime::provider::Provider;

/// What can go wrong when a provider is brought up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The loaded library was built without it.
    #[error(
        "provider {provider} is not part of ONNX Runtime {library}: it needs {}; get it with {remedy}, or use one that works here: {usable}",
        provider.needs
    )]
    NotBuiltIn {
        /// The provider.
        provider: &'static Provider,
        /// ONNX Runtime's version and file.
        library: String,
        /// How to get it.
        remedy: Remedy,
        /// Providers that work, comma separated.
        usable: String,
    },
    /// The provider is there but does not come up.
    #[error(
        "provider {provider} cannot run: {reason}; it needs {}, besides what {} brings; or use one that works here: {usable}",
        provider.needs,
        provider.remedy
    )]
    Unusable {
        /// The provider.
        provider: &'static Provider,
        /// What is missing.
        reason: String,
        /// Providers that work, comma separated.
        usable: String,
    },
    /// A plugin that cannot be used.
    #[error("the provider library {path} cannot be used: {reason}", path = shown(path))]
    Plugin {
        /// The library.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The folder for compiled graphs cannot be used.
    #[error(
        "the cache folder {folder} cannot be used: {cause}; the option {option} of the provider names another, {switch}=0 does without",
        folder = shown(folder)
    )]
    Cache {
        /// The folder.
        folder: PathBuf,
        /// Why.
        cause: io::Error,
        /// The option that names another.
        option: &'static str,
        /// The option that does without.
        switch: &'static str,
    },
    /// There is no folder for compiled graphs.
    #[error("there is no cache folder: set HOME, or name a folder with the option {option} of the provider")]
    NoCache {
        /// The option that names one.
        option: &'static str,
    },
    /// ONNX Runtime refused a setting.
    #[error("ONNX Runtime refuses a setting of the session: {0}")]
    Session(ort::Error),
}

impl From<ort::Error> for EngineError {
    fn from(error: ort::Error) -> Self {
        EngineError::Session(error)
    }
}
