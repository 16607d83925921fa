//! `impasto texture`: pictures from styles alone, on tiny graphs.

use std::fs;
use std::process::Command;

use crate::support::{Workshop, fail, impasto, onnxruntime, stderr, succeed, tiny_graphs, waves};
use serde_json::Value;

/// `impasto texture style.png -o OUTPUT` of 40x32 pixels on the tiny graphs, in the workshop.
pub fn texture(workshop: &Workshop, output: &str) -> Command {
    let mut command = impasto();
    command
        .current_dir(workshop.folder.path())
        .args(["texture", "style.png", "-o", output])
        .args(["--size", "40x32", "--iterations", "8", "--graphs"])
        .arg(tiny_graphs())
        .arg("--onnxruntime")
        .arg(onnxruntime());
    command
}

/// The bytes that `arguments` lead to.
pub fn bytes(workshop: &Workshop, arguments: &[&str]) -> Vec<u8> {
    succeed(
        texture(workshop, "out.png")
            .args(["--force", "--no-record"])
            .args(arguments),
    );
    fs::read(workshop.path("out.png")).unwrap()
}

#[test]
fn a_texture_has_the_size_that_is_asked_for_and_its_bytes_hang_on_the_seed() {
    let workshop = Workshop::new();
    let size = || image::image_dimensions(workshop.path("out.png")).unwrap();
    let seeded = bytes(&workshop, &["--seed", "3"]);
    assert_eq!(size(), (40, 32));
    assert_eq!(bytes(&workshop, &["--seed", "3", "--threads", "1"]), seeded);
    assert_ne!(bytes(&workshop, &["--seed", "4"]), seeded);
    bytes(&workshop, &["--size", "36"]);
    assert_eq!(size(), (36, 36));
    bytes(
        &workshop,
        &["--size", "32x48", "--preset", "book", "--optimizer", "adam"],
    );
    assert_eq!(size(), (32, 48));
}

#[test]
fn a_texture_nears_the_style_from_coarse_to_fine() {
    let workshop = Workshop::new();
    bytes(
        &workshop,
        &["--scales", "2", "--size", "64x48", "--trace", "run.json"],
    );
    let trace: Value = serde_json::from_slice(&fs::read(workshop.path("run.json")).unwrap()).unwrap();
    let evaluations = trace["evaluations"].as_array().unwrap();
    let (first, last) = (&evaluations[0], &evaluations[evaluations.len() - 1]);
    assert_eq!(first["size"], serde_json::json!([32, 24]));
    assert_eq!(last["size"], serde_json::json!([64, 48]));
    let loss = |evaluation: &Value| evaluation["loss"].as_f64().unwrap();
    assert!(loss(last) < 0.5 * loss(first), "{first} to {last}");
    assert_eq!(last["terms"]["content/relu4_2"], 0.0);
}

#[test]
fn two_styles_are_blended_by_their_shares() {
    let workshop = Workshop::new();
    waves(40, 40, 5).save(workshop.path("other.png")).unwrap();
    let blend = |parts: &str| bytes(&workshop, &["other.png", "--style-blend", parts]);
    let alone = bytes(&workshop, &[]);
    assert_eq!(blend("1,0"), alone);
    assert_ne!(blend("1,1"), alone);
    assert_ne!(blend("1,1"), blend("0,1"));
}

#[test]
fn a_texture_starts_where_it_is_told() {
    let workshop = Workshop::new();
    let starts = ["random", "gray", "style-stats", "content.png"];
    let pictures = starts.map(|start| bytes(&workshop, &["--init", start]));
    for (index, picture) in pictures.iter().enumerate() {
        assert!(!pictures[..index].contains(picture), "{}", starts[index]);
    }
}

