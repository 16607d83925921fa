//! `impasto evaluate`, from outside, on tiny graphs.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::support::{Workshop, impasto, onnxruntime, stderr, stdout, succeed, tiny_graphs};

const HELD_OUT: [&str; 4] = ["relu1_2", "relu2_2", "relu3_3", "relu4_3"];

fn json(command: &mut Command) -> Value {
    serde_json::from_str(&stdout(&succeed(command.arg("--json")))).unwrap()
}

fn keys(map: &Value) -> Vec<&str> {
    map.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Within the rounding of the network's 32-bit floats.
fn assert_close(found: &Value, wanted: &Value, what: &str) {
    let (found, wanted) = (found.as_f64().unwrap(), wanted.as_f64().unwrap());
    assert!(
        (found - wanted).abs() <= 2e-5 * wanted.abs(),
        "{what}: {found} is not {wanted}"
    );
}

/// `tests/data/judgement.json` is by `tests/data/judgement.py`, in float64 without the graphs.
#[test]
fn distances_and_variation_are_those_of_float64() {
    let expected: Value =
        serde_json::from_slice(&fs::read(tiny_graphs().join("judgement.json")).unwrap()).unwrap();
    for graph in ["gatys", "gatys-avg", "book"] {
        let (preset, pooling) = graph.split_once('-').unwrap_or((graph, "max"));
        let mut command = impasto();
        command.current_dir(tiny_graphs()).args(["evaluate", "image.png"]);
        command.args([
            "--content",
            "content.png",
            "--style",
            "style.png",
            "--preset",
            preset,
        ]);
        command
            .args(["--pooling", pooling, "--graphs", ".", "--onnxruntime"])
            .arg(onnxruntime());
        let found = json(&mut command);
        let expected = &expected[graph];
        for map in ["style_distance", "held_out_style_distance", "content_distance"] {
            assert_eq!(keys(&found[map]), keys(&expected[map]), "{graph} {map}");
            for layer in keys(&expected[map]) {
                assert_close(
                    &found[map][layer],
                    &expected[map][layer],
                    &format!("{graph} {map} {layer}"),
                );
            }
        }
        assert_close(&found["total_variation"], &expected["total_variation"], graph);
    }
}

#[test]
fn the_content_is_like_itself_and_the_style_has_its_own_style() {
    let workshop = Workshop::new();
    let content = json(&mut workshop.evaluate("content.png"));
    assert_eq!(content["content_distance"]["relu4_2"], 0.0);
    assert_eq!(content["ssim"], 1.0);
    let style = json(&mut workshop.evaluate("style.png"));
    for map in ["style_distance", "held_out_style_distance"] {
        for layer in keys(&style[map]) {
            assert_eq!(style[map][layer], 0.0, "{map} {layer}");
            assert!(content[map][layer].as_f64().unwrap() > 1e-3, "{map} {layer}");
        }
    }
    assert_eq!(keys(&style["held_out_style_distance"]), HELD_OUT);
    assert!(style["content_distance"]["relu4_2"].as_f64().unwrap() > 1e-3);
    assert!(style["ssim"].as_f64().unwrap() < 0.9);
}

#[test]
fn the_table_has_every_figure_of_the_json() {
    let workshop = Workshop::new();
    let text = stdout(&succeed(&mut workshop.evaluate("style.png")));
    let names: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("  "))
        .map(|line| line[2..20].trim_end())
        .collect();
    let terms = [
        "style/relu1_1",
        "style/relu2_1",
        "style/relu3_1",
        "style/relu4_1",
        "style/relu5_1",
    ];
    let style = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"];
    let wanted = [
        &terms[..],
        &["content/relu4_2", "total"],
        &style,
        &HELD_OUT,
        &["relu4_2", "total variation", "SSIM"],
    ];
    assert_eq!(names, wanted.concat(), "{text}");
    assert!(text.contains("held-out layers") && !text.contains('*'), "{text}");
}

#[test]
fn without_the_judge_the_held_out_layers_are_left_out_with_a_note() {
    let workshop = Workshop::new();
    let graphs = workshop.path("graphs");
    fs::create_dir(&graphs).unwrap();
    for name in ["gatys.features.onnx", "gatys.loss_grad.onnx", "vgg19.weights"] {
        fs::copy(tiny_graphs().join(name), graphs.join(name)).unwrap();
    }
    let output = succeed(
        workshop
            .evaluate("style.png")
            .arg("--json")
            .arg("--graphs")
            .arg(&graphs),
    );
    let found: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(found["held_out_style_distance"], Value::Null);
    assert_eq!(keys(&found["style_distance"]).len(), 5);
    let note = stderr(&output);
    assert!(
        note.contains("judge.features.onnx") && note.contains("make setup"),
        "{note}"
    );
}
