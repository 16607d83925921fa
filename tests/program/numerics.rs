//! Loss, terms and gradient of the program against numbers that were computed independently.
//!
//! `tests/data/expected.json` and the gradients beside it come from `tests/data/reference.py`, which computes the
//! network, the loss and its gradient in float64 with numpy and shares nothing with the exporter.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{fail, impasto, onnxruntime, repository, stderr, stdout, succeed, tiny_graphs};
use ndarray::Array3;
use serde_json::Value;

/// How far a term may be off, relative to itself: by ONNX Runtime's kernels, and by our own, which round more.
const TERM_TOLERANCE: f64 = 5e-6;
const OWN_TERM_TOLERANCE: f64 = 1e-5;
/// How far the gradient may be off, relative to its norm.
const GRADIENT_TOLERANCE: f64 = 1e-4;
/// The same where equal values meet in the windows of a max pool: the rounding of our kernels depends on where in a
/// tile a value is, and so decides which of them gets the gradient. The graph of ONNX's operators keeps them equal. With
/// means and deviations the few channels that have such places count more.
const TIED_GRADIENT_TOLERANCE: f64 = 5e-2;
const TIED_MOMENTS_TOLERANCE: f64 = 1e-1;
/// What ten Newton-Schulz steps leave of a Wasserstein term, and of its gradient.
const WASSERSTEIN_TOLERANCE: f64 = 1e-2;

/// ONNX Runtime's kernels, then the program's own, for every instruction set that this machine may have.
const KERNELS: [&str; 6] = ["onnxruntime", "portable", "neon", "avx2", "avx512", "amx"];

/// What of [`KERNELS`] this machine can run.
fn kernels() -> impl Iterator<Item = &'static str> {
    KERNELS
        .into_iter()
        .filter(|kernels| match command_with(kernels, "image.png").output() {
            Ok(output) if output.status.success() => true,
            Ok(output) => {
                assert!(stderr(&output).contains("--kernels"), "{}", stderr(&output));
                false
            }
            Err(error) => panic!("{error}"),
        })
}

fn command_with(kernels: &str, image: &str) -> Command {
    let mut command = evaluate(&tiny_graphs(), &tiny_graphs(), image);
    command.args(["--kernels", kernels]).args(["--provider", "cpu"]);
    command
}

fn evaluate(graphs: &Path, pictures: &Path, image: &str) -> Command {
    let mut command = impasto();
    command.current_dir(pictures).args(["evaluate", image, "--json"]);
    // A case's own preset, later, wins.
    command.args(["--preset", "gatys"]);
    command.args(["--content", "content.png", "--style", "style.png"]);
    command
        .arg("--graphs")
        .arg(graphs)
        .arg("--onnxruntime")
        .arg(onnxruntime());
    command
}

/// A way to evaluate, and what comes of it.
#[derive(serde::Deserialize)]
struct Case {
    flags: Vec<String>,
    #[serde(flatten)]
    images: BTreeMap<String, Value>,
}

fn expected() -> BTreeMap<String, Case> {
    serde_json::from_slice(&fs::read(tiny_graphs().join("expected.json")).unwrap()).unwrap()
}

#[test]
fn every_term_agrees_with_float64_on_odd_sizes_and_on_flat_areas() {
    for kernels in kernels() {
        compare_terms(kernels);
    }
}

fn compare_terms(kernels: &str) {
    let mut compared = 0;
    for (graph, Case { flags, images }) in expected() {
        for (image, expected) in images {
            let output = succeed(command_with(kernels, &image).args(&flags));
            let found: Value = serde_json::from_str(&stdout(&output)).unwrap();
            let close = |name: &str, found: &Value, expected: &Value| {
                let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
                let error = (found - expected).abs() / expected.abs().max(f64::MIN_POSITIVE);
                let is_style = name == "total" || name.starts_with("style");
                let tolerance = match kernels {
                    _ if graph.ends_with("wasserstein") && is_style => WASSERSTEIN_TOLERANCE,
                    "onnxruntime" => TERM_TOLERANCE,
                    _ => OWN_TERM_TOLERANCE,
                };
                assert!(
                    error <= tolerance,
                    "{kernels} {graph} {image} {name}: {found} is off by {error:e}"
                );
            };
            close("total", &found["total"], &expected["total"]);
            let terms = expected["terms"].as_object().unwrap();
            assert_eq!(found["terms"].as_object().unwrap().len(), terms.len());
            for (name, term) in terms {
                close(name, &found["terms"][name], term);
                compared += 1;
            }
        }
    }
    assert!(compared >= 100, "only {compared} terms were compared");
}

#[test]
fn the_gradient_agrees_with_float64() {
    for kernels in kernels() {
        compare_gradients(kernels);
    }
}