#[test]
fn a_picture_is_remade_from_a_style_s_texture_at_one_scale() {
    let workshop = Workshop::new();
    let flags = ["--init", "content.png", "--size", "40x28", "--iterations", "20"];
    let trace = ["--trace", "run.json"];
    bytes(&workshop, &[&flags[..], &trace].concat());
    let trace: Value = serde_json::from_slice(&fs::read(workshop.path("run.json")).unwrap()).unwrap();
    let evaluations = trace["evaluations"].as_array().unwrap();
    let loss = |evaluation: &Value| evaluation["loss"].as_f64().unwrap();
    let (first, last) = (&evaluations[0], &evaluations[evaluations.len() - 1]);
    assert_eq!(first["size"], serde_json::json!([40, 28]));
    assert!(loss(last) < 0.5 * loss(first), "{first} to {last}");
    // The start is the picture itself.
    bytes(&workshop, &[&flags[..4], &["--iterations", "0"]].concat());
    let open = |name: &str| image::open(workshop.path(name)).unwrap().to_rgb8();
    assert_eq!(open("out.png"), open("content.png"));
}

#[test]
fn a_part_of_a_style_is_enough_for_a_texture() {
    let workshop = Workshop::new();
    let style = image::open(workshop.path("style.png")).unwrap().to_rgb8();
    let half = image::GrayImage::from_fn(36, 44, |x, _| image::Luma([if x < 18 { 255 } else { 0 }]));
    half.save(workshop.path("half.png")).unwrap();
    let masked = |flags: &[&str]| bytes(&workshop, &[&["--style-mask", "half.png"], flags].concat());
    let painted = masked(&[]);
    assert_ne!(painted, bytes(&workshop, &[]));
    assert_ne!(painted, masked(&["--seamless"]));
    // What the mask leaves out is of no matter, but near it.
    let mut other = style.clone();
    for x in 35..36 {
        (0..44).for_each(|y| other.put_pixel(x, y, image::Rgb([255, 0, 0])));
    }
    other.save(workshop.path("other.png")).unwrap();
    let of_shallow = "relu1_1=1,relu2_1=1,relu3_1=0,relu4_1=0,relu5_1=0";
    let shallow = |style: &str| {
        let mut command = impasto();
        command
            .current_dir(workshop.folder.path())
            .args(["texture", style, "-o", "out.png", "--force"]);
        command.args(["--style-mask", "half.png", "--style-layer-weights", of_shallow]);
        command
            .args([
                "--size",
                "40x32",
                "--iterations",
                "3",
                "--init",
                "random",
                "--no-record",
                "--graphs",
            ])
            .arg(tiny_graphs());
        succeed(command.arg("--onnxruntime").arg(onnxruntime()));
        fs::read(workshop.path("out.png")).unwrap()
    };
    assert_eq!(shallow("style.png"), shallow("other.png"));
    fail(
        texture(&workshop, "no.png").args(["--style-mask", "content.png"]),
        &["content.png", "proportions"],
    );
}

/// Paints a texture, repeats it on more threads, stops it and resumes it: the same bytes. Its trace.
pub fn repeated_and_resumed(flags: &[&str]) -> Value {
    let workshop = Workshop::new();
    let run = ["--trace", "run.json", "--threads", "1"];
    let painted = bytes(&workshop, &[flags, &run].concat());
    let trace = serde_json::from_slice(&fs::read(workshop.path("run.json")).unwrap()).unwrap();
    let mut repeat = impasto();
    repeat
        .current_dir(workshop.folder.path())
        .args(["texture", "--repeat", "run.json", "-o", "again.png"])
        .args(["--no-record", "--threads", "2"]);
    let message = stderr(&succeed(&mut repeat));
    assert!(message.contains("the same bytes as recorded"), "{message}");
    assert_eq!(fs::read(workshop.path("again.png")).unwrap(), painted);

    let stopped = ["--max-seconds", "0", "--checkpoint", "run.checkpoint"];
    bytes(&workshop, &[flags, &stopped].concat());
    let mut resume = impasto();
    resume.current_dir(workshop.folder.path());
    succeed(resume.args(["resume", "run.checkpoint", "--max-seconds", "1000"]));
    assert_eq!(fs::read(workshop.path("out.png")).unwrap(), painted);
    trace
}

