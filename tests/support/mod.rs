//! What the tests of the program share: running it, and pictures to run it on.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use image::{Rgb, RgbImage};
use tempfile::TempDir;

/// The folder with the tiny seeded graphs.
pub fn tiny_graphs() -> PathBuf {
    repository().join("tests/data")
}

/// Its graphs and weights.
pub fn graph_files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(tiny_graphs()).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|kind| kind == "onnx" || kind == "weights")
    });
    files
}

/// What of it preset `gatys` needs on a provider of ONNX Runtime's own kernels.
pub const PRESET_FILES: [&str; 4] = [
    "gatys.forward.onnx",
    "gatys.targets.onnx",
    "gatys.loss_grad.onnx",
    "vgg19.weights",
];

/// The repository's folder.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The ONNX Runtime that set-up has unpacked.
pub fn onnxruntime() -> PathBuf {
    let folder = repository().join("runtime/cpu");
    let files = std::fs::read_dir(&folder).expect("runtime/cpu is missing: run `make setup`");
    let library = files.map(|entry| entry.unwrap().path()).find(|path| {
        path.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with(&format!("{}onnxruntime.", std::env::consts::DLL_PREFIX))
    });
    library.expect("no ONNX Runtime in runtime/cpu: run `make setup`")
}

/// The program, with the tiny graphs' folder and nothing else from the environment that would change it.
pub fn impasto() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_impasto"));
    let variables =
        ["THREADS", "MEMORY", "PROVIDER", "DEVICE_ID", "GRAPHS"].map(|name| format!("IMPASTO_{name}"));
    variables.iter().for_each(|name| {
        command.env_remove(name);
    });
    command
        .env_remove("ORT_DYLIB_PATH")
        .env("XDG_CONFIG_HOME", "/nowhere");
    command
}

/// A workshop: a folder that goes away with the test, with a content picture and a style picture in it.
pub struct Workshop {
    pub folder: TempDir,
}

impl Workshop {
    /// 40x28 pixels of content, 36x44 of style.
    pub fn new() -> Workshop {
        let folder = TempDir::new().unwrap();
        waves(40, 28, 3).save(folder.path().join("content.png")).unwrap();
        waves(36, 44, 17).save(folder.path().join("style.png")).unwrap();
        Workshop { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `impasto stylize content.png style.png -o OUTPUT` on the tiny graphs, in this folder.
    pub fn stylize(&self, output: &str) -> Command {
        let mut command = self.stylize_without_library(output);
        command.arg("--onnxruntime").arg(onnxruntime());
        command
    }

    /// The same with no word on ONNX Runtime.
    pub fn stylize_without_library(&self, output: &str) -> Command {
        let mut command = impasto();
        command
            .current_dir(self.folder.path())
            .args(["stylize", "content.png", "style.png", "-o", output]);
        command.args(["--size", "40"]).arg("--graphs").arg(tiny_graphs());
        command
    }

    /// `impasto evaluate IMAGE --content content.png --style style.png` on the tiny graphs, in this folder.
    pub fn evaluate(&self, image: &str) -> Command {
        let mut command = impasto();
        command.current_dir(self.folder.path()).args(["evaluate", image]);
        command.args(["--content", "content.png", "--style", "style.png"]);
        command
            .arg("--graphs")
            .arg(tiny_graphs())
            .arg("--onnxruntime")
            .arg(onnxruntime());
        command
    }
}

/// A smooth colourful picture with some texture, the same for the same numbers.
pub fn waves(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let at = |kx: u32, ky: u32| {
            let phase = (x * kx + y * ky) as f32 * 0.11 + seed as f32;
            (127.5 + 100.0 * phase.sin() + 27.0 * (phase * 5.3).cos()) as u8
        };
        Rgb([at(2 + seed % 3, 1), at(1, 3), at(5, 2 + seed % 5)])
    })
}

/// Waits for a file that a running program is to write.
pub fn wait_for(path: &Path) {
    let begin = Instant::now();
    while !path.exists() {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "{} did not appear",
            path.display()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Every way to start in a [`Workshop`].
pub const STARTS: [&str; 6] = [
    "content",
    "random",
    "gray",
    "style-stats",
    "blend:0.3",
    "style.png",
];

/// Runs a command that must succeed.
pub fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?} failed: {}", stderr(&output));
    output
}

/// Runs a command that must fail with one line on stderr that has all of `parts`; returns its exit code.
pub fn fail(command: &mut Command, parts: &[&str]) -> i32 {
    let output = command.output().unwrap();
    let message = stderr(&output);
    let code = output
        .status
        .code()
        .unwrap_or_else(|| panic!("{command:?} was killed: {message}"));
    assert_ne!(code, 0, "{command:?} succeeded");
    assert!(!message.contains("panicked"), "{command:?} panicked: {message}");
    let errors: Vec<&str> = message
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(
        errors.len(),
        1,
        "{command:?} should end with one error line: {message}"
    );
    assert_eq!(
        message.lines().last(),
        errors.first().copied(),
        "the error is not the last line: {message}"
    );
    let causes: Vec<&str> = errors[0].split(": ").collect();
    let last = |count: usize| &causes[causes.len() - count..];
    assert!(
        (1..=causes.len() / 2).all(|count| !causes[..causes.len() - count].ends_with(last(count))),
        "a cause stands twice: {message}"
    );
    for part in parts {
        assert!(
            errors[0].contains(part),
            "{command:?}: {:?} does not name {part:?}",
            errors[0]
        );
    }
    code
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
