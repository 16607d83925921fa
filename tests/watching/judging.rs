//! `impasto evaluate` and `impasto compare`, from outside, on tiny graphs.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::support::{
    PRESET_FILES, Workshop, fail, impasto, onnxruntime, stderr, stdout, succeed, tiny_graphs, waves,
};

const HELD_OUT: [&str; 4] = ["relu1_2", "relu2_2", "relu3_3", "relu4_3"];

fn json(command: &mut Command) -> Value {
    serde_json::from_str(&stdout(&succeed(command.arg("--json")))).unwrap()
}

fn keys(map: &Value) -> Vec<&str> {
    map.as_object().unwrap().keys().map(String::as_str).collect()
}

/// `impasto compare PICTURES --content content.png --style style.png` on the tiny graphs.
fn compare(workshop: &Workshop, pictures: &[&str]) -> Command {
    let mut command = impasto();
    command
        .current_dir(workshop.folder.path())
        .arg("compare")
        .args(pictures);
    command.args(["--content", "content.png", "--style", "style.png", "--graphs"]);
    command.arg(tiny_graphs()).arg("--onnxruntime").arg(onnxruntime());
    command
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
        &["content/relu4_2", "tv", "total"],
        &style,
        &HELD_OUT,
        &["relu4_2", "total variation", "SSIM"],
    ];
    assert_eq!(names, wanted.concat(), "{text}");
    assert!(text.contains("held-out layers") && !text.contains('*'), "{text}");
}

#[test]
fn the_style_of_a_blend_is_judged_by_its_shares() {
    let workshop = Workshop::new();
    let blended = |shares: &str| {
        let mut command = workshop.evaluate("style.png");
        json(command.args(["--style", "content.png", "--style-blend", shares]))
    };
    let alone = json(&mut workshop.evaluate("style.png"));
    let distance = |found: &Value, map: &str, layer: &str| found[map][layer].as_f64().unwrap();
    for (map, layer) in [
        ("style_distance", "relu3_1"),
        ("held_out_style_distance", "relu3_3"),
    ] {
        assert_eq!(
            distance(&blended("1,0"), map, layer),
            distance(&alone, map, layer)
        );
        let shares = ["3,1", "1,1", "1,3"].map(|shares| distance(&blended(shares), map, layer));
        assert!(shares[0] > 0.0 && shares.is_sorted(), "{map} {layer}: {shares:?}");
    }
}

#[test]
fn without_the_judge_the_held_out_layers_are_left_out_with_a_note() {
    let workshop = Workshop::new();
    let graphs = workshop.path("graphs");
    fs::create_dir(&graphs).unwrap();
    for name in PRESET_FILES {
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
        note.contains("judge.forward.onnx") && note.contains("make setup"),
        "{note}"
    );
}

#[test]
fn compare_says_of_each_picture_what_evaluate_says_at_its_own_size() {
    let workshop = Workshop::new();
    waves(52, 37, 5).save(workshop.path("larger.png")).unwrap();
    let pictures = ["style.png", "larger.png", "content.png"];
    let compared = json(&mut compare(&workshop, &pictures));
    let entries = compared["pictures"].as_array().unwrap();
    assert_eq!(entries.len(), 3);
    for (entry, picture) in entries.iter().zip(pictures) {
        let mut entry = entry.as_object().unwrap().clone();
        assert_eq!(entry.remove("picture").unwrap(), picture);
        let size = image::image_dimensions(workshop.path(picture)).unwrap();
        assert_eq!(
            (entry.remove("width").unwrap(), entry.remove("height").unwrap()),
            (size.0.into(), size.1.into())
        );
        assert_eq!(
            Value::Object(entry),
            json(&mut workshop.evaluate(picture)),
            "{picture}"
        );
    }
}

#[test]
fn the_best_of_a_row_has_a_star() {
    let workshop = Workshop::new();
    let text = stdout(&succeed(&mut compare(&workshop, &["content.png", "style.png"])));
    assert!(
        text.starts_with("[1] content.png (40x28)\n[2] style.png (36x44)\n"),
        "{text}"
    );
    let row = |name: &str, nth: usize| -> Vec<bool> {
        let rows: Vec<&str> = text
            .lines()
            .filter(|line| line.trim_start().starts_with(name))
            .collect();
        let figures = rows[nth][20..].split_whitespace();
        figures.map(|figure| figure.ends_with('*')).collect()
    };
    assert_eq!(row("relu1_1", 0), [false, true], "style distance: {text}");
    assert_eq!(
        row("relu3_3", 0),
        [false, true],
        "held-out style distance: {text}"
    );
    assert_eq!(row("relu4_2", 0), [true, false], "content distance: {text}");
    assert_eq!(row("SSIM", 0), [true, false], "{text}");
    assert_eq!(row("total variation", 0), [false, false], "{text}");
    assert_eq!(row("tv", 0), [false, false], "both have none: {text}");
}

#[test]
fn the_sheet_shows_content_style_and_the_pictures() {
    let workshop = Workshop::new();
    waves(500, 250, 5).save(workshop.path("large.png")).unwrap();
    succeed(compare(&workshop, &["large.png", "content.png"]).args(["--sheet", "sheet.png"]));
    let sheet = image::open(workshop.path("sheet.png")).unwrap().to_rgb8();
    // Two columns of 400, two rows of 200 with 26 for a name, 12 between all.
    assert_eq!(sheet.dimensions(), (12 + 2 * 412, 12 + 2 * 238));
    let content = image::open(workshop.path("content.png")).unwrap().to_rgb8();
    for (left, top) in [(12, 12), (12 + 412, 12 + 238)] {
        let (left, top) = (left + (400 - 40) / 2, top + (200 - 28) / 2);
        let shown = image::imageops::crop_imm(&sheet, left, top, 40, 28).to_image();
        assert_eq!(shown, content);
    }
}

#[test]
fn compare_refuses_what_it_cannot_use() {
    let workshop = Workshop::new();
    fs::write(workshop.path("sheet.png"), "kept").unwrap();
    fail(
        compare(&workshop, &["content.png"]).args(["--sheet", "sheet.png"]),
        &["sheet.png", "--force"],
    );
    assert_eq!(fs::read(workshop.path("sheet.png")).unwrap(), b"kept");
    fail(
        compare(&workshop, &["content.png"]).args(["--sheet", "sheet.svg"]),
        &["sheet.svg", "png"],
    );
    fail(
        &mut compare(&workshop, &["content.png", "missing.png"]),
        &["missing.png", "no such file"],
    );
    fail(&mut compare(&workshop, &[]), &["PICTURE"]);
}