#[test]
fn a_texture_is_repeated_and_resumed_to_the_same_bytes() {
    repeated_and_resumed(&["--seed", "5", "--scales", "2", "--size", "64x48"]);
}

#[test]
fn a_trace_is_repeated_by_its_own_command() {
    let workshop = Workshop::new();
    bytes(&workshop, &["--iterations", "1", "--trace", "texture.json"]);
    let photo = ["--iterations", "1", "--trace", "photo.json"];
    succeed(workshop.stylize("photo.png").args(photo));
    for (command, trace, other) in [
        ("stylize", "texture.json", "impasto texture"),
        ("texture", "photo.json", "impasto stylize"),
    ] {
        let mut repeat = impasto();
        repeat.current_dir(workshop.folder.path());
        fail(
            repeat.args([command, "--repeat", trace, "-o", "no.png"]),
            &[trace, other],
        );
    }
}

#[test]
fn a_settings_file_s_words_on_a_photo_are_passed_over() {
    let workshop = Workshop::new();
    let of_a_photo = "content-weight = 3\ncolor = \"original\"\nkeep = \"missing.png\"\nmask = [\"rest\"]\n";
    let config = format!("size = \"40x32\"\nseed = 3\n{of_a_photo}");
    fs::write(workshop.path("impasto.toml"), config).unwrap();
    let configured = bytes(&workshop, &["--config", "impasto.toml"]);
    assert_eq!(configured, bytes(&workshop, &["--seed", "3"]));
}

#[test]
fn a_dry_run_says_what_a_texture_takes() {
    let workshop = Workshop::new();
    let mut command = texture(&workshop, "out.png");
    let output = succeed(command.args(["--dry-run", "--json"]));
    let forecast: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(forecast["scales"][0]["width"], 40);
    assert_eq!(forecast["scales"][0]["height"], 32);
    assert!(!workshop.path("out.png").exists());
}

#[test]
fn what_speaks_of_a_photo_is_refused() {
    let workshop = Workshop::new();
    for (flags, parts) in [
        (["--content-weight", "1"], ["--content-weight", "no use"]),
        (
            ["--content-layer-weights", "relu4_2=1"],
            ["--content-layer-weights", "no use"],
        ),
        (["--color", "original"], ["--color", "no use"]),
        (["--fit", "short"], ["--fit", "no use"]),
        (["--mask", "rest"], ["--mask", "no use"]),
        (["--keep", "style.png"], ["--keep", "no use"]),
        (["--guides", "guides"], ["--guides", "no use"]),
        (["--init", "content"], ["init is content", "style-stats"]),
        (["--init", "blend:0.5"], ["init is blend:0.5", "style-stats"]),
        (["--size", "40x"], ["--size", "1 to 65536"]),
        (["--size", "0x40"], ["--size", "1 to 65536"]),
        (["--size", "40x10"], ["40x10", "at least 16"]),
        (["--size", "65536x65536"], ["65536x65536", "--memory"]),
        (["--style-weight", "0"], ["style-weight", "more than 0"]),
    ] {
        let mut command = texture(&workshop, "refused.png");
        let message = stderr(&command.args(flags).output().unwrap());
        let names_fit = message.contains("--fit") && flags[0] != "--fit";
        assert!(!names_fit, "{message}");
        fail(&mut command, &parts);
        assert!(!workshop.path("refused.png").exists(), "{flags:?}");
    }
}

#[test]
fn a_photo_keeps_its_proportions() {
    let workshop = Workshop::new();
    let mut command = workshop.stylize("refused.png");
    fail(
        command.args(["--size", "40x40"]),
        &["size is 40x40", "one number", "proportions"],
    );
}
