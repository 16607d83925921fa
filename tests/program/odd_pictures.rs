//! Grey, one-coloured, long, tall and flat pictures with every colour mode, start and optimiser: a picture or a clear
//! error, never NaN, never a panic.

use std::fs;

use crate::support::{STARTS, Workshop, fail, succeed, waves};
use image::{GrayImage, Luma, Rgb, RgbImage};
use serde_json::Value;

const COLORS: [&str; 3] = ["style", "match", "original"];

/// Paints with every colour mode and start, the optimisers in turn, and checks size and losses.
fn paint_all(workshop: &Workshop, (width, height): (u32, u32), size: &str) {
    let modes = COLORS.iter().flat_map(|color| STARTS.map(|start| (color, start)));
    for ((color, start), optimizer) in modes.zip(["lbfgs", "adam"].into_iter().cycle()) {
        let run = [
            "--iterations",
            "3",
            "--trace",
            "out.json",
            "--force",
            "--size",
            size,
        ];
        let modes = ["--color", color, "--init", start, "--optimizer", optimizer];
        succeed(workshop.stylize("out.png").args(run).args(modes));
        let what = format!("{color} {start} {optimizer}");
        let painted = image::image_dimensions(workshop.path("out.png")).unwrap();
        assert_eq!(painted, (width, height), "{what}");
        let trace: Value = serde_json::from_slice(&fs::read(workshop.path("out.json")).unwrap()).unwrap();
        // JSON has no NaN: it would be null.
        let evaluations = trace["evaluations"].as_array().unwrap();
        assert!(!evaluations.is_empty(), "{what}");
        for evaluation in evaluations {
            assert!(evaluation["loss"].is_number(), "{what}: {evaluation}");
            let terms = evaluation["terms"].as_object().unwrap();
            assert!(terms.values().all(Value::is_number), "{what}: {evaluation}");
        }
    }
}

#[test]
fn grey_in_the_style_of_grey() {
    let workshop = Workshop::new();
    let gray =
        |width, height| GrayImage::from_fn(width, height, |x, y| Luma([(40 + 3 * x + (7 * y) % 50) as u8]));
    gray(40, 28).save(workshop.path("content.png")).unwrap();
    gray(36, 44).save(workshop.path("style.png")).unwrap();
    paint_all(&workshop, (40, 28), "40");
}

#[test]
fn one_colour_in_the_style_of_another() {
    let workshop = Workshop::new();
    let plain = |color| RgbImage::from_pixel(24, 20, Rgb(color));
    plain([200, 30, 90]).save(workshop.path("content.png")).unwrap();
    plain([0, 0, 0]).save(workshop.path("style.png")).unwrap();
    paint_all(&workshop, (24, 20), "24");
}

#[test]
fn one_colour_in_its_own_style() {
    let workshop = Workshop::new();
    let plain = RgbImage::from_pixel(24, 20, Rgb([255, 255, 255]));
    plain.save(workshop.path("content.png")).unwrap();
    plain.save(workshop.path("style.png")).unwrap();
    paint_all(&workshop, (24, 20), "24");
}

#[test]
fn a_panorama() {
    let workshop = Workshop::new();
    waves(4000, 200, 5).save(workshop.path("content.png")).unwrap();
    paint_all(&workshop, (320, 16), "320");
    // At its own size it would take minutes; smaller than the network it is told what to do.
    fail(
        workshop.stylize("refused.png").args(["--size", "300"]),
        &["300x15", "at least 16", "--size"],
    );
    succeed(
        workshop
            .stylize("short.png")
            .args(["--size", "16", "--fit", "short", "--iterations", "0"]),
    );
    assert_eq!(
        image::image_dimensions(workshop.path("short.png")).unwrap(),
        (320, 16)
    );
}

#[test]
fn a_portrait_in_the_style_of_a_panorama() {
    let workshop = Workshop::new();
    waves(30, 90, 5).save(workshop.path("content.png")).unwrap();
    waves(500, 120, 9).save(workshop.path("style.png")).unwrap();
    paint_all(&workshop, (22, 66), "66");
}

#[test]
fn pictures_one_pixel_high_or_wide_are_told_the_least_size() {
    let workshop = Workshop::new();
    for (width, height) in [(400, 1), (1, 400)] {
        let flat = waves(width, height, 5);
        for (name, parts) in [
            ("content.png", ["painted picture", "at least 16", "--size"]),
            ("style.png", ["style image", "at least 16", "--style-size"]),
        ] {
            let kept = fs::read(workshop.path(name)).unwrap();
            flat.save(workshop.path(name)).unwrap();
            for color in COLORS {
                let modes = ["--color", color, "--init", "style-stats"];
                fail(workshop.stylize("refused.png").args(modes), &parts);
            }
            assert!(!workshop.path("refused.png").exists());
            fs::write(workshop.path(name), kept).unwrap();
        }
    }
}

#[test]
fn a_start_one_pixel_high_is_stretched() {
    let workshop = Workshop::new();
    waves(400, 1, 5).save(workshop.path("start.png")).unwrap();
    succeed(
        workshop
            .stylize("out.png")
            .args(["--init", "start.png", "--iterations", "2"]),
    );
    assert_eq!(
        image::image_dimensions(workshop.path("out.png")).unwrap(),
        (40, 28)
    );
}