#[test]
fn the_gradient_has_the_same_bytes_with_one_and_two_threads() {
    let folder = tempfile::tempdir().unwrap();
    for kernels in kernels() {
        let gradient = |threads: &str| {
            let path = folder.path().join("gradient.npy");
            let mut command = command_with(kernels, "image.png");
            command
                .args(["--threads", threads, "--force", "--gradient"])
                .arg(&path);
            succeed(&mut command);
            fs::read(path).unwrap()
        };
        assert!(gradient("1") == gradient("2"), "{kernels}");
    }
}

#[test]
fn kernels_that_do_not_exist_are_refused_with_those_that_do() {
    fail(
        &mut command_with("mmx", "image.png"),
        &["--kernels", "mmx", "portable", "onnxruntime"],
    );
}

fn compare_gradients(kernels: &str) {
    let folder = tempfile::tempdir().unwrap();
    for (graph, Case { flags, images }) in expected() {
        for image in images.keys() {
            let path = folder.path().join("gradient.npy");
            let mut command = command_with(kernels, image);
            succeed(command.args(&flags).arg("--force").arg("--gradient").arg(&path));
            let found: Array3<f32> = ndarray_npy::read_npy(&path).unwrap();
            let name = format!("{graph}.{}.gradient.npy", image.trim_end_matches(".png"));
            let expected: Array3<f32> = ndarray_npy::read_npy(tiny_graphs().join(name)).unwrap();
            assert_eq!(found.dim(), expected.dim());
            let norm =
                |values: &Array3<f32>| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            let error = norm(&(&found - &expected)) / norm(&expected);
            let pools_by_average = flags.iter().any(|flag| flag == "avg");
            let has_ties = kernels != "onnxruntime" && image == "flat.png" && !pools_by_average;
            let tolerance = match has_ties {
                _ if graph.ends_with("wasserstein") => WASSERSTEIN_TOLERANCE,
                true if graph.ends_with("moments") => TIED_MOMENTS_TOLERANCE,
                true => TIED_GRADIENT_TOLERANCE,
                false => GRADIENT_TOLERANCE,
            };
            assert!(
                error <= tolerance,
                "{kernels} {graph} {image}: the gradient is off by {error:e}"
            );
        }
    }
}

