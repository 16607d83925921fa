//! The loss of a picture with masks, its gradient and its figures, from outside.

use std::process::Command;

use crate::regions::{divided, mask};
use crate::support::{Workshop, impasto, onnxruntime, succeed, tiny_graphs, waves};
use ndarray::Array3;
use serde_json::Value;

/// The figures of a command that prints JSON.
fn json(command: &mut Command, flags: &[&str]) -> Value {
    serde_json::from_slice(&succeed(command.arg("--json").args(flags)).stdout).unwrap()
}

/// Loss, terms and gradient of content.png.
fn evaluated(workshop: &Workshop, flags: &[&str]) -> (Value, Array3<f32>) {
    let mut command = workshop.evaluate("content.png");
    command.args(["--gradient", "gradient.npy", "--force"]);
    let figures = json(&mut command, flags);
    (
        figures,
        ndarray_npy::read_npy(workshop.path("gradient.npy")).unwrap(),
    )
}

fn near(found: &Value, expected: &Value, tolerance: f64, what: &str) {
    let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
    assert!(
        (found - expected).abs() <= tolerance * expected.abs(),
        "{what}: {found}, not {expected}"
    );
}

fn norm(values: &Array3<f32>) -> f64 {
    values
        .iter()
        .map(|&value| f64::from(value).powi(2))
        .sum::<f64>()
        .sqrt()
}

#[test]
fn a_white_mask_is_as_good_as_none() {
    let workshop = divided();
    for flags in [
        &["--kernels", "auto"][..],
        &["--style-loss", "moments", "--tv-weight", "10"],
        &[
            "--pooling",
            "avg",
            "--style-loss",
            "wasserstein",
            "--preset",
            "gatys",
        ],
    ] {
        let (plain, gradient) = evaluated(&workshop, flags);
        let masked = [flags, &["--mask", "white.png", "--style-mask", "none"]].concat();
        let (figures, slope) = evaluated(&workshop, &masked);
        for (name, term) in plain["terms"].as_object().unwrap() {
            near(&figures["terms"][name], term, 1e-6, name);
        }
        assert!(norm(&(slope - &gradient)) <= 1e-6 * norm(&gradient), "{flags:?}");
    }
}

#[test]
fn a_picture_with_regions_has_the_same_loss_in_tiles() {
    let workshop = Workshop::new();
    waves(320, 211, 1).save(workshop.path("content.png")).unwrap();
    mask(&workshop, "sky.png", (320, 211), |x, y| {
        if 2 * x + y < 350 { 255 } else { 0 }
    });
    for flags in [
        &["--kernels", "auto"][..],
        &["--style-loss", "moments", "--mask-content-weights", "2,0.5"],
    ] {
        let regions = ["--style", "style.png", "--mask", "sky.png", "--mask", "rest"];
        let flags = [&regions[..], flags].concat();
        let (whole, gradient) = evaluated(&workshop, &flags);
        let (tiled, slope) = evaluated(&workshop, &[&flags[..], &["--tile", "64"]].concat());
        assert_eq!(tiled["tiles"], 2);
        for (name, term) in whole["terms"].as_object().unwrap() {
            near(&tiled["terms"][name], term, 1e-5, name);
        }
        assert!(norm(&(slope - &gradient)) <= 1e-3 * norm(&gradient), "{flags:?}");
        let region = |figures: &Value| figures["regions"][1]["style_distance"]["relu4_1"].clone();
        near(&region(&tiled), &region(&whole), 1e-5, "relu4_1");
    }
}

#[test]
fn a_region_pulls_at_no_pixel_beyond_what_its_layers_see() {
    let workshop = divided();
    // A pixel for each pool's window, so that places are wholly in the region or outside.
    for (layer, others, reach) in [
        ("relu1_1", "relu2_1=0,relu3_1=0,relu4_1=0,relu5_1=0", 1),
        ("relu2_1", "relu1_1=0,relu3_1=0,relu4_1=0,relu5_1=0", 4),
        ("relu3_1", "relu1_1=0,relu2_1=0,relu4_1=0,relu5_1=0", 10),
    ] {
        let flags = [
            "--mask",
            "left.png",
            "--content-weight",
            "0",
            "--style-layer-weights",
            others,
        ];
        // ONNX Runtime adds up zeros only; tiles of four pixels round what is not zero in them.
        for (kernels, tile) in [("onnxruntime", 0), ("auto", 3)] {
            let (figures, gradient) = evaluated(&workshop, &[&flags[..], &["--kernels", kernels]].concat());
            assert!(figures["total"].as_f64().unwrap() > 0.0);
            let beyond = 16 + reach + tile * reach.min(4);
            let mut columns = gradient.axis_iter(ndarray::Axis(2)).enumerate();
            assert!(norm(&gradient) > 0.0);
            let pulled = columns.rfind(|(_, column)| column.iter().any(|&slope| slope != 0.0));
            let last = pulled.unwrap().0;
            assert!(last < beyond && last >= 14, "{layer} {kernels}: column {last}");
        }
    }
}

#[test]
fn each_region_is_compared_with_its_own_style_and_with_the_others() {
    let workshop = divided();
    let flags = [
        "--style",
        "other.png",
        "--mask",
        "left.png",
        "--mask",
        "right.png",
    ];
    let plain = json(&mut workshop.evaluate("content.png"), &[]);
    assert_eq!(plain["regions"], Value::Null);
    let figures = json(&mut workshop.evaluate("content.png"), &flags);
    let regions = figures["regions"].as_array().unwrap();
    let names: Vec<&Value> = regions.iter().map(|region| &region["region"]).collect();
    assert_eq!(names, ["left.png", "right.png"]);
    assert_eq!(
        (&regions[0]["share"], &regions[1]["share"]),
        (&0.4.into(), &0.6.into())
    );
    // With the styles exchanged, what was the own style is the other.
    let exchanged = [
        "--style",
        "other.png",
        "--mask",
        "right.png",
        "--mask",
        "left.png",
    ];
    let other = json(&mut workshop.evaluate("content.png"), &exchanged);
    let left = &other["regions"][1];
    assert_eq!(left["region"], "left.png");
    assert_eq!(
        regions[0]["style_distance"],
        left["other_style_distance"]["right.png"]
    );
    assert_eq!(
        left["style_distance"],
        regions[0]["other_style_distance"]["right.png"]
    );
    let table = succeed(workshop.evaluate("content.png").args(flags)).stdout;
    let table = String::from_utf8(table).unwrap();
    assert!(
        table.contains("region left.png: distance from its style\n"),
        "{table}"
    );
    assert!(
        table.contains("region right.png: distance from the style of left.png\n"),
        "{table}"
    );
    let mut command = impasto();
    command
        .current_dir(workshop.folder.path())
        .args(["compare", "content.png", "left.png"]);
    command.args(["--content", "content.png", "--style", "style.png", "--graphs"]);
    command.arg(tiny_graphs()).arg("--onnxruntime").arg(onnxruntime());
    let compared = json(&mut command, &flags);
    assert_eq!(compared["pictures"][0]["regions"], figures["regions"]);
}
