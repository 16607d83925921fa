//! Providers and runtimes: what is there is listed, what is asked for runs or is refused in one sentence.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{
    Workshop, fail, impasto, onnxruntime, repository, stderr, stdout, succeed, tiny_graphs,
};
use tempfile::TempDir;

/// A program in a folder of its own, away from the repository's runtimes, as an installation would have it.
struct Installation {
    root: TempDir,
}

impl Installation {
    fn new() -> Installation {
        let root = TempDir::new().unwrap();
        fs::create_dir_all(root.path().join("bin")).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_impasto"), root.path().join("bin/impasto")).unwrap();
        Installation { root }
    }

    /// Lays a library into `lib/` or `lib/onnxruntime/NAME/`.
    fn lay(&self, folder: &str, library: impl FnOnce(&Path)) -> PathBuf {
        let folder = self.root.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("libonnxruntime.so");
        library(&path);
        path
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.root.path().join("bin/impasto"));
        command.env_remove("ORT_DYLIB_PATH").current_dir(self.root.path());
        command
    }

    /// `stylize` for one iteration.
    fn stylize(&self, workshop: &Workshop) -> Command {
        let mut command = self.command();
        command
            .current_dir(workshop.folder.path())
            .args(["stylize", "content.png", "style.png"]);
        command
            .args([
                "-o",
                "out.png",
                "--force",
                "--size",
                "40",
                "--iterations",
                "1",
                "--graphs",
            ])
            .arg(tiny_graphs());
        command
    }
}

fn working(path: &Path) {
    std::os::unix::fs::symlink(onnxruntime(), path).unwrap();
}

fn broken(path: &Path) {
    fs::write(path, "no library").unwrap();
}

/// A library that says that it is ONNX Runtime 1.10, and no more.
fn old(path: &Path) {
    let source = path.with_extension("rs");
    let code = r#"
        #[repr(C)] pub struct Base(extern "C" fn(u32) -> *const u8, extern "C" fn() -> *const u8);
        extern "C" fn api(_: u32) -> *const u8 { std::ptr::null() }
        extern "C" fn version() -> *const u8 { b"1.10.0\0".as_ptr() }
        static BASE: Base = Base(api, version);
        #[no_mangle] pub extern "C" fn OrtGetApiBase() -> *const Base { &BASE }
    "#;
    fs::write(&source, code).unwrap();
    let mut rustc = Command::new(std::env::var("RUSTC").unwrap_or("rustc".to_owned()));
    succeed(
        rustc
            .args(["--crate-type", "cdylib", "-A", "warnings", "-o"])
            .arg(path)
            .arg(&source),
    );
}

/// `impasto providers --json` of the CPU build.
fn providers(arguments: &[&str]) -> serde_json::Value {
    let mut command = impasto();
    command
        .args(["providers", "--json", "--onnxruntime"])
        .arg(onnxruntime());
    command.arg("--graphs").arg(tiny_graphs()).args(arguments);
    serde_json::from_str(&stdout(&succeed(&mut command))).unwrap()
}

fn provider<'a>(report: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    let mut providers = report["providers"].as_array().unwrap().iter();
    providers.find(|provider| provider["name"] == name).unwrap()
}

#[test]
fn providers_tells_what_is_built_in_and_what_works() {
    let report = providers(&[]);
    assert_eq!(provider(&report, "cpu")["state"], "usable");
    let cuda = provider(&report, "cuda");
    assert_eq!(
        (&cuda["built_in"], &cuda["state"]),
        (&false.into(), &"absent".into())
    );
    let remedy = cuda["remedy"].as_str().unwrap();
    assert!(remedy.contains("cuda"), "{remedy}");
    assert_eq!(report["onnxruntime"]["found_by"], "the one asked for");
    assert!(
        report["onnxruntime"]["version"]
            .as_str()
            .unwrap()
            .starts_with("1.")
    );
    assert!(report["threads"].as_u64().unwrap() >= 1);
    let graphs = report["graphs"].as_array().unwrap();
    assert!(
        graphs
            .iter()
            .all(|graph| graph["sha256"].as_str().unwrap().len() == 64)
    );
    assert!(!graphs.is_empty() && report.get("comparisons").is_none());
}

#[test]
fn trying_compares_every_provider_that_works_with_the_processor() {
    let report = providers(&["--try"]);
    let comparisons = report["comparisons"].as_array().unwrap();
    let cpu = comparisons
        .iter()
        .find(|compared| compared["provider"] == "cpu")
        .unwrap();
    assert_eq!(cpu["compared"]["loss_difference"], 0.0);
    assert_eq!(cpu["compared"]["gradient_difference"], 0.0);
}

