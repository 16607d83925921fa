//! Files: inputs are read once and to a limit, nothing that is no file is replaced, no output spoils another or an
//! input, names are shown as they are.
#![cfg(unix)]
// The helpers of the tests, too, may panic.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod inputs;
mod names;
mod outputs;
mod streams;

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::Workshop;

/// Longer than any run here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The end of a program that must not hang, and what it said.
fn ended(mut child: Child) -> Output {
    let read = |pipe: Option<Box<dyn std::io::Read + Send>>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
            bytes
        })
    };
    let stdout = read(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let stderr = read(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it hangs");
        }
        thread::sleep(Duration::from_millis(10));
    };
    Output {
        status,
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

/// Starts a command with pipes at both outputs.
fn started(command: &mut Command) -> Child {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Makes a pipe with a name.
fn make_pipe(path: &Path) {
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the name ends in a zero and lives until the call returns.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0, "no pipe");
}

/// Makes the null device under another name; false where only root may, which is said.
fn make_device(path: &Path) -> bool {
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the name ends in a zero and lives until the call returns.
    let made = unsafe { libc::mknod(name.as_ptr(), libc::S_IFCHR | 0o666, libc::makedev(1, 3)) } == 0;
    // Even a device that was made may be closed to all, on a file system without devices.
    let usable = made && fs::OpenOptions::new().write(true).open(path).is_ok();
    if !usable {
        let _ = writeln!(io::stderr(), "left out: this user may not make devices here");
    }
    usable
}

fn is_pipe(path: &Path) -> bool {
    path.symlink_metadata().unwrap().file_type().is_fifo()
}

fn is_device(path: &Path) -> bool {
    path.symlink_metadata().unwrap().file_type().is_char_device()
}

/// A file of so many bytes that takes no room.
fn sparse(path: &Path, length: u64) {
    File::create(path).unwrap().set_len(length).unwrap();
}

/// All that comes through a pipe with a name, read in a thread of its own.
fn reader(path: &Path) -> thread::JoinHandle<Vec<u8>> {
    let path = path.to_path_buf();
    thread::spawn(move || fs::read(path).unwrap())
}

/// Feeds a pipe with a name, once somebody opens it.
fn writer(path: &Path, bytes: Vec<u8>) -> thread::JoinHandle<()> {
    let path = path.to_path_buf();
    thread::spawn(move || {
        // Who reads only the beginning closes the pipe early.
        let _ = fs::write(path, bytes);
    })
}

/// The names in the workshop's folder, sorted.
fn names(workshop: &Workshop) -> Vec<String> {
    let entries = fs::read_dir(workshop.folder.path()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The only picture that found no better place than this folder.
fn rescued(folder: &Path) -> std::path::PathBuf {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("impasto-"));
    let only = ours.next().unwrap().path();
    assert!(ours.next().is_none());
    only
}
