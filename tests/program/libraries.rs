//! A file that is not ONNX Runtime, or only a part of it, is refused with the reason before it can do harm.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Workshop, fail, impasto, onnxruntime, stderr, succeed};

/// Every command that loads the library must refuse it, and name all `parts`.
fn refuse(library: &Path, parts: &[&str]) {
    let name = library.file_name().unwrap().to_str().unwrap();
    let parts = [&[name, "make setup"], parts].concat();
    let workshop = Workshop::new();
    let mut stylize = workshop.stylize_without_library("out.png");
    let mut providers = impasto();
    providers.arg("providers");
    for command in [&mut stylize, &mut providers] {
        fail(command.arg("--onnxruntime").arg(library), &parts);
    }
    // The version is told all the same.
    let version = succeed(impasto().arg("--version").env("ORT_DYLIB_PATH", library));
    assert!(String::from_utf8_lossy(&version.stdout).contains("no ONNX Runtime"));
    assert!(!workshop.path("out.png").exists());
}

#[test]
fn a_library_that_is_cut_anywhere_is_refused() {
    let workshop = Workshop::new();
    let path = workshop.path("cut.so");
    let whole = fs::read(onnxruntime()).unwrap();
    for length in [
        0,
        3,
        40,
        64,
        1000,
        whole.len() / 3,
        whole.len() - 4096,
        whole.len() - 1,
    ] {
        fs::write(&path, &whole[..length]).unwrap();
        refuse(&path, &["cannot be loaded"]);
    }
}

#[test]
fn what_is_no_library_of_this_machine_is_refused() {
    let workshop = Workshop::new();
    let path = workshop.path("other.so");
    let library = fs::read(onnxruntime().with_file_name("libonnxruntime_providers_shared.so")).unwrap();
    let with = |at: usize, bytes: &[u8], parts: &[&str]| {
        let mut changed = library.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        fs::write(&path, changed).unwrap();
        refuse(&path, parts);
    };
    // As ELF has it: the class at 4, the machine at 18, where the segments' headers are at 32, the first one's size in
    // the file at 96.
    let (other, name) = if cfg!(target_arch = "x86_64") {
        ([183, 0], "aarch64")
    } else {
        ([62, 0], "x86_64")
    };
    with(18, &other, &["built for", name]);
    with(4, &[1], &["cannot be loaded"]);
    with(32, &u64::MAX.to_le_bytes(), &["damaged"]);
    with(96, &u64::MAX.to_le_bytes(), &["part of a library"]);
    with(0, b"MZ\x90\0", &["no ELF file"]);
    with(0, b"#!/bin/sh\n", &["no ELF file"]);
    refuse(&std::env::current_exe().unwrap(), &["OrtGetApiBase"]);
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let workshop = Workshop::new();
    let folder = workshop.path("folder.so");
    fs::create_dir(&folder).unwrap();
    refuse(&folder, &["folder"]);
    let pipe = workshop.path("pipe.so");
    succeed(Command::new("mkfifo").arg(&pipe));
    refuse(&pipe, &["pipe"]);
    refuse(Path::new("/dev/zero"), &["device"]);
    let sparse = workshop.path("sparse.so");
    File::create(&sparse).unwrap().set_len(10 << 30).unwrap();
    refuse(&sparse, &["more than any library"]);
    File::create(&sparse).unwrap().set_len(3 << 30).unwrap();
    refuse(&sparse, &["no ELF file"]);
}

#[test]
fn another_library_is_refused_before_it_can_run() {
    let workshop = Workshop::new();
    let code = r#"
        #[used] #[unsafe(link_section = ".init_array")] static BEGIN: extern "C" fn() = begin;
        extern "C" fn begin() { std::process::exit(0); }
    "#;
    refuse(&library(&workshop, "eager", code), &["OrtGetApiBase"]);
}

