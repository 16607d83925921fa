//! Several scales and several style images, from outside.

use std::fs;

use crate::support::{Workshop, fail, stderr, succeed, waves};
use image::{Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::Value;

/// The trace of a run in the workshop with these flags; the picture is `out.png`.
fn traced(workshop: &Workshop, flags: &[&str]) -> Value {
    let run = ["--iterations", "2", "--trace", "out.json", "--force"];
    succeed(workshop.stylize("out.png").args(run).args(flags));
    serde_json::from_slice(&fs::read(workshop.path("out.json")).unwrap()).unwrap()
}

/// The sizes of the evaluations, each named once, in their order.
fn sizes(trace: &Value) -> Vec<(u64, u64)> {
    let evaluations = trace["evaluations"].as_array().unwrap().iter();
    let mut sizes: Vec<_> = evaluations
        .map(|evaluation| {
            let side = |index: usize| evaluation["size"][index].as_u64().unwrap();
            (side(0), side(1))
        })
        .collect();
    sizes.dedup();
    sizes
}

/// The style terms of the first evaluation, which is that of the content image.
fn first_terms(trace: &Value) -> Vec<f64> {
    let terms = trace["evaluations"][0]["terms"].as_object().unwrap();
    let style = terms.iter().filter(|(name, _)| name.starts_with("style/"));
    style.map(|(_, term)| term.as_f64().unwrap()).collect()
}

#[test]
fn the_preset_says_how_many_scales_are_painted_unless_a_flag_does() {
    let workshop = Workshop::new();
    let large = |scales: &[&str]| {
        sizes(&traced(
            &workshop,
            &[&["--size", "384", "--style-size", "384"], scales].concat(),
        ))
    };
    assert_eq!(large(&[]), [(192, 134), (384, 269)]);
    assert_eq!(large(&["--preset", "neural-style"]), [(384, 269)]);
    assert_eq!(
        large(&["--preset", "neural-style", "--scales", "auto"]),
        [(192, 134), (384, 269)]
    );
    assert_eq!(large(&["--scales", "3"]), [(96, 67), (192, 134), (384, 269)]);
}

#[test]
fn a_start_from_a_file_is_gone_on_with_at_its_own_scale() {
    let workshop = Workshop::new();
    let large = ["--size", "384", "--style-size", "384", "--init", "content.png"];
    assert_eq!(sizes(&traced(&workshop, &large)), [(384, 269)]);
    let asked = [&large[..], &["--scales", "2"]].concat();
    assert_eq!(sizes(&traced(&workshop, &asked)), [(192, 134), (384, 269)]);
}

/// The losses at the scale of 24 pixels.
fn coarse_losses(workshop: &Workshop, flags: &[&str]) -> Vec<f64> {
    let trace = traced(workshop, flags);
    let evaluations = trace["evaluations"].as_array().unwrap().iter();
    let coarse = evaluations.filter(|evaluation| evaluation["size"][0] == 24);
    coarse
        .map(|evaluation| evaluation["loss"].as_f64().unwrap())
        .collect()
}

#[test]
fn the_defaults_content_weight_follows_the_balance_of_each_scale() {
    let workshop = Workshop::new();
    let losses = |flags: &[&str]| coarse_losses(&workshop, flags);
    let alone = losses(&["--scales", "1", "--size", "24"]);
    let coarse = losses(&["--scales", "24:2,40:2"]);
    assert_eq!(coarse, alone);
    assert_ne!(
        losses(&["--scales", "24:2,40:2", "--content-weight", "1.01"]),
        alone
    );
}

/// The loss of the photo itself, which is style alone, at the finest of some scales, with no iterations.
fn loss_of_the_photo(workshop: &Workshop, flags: &[&str]) -> f64 {
    let run = ["--trace", "out.json", "--force"];
    succeed(workshop.stylize("out.png").args(run).args(flags));
    let trace: Value = serde_json::from_slice(&fs::read(workshop.path("out.json")).unwrap()).unwrap();
    let last = trace["evaluations"].as_array().unwrap().last().unwrap();
    last["loss"].as_f64().unwrap()
}

#[test]
fn a_finer_scales_loss_has_those_of_the_coarser_ones_with_the_default_preset_only() {
    let workshop = Workshop::new();
    let alone = |flags: &[&str], size: &str| {
        // The style picture shrinks with the painted one.
        let run = [
            "--scales",
            "1",
            "--size",
            size,
            "--iterations",
            "0",
            "--style-size",
            size,
        ];
        loss_of_the_photo(&workshop, &[&run[..], flags].concat())
    };
    let scales = ["--scales", "24:0,40:0", "--style-size", "40"];
    let both = loss_of_the_photo(&workshop, &scales);
    let (coarse, fine) = (alone(&[], "24"), alone(&[], "40"));
    assert!(
        (both / (coarse + fine) - 1.0).abs() < 0.05,
        "{both}, not {coarse} + {fine}"
    );
    let gatys = ["--preset", "gatys"];
    let both = loss_of_the_photo(&workshop, &[&scales[..], &gatys].concat());
    let fine = alone(&gatys, "40");
    assert!((both / fine - 1.0).abs() < 0.01, "{both}, not {fine}");
}

#[test]
fn the_default_paints_most_at_the_first_scale_and_other_presets_at_the_last() {
    let workshop = Workshop::new();
    let iterations = |flags: &[&str]| {
        let run = ["--size", "384", "--style-size", "384", "--dry-run", "--json"];
        let output = succeed(workshop.stylize("out.png").args(run).args(flags));
        let forecast: Value = serde_json::from_slice(&output.stdout).unwrap();
        let scales = forecast["scales"].as_array().unwrap().clone();
        let of = |scale: &Value| scale["iterations"].as_u64().unwrap();
        scales.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(iterations(&[]), [200, 100]);
    assert_eq!(iterations(&["--iterations", "31"]), [31, 16]);
    assert_eq!(iterations(&["--preset", "gatys"]), [125, 500]);
}

#[test]
fn the_content_weighs_more_at_a_coarse_scale_by_the_square_of_the_pixels() {
    let workshop = Workshop::new();
    let losses = |flags: &[&str]| coarse_losses(&workshop, &[flags, &["--preset", "gatys"]].concat());
    let ratio = f64::from(40 * 28) / f64::from(24 * 17);
    let weight = ratio.powi(2).to_string();
    let coarse = losses(&["--scales", "24:2,40:2"]);
    let alone = losses(&["--scales", "1", "--size", "24", "--content-weight", &weight]);
    assert_eq!(coarse.len(), alone.len());
    for (coarse, alone) in coarse.iter().zip(&alone) {
        assert!((coarse / alone - 1.0).abs() < 1e-4, "{coarse} {alone}");
    }
    assert_ne!(losses(&["--scales", "1", "--size", "24"]), alone);
}

#[test]
fn the_next_scale_has_the_detail_of_the_photo() {
    let workshop = Workshop::new();
    // Nothing is painted, so that all that is left of the coarse scale would be its blur.
    succeed(workshop.stylize("out.png").args(["--scales", "24:0,40:0"]));
    let [found, photo] =
        ["out.png", "content.png"].map(|name| image::open(workshop.path(name)).unwrap().to_rgb8());
    assert_eq!(found.dimensions(), photo.dimensions());
    let off = |(a, b): (&u8, &u8)| a.abs_diff(*b);
    let worst = found.as_raw().iter().zip(photo.as_raw()).map(off).max();
    assert!(worst <= Some(1), "{worst:?} grey levels off");
}

#[test]
fn a_loss_without_content_gets_none_of_the_photos_detail() {
    let workshop = Workshop::new();
    let run = ["--scales", "24:0,40:0", "--init", "gray", "--content-weight", "0"];
    succeed(workshop.stylize("out.png").args(run));
    let found = image::open(workshop.path("out.png")).unwrap().to_rgb8();
    let first = found.get_pixel(0, 0);
    assert!(found.pixels().all(|pixel| pixel == first), "not grey all over");
}

#[test]
fn a_list_of_scales_says_sizes_and_iterations() {
    let workshop = Workshop::new();
    let run = ["--scales", "24:1,40:3", "--trace", "out.json"];
    succeed(workshop.stylize("out.png").args(run));
    let trace: Value = serde_json::from_slice(&fs::read(workshop.path("out.json")).unwrap()).unwrap();
    assert_eq!(sizes(&trace), [(24, 17), (40, 28)]);
    assert_eq!(trace["iterations"], 4);
    let counts: Vec<u64> = trace["evaluations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|evaluation| evaluation["evaluation"].as_u64().unwrap())
        .collect();
    assert!(counts.windows(2).all(|pair| pair[1] == pair[0] + 1), "{counts:?}");

    let beside = ["--scales", "24:1,40:3", "--size", "50"];
    fail(
        workshop.stylize("refused.png").args(beside),
        &["scales", "leave out size"],
    );
}

#[test]
fn the_picture_of_every_coarse_scale_is_saved_on_request() {
    let workshop = Workshop::new();
    let flags = ["--size", "128", "--style-size", "128", "--scales", "3"];
    traced(&workshop, &flags);
    assert!(!workshop.path("out-32x22.png").exists());
    traced(&workshop, &[&flags[..], &["--save-scales"]].concat());
    for (width, height) in [(32, 22), (64, 45)] {
        let saved = image::image_dimensions(workshop.path(&format!("out-{width}x{height}.png")));
        assert_eq!(saved.unwrap(), (width, height));
    }
    assert!(!workshop.path("out-128x90.png").exists());
    let again = ["--save-scales", "--iterations", "1"];
    let parts = ["out-32x22.png exists", "--force"];
    fs::remove_file(workshop.path("out.png")).unwrap();
    fail(workshop.stylize("out.png").args(flags).args(again), &parts);
}

#[test]
fn the_style_image_shrinks_with_the_scale_and_grows_with_its_factor() {
    let workshop = Workshop::new();
    let plain = first_terms(&traced(&workshop, &[]));
    let larger = first_terms(&traced(&workshop, &["--style-scale", "2"]));
    let same_size = first_terms(&traced(&workshop, &["--style-size", "80"]));
    assert_ne!(plain, larger);
    // The style image is 36x44, and no longer than the painted picture: 40.
    assert_eq!(larger, same_size);
    let both = ["--style-scale", "2", "--style-size", "80"];
    fail(
        workshop.stylize("refused.png").args(both),
        &["style-scale", "style-size"],
    );
}

#[test]
fn a_blend_is_of_the_gram_matrices_in_the_given_shares() {
    let workshop = Workshop::new();
    waves(36, 44, 5).save(workshop.path("other.png")).unwrap();
    let of = |flags: &[&str]| traced(&workshop, &[&["other.png"], flags].concat());
    let alone = traced(&workshop, &[]);
    // A part of nothing is as good as not there; equal shares need not be said; only their ratio counts.
    assert_eq!(first_terms(&of(&["--style-blend", "1,0"])), first_terms(&alone));
    let equal = of(&[]);
    assert_eq!(first_terms(&equal), first_terms(&of(&["--style-blend", "5,5"])));
    let unequal = of(&["--style-blend", "3,7"]);
    assert_eq!(
        first_terms(&unequal),
        first_terms(&of(&["--style-blend", "0.3,0.7"]))
    );
    assert_ne!(first_terms(&unequal), first_terms(&of(&["--style-blend", "7,3"])));
    assert_eq!(unequal["inputs"].as_array().unwrap().len(), 3);
}

#[test]
fn a_blend_that_fits_no_number_of_styles_is_refused() {
    let workshop = Workshop::new();
    for (blend, part) in [
        ("3,7", "2 numbers for 1 style images"),
        ("0", "not all of them 0"),
        ("-1", "0 to 1e9"),
    ] {
        fail(
            workshop.stylize("refused.png").args(["--style-blend", blend]),
            &["style-blend", part],
        );
    }
}

#[test]
fn a_folder_stands_for_its_pictures_by_name() {
    let workshop = Workshop::new();
    let folder = workshop.path("styles");
    fs::create_dir(&folder).unwrap();
    fail(
        workshop.stylize("refused.png").arg("styles"),
        &["styles", "no PNG"],
    );
    waves(36, 44, 5).save(folder.join("b.PNG")).unwrap();
    image::RgbImage::from_pixel(30, 30, Rgb([200, 40, 90]))
        .save(folder.join("a.png"))
        .unwrap();
    fs::write(folder.join("notes.txt"), "no picture").unwrap();
    waves(20, 24, 9).save(folder.join("c.gif")).unwrap();
    let run = ["styles", "--iterations", "1"];
    let message = stderr(&succeed(workshop.stylize("out.png").args(run)));
    let [a, b, c] = ["a.png (30x30)", "b.PNG (36x44)", "c.gif (20x24)"].map(|name| message.find(name));
    assert!(
        a.is_some() && a < b && b < c && !message.contains("notes"),
        "{message}"
    );
}

#[test]
fn a_transparent_style_is_used_on_white_with_a_line_that_says_so() {
    let workshop = Workshop::new();
    let colors = waves(36, 44, 17);
    let half_seen = |x: u32| if x < 18 { 255 } else { 64 };
    let clear = RgbaImage::from_fn(36, 44, |x, y| {
        let Rgb([r, g, b]) = *colors.get_pixel(x, y);
        Rgba([r, g, b, half_seen(x)])
    });
    let on_white = RgbImage::from_fn(36, 44, |x, y| {
        let seen = |value: u8| 255.0 + (f32::from(value) - 255.0) * f32::from(half_seen(x)) / 255.0;
        Rgb(colors.get_pixel(x, y).0.map(|value| seen(value).round() as u8))
    });
    on_white.save(workshop.path("style.png")).unwrap();
    let wanted = first_terms(&traced(&workshop, &[]));
    clear.save(workshop.path("style.png")).unwrap();
    for (term, wanted) in first_terms(&traced(&workshop, &[])).iter().zip(wanted) {
        assert!((term / wanted - 1.0).abs() < 0.01, "{term} instead of {wanted}");
    }
    let warnings = |flags: &[&str]| {
        let stderr = stderr(&succeed(
            workshop.stylize("out.png").args(["--force"]).args(flags),
        ));
        let lines = stderr.lines().filter(|line| line.starts_with("warning: "));
        lines.map(String::from).collect::<Vec<_>>()
    };
    let [warning] = &warnings(&["--iterations", "0"])[..] else {
        panic!("not one warning")
    };
    assert!(
        warning.contains("style.png") && warning.contains("on white"),
        "{warning}"
    );
    assert!(warnings(&["--iterations", "0", "--quiet"]).is_empty());
    // A transparent photo stays transparent, without a word.
    fs::rename(workshop.path("style.png"), workshop.path("content.png")).unwrap();
    on_white.save(workshop.path("style.png")).unwrap();
    assert!(warnings(&["--iterations", "0"]).is_empty());
}
