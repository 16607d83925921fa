//! Libraries that have to be loaded before a provider, so that it finds them without `LD_LIBRARY_PATH`.

use std::env;
use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::binary;
use super::provider::Provider;
use crate::files::shown;

/// Checks that the driver of the provider's device is installed; the error says what is missing.
pub(super) fn driver(provider: &Provider) -> Result<(), String> {
    let Some((library, what)) = provider.driver else {
        return Ok(());
    };
    open(Path::new(library)).map_err(|_| format!("{what} is missing ({library})"))
}

/// Loads what the provider needs from the folder of ONNX Runtime. What is not there may be installed elsewhere: the
/// provider itself complains if it is not.
pub(super) fn libraries(provider: &Provider, folder: &Path) -> Result<(), String> {
    for stem in provider.preload {
        if let Some(path) = library_called(stem, folder) {
            binary::check(&path)
                .and_then(|_| open(&path).map_err(|error| told(&error)))
                .map_err(|reason| format!("{} cannot be loaded: {reason}", shown(&path)))?;
        }
    }
    Ok(())
}

/// Checks the files that ONNX Runtime itself loads for the provider from its folder.
pub(super) fn check(provider: &Provider, folder: &Path) -> Result<(), String> {
    let stems = provider.library.into_iter().flat_map(|library| [SHARED, library]);
    let names = stems.map(|stem| format!("{}{stem}{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX));
    for path in names.map(|name| folder.join(name)).filter(|path| path.exists()) {
        binary::check(&path).map_err(|reason| format!("{} cannot be loaded: {reason}", shown(&path)))?;
    }
    Ok(())
}

/// What lies between ONNX Runtime and every provider that is a library of its own.
const SHARED: &str = "onnxruntime_providers_shared";

/// The loader's own words, which `libloading` has only as the cause.
pub(super) fn told(error: &libloading::Error) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// `libSTEM.so.13`, `STEM64_13.dll`: any version, but no other library whose name begins with the stem.
fn library_called(stem: &str, folder: &Path) -> Option<PathBuf> {
    let prefix = format!("{}{stem}", env::consts::DLL_PREFIX);
    let is_it = |path: &PathBuf| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name.strip_prefix(&prefix).is_some_and(|rest| {
            rest.starts_with(env::consts::DLL_SUFFIX) || (rest.starts_with("64_") && rest.ends_with(".dll"))
        })
    };
    fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(is_it)
}

/// Loads a library for the rest of the process, its symbols visible to those that come after it.
fn open(path: &Path) -> Result<(), libloading::Error> {
    // SAFETY: the initialisers that run are those of a driver or of a library that ONNX Runtime's provider would
    // load by itself a moment later.
    #[cfg(unix)]
    let library = unsafe {
        use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY};
        Library::open(Some(path), RTLD_LAZY | RTLD_GLOBAL)?
    };
    // SAFETY: as above.
    #[cfg(not(unix))]
    let library = unsafe { libloading::Library::new(path)? };
    std::mem::forget(library);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_stem_matches_any_version_and_no_longer_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "libcublasLt.so.13",
            "libnvrtc-builtins.so.13.0",
            "libcudnn_graph.so.9",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = |stem| library_called(stem, folder.path()).is_some();
        assert!(found("cublasLt") && found("nvrtc-builtins"));
        assert!(!found("cublas") && !found("nvrtc") && !found("cudnn"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_broken_library_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("libcudart.so.13"), "no library").unwrap();
        let cuda = Provider::named("cuda").unwrap();
        assert!(
            libraries(cuda, folder.path())
                .unwrap_err()
                .contains("libcudart.so.13")
        );
    }
}
