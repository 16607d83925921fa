//! Options of `impasto stylize` that change the picture, its file or the way to it, on tiny graphs.

use std::fs;

use crate::support::{STARTS, Workshop, fail, stderr, succeed};
use image::{ColorType, ImageReader, RgbImage};
use serde_json::Value;

fn open(workshop: &Workshop, name: &str) -> RgbImage {
    image::open(workshop.path(name)).unwrap().to_rgb8()
}

fn trace(workshop: &Workshop, name: &str) -> Value {
    serde_json::from_slice(&fs::read(workshop.path(name)).unwrap()).unwrap()
}

/// The mean red, green and blue.
fn mean(picture: &RgbImage) -> [f64; 3] {
    let pixels = f64::from(picture.width() * picture.height());
    [0, 1, 2].map(|i| picture.pixels().map(|pixel| f64::from(pixel.0[i])).sum::<f64>() / pixels)
}

/// Blue and red chroma (BT.601) of a pixel.
fn chroma(pixel: [u8; 3]) -> [f64; 2] {
    let [r, g, b] = pixel.map(f64::from);
    let luma = 0.299 * r + 0.587 * g + 0.114 * b;
    [(b - luma) / 1.772, (r - luma) / 1.402]
}

/// A content picture of soft colours, whose chroma can be kept at most lumas, and one of a loud style.
fn soft_and_loud() -> Workshop {
    let workshop = Workshop::new();
    let soft = RgbImage::from_fn(40, 28, |x, y| {
        image::Rgb([120 + (x % 10) as u8, 110 + (y % 10) as u8, 140])
    });
    soft.save(workshop.path("content.png")).unwrap();
    workshop
}

#[test]
fn original_colours_are_the_contents_and_previews_have_them_too() {
    let workshop = soft_and_loud();
    let run = ["--iterations", "5", "--save-every", "5"];
    succeed(workshop.stylize("style.out.png").args(run));
    succeed(
        workshop
            .stylize("original.png")
            .args(["--color", "original"])
            .args(run),
    );
    let content = open(&workshop, "content.png");
    let off = |name: &str| {
        let picture = open(&workshop, name);
        let pixels = picture.pixels().zip(content.pixels());
        let sum: f64 = pixels
            .map(|(a, b)| {
                let (a, b) = (chroma(a.0), chroma(b.0));
                (a[0] - b[0]).abs() + (a[1] - b[1]).abs()
            })
            .sum();
        sum / f64::from(content.width() * content.height())
    };
    assert!(
        off("original.png") < 1.5,
        "chroma is off by {}",
        off("original.png")
    );
    assert!(
        off("style.out.png") > 5.0,
        "nothing is shown: {}",
        off("style.out.png")
    );
    assert_eq!(
        open(&workshop, "original-00005.png"),
        open(&workshop, "original.png")
    );
}

#[test]
fn matched_colours_start_from_a_style_picture_in_the_contents_colours() {
    let workshop = soft_and_loud();
    let start = ["--init", "style-stats", "--iterations", "0"];
    succeed(workshop.stylize("style.out.png").args(start));
    succeed(
        workshop
            .stylize("match.png")
            .args(["--color", "match"])
            .args(start),
    );
    let off = |name: &str| {
        let (a, b) = (
            mean(&open(&workshop, name)),
            mean(&open(&workshop, "content.png")),
        );
        (0..3).map(|i| (a[i] - b[i]).abs()).fold(0.0, f64::max)
    };
    assert!(off("match.png") < 2.0, "off by {}", off("match.png"));
    assert!(
        off("style.out.png") > 5.0,
        "nothing is shown: {}",
        off("style.out.png")
    );
}

#[test]
fn evaluate_judges_by_the_matched_colours_when_asked() {
    let workshop = soft_and_loud();
    let total = |mode: &str| -> f64 {
        let output = succeed(workshop.evaluate("content.png").args(["--json", "--color", mode]));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["total"]
            .as_f64()
            .unwrap()
    };
    assert_eq!(total("style"), total("original"));
    assert!(
        total("match") < 0.5 * total("style"),
        "{} {}",
        total("match"),
        total("style")
    );
}

#[test]
fn sixteen_bits_are_written_to_png_and_tiff_and_to_previews() {
    let workshop = Workshop::new();
    let run = ["--bits", "16", "--iterations", "2", "--save-every", "2"];
    for name in ["out.png", "out.tif"] {
        succeed(workshop.stylize(name).args(run));
        let depth = |path| {
            ImageReader::open(workshop.path(path))
                .unwrap()
                .decode()
                .unwrap()
                .color()
        };
        assert_eq!(depth(name), ColorType::Rgb16);
        assert_eq!(depth(&name.replace('.', "-00002.")), ColorType::Rgb16);
    }
    for name in ["out.jpg", "out.webp"] {
        fail(workshop.stylize(name).args(run), &[name, "PNG or TIFF"]);
    }
    fail(
        workshop.stylize("a.png").args(["--bits", "12"]),
        &["--bits", "8 or 16"],
    );
}

