//! Pictures in tiles, from outside: the same loss, and a picture to look at.

use std::fs;

use crate::support::{Workshop, fail, succeed, waves};
use serde_json::Value;

/// Pictures of 320 pixels, so that windows of 64 make several tiles.
fn large() -> Workshop {
    let workshop = Workshop::new();
    waves(320, 211, 1).save(workshop.path("content.png")).unwrap();
    waves(263, 320, 2).save(workshop.path("style.png")).unwrap();
    waves(320, 211, 3).save(workshop.path("image.png")).unwrap();
    workshop
}

fn evaluate(workshop: &Workshop, flags: &[&str]) -> Value {
    let output = succeed(workshop.evaluate("image.png").arg("--json").args(flags));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn evaluate_finds_the_same_figures_in_tiles() {
    let workshop = large();
    for flags in [
        &["--kernels", "auto"][..],
        &["--style-loss", "moments"],
        &["--pooling", "avg", "--padding", "zero"],
    ] {
        let whole = evaluate(&workshop, flags);
        let tiled = evaluate(&workshop, &[flags, &["--tile", "64"]].concat());
        assert_eq!(
            (&whole["tiles"], &whole["tile"]),
            (&1.into(), &serde_json::json!([320, 211]))
        );
        assert_eq!(
            (&tiled["tiles"], &tiled["tile"]),
            (&2.into(), &serde_json::json!([256, 211]))
        );
        let near = |a: &Value, b: &Value| {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= 1e-5 * b.abs(), "{flags:?}: {a}, not {b}");
        };
        near(&tiled["total"], &whole["total"]);
        for figures in [
            "terms",
            "style_distance",
            "held_out_style_distance",
            "content_distance",
        ] {
            for (name, value) in whole[figures].as_object().unwrap() {
                near(&tiled[figures][name], value);
            }
        }
    }
}

#[test]
fn a_picture_is_painted_in_tiles_to_the_same_loss() {
    let workshop = large();
    let paint = |name: &str, flags: &[&str]| -> Value {
        let run = [
            "--size",
            "320",
            "--scales",
            "1",
            "--iterations",
            "4",
            "--trace",
            "run.json",
            "--force",
        ];
        succeed(workshop.stylize(name).args(run).args(flags));
        serde_json::from_slice(&fs::read(workshop.path("run.json")).unwrap()).unwrap()
    };
    let losses = |trace: &Value| -> Vec<f64> {
        let evaluations = trace["evaluations"].as_array().unwrap().iter();
        evaluations
            .map(|evaluation| evaluation["loss"].as_f64().unwrap())
            .collect()
    };
    let (whole, tiled) = (paint("whole.png", &[]), paint("tiled.png", &["--tile", "64"]));
    assert_eq!(
        (&whole["settings"]["tile"], &tiled["settings"]["tile"]),
        (&Value::Null, &64.into())
    );
    for (tiled, whole) in losses(&tiled).iter().zip(losses(&whole)) {
        assert!((tiled / whole - 1.0).abs() < 1e-2, "{tiled}, not {whole}");
    }
    // The same bytes again, with another number of threads.
    paint("again.png", &["--tile", "64", "--threads", "1"]);
    let bytes = |name: &str| fs::read(workshop.path(name)).unwrap();
    assert_eq!(bytes("again.png"), bytes("tiled.png"));
}

#[test]
fn a_tile_out_of_range_or_without_its_graphs_is_refused() {
    let workshop = large();
    fail(
        workshop.stylize("out.png").args(["--tile", "70000"]),
        &["--tile", "0 to 65536"],
    );
    let graphs = workshop.path("graphs");
    fs::create_dir(&graphs).unwrap();
    for file in crate::support::graph_files() {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if !name.contains("backward") {
            fs::copy(&file, graphs.join(&name)).unwrap();
        }
    }
    let mut command = workshop.stylize("out.png");
    command
        .args(["--iterations", "1", "--size", "320"])
        .arg("--graphs")
        .arg(&graphs);
    fail(
        command.args(["--tile", "64"]),
        &["gatys.backward.onnx", "make setup"],
    );
}
