//! Finding and loading the ONNX Runtime library.

use std::env;
use std::ffi::CStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::logging::LogLevel;

use super::locate::{in_repository, program_folder};
use super::provider::{CPU, Choice, PROVIDERS, Provider};
use super::{RuntimeError, arena, preload, telemetry};

/// The oldest ONNX Runtime that has the interface (`api-24` of `ort`) that the program was built for.
pub const MINIMUM_VERSION: &str = "1.24";

/// How the library was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FoundBy {
    /// Named by the caller: `--onnxruntime` of the program.
    Option,
    /// Named by the caller as one of those that lie side by side: `--runtime` of the program.
    Name,
    /// Named by the environment variable `ORT_DYLIB_PATH`.
    Environment,
    /// Beside the program, or in `../lib` or `../lib/onnxruntime/NAME` from there.
    Program,
    /// In `runtime/NAME` of the repository.
    Repository,
    /// In the system's library folders.
    System,
}

impl fmt::Display for FoundBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FoundBy::Option => "named by --onnxruntime",
            FoundBy::Name => "named by --runtime",
            FoundBy::Environment => "named by ORT_DYLIB_PATH",
            FoundBy::Program => "found beside the program",
            FoundBy::Repository => "found in the repository's runtime folder",
            FoundBy::System => "found in the system's library folders",
        })
    }
}

/// Which ONNX Runtime to load. With nothing set, the best of those that are found.
#[derive(Clone, Debug, Default)]
pub struct Sought {
    /// This file.
    pub file: Option<PathBuf>,
    /// The one that `make setup RUNTIME=NAME` brought.
    pub name: Option<String>,
    /// One that has this provider, if there is one; with `auto` one whose device's driver is there.
    pub provider: Choice,
}

/// A library that may be loaded.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub path: PathBuf,
    pub found_by: FoundBy,
}

/// The libraries that may be loaded, best first; see [`Runtime::load`](super::Runtime::load) for the order.
pub(super) fn candidates(sought: &Sought) -> Result<Vec<Candidate>, RuntimeError> {
    if let Some(path) = &sought.file {
        return Ok(vec![existing(path, FoundBy::Option)?]);
    }
    if let Some(name) = &sought.name {
        return Ok(vec![called(name)?]);
    }
    if let Some(path) = env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        return Ok(vec![existing(Path::new(&path), FoundBy::Environment)?]);
    }
    let mut found: Vec<Candidate> = beside_the_program()
        .chain(runtimes().map(|(_, candidate)| candidate))
        .collect();
    found.sort_by_key(|candidate| !suits(candidate, sought.provider));
    found.push(Candidate {
        path: PathBuf::from(system_name()),
        found_by: FoundBy::System,
    });
    Ok(found)
}

fn existing(path: &Path, found_by: FoundBy) -> Result<Candidate, RuntimeError> {
    match path.canonicalize() {
        Ok(path) => Ok(Candidate { path, found_by }),
        Err(_) => Err(RuntimeError::Missing {
            path: path.to_path_buf(),
            found_by,
        }),
    }
}

fn called(name: &str) -> Result<Candidate, RuntimeError> {
    let mut known = Vec::new();
    for (folder, candidate) in runtimes() {
        if folder == name {
            return Ok(Candidate {
                found_by: FoundBy::Name,
                ..candidate
            });
        }
        known.push(folder);
    }
    known.dedup();
    Err(RuntimeError::UnknownRuntime {
        name: name.to_owned(),
        known: if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        },
    })
}

fn beside_the_program() -> impl Iterator<Item = Candidate> {
    program_folder()
        .into_iter()
        .flat_map(|folder| [folder.clone(), folder.join("../lib")])
        .filter_map(|folder| library_in(&folder))
        .map(|path| Candidate {
            path,
            found_by: FoundBy::Program,
        })
}

/// The runtimes that lie side by side, each in a folder of its name: those of an installation, in
/// `../lib/onnxruntime`, then those of the repository, in `runtime`; `cpu` before the others.
fn runtimes() -> impl Iterator<Item = (String, Candidate)> {
    let installed = program_folder().map(|folder| (folder.join("../lib/onnxruntime"), FoundBy::Program));
    let repository = in_repository(Path::new("runtime")).map(|folder| (folder, FoundBy::Repository));
    installed
        .into_iter()
        .chain(repository)
        .flat_map(|(folder, found_by)| {
            let mut names: Vec<String> = fs::read_dir(&folder)
                .into_iter()
                .flatten()
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .collect();
            names.sort_by_key(|name| (name != CPU, name.clone()));
            names.into_iter().filter_map(move |name| {
                let path = library_in(&folder.join(&name))?;
                Some((name, Candidate { path, found_by }))
            })
        })
}

/// Whether the runtime brings the provider that is asked for; with `auto`, an accelerator whose driver is there.
fn suits(candidate: &Candidate, choice: Choice) -> bool {
    match choice {
        Choice::Named(provider) => brings(candidate, provider),
        Choice::Auto => PROVIDERS.iter().any(|provider| {
            provider.automatic
                && provider.driver.is_some()
                && brings(candidate, provider)
                && preload::driver(provider).is_ok()
        }),
    }
}