#[test]
fn a_jpegs_quality_is_as_asked_for() {
    let workshop = Workshop::new();
    let size = |quality: &[&str]| {
        succeed(
            workshop
                .stylize("out.jpg")
                .args(["--iterations", "0", "--force"])
                .args(quality),
        );
        assert_eq!(open(&workshop, "out.jpg").dimensions(), (40, 28));
        fs::metadata(workshop.path("out.jpg")).unwrap().len()
    };
    let (low, default, high) = (
        size(&["--jpeg-quality", "10"]),
        size(&[]),
        size(&["--jpeg-quality", "100"]),
    );
    assert!(low < default && default < high, "{low} {default} {high}");
    assert_eq!(size(&["--jpeg-quality", "95"]), default);
}

#[test]
fn adam_lowers_the_loss_and_its_options_count() {
    let workshop = Workshop::new();
    let mut pictures = Vec::new();
    for (index, options) in [
        &[][..],
        &["--learning-rate", "2"],
        &["--beta1", "0.5"],
        &["--beta2", "0.9"],
    ]
    .iter()
    .enumerate()
    {
        let name = format!("{index}.png");
        let record = format!("{index}.json");
        let adam = [
            "--optimizer",
            "adam",
            "--iterations",
            "20",
            "--trace",
            record.as_str(),
            "--no-record",
        ];
        succeed(workshop.stylize(&name).args(adam).args(*options));
        let trace = trace(&workshop, &record);
        let losses = trace["evaluations"].as_array().unwrap();
        let loss = |index: usize| losses[index]["loss"].as_f64().unwrap();
        assert_eq!(losses.len(), 21);
        assert!(loss(20) < 0.7 * loss(0), "{options:?}: {} {}", loss(0), loss(20));
        assert_eq!(trace["settings"]["optimizer"], "adam");
        if let [option, value] = options {
            let found = trace["settings"][option.trim_start_matches("--")]
                .as_f64()
                .unwrap();
            assert_eq!(found, value.parse::<f64>().unwrap());
        }
        pictures.push(fs::read(workshop.path(&name)).unwrap());
    }
    assert_eq!(trace(&workshop, "0.json")["settings"]["learning-rate"], 5.0);
    pictures.sort();
    pictures.dedup();
    assert_eq!(pictures.len(), 4, "an option made no difference");
}

#[test]
fn options_of_the_other_optimiser_are_refused() {
    let workshop = Workshop::new();
    let refuse = |arguments: &[&str], parts: &[&str]| {
        fail(workshop.stylize("refused.png").args(arguments), parts);
    };
    refuse(
        &["--optimizer", "adam", "--history", "10"],
        &["history is 10", "left out", "optimizer lbfgs"],
    );
    for option in ["--learning-rate", "--beta1", "--beta2"] {
        refuse(&[option, "0.5"], &[&option[2..], "left out", "optimizer adam"]);
    }
    refuse(&["--optimizer", "sgd"], &["sgd", "lbfgs, adam"]);
}

#[test]
fn numbers_of_the_optimisers_out_of_range_are_refused() {
    let workshop = Workshop::new();
    for (arguments, parts) in [
        (
            ["--optimizer=adam", "--learning-rate=0"],
            ["learning-rate is 0", "more than 0"],
        ),
        (
            ["--optimizer=adam", "--learning-rate=256"],
            ["learning-rate is 256", "255 grey levels"],
        ),
        (["--optimizer=adam", "--beta1=1"], ["beta1 is 1", "0 to below 1"]),
        (
            ["--optimizer=adam", "--beta2=-0.1"],
            ["beta2 is -0.1", "0 to below 1"],
        ),
        (["--force", "--tolerance=1.5"], ["tolerance is 1.5", "0 to 1"]),
        (["--force", "--max-seconds=-1"], ["max-seconds is -1", "seconds"]),
        (
            ["--force", "--jpeg-quality=0"],
            ["--jpeg-quality", "from 1 to 100"],
        ),
        (["--force", "--color=sepia"], ["sepia", "style, original, match"]),
    ] {
        fail(workshop.stylize("refused.png").args(arguments), &parts);
    }
    assert!(!workshop.path("refused.png").exists());
}

#[test]
fn a_tolerance_ends_the_run_early() {
    let workshop = Workshop::new();
    let output = succeed(workshop.stylize("out.png").args([
        "--tolerance",
        "0.2",
        "--iterations",
        "400",
        "--trace",
        "out.json",
    ]));
    let trace = trace(&workshop, "out.json");
    assert_eq!(trace["stop"], "converged");
    assert!(trace["evaluations"].as_array().unwrap().len() < 300);
    assert!(stderr(&output).contains("converged"), "{}", stderr(&output));
}

#[test]
fn no_time_at_all_still_gives_a_picture() {
    let workshop = Workshop::new();
    succeed(
        workshop
            .stylize("out.png")
            .args(["--max-seconds", "0", "--trace", "out.json"]),
    );
    let trace = trace(&workshop, "out.json");
    assert_eq!(trace["stop"], "out of time");
    assert_eq!(trace["evaluations"].as_array().unwrap().len(), 1);
    assert_eq!(open(&workshop, "out.png"), open(&workshop, "content.png"));
}

#[test]
fn every_start_gives_a_picture_of_its_own() {
    let workshop = Workshop::new();
    let mut pictures = Vec::new();
    for init in STARTS {
        succeed(workshop.stylize("out.png").args([
            "--init",
            init,
            "--iterations",
            "0",
            "--force",
            "--no-record",
        ]));
        pictures.push(fs::read(workshop.path("out.png")).unwrap());
    }
    let count = pictures.len();
    pictures.sort();
    pictures.dedup();
    assert_eq!(pictures.len(), count);
}
