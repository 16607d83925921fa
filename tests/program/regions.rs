//! Masks, from outside: each part of a picture in its own style.

use std::fs;
use std::path::Path;

use crate::support::{Workshop, fail, impasto, onnxruntime, stderr, succeed, tiny_graphs, waves};
use image::{GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::Value;

/// A workshop with a second style, and masks of the content, 40x28: `left.png`, white to column 16, and `right.png`.
pub fn divided() -> Workshop {
    let workshop = Workshop::new();
    waves(30, 40, 8).save(workshop.path("other.png")).unwrap();
    mask(
        &workshop,
        "left.png",
        (40, 28),
        |x, _| if x < 16 { 255 } else { 0 },
    );
    mask(
        &workshop,
        "right.png",
        (40, 28),
        |x, _| if x < 16 { 0 } else { 255 },
    );
    mask(&workshop, "white.png", (20, 14), |_, _| 255);
    workshop
}

pub fn mask(workshop: &Workshop, name: &str, size: (u32, u32), level: impl Fn(u32, u32) -> u8) {
    let picture = GrayImage::from_fn(size.0, size.1, |x, y| Luma([level(x, y)]));
    picture.save(workshop.path(name)).unwrap();
}

/// `impasto stylize` of a few iterations.
fn painted(workshop: &Workshop, output: &str, flags: &[&str]) -> String {
    let run = ["--iterations", "3", "--force", "--no-record"];
    stderr(&succeed(workshop.stylize(output).args(run).args(flags)))
}

fn same_bytes(workshop: &Workshop, one: &str, other: &str) -> bool {
    fs::read(workshop.path(one)).unwrap() == fs::read(workshop.path(other)).unwrap()
}

#[test]
fn masks_of_any_kind_and_size_paint_the_same() {
    let workshop = divided();
    mask(
        &workshop,
        "large.png",
        (80, 56),
        |x, _| if x < 32 { 255 } else { 0 },
    );
    let map = RgbImage::from_fn(40, 28, |x, _| {
        if x < 16 {
            Rgb([255, 0, 0])
        } else {
            Rgb([0, 128, 255])
        }
    });
    map.save(workshop.path("map.png")).unwrap();
    let cut = RgbaImage::from_fn(40, 28, |x, y| {
        Rgba([x as u8, y as u8, 0, if x < 16 { 255 } else { 0 }])
    });
    cut.save(workshop.path("cut.png")).unwrap();
    fs::write(
        workshop.path("regions.toml"),
        "mask = [\"left.png\", \"rest\"]\nmask-colors = [\"style\", \"original\"]\n",
    )
    .unwrap();
    let paint = |output: &str, one: &str, other: &str| {
        let flags = [
            "other.png",
            "--mask",
            one,
            "--mask",
            other,
            "--mask-colors",
            "style,original",
        ];
        painted(&workshop, output, &flags)
    };
    let message = paint("two.png", "left.png", "right.png");
    assert!(
        !message.contains("warning") && !message.contains("no mask covers"),
        "{message}"
    );
    for (output, one, other) in [
        ("rest.png", "left.png", "rest"),
        ("size.png", "large.png", "rest"),
        ("color.png", "map.png#ff0000", "map.png#0080ff"),
        ("alpha.png", "cut.png", "rest"),
    ] {
        paint(output, one, other);
        assert!(same_bytes(&workshop, "two.png", output), "{output}");
    }
    painted(&workshop, "file.png", &["other.png", "--config", "regions.toml"]);
    assert!(same_bytes(&workshop, "two.png", "file.png"));
    painted(&workshop, "whole.png", &["other.png"]);
    assert!(!same_bytes(&workshop, "two.png", "whole.png"));
}

#[test]
fn regions_are_painted_by_both_optimisers_at_several_scales_and_again() {
    let workshop = divided();
    let regions = [
        &[
            "other.png",
            "style.png",
            "--style-blend",
            "1,2,1",
            "--mask",
            "left.png",
            "--mask",
            "left.png",
        ][..],
        &[
            "--mask",
            "rest",
            "--style-mask",
            "none",
            "--style-mask",
            "tall.png",
            "--style-mask",
            "none",
        ],
        &[
            "--keep",
            "dot.png",
            "--mask-content-weights",
            "2,2,1",
            "--scales",
            "24:2,40:3",
        ],
    ]
    .concat();
    mask(
        &workshop,
        "tall.png",
        (30, 40),
        |_, y| if y < 20 { 255 } else { 0 },
    );
    mask(&workshop, "dot.png", (40, 28), |x, y| {
        if x.abs_diff(20) + y.abs_diff(14) < 6 {
            255
        } else {
            0
        }
    });
    for (output, optimizer) in [("a.png", "lbfgs"), ("b.png", "adam")] {
        let run = [
            "--optimizer",
            optimizer,
            "--trace",
            "run.json",
            "--force",
            "--threads",
            "2",
        ];
        succeed(workshop.stylize(output).args(&regions).args(run));
        let trace: Value = serde_json::from_slice(&fs::read(workshop.path("run.json")).unwrap()).unwrap();
        let masks = trace["inputs"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|input| input["role"] == "mask");
        let paths: Vec<&Value> = masks.map(|input| &input["path"]).collect();
        assert_eq!(paths, ["left.png", "tall.png", "dot.png"]);
        let mut again = impasto();
        again.current_dir(workshop.folder.path());
        again.args([
            "stylize",
            "--repeat",
            "run.json",
            "-o",
            "again.png",
            "--force",
            "--threads",
            "1",
        ]);
        let message = stderr(&succeed(&mut again));
        assert!(message.contains("the same bytes as recorded"), "{message}");
        assert!(same_bytes(&workshop, output, "again.png"));
    }
    mask(
        &workshop,
        "left.png",
        (40, 28),
        |x, _| if x < 20 { 255 } else { 0 },
    );
    let mut again = impasto();
    again.current_dir(workshop.folder.path());
    again.args(["stylize", "--repeat", "run.json", "-o", "again.png", "--force"]);
    fail(&mut again, &["mask file left.png has changed"]);
}

#[test]
fn what_is_kept_is_the_photo_to_the_bit() {
    let workshop = divided();
    painted(&workshop, "out.png", &["--keep", "left.png", "--init", "random"]);
    let open = |name: &str| image::open(workshop.path(name)).unwrap().to_rgb8();
    let (photo, result) = (open("content.png"), open("out.png"));
    let differ = |x: u32, y: u32| photo.get_pixel(x, y) != result.get_pixel(x, y);
    for y in 0..28 {
        assert!((0..16).all(|x| !differ(x, y)), "row {y}");
        assert!((16..40).filter(|&x| differ(x, y)).count() > 20, "row {y}");
    }
}

#[test]
fn the_photos_colours_stay_where_they_are_asked_for() {
    let workshop = divided();
    let regions = ["other.png", "--mask", "left.png", "--mask", "rest"];
    let paint = |output: &str, flags: &[&str]| painted(&workshop, output, &[&regions[..], flags].concat());
    paint("style.png.png", &[]);
    paint("original.png", &["--color", "original"]);
    paint("mixed.png", &["--mask-colors", "original,style"]);
    let open = |name: &str| image::open(workshop.path(name)).unwrap().to_rgb8();
    let (style, original, mixed) = (open("style.png.png"), open("original.png"), open("mixed.png"));
    for (x, y, pixel) in mixed.enumerate_pixels() {
        let expected = if x < 16 { &original } else { &style };
        assert_eq!(pixel, expected.get_pixel(x, y), "{x},{y}");
    }
}

#[test]
fn what_no_mask_covers_and_where_masks_overlap_is_told() {
    let workshop = divided();
    let message = painted(&workshop, "out.png", &["--mask", "left.png"]);
    assert!(
        message.contains("note: no mask covers 60.0 % of the picture"),
        "{message}"
    );
    let message = painted(
        &workshop,
        "out.png",
        &["other.png", "--mask", "left.png", "--mask", "white.png"],
    );
    assert!(
        message.contains("warning: masks overlap in 40.0 % of the picture"),
        "{message}"
    );
    let quiet = painted(&workshop, "out.png", &["--mask", "left.png", "--quiet"]);
    assert_eq!(quiet, "");
    // A place of relu5_1 has 16 pixels; two columns of it are the first region's, one and what is cut off the second's.
    mask(
        &workshop,
        "thin.png",
        (40, 28),
        |x, _| if x < 3 { 255 } else { 0 },
    );
    let message = painted(
        &workshop,
        "out.png",
        &["other.png", "--mask", "rest", "--mask", "thin.png"],
    );
    let wanted = "warning: the region thin.png has no place of its own at relu4_1, relu5_1 at 40x28 pixels";
    assert!(message.contains(wanted), "{message}");
}

#[test]
fn the_guides_are_written_as_pictures() {
    let workshop = divided();
    let flags = [
        "other.png",
        "--mask",
        "left.png",
        "--mask",
        "rest",
        "--guides",
        "guides",
    ];
    painted(&workshop, "out.png", &flags);
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    let folder = workshop.path("guides");
    let written = names(&folder);
    assert_eq!((written.len(), written[0].as_str()), (10, "region1-relu1_1.png"));
    let guide = image::open(folder.join("region1-relu1_1.png"))
        .unwrap()
        .to_luma8();
    assert_eq!(guide.dimensions(), (40, 28));
    assert_eq!(
        [0, 15, 16, 39].map(|x| guide.get_pixel(x, 9).0[0]),
        [255, 255, 0, 0]
    );
    fail(
        workshop
            .stylize("new.png")
            .args(["--iterations", "1"])
            .args(flags),
        &["--guides", "region1-relu1_1.png", "--force"],
    );
    fail(
        workshop
            .stylize("new.png")
            .args(["--iterations", "1", "--guides", "guides"]),
        &["--guides", "no regions"],
    );
}

#[test]
fn a_proposal_is_a_map_that_stylize_takes() {
    let workshop = divided();
    let propose = |output: &str, flags: &[&str]| {
        let mut command = impasto();
        command
            .current_dir(workshop.folder.path())
            .args(["regions", "content.png", "-o", output]);
        command.args(["--size", "96", "--graphs"]).arg(tiny_graphs());
        command.arg("--onnxruntime").arg(onnxruntime()).args(flags);
        command
    };
    let message = stderr(&succeed(&mut propose("map.png", &["--count", "2"])));
    assert!(
        message.contains("--mask map.png#ff0000") && message.contains("--mask map.png#0080ff"),
        "{message}"
    );
    let map = image::open(workshop.path("map.png")).unwrap().to_rgb8();
    assert_eq!(map.dimensions(), (40, 28));
    let colors: std::collections::BTreeSet<[u8; 3]> = map.pixels().map(|pixel| pixel.0).collect();
    assert_eq!(
        colors.into_iter().collect::<Vec<_>>(),
        [[0, 128, 255], [255, 0, 0]]
    );
    succeed(&mut propose("again.png", &["--count", "2", "--threads", "1"]));
    assert!(same_bytes(&workshop, "map.png", "again.png"));
    painted(
        &workshop,
        "out.png",
        &["other.png", "--mask", "map.png#ff0000", "--mask", "rest"],
    );
    fail(&mut propose("map.png", &[]), &["map.png", "--force"]);
    fail(&mut propose("new.png", &["--count", "13"]), &["--count", "12"]);
    fail(
        &mut propose("new.png", &["--mask", "left.png"]),
        &["regions has no use for it"],
    );
}

#[test]
fn masks_that_cannot_be_used_are_refused_with_the_reason() {
    let workshop = divided();
    mask(&workshop, "black.png", (40, 28), |_, _| 0);
    mask(&workshop, "square.png", (30, 30), |_, _| 255);
    let map = RgbImage::from_fn(40, 28, |x, _| {
        if x < 16 {
            Rgb([255, 0, 0])
        } else {
            Rgb([0, 0, 255])
        }
    });
    map.save(workshop.path("map.png")).unwrap();
    for (flags, parts) in [
        (&["--mask", "black.png"][..], &["black.png", "covers nothing"][..]),
        (
            &["--mask", "square.png"],
            &["square.png is 30x30", "content image is 40x28"],
        ),
        (
            &["--style-mask", "left.png"],
            &["left.png is 40x28", "style image is 36x44"],
        ),
        (
            &["--mask", "map.png#00ff00"],
            &["map.png has no pixel of the colour 00ff00", "0000ff, ff0000"],
        ),
        (
            &["--mask", "map.png#green"],
            &["--mask", "six hexadecimal digits"],
        ),
        (&["--mask", "missing.png"], &["missing.png"]),
        (&["--mask", "none"], &["mask is none", "rest"]),
        (&["--style-mask", "rest"], &["style-mask is rest", "none"]),
        (&["--keep", "rest"], &["keep is rest"]),
        (&["--keep", "white.png"], &["white.png keeps all"]),
        (
            &["--mask", "left.png", "--keep", "white.png"],
            &["white.png keeps all"],
        ),
        (
            &["--mask", "left.png", "--mask", "rest"],
            &["mask is 2 masks for 1 style images"],
        ),
        (
            &["--mask-content-weights", "2"],
            &["mask-content-weights", "without mask"],
        ),
        (
            &["--mask", "left.png", "--mask-content-weights", "-2"],
            &["mask-content-weights is -2"],
        ),
        (
            &["--mask", "left.png", "--mask-colors", "style,style"],
            &["mask-colors is 2 modes for 1"],
        ),
        (
            &["other.png", "--mask", "white.png", "--mask", "left.png"],
            &["mask left.png has no place of its own at 40x28"],
        ),
        (
            &["other.png", "--mask", "white.png", "--mask", "rest"],
            &["mask rest has no place of its own"],
        ),
        (
            &[
                "other.png",
                "--mask",
                "left.png",
                "--mask",
                "left.png",
                "--mask-content-weights",
                "1,2",
            ],
            &["mask-content-weights", "share the mask left.png"],
        ),
    ] {
        let mut command = workshop.stylize("out.png");
        fail(command.args(["--iterations", "1"]).args(flags), parts);
        assert!(!workshop.path("out.png").exists());
    }
}
