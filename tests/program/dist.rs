//! The folder that `make dist` packs: it runs wherever it is put, with nothing around it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Workshop, repository, stdout, succeed, tiny_graphs};
use tempfile::TempDir;

/// The tree with the program under test and the tiny graphs, moved after it was made.
fn moved_tree(folder: &Path) -> PathBuf {
    let (made, moved) = (folder.join("made"), folder.join("moved/elsewhere"));
    let mut script = Command::new("python3");
    script
        .arg(repository().join("scripts/dist.py"))
        .arg("--program")
        .arg(env!("CARGO_BIN_EXE_impasto"));
    succeed(script.arg("--graphs").arg(tiny_graphs()).arg("--into").arg(&made));
    fs::create_dir_all(folder.join("moved")).unwrap();
    fs::rename(made, &moved).unwrap();
    moved
}

/// Arguments that paint a small picture from two files in the working directory.
const PAINT: [&str; 9] = [
    "stylize",
    "content.png",
    "style.png",
    "-o",
    "out.png",
    "--size",
    "40",
    "--iterations",
    "2",
];

#[test]
fn the_folder_runs_where_it_is_moved_to_with_an_empty_environment() {
    let folder = TempDir::new().unwrap();
    let tree = moved_tree(folder.path());
    for file in [
        "share/man/man1/impasto.1",
        "share/man/man1/impasto-stylize.1",
        "share/bash-completion/completions/impasto",
        "share/zsh/site-functions/_impasto",
        "share/fish/vendor_completions.d/impasto.fish",
        "share/doc/impasto/LICENSE-MIT",
        "share/doc/impasto/licenses/crates.txt",
    ] {
        assert!(
            tree.join(file).metadata().is_ok_and(|file| file.len() > 100),
            "{file} is missing"
        );
    }
    let workshop = Workshop::new();
    let mut program = Command::new(tree.join("bin/impasto"));
    succeed(
        program
            .env_clear()
            .current_dir(workshop.folder.path())
            .args(PAINT),
    );
    assert!(workshop.path("out.png").exists());

    let version = stdout(&succeed(
        Command::new(tree.join("bin/impasto"))
            .env_clear()
            .arg("--version"),
    ));
    assert!(
        version.contains(tree.join("lib/onnxruntime/cpu").to_str().unwrap()),
        "{version}"
    );
}

#[test]
fn the_folder_runs_in_a_root_with_nothing_but_the_c_and_cpp_libraries() {
    let folder = TempDir::new().unwrap();
    let tree = moved_tree(folder.path());
    let root = folder.path().join("root");
    for library in needed(&[
        tree.join("bin/impasto"),
        tree.join("lib/onnxruntime/cpu/libonnxruntime.so"),
    ]) {
        let target = root.join(library.strip_prefix("/").unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&library, target).unwrap();
    }
    fs::rename(&tree, root.join("impasto")).unwrap();
    let workshop = Workshop::new();
    for picture in ["content.png", "style.png"] {
        fs::copy(workshop.path(picture), root.join(picture)).unwrap();
    }
    let Some(mut program) = chroot(&root) else {
        eprintln!("skipped: neither root nor user namespaces, so there is no bare root to enter");
        return;
    };
    succeed(program.arg("/impasto/bin/impasto").args(PAINT));
    assert!(root.join("out.png").exists());
}

/// The libraries that the system's loader wants for these files; no more than those of C and C++ are allowed.
fn needed(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let allowed = [
        "libc.",
        "libm.",
        "libdl.",
        "libpthread.",
        "librt.",
        "libstdc++.",
        "libgcc_s.",
        "ld-linux",
    ];
    let listing: String = files
        .iter()
        .map(|file| stdout(&succeed(Command::new("ldd").arg(file))))
        .collect();
    let paths = listing
        .split_whitespace()
        .filter(|word| word.starts_with('/') && !word.ends_with(':'));
    let paths: BTreeSet<PathBuf> = paths.map(PathBuf::from).collect();
    for path in &paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(
            allowed.iter().any(|start| name.starts_with(start)),
            "{name} is needed and not packed"
        );
    }
    paths
}

/// A command that runs in `root` with an empty environment and `/proc`, if the system allows that.
fn chroot(root: &Path) -> Option<Command> {
    const ENTER: &str = r#"mount --rbind /proc "$0/proc" && exec chroot "$0" "$@""#;
    fs::create_dir(root.join("proc")).unwrap();
    let enter = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command
            .args(arguments)
            .args(["--mount", "sh", "-c", ENTER])
            .arg(root);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir("/");
        command
    };
    let works = |arguments: &&&[&str]| {
        let output = enter(arguments).args(["/impasto/bin/impasto", "--help"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    let ways: [&[&str]; 2] = [&[], &["--map-root-user"]];
    ways.iter().find(works).map(|arguments| enter(arguments))
}
