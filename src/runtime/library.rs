//! Finding and loading the ONNX Runtime library.

use std::env;
#[cfg(unix)]
use std::ffi::OsStr;
use std::ffi::{CStr, c_char, c_void};
use std::fmt;
use std::fs;
#[cfg(unix)]
use std::mem::MaybeUninit;
#[cfg(unix)]
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::logging::LogLevel;

use super::locate::{in_repository, program_folder};
use super::provider::{CPU, PROVIDERS, Provider, ProviderChoice};
use super::{RuntimeError, arena, binary, preload, telemetry};

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
            FoundBy::Option => "the one asked for",
            FoundBy::Name => "the runtime asked for",
            FoundBy::Environment => "named by ORT_DYLIB_PATH",
            FoundBy::Program => "found beside the program",
            FoundBy::Repository => "found in the repository's runtime folder",
            FoundBy::System => "found in the system's library folders",
        })
    }
}

/// Which ONNX Runtime to load. With nothing set, the best of those that are found.
#[derive(Clone, Debug, Default)]
pub struct LibraryQuery {
    /// This file.
    pub file: Option<PathBuf>,
    /// The one that `make setup RUNTIME=NAME` brought.
    pub name: Option<String>,
    /// One that has this provider, if there is one; with `auto` one whose device's driver is there.
    pub provider: ProviderChoice,
}

/// A library that may be loaded.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub path: PathBuf,
    pub found_by: FoundBy,
}

