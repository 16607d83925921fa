//! Nothing leaves the machine, and nothing is written but what was asked for.
#![cfg(target_os = "linux")]

use std::ffi::c_long;
use std::fs;
use std::io;
use std::mem::offset_of;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Workshop, impasto, repository, succeed, tiny_graphs};
use tempfile::TempDir;

/// What programs take for the user's folders and for those of temporary files.
const FOLDERS: [&str; 7] = [
    "HOME",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
];

/// Gives `command` empty folders and an environment that says nothing else but that reports are welcome: on a CI
/// server, as the environment tells, ONNX Runtime sends none.
fn at_home(command: &mut Command, home: &Path) {
    command.env_clear().env("ORT_DISABLE_TELEMETRY", "0");
    command.envs(FOLDERS.map(|name| (name, home)));
}

/// Every ONNX Runtime that set-up has unpacked.
fn libraries() -> Vec<PathBuf> {
    let runtimes = fs::read_dir(repository().join("runtime")).unwrap();
    let library = |folder: PathBuf| folder.join("libonnxruntime.so");
    let libraries = runtimes.map(|runtime| library(runtime.unwrap().path()));
    let libraries: Vec<PathBuf> = libraries.filter(|library| library.exists()).collect();
    assert!(!libraries.is_empty(), "no ONNX Runtime: run `make setup`");
    libraries
}

#[test]
fn folders_that_were_empty_are_empty_after_every_command() {
    let workshop = Workshop::new();
    for library in libraries() {
        let judged = ["content.png", "--content", "content.png", "--style", "style.png"];
        let compare = [&["compare", "style.png"], &judged[..]].concat();
        let evaluate = [&["evaluate"], &judged[..]].concat();
        let mut stylize = vec!["stylize", "content.png", "style.png", "-o", "out.png", "--force"];
        stylize.extend(["--size", "40", "--iterations", "1"]);
        for arguments in [
            stylize,
            evaluate,
            compare,
            vec!["providers"],
            vec!["providers", "--try"],
        ] {
            let home = TempDir::new().unwrap();
            let mut command = impasto();
            at_home(&mut command, home.path());
            command.current_dir(workshop.folder.path()).args(&arguments);
            command.arg("--graphs").arg(tiny_graphs());
            succeed(command.arg("--onnxruntime").arg(&library));
            let written: Vec<_> = fs::read_dir(home.path()).unwrap().collect();
            assert!(written.is_empty(), "{library:?} {arguments:?}: {written:?}");
        }
    }
}

/// ONNX Runtime would look up its maker's server nine seconds after its start.
#[test]
fn a_process_that_may_only_have_local_sockets_paints_for_more_than_twelve_seconds() {
    let workshop = Workshop::new();
    let home = TempDir::new().unwrap();
    let mut command = workshop.stylize("out.png");
    at_home(&mut command, home.path());
    command.args(["--iterations", "1000000", "--scales", "1", "--max-seconds", "13"]);
    // SAFETY: between fork and exec the function makes two system calls, of data that is ready.
    unsafe { command.pre_exec(allow_local_sockets_only) };
    succeed(&mut command);

    // The filter does what it is for.
    let mut command = Command::new("bash");
    command.args(["-c", "exec 3<>/dev/udp/127.0.0.1/53"]);
    assert!(command.status().unwrap().success());
    // SAFETY: as above.
    unsafe { command.pre_exec(allow_local_sockets_only) };
    assert_eq!(command.status().unwrap().code(), None);
}

/// From here on the kernel kills this process when it asks for a socket other than a local one.
fn allow_local_sockets_only() -> io::Result<()> {
    use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, seccomp_data};
    let load = (BPF_LD | BPF_W | BPF_ABS) as u16;
    let equals = (BPF_JMP | BPF_JEQ | BPF_K) as u16;
    let result = (BPF_RET | BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    // The lower half of the first argument, which is socket's domain.
    let argument = offset_of!(seccomp_data, args) + if cfg!(target_endian = "big") { 4 } else { 0 };
    let mut filter = [
        step(load, 0, 0, offset_of!(seccomp_data, nr) as u32),
        step(equals, 0, 2, libc::SYS_socket as u32),
        step(load, 0, 0, argument as u32),
        step(equals, 0, 1, libc::AF_UNIX as u32),
        step(result, 0, 0, libc::SECCOMP_RET_ALLOW),
        step(result, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    let zero: c_long = 0;
    // SAFETY: the numbers are of the width that the call reads, and the filter lives until it returns.
    let failed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1 as c_long, zero, zero, zero) != 0
            || libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER as c_long,
                &program,
            ) != 0
    };
    if failed {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
