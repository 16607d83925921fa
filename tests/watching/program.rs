//! `impasto stylize` with its flags for watching, from outside.

use std::fs;
use std::process::Output;

use serde_json::Value;

use super::support::{Workshop, fail, stderr, succeed};

#[test]
fn stylize_leaves_a_plot_and_an_animation_and_the_same_picture_as_without() {
    let workshop = Workshop::new();
    let iterations = ["--iterations", "6"];
    succeed(workshop.stylize("alone.png").args(iterations));
    let watched = [
        "--plot",
        "plot.svg",
        "--animation",
        "run.webp",
        "--animation-size",
        "20",
    ];
    succeed(workshop.stylize("watched.png").args(iterations).args(watched));
    let read = |name: &str| fs::read(workshop.path(name)).unwrap();
    assert!(read("alone.png") == read("watched.png"));
    let plot = String::from_utf8(read("plot.svg")).unwrap();
    let plot = roxmltree::Document::parse(&plot).unwrap();
    let texts: Vec<&str> = plot
        .descendants()
        .filter_map(|node| node.text())
        .map(str::trim)
        .collect();
    for wanted in [
        "content.png in the style of style.png",
        "total",
        "style/relu5_1",
        "content/relu4_2",
    ] {
        assert!(texts.contains(&wanted), "{wanted} is not in {texts:?}");
    }
    assert_eq!(
        image::image_dimensions(workshop.path("run.webp")).unwrap(),
        (20, 14)
    );
}

#[test]
fn what_cannot_be_written_is_said_before_the_run() {
    let workshop = Workshop::new();
    fs::write(workshop.path("old.svg"), "kept").unwrap();
    for (flag, value, parts) in [
        ("--plot", "plot.pdf", ["plot.pdf", "svg, png"]),
        ("--plot", "old.svg", ["old.svg", "--force"]),
        ("--plot", "nowhere/plot.svg", ["nowhere", "does not exist"]),
        ("--animation", "run.mp4", ["run.mp4", "gif, webp, apng"]),
        ("--animation", "nowhere/run.gif", ["nowhere", "does not exist"]),
    ] {
        fail(workshop.stylize("out.png").args([flag, value]), &parts);
        assert!(!workshop.path("out.png").exists());
    }
    assert_eq!(fs::read(workshop.path("old.svg")).unwrap(), b"kept");
}

#[test]
fn two_outputs_in_one_file_are_refused_before_the_run() {
    let workshop = Workshop::new();
    fs::create_dir(workshop.path("folder")).unwrap();
    for (flags, named) in [
        (&["--plot", "out.png"][..], "out.png"),
        (&["--plot", "./folder/../out.png"], "folder/../out.png"),
        (&["--plot", "run.png", "--animation", "run.png"], "run.png"),
        (&["--trace", "run.svg", "--plot", "run.svg"], "run.svg"),
    ] {
        let mut command = workshop.stylize("out.png");
        fail(command.args(flags), &[named, "two outputs"]);
        assert!(!workshop.path("out.png").exists());
    }
}

#[test]
fn an_animation_is_no_larger_than_the_web_likes_unless_asked_for() {
    let workshop = Workshop::new();
    let flags = ["--size", "400", "--iterations", "1", "--animation", "run.gif"];
    succeed(workshop.stylize("out.png").args(flags));
    let size = |name: &str| image::image_dimensions(workshop.path(name)).unwrap();
    assert_eq!((size("out.png"), size("run.gif")), ((400, 280), (360, 252)));
}

#[test]
fn a_run_that_ends_early_leaves_its_plot_and_animation() {
    let workshop = Workshop::new();
    let flags = [
        "--max-seconds",
        "0.001",
        "--plot",
        "plot.png",
        "--animation",
        "run.gif",
    ];
    succeed(workshop.stylize("out.png").args(flags));
    assert!(image::open(workshop.path("plot.png")).is_ok());
    assert!(image::open(workshop.path("run.gif")).is_ok());
}

#[test]
fn a_size_without_an_animation_and_one_out_of_range_are_refused() {
    let workshop = Workshop::new();
    fail(
        workshop.stylize("out.png").args(["--animation-size", "100"]),
        &["--animation"],
    );
    let tiny = ["--animation", "run.gif", "--animation-size", "8"];
    fail(workshop.stylize("out.png").args(tiny), &["16..=4096"]);
}

#[test]
fn without_a_terminal_there_is_a_note_instead_of_a_preview() {
    let workshop = Workshop::new();
    let message = stderr(&succeed(workshop.stylize("out.png").args([
        "--iterations",
        "2",
        "--preview=sixel",
    ])));
    assert!(
        message.contains("no --preview, because stderr is not a terminal"),
        "{message}"
    );
    assert!(!message.contains('\x1b'), "{message:?}");
}

#[test]
fn quiet_and_a_preview_exclude_each_other() {
    let workshop = Workshop::new();
    fail(
        workshop.stylize("out.png").args(["--quiet", "--preview"]),
        &["--preview", "--quiet"],
    );
}

#[test]
fn progress_as_json_is_an_object_a_line_errors_included() {
    let workshop = Workshop::new();
    let events = |output: Output| -> Vec<Value> {
        let lines = stderr(&output);
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let flags = ["--progress", "json", "--scales", "24:2,40:3"];
    let told = events(succeed(workshop.stylize("out.png").args(flags)));
    let of_kind =
        |kind: &str| -> Vec<&Value> { told.iter().filter(|event| event["event"] == kind).collect() };
    assert_eq!(of_kind("started").len(), 2);
    assert_eq!(of_kind("started")[1]["width"], 40);
    let iterated = of_kind("iterated");
    assert_eq!(iterated.len(), 5);
    assert_eq!(
        (&iterated[4]["iteration"], &iterated[4]["iterations"]),
        (&5.into(), &5.into())
    );
    assert!(iterated[4]["loss"].as_f64().unwrap() < iterated[2]["loss"].as_f64().unwrap());
    let painted = of_kind("painted");
    assert_eq!(
        (&painted[0]["output"], &painted[0]["interrupted"]),
        (&"out.png".into(), &false.into())
    );
    assert!(!of_kind("message").is_empty());

    let refused = workshop
        .stylize("out.png")
        .args(["--progress", "json"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let told = events(refused);
    let text = told[told.len() - 1]["text"].as_str().unwrap();
    assert!(text.starts_with("error: ") && text.contains("--force"), "{text}");
}