#[test]
fn a_named_provider_that_is_not_built_in_is_an_error_with_the_remedy() {
    let workshop = Workshop::new();
    for name in ["cuda", "tensorrt", "openvino", "coreml", "qnn"] {
        let mut command = workshop.stylize("out.png");
        fail(
            command.args(["--iterations", "1", "--provider", name]),
            &[
                name,
                "is not part of ONNX Runtime",
                "get it with",
                "works here: cpu",
            ],
        );
        assert!(!workshop.path("out.png").exists());
    }
}

#[test]
fn options_that_the_provider_does_not_know_are_refused_before_anything_is_loaded() {
    let workshop = Workshop::new();
    for (arguments, parts) in [
        (
            ["--provider", "cuda", "--provider-option", "use_tf23=1"],
            ["use_tf23", "use_tf32"],
        ),
        (
            ["--provider", "cpu", "--provider-option", "arena=1"],
            ["arena", "it has none"],
        ),
        (
            ["--provider", "cuda", "--provider-option", "use_tf32"],
            ["--provider-option", "KEY=VALUE"],
        ),
        (["--provider", "cpu", "--device-id", "1"], ["cpu", "--device-id"]),
        (
            ["--provider", "cuda", "--device-id", "first"],
            ["--device-id", "first"],
        ),
        (
            ["--provider", "tensorrt", "--precision", "f32"],
            ["f32", "only in tf32"],
        ),
        (["--provider", "cuda", "--precision", "f16"], ["f16", "tf32"]),
        (
            ["--provider", "auto", "--device-id", "0"],
            ["--device-id", "--provider"],
        ),
        (
            ["--provider", "cuda", "--provider-library", "plugin.so"],
            ["provider library", "--provider cuda"],
        ),
        (
            ["--provider", "auto", "--provider-library", "gone.so"],
            ["gone.so", "does not exist"],
        ),
        (
            ["--onnxruntime", "gone.so", "--runtime", "cpu"],
            ["--onnxruntime", "--runtime"],
        ),
    ] {
        let mut command = workshop.stylize_without_library("out.png");
        // No library could be loaded from here.
        fail(command.env("ORT_DYLIB_PATH", "gone.so").args(arguments), &parts);
    }
}

#[test]
fn a_plugin_that_is_none_is_an_error() {
    let workshop = Workshop::new();
    broken(&workshop.path("plugin.so"));
    fail(
        workshop
            .stylize("out.png")
            .args(["--iterations", "1", "--provider-library", "plugin.so"]),
        &["plugin.so", "cannot be used"],
    );
}

#[test]
fn of_two_runtimes_the_broken_one_is_passed_over_and_said_so() {
    let (installation, workshop) = (Installation::new(), Workshop::new());
    let bad = installation.lay("lib", broken);
    installation.lay("lib/onnxruntime/cpu", working);
    let output = succeed(&mut installation.stylize(&workshop));
    let said = stderr(&output);
    assert!(
        said.contains("warning: ") && said.contains(bad.to_str().unwrap()),
        "{said}"
    );
    assert!(workshop.path("out.png").exists());

    let report = succeed(installation.command().args(["providers"]));
    assert!(stdout(&report).contains("passed over"), "{}", stdout(&report));
}

#[test]
fn a_runtime_that_is_named_is_the_one_or_an_error() {
    let (installation, workshop) = (Installation::new(), Workshop::new());
    installation.lay("lib/onnxruntime/cpu", working);
    installation.lay("lib/onnxruntime/shaky", broken);
    let with = |name: &str| {
        let mut command = installation.stylize(&workshop);
        command.args(["--runtime", name]);
        command
    };
    succeed(&mut with("cpu"));
    fail(&mut with("shaky"), &["shaky", "cannot be loaded", "make setup"]);
    fail(
        &mut with("cuda"),
        &["cuda", "there are: cpu, shaky", "make setup"],
    );
}

#[test]
fn a_library_that_is_too_old_is_refused_with_both_versions() {
    let (installation, workshop) = (Installation::new(), Workshop::new());
    let library = installation.lay("lib", old);
    fail(
        installation.stylize(&workshop).arg("--onnxruntime").arg(&library),
        &["1.10.0", "too old", "1.24"],
    );
}