#[test]
fn a_library_that_only_looks_like_onnx_runtime_is_refused() {
    let workshop = Workshop::new();
    let with = |name: &str, base: &str, parts: &[&str]| {
        let code = format!(
            r#"
            #[repr(C)] pub struct Base(Option<extern "C" fn(u32) -> *const u8>, Option<extern "C" fn() -> *const u8>);
            extern "C" fn nothing(_: u32) -> *const u8 {{ std::ptr::null() }}
            extern "C" fn no_version() -> *const u8 {{ std::ptr::null() }}
            extern "C" fn garbled() -> *const u8 {{ b"\xff\xfe\0".as_ptr() }}
            extern "C" fn version() -> *const u8 {{ b"1.99.0\0".as_ptr() }}
            #[unsafe(no_mangle)] pub extern "C" fn OrtGetApiBase() -> *const Base {{ {base} }}
            "#
        );
        refuse(&library(&workshop, name, &code), parts);
    };
    with("null", "std::ptr::null()", &["returns nothing"]);
    with("empty", "&Base(None, None)", &["no version"]);
    with("mute", "&Base(Some(nothing), Some(no_version))", &["no version"]);
    with("garbled", "&Base(Some(nothing), Some(garbled))", &["no version"]);
    with(
        "hollow",
        "&Base(Some(nothing), Some(version))",
        &["1.99.0", "1.24"],
    );
}

#[test]
fn the_loaders_own_reason_is_told() {
    let workshop = Workshop::new();
    let needed = library(
        &workshop,
        "needed",
        "#[unsafe(no_mangle)] pub extern \"C\" fn needed() {}",
    );
    let code = r#"
        #[link(name = "needed")] unsafe extern "C" { fn needed(); }
        #[unsafe(no_mangle)] pub extern "C" fn OrtGetApiBase() -> *const u8 { unsafe { needed() }; std::ptr::null() }
    "#;
    let needing = library(&workshop, "needing", code);
    fs::remove_file(needed).unwrap();
    refuse(&needing, &["libneeded.so: cannot open shared object file"]);
}

#[test]
fn what_a_library_prints_while_it_is_loaded_is_not_seen() {
    let workshop = Workshop::new();
    let code = format!(
        r#"
        #[used] #[unsafe(link_section = ".init_array")] static BEGIN: extern "C" fn() = begin;
        extern "C" fn begin() {{ eprintln!("error: XDG_RUNTIME_DIR not set in the environment."); }}
        unsafe extern "C" {{
            fn dlopen(path: *const u8, mode: i32) -> *mut u8;
            fn dlsym(library: *mut u8, name: *const u8) -> extern "C" fn() -> *const u8;
        }}
        #[unsafe(no_mangle)] pub extern "C" fn OrtGetApiBase() -> *const u8 {{
            eprintln!("a driver speaks");
            unsafe {{ dlsym(dlopen(c"{}".as_ptr().cast(), 1), c"OrtGetApiBase".as_ptr().cast())() }}
        }}
        "#,
        onnxruntime().display()
    );
    let talking = library(&workshop, "talking", &code);
    let mut stylize = workshop.stylize_without_library("out.png");
    stylize.args(["--iterations", "1"]);
    let mut providers = impasto();
    providers.arg("providers");
    for command in [&mut stylize, &mut providers] {
        let output = succeed(command.arg("--onnxruntime").arg(&talking));
        let said = stderr(&output);
        assert!(!said.contains("XDG") && !said.contains("driver"), "{said}");
    }
    // What the program itself says afterwards is seen.
    let mut last = workshop.stylize_without_library("out.png");
    last.arg("--onnxruntime").arg(&talking);
    fail(last.args(["--graphs", "nowhere", "--force"]), &["nowhere"]);
}

/// `libNAME.so` in the workshop, of a few lines of code.
fn library(workshop: &Workshop, name: &str, code: &str) -> PathBuf {
    let source = workshop.path(&format!("{name}.rs"));
    fs::write(&source, code).unwrap();
    let path = workshop.path(&format!("lib{name}.so"));
    let mut rustc = Command::new(std::env::var("RUSTC").unwrap_or("rustc".to_owned()));
    rustc.args([
        "--edition",
        "2024",
        "--crate-type",
        "cdylib",
        "-A",
        "warnings",
        "-o",
    ]);
    succeed(
        rustc
            .arg(&path)
            .arg(&source)
            .arg("-L")
            .arg(workshop.folder.path()),
    );
    path
}