#[test]
fn terms_are_printed_in_network_order_and_the_table_says_the_same() {
    let output = succeed(&mut evaluate(&tiny_graphs(), &tiny_graphs(), "image.png"));
    let text = stdout(&output);
    let names = [
        "style/relu1_1",
        "style/relu2_1",
        "style/relu3_1",
        "style/relu4_1",
        "style/relu5_1",
        "content/relu4_2",
        "tv",
    ];
    let places: Vec<usize> = names.iter().map(|name| text.find(name).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");

    let mut table = impasto();
    table.current_dir(tiny_graphs()).args([
        "evaluate",
        "--preset",
        "gatys",
        "image.png",
        "--content",
        "content.png",
        "--style",
        "style.png",
    ]);
    table
        .arg("--graphs")
        .arg(tiny_graphs())
        .arg("--onnxruntime")
        .arg(onnxruntime());
    let rows = stdout(&succeed(&mut table));
    let total = |text: &str| {
        let row = text
            .lines()
            .find(|row| row.trim_start().starts_with("total "))
            .unwrap();
        row.split_whitespace().last().unwrap().parse::<f64>().unwrap()
    };
    let json: Value = serde_json::from_str(&text).unwrap();
    assert!(
        (total(&rows) / json["total"].as_f64().unwrap() - 1.0).abs() < 1e-5,
        "{rows}"
    );
}

#[test]
fn the_weights_scale_their_terms() {
    let terms = |flags: &[&str]| -> Value {
        let output = succeed(evaluate(&tiny_graphs(), &tiny_graphs(), "flat.png").args(flags));
        serde_json::from_str::<Value>(&stdout(&output)).unwrap()["terms"].clone()
    };
    let (one, other) = (
        terms(&[]),
        terms(&["--style-weight", "250", "--content-weight", "3"]),
    );
    for (name, term) in one.as_object().unwrap() {
        let factor = match name.split('/').next() {
            Some("style") => 0.25,
            Some("content") => 3.0,
            _ => continue,
        };
        let ratio = other[name].as_f64().unwrap() / term.as_f64().unwrap();
        assert!(
            (ratio / factor - 1.0).abs() < 1e-6,
            "{name}: {ratio} is not {factor}"
        );
    }
}

#[test]
fn a_picture_has_no_loss_against_itself() {
    let mut command = impasto();
    command
        .current_dir(tiny_graphs())
        .args(["evaluate", "style.png", "--json", "--content", "style.png"]);
    command
        .args(["--style", "style.png"])
        .arg("--graphs")
        .arg(tiny_graphs());
    command.arg("--onnxruntime").arg(onnxruntime());
    let found: Value = serde_json::from_str(&stdout(&succeed(&mut command))).unwrap();
    assert!(found["total"].as_f64().unwrap() < 1e-3, "{found}");
}

/// The losses of a fixed-seed run, as `tests/data/golden.json` has them.
///
/// The file was written by this program, after its pictures had been looked at and its loss and gradient compared
/// with the independent numbers above. Update it (delete it and run the test twice) only for a change of the
/// optimiser that is meant to change the path; a new kernel or a new ONNX Runtime must stay within the tolerance,
/// which is wide because L-BFGS amplifies rounding.
#[test]
fn a_fixed_seed_run_takes_the_recorded_path() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.json");
    let mut command = impasto();
    command
        .current_dir(tiny_graphs())
        .args(["stylize", "content.png", "style.png", "-o"]);
    command
        .arg(folder.path().join("out.png"))
        .arg("--trace")
        .arg(&trace);
    command.args([
        "--size",
        "33",
        "--iterations",
        "8",
        "--kernels",
        "onnxruntime",
        "--preset",
        "gatys",
    ]);
    succeed(
        command
            .arg("--graphs")
            .arg(tiny_graphs())
            .arg("--onnxruntime")
            .arg(onnxruntime()),
    );

    let trace: Value = serde_json::from_slice(&fs::read(trace).unwrap()).unwrap();
    let losses = trace["evaluations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|evaluation| evaluation["loss"].as_f64().unwrap());
    let found: Vec<f64> = losses.collect();
    let golden = tiny_graphs().join("golden.json");
    if !golden.exists() {
        fs::write(&golden, serde_json::to_string_pretty(&found).unwrap()).unwrap();
        panic!(
            "{} was missing; it has been written: look at it, then run the test again",
            golden.display()
        );
    }
    let expected: Vec<f64> = serde_json::from_slice(&fs::read(&golden).unwrap()).unwrap();
    let same = found.len() == expected.len()
        && found
            .iter()
            .zip(&expected)
            .all(|(found, expected)| (found / expected - 1.0).abs() <= 1e-3);
    assert!(
        same,
        "the path has changed:\nexpected {expected:?}\nfound    {found:?}"
    );
}

#[test]
fn the_real_network_paints_at_a_small_size() {
    let folder = tempfile::tempdir().unwrap();
    let demo = repository().join("runtime/demo");
    let (output, trace) = (folder.path().join("out.png"), folder.path().join("trace.json"));
    let mut command = impasto();
    command
        .arg("stylize")
        .arg(demo.join("cat.png"))
        .arg(demo.join("painting.png"))
        .arg("-o")
        .arg(&output);
    command
        .args(["--size", "96", "--iterations", "30", "--preset", "gatys"])
        .arg("--trace")
        .arg(&trace);
    succeed(
        command
            .arg("--graphs")
            .arg(repository().join("onnx"))
            .arg("--onnxruntime")
            .arg(onnxruntime()),
    );

    let trace: Value = serde_json::from_slice(&fs::read(trace).unwrap()).unwrap();
    let evaluations = trace["evaluations"].as_array().unwrap();
    let loss = |evaluation: &Value| evaluation["loss"].as_f64().unwrap();
    assert!(
        loss(evaluations.last().unwrap()) < 0.1 * loss(&evaluations[0]),
        "the loss hardly fell"
    );
    let uphill = evaluations
        .iter()
        .filter(|evaluation| loss(evaluation) > loss(&evaluations[0]))
        .count();
    assert!(uphill <= 1, "{uphill} evaluations were worse than the start");
    // In directions that are new to it L-BFGS goes far, now and then too far.
    assert!(
        evaluations.len() as f64 <= 1.25 * 30.0 + 1.0,
        "{} evaluations for 30 iterations",
        evaluations.len()
    );

    let [painted, content, style] = [output, demo.join("cat.png"), demo.join("painting.png")]
        .map(|path| mean_color(&image::open(path).unwrap().to_rgb8()));
    let distance = |a: [f64; 3], b: [f64; 3]| (0..3).map(|c| (a[c] - b[c]).powi(2)).sum::<f64>().sqrt();
    assert!(
        distance(painted, style) < 0.9 * distance(content, style),
        "the painting's colours did not arrive: {painted:?} from {content:?} towards {style:?}"
    );
}

fn mean_color(picture: &image::RgbImage) -> [f64; 3] {
    let sum = picture.pixels().fold([0.0; 3], |sum, pixel| {
        [0, 1, 2].map(|c| sum[c] + f64::from(pixel[c]))
    });
    sum.map(|channel| channel / f64::from(picture.width() * picture.height()))
}
