//! ONNX Runtime: finding the library, loading it once, and the execution providers it offers.

mod library;
pub mod locate;
mod provider;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ort::environment::Environment;

pub use library::{FoundBy, MINIMUM_VERSION};
pub use provider::{Provider, UnknownProvider};

/// What can go wrong while ONNX Runtime is found, loaded or asked for a provider.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// No library in any of the places that were searched.
    #[error(
        "ONNX Runtime was not found (looked {searched}); run `make setup`, or name the library with --onnxruntime FILE or ORT_DYLIB_PATH"
    )]
    NotFound {
        /// The places, in words.
        searched: String,
    },
    /// The library that was named does not exist.
    #[error(
        "ONNX Runtime library {path} ({found_by}) does not exist; name an existing file, for instance runtime/cpu/libonnxruntime.so.1.32.0 after `make setup`"
    )]
    Missing {
        /// The path as given.
        path: PathBuf,
        /// Who named it.
        found_by: FoundBy,
    },
    /// The system's loader refused the file.
    #[error(
        "{path} ({found_by}) cannot be loaded as a library: {reason}; get ONNX Runtime with `make setup`"
    )]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// Who named it.
        found_by: FoundBy,
        /// What the loader said.
        reason: String,
    },
    /// A library, but another one.
    #[error(
        "{path} ({found_by}) is a library, but not ONNX Runtime (it has no OrtGetApiBase); get ONNX Runtime with `make setup`"
    )]
    NotOnnxRuntime {
        /// The file.
        path: PathBuf,
        /// Who named it.
        found_by: FoundBy,
    },
    /// ONNX Runtime, but older than the interface that the program was built for.
    #[error(
        "{path} ({found_by}) is ONNX Runtime {version}, which is too old: {MINIMUM_VERSION} or later is needed; get one with `make setup`"
    )]
    TooOld {
        /// The file.
        path: PathBuf,
        /// Who named it.
        found_by: FoundBy,
        /// The version it says it is.
        version: String,
    },
    /// ONNX Runtime can be loaded only once in a process.
    #[error("ONNX Runtime {loaded} is already loaded in this process; {asked} needs a process of its own")]
    AlreadyLoaded {
        /// The library in use.
        loaded: PathBuf,
        /// The library asked for now.
        asked: PathBuf,
    },
    /// The library was loaded but would not start.
    #[error("ONNX Runtime {path} does not start: {source}")]
    Start {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: ort::Error,
    },
}

/// ONNX Runtime, loaded: one for the whole process, cheap to clone.
#[derive(Clone, Debug)]
pub struct Runtime {
    environment: Environment,
    path: PathBuf,
    found_by: FoundBy,
    version: String,
}

/// `ort` keeps one library and one environment for the life of the process; so do we.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Finds ONNX Runtime and loads it.
    ///
    /// Searched in this order: `named`; the environment variable `ORT_DYLIB_PATH`; beside the program; `../lib`
    /// from there; `runtime/cpu` of the repository that the program or the working directory lies in; the system's
    /// library folders.
    ///
    /// # Errors
    /// [`RuntimeError`]: not found, not a library, not ONNX Runtime, too old, or another one is already loaded.
    pub fn load(named: Option<&Path>) -> Result<Runtime, RuntimeError> {
        let (path, found_by) = library::find(named)?;
        let mut loaded = LOADED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(runtime) = loaded.as_ref() {
            return if runtime.path == path {
                Ok(runtime.clone())
            } else {
                Err(RuntimeError::AlreadyLoaded {
                    loaded: runtime.path.clone(),
                    asked: path,
                })
            };
        }
        let (environment, version) = library::start(&path, found_by)?;
        let runtime = Runtime {
            environment,
            path,
            found_by,
            version,
        };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// The library file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How the library was found.
    pub fn found_by(&self) -> FoundBy {
        self.found_by
    }

    /// The library's version, for instance `1.32.0`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The environment that sessions are built in.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}
