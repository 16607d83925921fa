//! Finding and loading the ONNX Runtime library.

use std::env;
use std::ffi::CStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::logging::LogLevel;

use super::RuntimeError;
use super::locate::{in_repository, program_folder};

/// The oldest ONNX Runtime that has the interface (`api-24` of `ort`) that the program was built for.
pub const MINIMUM_VERSION: &str = "1.24";

/// How the library was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FoundBy {
    /// Named by the caller: `--onnxruntime` of the program.
    Option,
    /// Named by the environment variable `ORT_DYLIB_PATH`.
    Environment,
    /// Beside the program, or in `../lib` from there.
    Program,
    /// In `runtime/` of the repository.
    Repository,
    /// In the system's library folders.
    System,
}

impl fmt::Display for FoundBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FoundBy::Option => "named by --onnxruntime",
            FoundBy::Environment => "named by ORT_DYLIB_PATH",
            FoundBy::Program => "found beside the program",
            FoundBy::Repository => "found in the repository's runtime folder",
            FoundBy::System => "found in the system's library folders",
        })
    }
}

/// The library to load and who named it; see [`Runtime::load`](super::Runtime::load) for the order.
pub(super) fn find(named: Option<&Path>) -> Result<(PathBuf, FoundBy), RuntimeError> {
    if let Some(path) = named {
        return existing(path, FoundBy::Option);
    }
    if let Some(path) = env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        return existing(Path::new(&path), FoundBy::Environment);
    }
    if let Some(folder) = program_folder() {
        let near = [folder.clone(), folder.join("../lib")];
        if let Some(path) = near.iter().find_map(|folder| library_in(folder)) {
            return Ok((path, FoundBy::Program));
        }
    }
    if let Some(path) = in_repository(Path::new("runtime/cpu")).find_map(|folder| library_in(&folder)) {
        return Ok((path, FoundBy::Repository));
    }
    Ok((PathBuf::from(system_name()), FoundBy::System))
}

fn existing(path: &Path, found_by: FoundBy) -> Result<(PathBuf, FoundBy), RuntimeError> {
    match path.canonicalize() {
        Ok(path) => Ok((path, found_by)),
        Err(_) => Err(RuntimeError::Missing {
            path: path.to_path_buf(),
            found_by,
        }),
    }
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
    let failed = |source| RuntimeError::Start {
        path: path.to_path_buf(),
        source,
    };
    let environment = ort::init_from(path)
        .map_err(|error| load_error(path, found_by, error))?
        .with_name("impasto")
        .with_telemetry(false)
        .build()
        .map_err(failed)?;
    // Its warnings would run through the progress bar; its errors come back as errors.
    environment.set_log_level(LogLevel::Fatal);
    Ok((environment, version(path).unwrap_or_else(|| "unknown".to_owned())))
}

fn load_error(path: &Path, found_by: FoundBy, error: LoadDynamicError) -> RuntimeError {
    let path = path.to_path_buf();
    match error {
        LoadDynamicError::Dlopen { .. } if found_by == FoundBy::System => RuntimeError::NotFound {
            searched: "beside the program, in ../lib, in the repository's runtime/cpu and in the system's library folders"
                .to_owned(),
        },
        LoadDynamicError::Dlopen { error, .. } => {
            RuntimeError::NotALibrary { path, found_by, reason: error.to_string() }
        }
        LoadDynamicError::BadVersion { version_str, .. } => {
            RuntimeError::TooOld { path, found_by, version: version_str }
        }
        LoadDynamicError::MissingApi { .. } | LoadDynamicError::InvalidVersionString => {
            RuntimeError::NotOnnxRuntime { path, found_by }
        }
    }
}

/// The version of the library at `path`, which is loaded already: opening it again only adds a reference.
fn version(path: &Path) -> Option<String> {
    // SAFETY: ONNX Runtime is loaded, so no initialiser runs; `OrtGetApiBase` has this signature in every
    // version, and the string that `GetVersionString` returns is static.
    unsafe {
        let library = libloading::Library::new(path).ok()?;
        let base: libloading::Symbol<unsafe extern "C" fn() -> *const ort::sys::OrtApiBase> =
            library.get(b"OrtGetApiBase").ok()?;
        let text = CStr::from_ptr(((*base()).GetVersionString)());
        Some(text.to_string_lossy().into_owned())
    }
}
