//! Seamless textures, and what `evaluate` says of seams.

use std::fs;
use std::process::Command;

use crate::support::{Workshop, fail, impasto, onnxruntime, stderr, stdout, succeed, tiny_graphs, waves};
use crate::texture::{bytes, repeated_and_resumed, texture};
use serde_json::{Value, json};

/// `impasto evaluate IMAGE --style style.png --json` on the tiny graphs, in the workshop.
fn evaluate(workshop: &Workshop, image: &str) -> Command {
    let mut command = impasto();
    command
        .current_dir(workshop.folder.path())
        .args(["evaluate", image, "--style", "style.png", "--json", "--graphs"])
        .arg(tiny_graphs())
        .arg("--onnxruntime")
        .arg(onnxruntime());
    command
}

fn evaluated(workshop: &Workshop, image: &str, flags: &[&str]) -> Value {
    let output = succeed(evaluate(workshop, image).args(flags));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn size(workshop: &Workshop) -> (u32, u32) {
    image::image_dimensions(workshop.path("out.png")).unwrap()
}

#[test]
fn a_seamless_texture_has_sides_that_wrap_and_that_is_said() {
    let workshop = Workshop::new();
    for (flag, expected) in [
        ("--seamless", (48, 48)),
        ("--seamless=both", (48, 48)),
        ("--seamless=x", (48, 40)),
        ("--seamless=y", (50, 48)),
    ] {
        let flags = ["--size", "50x40", "--iterations", "1", "--force", flag];
        let said = stderr(&succeed(texture(&workshop, "out.png").args(flags)));
        assert_eq!(size(&workshop), expected, "{flag}");
        let (width, height) = expected;
        assert!(
            said.contains(&format!("50x40 is rounded to {width}x{height}")),
            "{flag}: {said}"
        );
    }
    let flags = ["--size", "48x64", "--iterations", "1", "--force", "--seamless"];
    let said = stderr(&succeed(texture(&workshop, "out.png").args(flags)));
    assert_eq!(size(&workshop), (48, 64));
    assert!(!said.contains("rounded"), "{said}");
}

#[test]
fn the_edges_meet_along_the_axes_that_are_asked_for() {
    let workshop = Workshop::new();
    let seams = |flags: &[&str]| {
        let run = ["--size", "64", "--iterations", "60", "--tv-weight", "100"];
        bytes(&workshop, &[&run[..], flags].concat());
        let seam = &evaluated(&workshop, "out.png", &["--seam"])["seam"];
        ["x", "y"].map(|axis| {
            let of = |name: &str| seam[axis][name].as_f64().unwrap();
            of("difference") <= of("most")
        })
    };
    assert_eq!(seams(&[]), [false, false]);
    assert_eq!(seams(&["--seamless=x"]), [true, false]);
    assert_eq!(seams(&["--seamless=y"]), [false, true]);
    assert_eq!(seams(&["--seamless"]), [true, true]);
    assert_eq!(
        seams(&["--seamless", "--scales", "2", "--style-loss", "moments"]),
        [true, true]
    );
    let adam = ["--optimizer", "adam", "--learning-rate", "10"];
    assert_eq!(seams(&[&["--seamless"], &adam[..]].concat()), [true, true]);
}

#[test]
fn a_seamless_texture_is_repeated_and_resumed_to_the_same_bytes() {
    let trace = repeated_and_resumed(&["--seamless=x", "--scales", "2", "--size", "64x40"]);
    assert_eq!(trace["settings"]["seamless"], "x");
    assert_eq!(trace["evaluations"][0]["size"], json!([32, 20]));
}

#[test]
fn tiles_paint_the_same_seamless_texture_and_a_dry_run_counts_the_margins() {
    let workshop = Workshop::new();
    let flags = [
        "--seamless",
        "--size",
        "144x96",
        "--iterations",
        "1",
        "--pooling",
        "avg",
    ];
    let first_loss = |others: &[&str]| {
        bytes(
            &workshop,
            &[&flags[..], &["--trace", "run.json"], others].concat(),
        );
        let trace: Value = serde_json::from_slice(&fs::read(workshop.path("run.json")).unwrap()).unwrap();
        trace["evaluations"][0]["loss"].as_f64().unwrap()
    };
    let (whole, tiled) = (first_loss(&[]), first_loss(&["--tile", "64"]));
    assert!((tiled / whole - 1.0).abs() < 1e-5, "{tiled}, not {whole}");

    let planned = |others: &[&str]| -> Value {
        let mut command = texture(&workshop, "out.png");
        command
            .args(flags)
            .args(["--dry-run", "--json", "--force"])
            .args(others);
        serde_json::from_slice(&succeed(&mut command).stdout).unwrap()
    };
    let whole = planned(&[]);
    assert_eq!((&whole["tiles"], &whole["tile"]), (&json!(1), &json!([304, 256])));
    assert_eq!(planned(&["--tile", "64"])["tiles"], 2);
}

#[test]
fn a_photo_is_not_seamless() {
    let workshop = Workshop::new();
    fail_with_no_use(workshop.stylize("no.png").arg("--seamless"));
    fail_with_no_use(workshop.evaluate("content.png").arg("--seamless"));
    fail(
        texture(&workshop, "no.png").arg("--seamless=z"),
        &["--seamless", "x, y, both"],
    );

    fs::write(
        workshop.path("impasto.toml"),
        "seamless = \"x\"\niterations = 1\n",
    )
    .unwrap();
    let config = ["--config", "impasto.toml"];
    succeed(
        workshop
            .stylize("plain.png")
            .args(["--iterations", "1", "--no-record"]),
    );
    succeed(workshop.stylize("configured.png").args(config).arg("--no-record"));
    let read = |name: &str| fs::read(workshop.path(name)).unwrap();
    assert_eq!(read("configured.png"), read("plain.png"));
    succeed(workshop.evaluate("content.png").args(config));
    bytes(&workshop, &[&config[..], &["--size", "50x40"]].concat());
    assert_eq!(size(&workshop), (48, 40));
}

fn fail_with_no_use(command: &mut Command) {
    fail(command, &["--seamless", "no use"]);
}

#[test]
fn a_texture_is_judged_without_a_photo_and_repeated_on_a_sheet() {
    let workshop = Workshop::new();
    waves(40, 32, 5).save(workshop.path("texture.png")).unwrap();
    let found = evaluated(&workshop, "texture.png", &["--sheet", "sheet.png"]);
    assert_eq!(found["terms"]["content/relu4_2"], 0.0);
    assert_eq!(
        (&found["content_distance"], &found["ssim"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(found.get("seam"), None);
    let with_photo = ["--content", "content.png", "--content-weight", "0"];
    let with_photo = evaluated(&workshop, "texture.png", &with_photo);
    assert_eq!(found["total"], with_photo["total"]);
    assert_eq!(found["style_distance"], with_photo["style_distance"]);

    let open = |name: &str| image::open(workshop.path(name)).unwrap().to_rgb8();
    let (texture, sheet) = (open("texture.png"), open("sheet.png"));
    assert_eq!(sheet.dimensions(), (120, 96));
    assert!(
        sheet
            .enumerate_pixels()
            .all(|(x, y, pixel)| pixel == texture.get_pixel(x % 40, y % 32))
    );

    let mut table = impasto();
    table
        .current_dir(workshop.folder.path())
        .args(["evaluate", "texture.png", "--seam"]);
    table
        .args(["--style", "style.png", "--graphs"])
        .arg(tiny_graphs());
    let table = stdout(&succeed(table.arg("--onnxruntime").arg(onnxruntime())));
    for words in [
        "seam from right to left",
        "seam from bottom to top",
        "most elsewhere",
        "rank",
    ] {
        assert!(table.contains(words), "{table}");
    }
    for (flags, parts) in [
        (["--sheet", "sheet.png"], ["sheet.png", "--force"]),
        (["--sheet", "texture.png"], ["texture.png", "exists"]),
        (["--mask", "rest"], ["--content", "required"]),
        (["--color", "match"], ["--content", "required"]),
    ] {
        fail(evaluate(&workshop, "texture.png").args(flags), &parts);
    }
}
