//! Names that stand for a file that the process has open already: `-`, `/dev/stdout`, `/dev/fd/3`.

#[cfg(unix)]
pub(super) use unix::{duplicate, number};

#[cfg(not(unix))]
pub(super) use elsewhere::{duplicate, number};

#[cfg(unix)]
mod unix {
    use std::fs::{self, File};
    use std::io;
    use std::os::fd::{BorrowedFd, RawFd};
    use std::path::Path;

    use crate::files::STANDARD;

    /// The folders of the process's open files; on Linux two names for one.
    const FOLDERS: [&str; 2] = ["/dev/fd", "/proc/self/fd"];
    /// The most links that are followed, as in the system's own look-up.
    const MOST_LINKS: usize = 40;

    /// The number of the open file that `path` is, if it is one; `standard` is what `-` stands for.
    pub fn number(path: &Path, standard: RawFd) -> Option<RawFd> {
        if path == Path::new(STANDARD) {
            return Some(standard);
        }
        let mut path = path.to_path_buf();
        for _ in 0..MOST_LINKS {
            if let Some(number) = in_folder(&path) {
                return Some(number);
            }
            path = path.parent()?.join(fs::read_link(&path).ok()?);
        }
        None
    }

    fn in_folder(path: &Path) -> Option<RawFd> {
        let number: u16 = path.file_name()?.to_str()?.parse().ok()?;
        let folder = path.parent()?.canonicalize().ok()?;
        let is_it = |known: &str| Path::new(known).canonicalize().is_ok_and(|known| known == folder);
        FOLDERS.into_iter().any(is_it).then_some(number.into())
    }

    /// Another handle of the open file of this number.
    pub fn duplicate(number: RawFd) -> io::Result<File> {
        // SAFETY: the number is not negative, and borrowed for one system call, which fails if nothing is open under it.
        let open = unsafe { BorrowedFd::borrow_raw(number) };
        open.try_clone_to_owned().map(File::from)
    }
}

#[cfg(not(unix))]
mod elsewhere {
    use std::fs::File;
    use std::io;
    use std::os::windows::io::{AsHandle as _, OwnedHandle};
    use std::path::Path;

    use crate::files::STANDARD;

    /// `standard`, if `path` is `-`.
    pub fn number(path: &Path, standard: i32) -> Option<i32> {
        (path == Path::new(STANDARD)).then_some(standard)
    }

    /// Another handle of standard input, 0, or standard output.
    pub fn duplicate(number: i32) -> io::Result<File> {
        let handle: OwnedHandle = match number {
            0 => io::stdin().as_handle().try_clone_to_owned()?,
            _ => io::stdout().as_handle().try_clone_to_owned()?,
        };
        Ok(File::from(handle))
    }
}