fn brings(candidate: &Candidate, provider: &Provider) -> bool {
    provider.library.is_some_and(|stem| {
        let name = format!("{}{stem}{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
        candidate.path.with_file_name(name).exists()
    })
}

/// The name of a runtime that lies ready and brings `provider`.
pub(super) fn runtime_with(provider: &Provider) -> Option<String> {
    runtimes()
        .find(|(_, candidate)| brings(candidate, provider))
        .map(|(name, _)| name)
}

/// The name that the system's loader looks for.
fn system_name() -> String {
    format!(
        "{}onnxruntime{}",
        env::consts::DLL_PREFIX,
        env::consts::DLL_SUFFIX
    )
}

/// ONNX Runtime in `folder`, with or without a version in its name (`libonnxruntime.so.1.32.0`,
/// `libonnxruntime.1.32.0.dylib`); the last by name where there are several.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let stem = format!("{}onnxruntime", env::consts::DLL_PREFIX);
    let suffix = env::consts::DLL_SUFFIX;
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            name.strip_prefix(&stem)
                .is_some_and(|rest| rest.starts_with('.') && rest.contains(suffix))
        })
        .collect();
    files.sort();
    files.pop()?.canonicalize().ok()
}

/// Loads the library and starts its environment; returns it with the library's version.
pub(super) fn start(path: &Path, found_by: FoundBy) -> Result<(Environment, String), RuntimeError> {
    if !telemetry::is_forbidden() {
        return Err(RuntimeError::MayReport);
    }
    let failed = |cause| RuntimeError::Start {
        path: path.to_path_buf(),
        cause,
    };
    let environment = ort::init_from(path)
        .map_err(|error| load_error(path, found_by, error))?
        .with_name("impasto")
        .with_telemetry(false)
        .build()
        .map_err(failed)?;
    // Its warnings would run through the progress bar; its errors come back as errors.
    environment.set_log_level(LogLevel::Fatal);
    arena::share(&environment).map_err(failed)?;
    Ok((environment, version(path).unwrap_or_else(|| "unknown".to_owned())))
}

fn load_error(path: &Path, found_by: FoundBy, error: LoadDynamicError) -> RuntimeError {
    let path = path.to_path_buf();
    match error {
        LoadDynamicError::Dlopen { .. } if found_by == FoundBy::System => not_found(),
        LoadDynamicError::Dlopen { error, .. } => RuntimeError::NotALibrary {
            path,
            found_by,
            reason: error.to_string(),
        },
        LoadDynamicError::BadVersion { version_str, .. } => RuntimeError::TooOld {
            path,
            found_by,
            version: version_str,
        },
        LoadDynamicError::MissingApi { .. } | LoadDynamicError::InvalidVersionString => {
            RuntimeError::NotOnnxRuntime { path, found_by }
        }
    }
}

/// The version of the library at `path`; if it is loaded already, opening it again only adds a reference.
pub(super) fn version(path: &Path) -> Option<String> {
    if !telemetry::is_forbidden() {
        return None;
    }
    // SAFETY: the file is one that the caller would load anyway, initialisers included; `OrtGetApiBase` has this
    // signature in every version, and the string that `GetVersionString` returns is copied while it is loaded.
    unsafe {
        let library = libloading::Library::new(path).ok()?;
        let base: libloading::Symbol<unsafe extern "C" fn() -> *const ort::sys::OrtApiBase> =
            library.get(b"OrtGetApiBase").ok()?;
        let text = CStr::from_ptr(((*base()).GetVersionString)());
        Some(text.to_string_lossy().into_owned())
    }
}

/// A library that was found but not started.
#[derive(Clone, Debug)]
pub struct Located {
    /// The file.
    pub path: PathBuf,
    /// How it was found.
    pub found_by: FoundBy,
    /// Its version.
    pub version: String,
}

/// The library that would be loaded. Nothing is started: this takes some milliseconds.
///
/// # Errors
/// None is found, or the first one found is no ONNX Runtime.
pub fn locate(sought: &Sought) -> Result<Located, RuntimeError> {
    let candidates = candidates(sought)?;
    let first = candidates
        .first()
        .map(|candidate| candidate.path.clone())
        .unwrap_or_default();
    let found_by = candidates
        .first()
        .map_or(FoundBy::System, |candidate| candidate.found_by);
    let readable = |Candidate { path, found_by }| {
        let version = version(&path)?;
        Some(Located {
            path,
            found_by,
            version,
        })
    };
    candidates
        .into_iter()
        .find_map(readable)
        .ok_or(if found_by == FoundBy::System {
            not_found()
        } else {
            RuntimeError::NotOnnxRuntime {
                path: first,
                found_by,
            }
        })
}

fn not_found() -> RuntimeError {
    RuntimeError::NotFound {
        searched:
            "beside the program, in ../lib, in the repository's runtime folder and in the system's library folders"
                .to_owned(),
    }
}