/// The libraries that may be loaded, best first; see [`Runtime::load`](super::Runtime::load) for the order.
pub(super) fn candidates(sought: &LibraryQuery) -> Result<Vec<Candidate>, RuntimeError> {
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
fn suits(candidate: &Candidate, choice: ProviderChoice) -> bool {
    match choice {
        ProviderChoice::Named(provider) => brings(candidate, provider),
        ProviderChoice::Auto => PROVIDERS.iter().any(|provider| {
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
    let (version, place) = open(path, found_by)?;
    let failed = |cause| RuntimeError::Start {
        path: path.to_path_buf(),
        cause,
    };
    let environment = ort::init_from(place)
        .map_err(|error| refused(path, found_by, error))?
        .with_name("impasto")
        .with_telemetry(false)
        .build()
        .map_err(failed)?;
    environment.set_log_level(log_level());
    arena::share(&environment).map_err(failed)?;
    Ok((environment, version))
}

/// What ONNX Runtime prints itself: nothing, unless the environment variable `IMPASTO_LOG` is `info` or `warning`. Its
/// warnings would run through the progress bar; its errors come back as errors.
fn log_level() -> LogLevel {
    match env::var("IMPASTO_LOG").as_deref() {
        Ok("info") => LogLevel::Info,
        Ok("warning") => LogLevel::Warning,
        _ => LogLevel::Fatal,
    }
}

/// Loads the library for the rest of the process, once it is seen to be ONNX Runtime, and asks whether it has the
/// interface that the program was built for: `ort` takes that for granted. Returns its version and where it is.
fn open(path: &Path, found_by: FoundBy) -> Result<(String, PathBuf), RuntimeError> {
    if !telemetry::is_forbidden() {
        return Err(RuntimeError::MayReport);
    }
    let not_onnx_runtime = |reason| RuntimeError::NotOnnxRuntime {
        path: path.to_path_buf(),
        found_by,
        reason,
    };
    // The loader alone knows where the system's libraries are.
    if found_by != FoundBy::System
        && !binary::check(path).map_err(|reason| unloadable(path, found_by, reason))?
    {
        return Err(not_onnx_runtime(NO_API));
    }
    // SAFETY: the initialisers that run are those of ONNX Runtime, or of what the system has under its name.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| match found_by {
        FoundBy::System => not_found(),
        _ => unloadable(path, found_by, preload::told(&error)),
    })?;
    // SAFETY: `OrtGetApiBase` has this signature in every version of ONNX Runtime.
    let base = unsafe { library.get::<unsafe extern "C" fn() -> *const ApiBase>(b"OrtGetApiBase") };
    let base = base.map_err(|_| not_onnx_runtime(NO_API))?;
    let place = place(*base as *const c_void).unwrap_or_else(|| path.to_path_buf());
    // SAFETY: what it returns is null or lives as long as the library.
    let base =
        unsafe { base().as_ref() }.ok_or_else(|| not_onnx_runtime("its OrtGetApiBase returns nothing"))?;
    let version = base
        .version()
        .ok_or_else(|| not_onnx_runtime("it has no version"))?;
    let has_interface = base.has_interface();
    std::mem::forget(library);
    match has_interface {
        true => Ok((version, place)),
        false => Err(RuntimeError::TooOld {
            path: path.to_path_buf(),
            found_by,
            version,
        }),
    }
}

/// The file that a function of a library came from, as the loader has it: a library of the system is named without its
/// folder, which `ort` would look for beside the program.
#[cfg(unix)]
fn place(function: *const c_void) -> Option<PathBuf> {
    let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: the call takes any address, and writes what it has found; zeros are valid until then.
    let found = unsafe {
        libc::dladdr(function, found.as_mut_ptr());
        found.assume_init()
    };
    // SAFETY: a name that is there lives as long as the library.
    let name = (!found.dli_fname.is_null()).then(|| unsafe { CStr::from_ptr(found.dli_fname) })?;
    Path::new(OsStr::from_bytes(name.to_bytes())).canonicalize().ok()
}

#[cfg(not(unix))]
fn place(_: *const c_void) -> Option<PathBuf> {
    None
}

/// What is wrong with a library that is no ONNX Runtime at all.
const NO_API: &str = "it has no OrtGetApiBase";

/// `OrtApiBase` of ONNX Runtime's C interface, whose functions a library that only looks like it may lack.
#[repr(C)]
struct ApiBase {
    get_api: Option<unsafe extern "C" fn(u32) -> *const c_void>,
    get_version: Option<unsafe extern "C" fn() -> *const c_char>,
}

impl ApiBase {
    fn version(&self) -> Option<String> {
        // SAFETY: the function takes nothing, and returns null or a string that lives as long as the library.
        let text = unsafe { self.get_version?() };
        // SAFETY: as above.
        let text = (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })?;
        text.to_str().ok().map(str::to_owned)
    }

    fn has_interface(&self) -> bool {
        // SAFETY: the function takes any number, and returns null for a version that it does not know.
        self.get_api
            .is_some_and(|get| unsafe { !get(ort::sys::ORT_API_VERSION).is_null() })
    }
}

fn unloadable(path: &Path, found_by: FoundBy, reason: String) -> RuntimeError {
    RuntimeError::NotALibrary {
        path: path.to_path_buf(),
        found_by,
        reason,
    }
}

/// Why `ort` does not take a library that [`open`] has taken.
fn refused(path: &Path, found_by: FoundBy, error: LoadDynamicError) -> RuntimeError {
    match error {
        LoadDynamicError::BadVersion { version_str, .. } => RuntimeError::TooOld {
            path: path.to_path_buf(),
            found_by,
            version: version_str,
        },
        other => unloadable(path, found_by, other.to_string()),
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
pub fn locate(sought: &LibraryQuery) -> Result<Located, RuntimeError> {
    let mut errors = Vec::new();
    for Candidate { path, found_by } in candidates(sought)? {
        match open(&path, found_by) {
            Ok((version, _)) => {
                return Ok(Located {
                    path,
                    found_by,
                    version,
                });
            }
            Err(error) => errors.push(error),
        }
    }
    Err(errors.swap_remove(0))
}

fn not_found() -> RuntimeError {
    RuntimeError::NotFound {
        searched:
            "beside the program, in ../lib, in the repository's runtime folder and in the system's library folders"
                .to_owned(),
    }
}
