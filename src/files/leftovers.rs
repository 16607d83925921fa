//! Temporary files: how they are made, and what becomes of those that a killed run has left.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

const PREFIX: &str = ".impasto-";
const SUFFIX: &str = ".part";

/// Makes an empty file in `folder`, locked for as long as this run lives.
pub(super) fn begin(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    // By default only the owner may read a temporary file; the umask takes from this what it takes from any file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder)?;
    // Where there are no locks, nothing is swept either.
    #[cfg(unix)]
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// Older than the moment between the making of a file and its lock by far.
const OLD: Duration = Duration::from_secs(600);

/// Removes from `folder` what killed runs have left there, some time ago.
pub(super) fn sweep(folder: &Path) {
    sweep_before(folder, SystemTime::now() - OLD);
}

/// Removes from `folder` what killed runs have left there: temporary files of ours that nobody has locked, and that are
/// older than `before`.
#[cfg(unix)]
pub fn sweep_before(folder: &Path, before: SystemTime) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| is_temporary(&entry.file_name())) {
        let path = entry.path();
        if is_left_over(&path, before).unwrap_or(false) {
            // Another run may have been faster.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Nothing: without locks nobody knows whose writer is gone.
#[cfg(not(unix))]
pub fn sweep_before(_: &Path, _: SystemTime) {}

/// Whether the name is that of a temporary file: six letters or digits between prefix and suffix.
#[cfg(unix)]
fn is_temporary(name: &std::ffi::OsStr) -> bool {
    let middle = name
        .to_str()
        .and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
    middle.is_some_and(|middle| middle.len() == 6 && middle.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(unix)]
fn is_left_over(path: &Path, before: SystemTime) -> io::Result<bool> {
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};

    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let metadata = file.metadata()?;
    // SAFETY: it only asks, and cannot fail.
    let user = unsafe { libc::geteuid() };
    let is_old = metadata.modified()? < before;
    Ok(metadata.is_file() && metadata.uid() == user && is_old && file.try_lock().is_ok())
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::File;
    use std::path::PathBuf;

    use super::*;

    fn aged(folder: &Path, name: &str) -> io::Result<(PathBuf, File)> {
        let path = folder.join(name);
        let file = File::create(&path)?;
        file.set_modified(SystemTime::now() - Duration::from_secs(3600))?;
        Ok((path, file))
    }

    #[test]
    fn only_old_files_of_ours_whose_writer_is_gone_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let (left, _) = aged(folder.path(), ".impasto-aB3dE9.part").unwrap();
        let others = [
            ".impasto-notes.part",
            ".impasto-aB3dE9.png",
            "impasto-aB3dE9.part",
        ];
        let mut kept: Vec<PathBuf> = others.map(|name| aged(folder.path(), name).unwrap().0).into();
        let (locked, writer) = aged(folder.path(), ".impasto-living.part").unwrap();
        writer.try_lock().unwrap();
        let fresh = folder.path().join(".impasto-fresh1.part");
        File::create(&fresh).unwrap();
        let link = folder.path().join(".impasto-link12.part");
        std::os::unix::fs::symlink(&kept[0], &link).unwrap();
        kept.extend([locked, fresh, link]);

        sweep(folder.path());

        assert!(!left.exists());
        for path in kept {
            assert!(path.symlink_metadata().is_ok(), "{} is gone", path.display());
        }
    }

    #[test]
    fn a_temporary_file_is_one_by_its_name_and_is_locked() {
        let folder = tempfile::tempdir().unwrap();
        let file = begin(folder.path()).unwrap();
        assert!(is_temporary(file.path().file_name().unwrap()));
        assert!(File::open(file.path()).unwrap().try_lock().is_err());
    }
}
