//! What a library's file says of itself, read before the file is loaded.
//!
//! The loader of ELF systems maps what the headers name, whether the file has it or not, and a process that reads beyond
//! the file's end is killed by a signal. It also runs a library's initialisers before the library can be asked what it
//! is. The loaders of Windows and macOS check the headers themselves.

use std::fs;
use std::path::Path;

/// Checks that `path` is a whole library of this machine. Returns whether it may be ONNX Runtime; the error says what is
/// wrong.
pub(super) fn check(path: &Path) -> Result<bool, String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if metadata.is_dir() {
        return Err("it is a folder".to_owned());
    }
    if !metadata.is_file() {
        return Err("it is not a file but a device, a pipe or a socket".to_owned());
    }
    headers::check(path, metadata.len())
}

#[cfg(all(unix, not(target_vendor = "apple")))]
mod headers {
    use std::fs::File;
    use std::path::Path;

    use object::read::{Object as _, ObjectSection as _, ObjectSegment as _, ObjectSymbol as _, ReadCache};
    use object::{Architecture, FileKind};

    /// Longer than any library, in bytes: the tables that are read have room in memory.
    const LONGEST: u64 = 4 << 30;

    /// This machine, where the wheels of ONNX Runtime run.
    const MACHINE: Option<Architecture> = if cfg!(target_arch = "x86_64") {
        Some(Architecture::X86_64)
    } else if cfg!(target_arch = "aarch64") {
        Some(Architecture::Aarch64)
    } else {
        None
    };

    pub(super) fn check(path: &Path, length: u64) -> Result<bool, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        if length > LONGEST {
            return Err(format!("it has {length} bytes, more than any library"));
        }
        let content = ReadCache::new(file);
        if !matches!(FileKind::parse(&content), Ok(FileKind::Elf32 | FileKind::Elf64)) {
            return Err("it is no ELF file".to_owned());
        }
        let library = object::File::parse(&content)
            .map_err(|error| format!("it is damaged, or only a part of a library ({error})"))?;
        if MACHINE.is_some_and(|machine| library.architecture() != machine) {
            let built_for = format!("{:?}", library.architecture()).to_lowercase();
            return Err(format!(
                "it is built for {built_for}, not for {}",
                std::env::consts::ARCH
            ));
        }
        let segments = library.segments().map(|segment| segment.file_range());
        let sections = library.sections().filter_map(|section| section.file_range());
        let ends = segments.chain(sections).map(|(at, size)| at.saturating_add(size));
        if let Some(end) = ends.max().filter(|end| *end > length) {
            return Err(format!(
                "it is only a part of a library: {length} bytes of at least {end}"
            ));
        }
        let mut exports = library.dynamic_symbols().filter(|symbol| symbol.is_definition());
        Ok(exports.any(|symbol| symbol.name() == Ok("OrtGetApiBase")))
    }
}

#[cfg(not(all(unix, not(target_vendor = "apple"))))]
mod headers {
    use std::path::Path;

    pub(super) fn check(_: &Path, _: u64) -> Result<bool, String> {
        Ok(true)
    }
}
