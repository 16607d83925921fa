//! ONNX Runtime: finding the library, loading it once, and the execution providers it offers.
//!
//! [`Runtime::load`] finds and loads the library. [`PROVIDERS`] is the table of execution providers; a [`Request`]
//! names one of them, or none, and its options; [`Engine::start`] brings it up, or says in one sentence what is
//! missing. All sessions are built from the engine.

mod arena;
mod binary;
mod cache;
mod card;
mod engine;
mod library;
pub mod locate;
mod placement;
mod preload;
mod provider;
mod remedy;
mod request;
mod survey;
mod telemetry;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;

use library::Candidate;

use crate::files::shown;

pub(crate) use engine::{DeviceMemory, Purpose};
pub use engine::{Engine, EngineError, Refusal};
pub use library::{FoundBy, LibraryQuery, Located, MINIMUM_VERSION, locate as locate_library};
pub use placement::Placement;
pub use provider::{
    DeviceOption, OptionPairs, PROVIDERS, Precision, Provider, ProviderChoice, UnknownProvider,
};
pub use remedy::Remedy;
pub use request::{Request, RequestError};
pub use survey::{Device, Found, State, Survey, find};

/// What can go wrong while ONNX Runtime is found, loaded or asked for a provider.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// No library in any of the places that were searched.
    #[error(
        "ONNX Runtime was not found (looked {searched}); run `make setup`, or name the library in ORT_DYLIB_PATH"
    )]
    NotFound {
        /// The places, in words.
        searched: String,
    },
    /// The library that was named does not exist.
    #[error(
        "ONNX Runtime library {path} ({found_by}) does not exist; name an existing file, for instance runtime/cpu/libonnxruntime.so after `make setup`",
        path = shown(path)
    )]
    Missing {
        /// The path as given.
        path: PathBuf,
        /// Who named it.
        found_by: FoundBy,
    },
    /// No runtime of that name lies ready.
    #[error(
        "there is no runtime called {name:?}; there are: {known}; fetch one with `make setup RUNTIME=cpu`, cuda or openvino"
    )]
    UnknownRuntime {
        /// The name.
        name: String,
        /// The runtimes that lie ready, comma separated.
        known: String,
    },
    /// The environment no longer forbids ONNX Runtime to report to its maker.
    #[error(
        "ONNX Runtime is not loaded, since it could report to its maker: something in this process has changed the environment variable ORT_DISABLE_TELEMETRY, which is 1 before `main`; leave it so"
    )]
    MayReport,
    /// The file is no whole library of this machine, or the system's loader refused it.
    #[error(
        "{path} ({found_by}) cannot be loaded as a library: {reason}; get ONNX Runtime with `make setup`",
        path = shown(path)
    )]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// Who named it.
        found_by: FoundBy,
        /// What is wrong with it, or what the loader said.
        reason: String,
    },
    /// A library, but another one.
    #[error(
        "{path} ({found_by}) is a library, but not ONNX Runtime ({reason}); get ONNX Runtime with `make setup`",
        path = shown(path)
    )]
    NotOnnxRuntime {
        /// The file.
        path: PathBuf,
        /// Who named it.
        found_by: FoundBy,
        /// What it lacks.
        reason: &'static str,
    },
    /// ONNX Runtime, but older than the interface that the program was built for.
    #[error(
        "{path} ({found_by}) is ONNX Runtime {version}, which is too old: {MINIMUM_VERSION} or later is needed; get one with `make setup`",
        path = shown(path)
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
    #[error("ONNX Runtime {loaded} is already loaded in this process; {asked} needs a process of its own", loaded = shown(loaded), asked = shown(asked))]
    AlreadyLoaded {
        /// The library in use.
        loaded: PathBuf,
        /// The library asked for now.
        asked: PathBuf,
    },
    /// The library was loaded but would not start.
    #[error("ONNX Runtime {path} does not start: {cause}", path = shown(path))]
    Start {
        /// The file.
        path: PathBuf,
        /// What it said.
        cause: ort::Error,
    },
}

/// ONNX Runtime, loaded: one for the whole process, cheap to clone.
#[derive(Clone, Debug)]
pub struct Runtime {
    environment: Environment,
    path: PathBuf,
    found_by: FoundBy,
    version: String,
    /// Why better libraries are not the one in use.
    passed_over: Vec<String>,
    /// Plugins registered so far.
    plugins: Arc<Mutex<Vec<Plugin>>>,
}

/// A plugin's library, and ONNX Runtime's names of the providers that it brought.
type Plugin = (PathBuf, Vec<String>);

/// `ort` keeps one library and one environment for the life of the process; so do we.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Finds ONNX Runtime and loads it.
    ///
    /// Searched in this order: the file or the name that is sought; the environment variable `ORT_DYLIB_PATH`;
    /// beside the program; `../lib` from there; `../lib/onnxruntime/NAME`; `runtime/NAME` of the repository that the
    /// program or the working directory lies in; the system's library folders. Of those that were not named, the
    /// ones with the provider that is sought come first, and one that cannot be loaded is passed over.
    ///
    /// # Errors
    /// [`RuntimeError`]: not found, not a library, not ONNX Runtime, too old, or another one is already loaded.
    pub fn load(sought: &LibraryQuery) -> Result<Runtime, RuntimeError> {
        let candidates = library::candidates(sought)?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = loaded.as_ref() {
            return runtime.among(&candidates);
        }
        let mut errors = Vec::new();
        for Candidate { path, found_by } in candidates {
            match library::start(&path, found_by) {
                Ok((environment, version)) => {
                    let runtime = Runtime {
                        environment,
                        path,
                        found_by,
                        version,
                        passed_over: errors.iter().map(RuntimeError::to_string).collect(),
                        plugins: Arc::default(),
                    };
                    *loaded = Some(runtime.clone());
                    return Ok(runtime);
                }
                // A library that would not start stays loaded all the same.
                Err(error @ RuntimeError::Start { .. }) => return Err(error),
                Err(error) => errors.push(error),
            }
        }
        // The first is the best one, or, with nothing found, the one that says where was looked.
        Err(errors.swap_remove(0))
    }

    /// This runtime, if it is one of those that may be loaded.
    fn among(&self, candidates: &[Candidate]) -> Result<Runtime, RuntimeError> {
        if candidates.iter().any(|candidate| candidate.path == self.path) {
            return Ok(self.clone());
        }
        Err(RuntimeError::AlreadyLoaded {
            loaded: self.path.clone(),
            asked: candidates
                .first()
                .map_or_else(PathBuf::new, |candidate| candidate.path.clone()),
        })
    }

    /// Why better libraries are not the one in use, one sentence each; empty where nothing was wrong.
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
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