#[test]
fn version_tells_program_contract_and_library() {
    let installation = Installation::new();
    let without = stdout(&succeed(installation.command().arg("--version")));
    assert!(
        without.starts_with(&format!("impasto {}\n", env!("CARGO_PKG_VERSION"))),
        "{without}"
    );
    assert!(
        without.contains("graph contract ") && without.contains("no ONNX Runtime"),
        "{without}"
    );
    let library = installation.lay("lib", working);
    let with = stdout(&succeed(installation.command().arg("--version")));
    let library = library.canonicalize().unwrap();
    assert!(
        with.contains("ONNX Runtime 1.") && with.contains(library.to_str().unwrap()),
        "{with}"
    );
}

#[test]
fn auto_says_what_runs() {
    let workshop = Workshop::new();
    let output = succeed(workshop.stylize("out.png").args(["--iterations", "1"]));
    assert!(stderr(&output).contains(" on cpu, "), "{}", stderr(&output));
}

/// The runtime that `make setup RUNTIME=openvino` brings, where it did.
fn openvino() -> Option<PathBuf> {
    Some(repository().join("runtime/openvino/libonnxruntime.so")).filter(|path| path.exists())
}

/// Loss and gradient of the tiny graphs.
fn evaluate(workshop: &Workshop, arguments: &[&str]) -> (f64, Vec<f32>) {
    let mut command = workshop.evaluate("content.png");
    command
        .args([
            "--json",
            "--force",
            "--gradient",
            "gradient.npy",
            "--style-size",
            "32",
        ])
        .args(arguments);
    let report: serde_json::Value = serde_json::from_str(&stdout(&succeed(&mut command))).unwrap();
    let gradient: ndarray::Array3<f32> = ndarray_npy::read_npy(workshop.path("gradient.npy")).unwrap();
    (
        report["total"].as_f64().unwrap(),
        gradient.into_raw_vec_and_offset().0,
    )
}

#[test]
fn openvino_agrees_with_the_processor_where_it_is_set_up() {
    let Some(library) = openvino() else {
        eprintln!("skipped: needs `make setup RUNTIME=openvino`, which .ci/run does without");
        return;
    };
    let library = library.to_str().unwrap();
    let plugin = library.replace("libonnxruntime.so", "libonnxruntime_providers_openvino.so");
    let workshop = Workshop::new();
    let (loss, gradient) = evaluate(&workshop, &[]);
    for arguments in [
        ["--onnxruntime", library, "--provider", "openvino"],
        ["--onnxruntime", library, "--provider-library", &plugin],
    ] {
        let (other, other_gradient) = evaluate(&workshop, &arguments);
        assert!(
            (other / loss - 1.0).abs() < 1e-4,
            "{arguments:?}: {other} against {loss}"
        );
        let norm =
            |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let difference = norm(&mut gradient.iter().zip(&other_gradient).map(|(a, b)| a - b));
        assert!(
            difference < 2e-3 * norm(&mut gradient.iter().copied()),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_device_that_does_not_exist_is_an_error_where_it_can_be_tried() {
    let Some(library) = openvino() else {
        eprintln!("skipped: needs `make setup RUNTIME=openvino`, which .ci/run does without");
        return;
    };
    let library = library.to_str().unwrap();
    let plugin = library.replace("libonnxruntime.so", "libonnxruntime_providers_openvino.so");
    let workshop = Workshop::new();
    let refused = |arguments: &[&str], parts: &[&str]| {
        let mut command = workshop.stylize("out.png");
        fail(
            command
                .args(["--iterations", "1", "--onnxruntime", library])
                .args(arguments),
            parts,
        );
    };
    refused(
        &["--provider", "openvino", "--device-id", "7"],
        &["openvino", "GPU.7", "cpu"],
    );
    refused(
        &["--provider-library", &plugin, "--device-id", "7"],
        &["device", "7"],
    );
    refused(
        &["--provider", "openvino", "--provider-option", "num_streams=many"],
        &["openvino", "num_streams"],
    );
}

#[test]
fn what_onnx_runtime_says_is_shown_where_the_environment_asks_for_it() {
    let workshop = Workshop::new();
    let said = |level: &str| {
        let mut command = workshop.stylize("out.png");
        command.args(["--iterations", "1", "--kernels", "onnxruntime", "--force"]);
        stderr(&succeed(command.env("IMPASTO_LOG", level)))
    };
    assert!(!said("").contains("onnxruntime:"));
    let shown = said("info");
    assert!(shown.contains("onnxruntime:"), "{shown}");
}
