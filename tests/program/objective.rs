//! What is asked of the picture: presets, weights, total variation, padding, style losses.

use std::fs;
use std::path::Path;

use crate::support::{Workshop, fail, impasto, onnxruntime, stdout, succeed, tiny_graphs};
use impasto::config::PRESETS;
use impasto::model::{FeatureGraph, GraphOptions, Graphs, KernelSet, Window};
use impasto::picture::Picture;
use impasto::runtime::{Engine, LibraryQuery, Request, Runtime};
use impasto::tensor::to_tensor;
use serde_json::Value;

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_presets_are_printed_without_any_other_argument() {
    let table = stdout(&succeed(impasto().args(["stylize", "--presets"])));
    let row = |name: &str| {
        let line = table.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let (gatys, neural_style, book) = (row("gatys"), row("neural-style"), row("book"));
    assert_eq!(row("impasto")[1..3], ["1000", "1*"], "{table}");
    assert!(row("impasto").contains(&"relu5_1=100".to_owned()), "{table}");
    assert_eq!(gatys[1..5], ["1000", "1", "0", "longer"], "{table}");
    assert_eq!(neural_style[1..5], ["100", "5", "0.001", "longer"], "{table}");
    assert_eq!(book[4], "shorter", "{table}");
    fail(
        impasto().args(["stylize", "--presets", "--preset", "book"]),
        &["--presets"],
    );
    fail(impasto().args(["stylize"]), &["--output"]);
}

/// What the program says of a preset's layers is what its graphs say.
#[test]
fn the_layers_of_the_presets_are_those_of_their_graphs() {
    for preset in &PRESETS {
        let options = GraphOptions::default();
        let graphs = Graphs::open(&tiny_graphs(), preset.graphs, &options).unwrap();
        assert_eq!(
            graphs.loss_gradient.style_layers.join(" "),
            preset.style_layers,
            "{}",
            preset.name
        );
        assert_eq!(
            graphs.loss_gradient.content_layers.join(" "),
            preset.content_layers
        );
    }
}

#[test]
fn a_preset_sets_all_weights_and_an_explicit_weight_wins() {
    let workshop = Workshop::new();
    let settings = |flags: &[&str]| {
        succeed(
            workshop
                .stylize("out.png")
                .args(["--iterations", "0", "--force", "--trace", "trace.json"])
                .args(flags),
        );
        let trace = json(&workshop.path("trace.json"));
        ["style-weight", "content-weight", "tv-weight"].map(|name| trace["settings"][name].as_f64().unwrap())
    };
    assert_eq!(settings(&[]), [1000.0, 1.0, 0.0]);
    assert_eq!(settings(&["--preset", "neural-style"]), [100.0, 5.0, 1e-3]);
    assert_eq!(
        settings(&["--preset", "photo", "--content-weight", "7"]),
        [100.0, 7.0, 1e-3]
    );
    assert_eq!(
        settings(&["--preset", "neural-style", "--tv-weight", "0.5"]),
        [100.0, 5.0, 0.5]
    );
}

/// The preset's unit is a fiftieth of the content weight at which nothing at all is as far from the content as from the
/// style, whose weight is 1000.
#[test]
fn the_content_weight_of_the_default_preset_follows_the_pair() {
    let runtime = Runtime::load(&LibraryQuery {
        file: Some(onnxruntime()),
        ..LibraryQuery::default()
    });
    let engine = Engine::start(&runtime.unwrap(), &Request::default(), 1).unwrap();
    let graph = FeatureGraph::open(&tiny_graphs(), "gatys", KernelSet::OnnxRuntime).unwrap();
    let see = |picture: &Path| {
        let picture = Picture::load(picture).unwrap();
        graph
            .run(&engine, to_tensor(&picture).view(), None, Window::WHOLE)
            .unwrap()
    };
    let mean_square = |values: &[f32]| {
        let squares = values.iter().map(|&value| f64::from(value).powi(2));
        squares.sum::<f64>() / values.len() as f64
    };
    let workshop = Workshop::new();
    let evaluated = |flags: &[&str]| {
        let mut command = impasto();
        command.current_dir(workshop.folder.path());
        command.args([
            "evaluate",
            "style.png",
            "--content",
            "content.png",
            "--style",
            "style.png",
        ]);
        command.args([
            "--json",
            "--padding",
            "zero",
            "--kernels",
            "onnxruntime",
            "--graphs",
        ]);
        command
            .arg(tiny_graphs())
            .arg("--onnxruntime")
            .arg(onnxruntime())
            .args(flags);
        let found: Value = serde_json::from_str(&stdout(&succeed(&mut command))).unwrap();
        found["terms"]["content/relu4_2"].as_f64().unwrap()
    };
    // The content is resized to the judged picture; it is of that size here, so that both see the same.
    let style = Picture::load(workshop.path("style.png")).unwrap();
    let content = Picture::load(workshop.path("content.png")).unwrap();
    let resized = content.resize(style.width(), style.height());
    resized.save(workshop.path("content.png"), true).unwrap();
    let (content, style) = (
        see(&workshop.path("content.png")),
        see(&workshop.path("style.png")),
    );
    let grams = style.grams[0].iter().map(|(_, gram)| {
        let channels = gram.nrows() as f64;
        mean_square(gram.as_slice().unwrap()) / channels.powi(2)
    });
    let balance = grams.sum::<f64>() / mean_square(content.contents[0].1.as_slice().unwrap());

    let ratio = evaluated(&[]) / evaluated(&["--preset", "gatys"]);
    assert!(
        (ratio / (20.0 * balance) - 1.0).abs() < 1e-5,
        "{ratio}, {balance}"
    );
    let twice = evaluated(&["--content-weight", "2"]) / evaluated(&[]);
    assert!((twice / 2.0 - 1.0).abs() < 1e-5, "{twice}");
}

#[test]
fn a_grey_photo_in_a_grey_style_stays_grey() {
    let workshop = Workshop::new();
    for name in ["content.png", "style.png"] {
        let colored = image::open(workshop.path(name)).unwrap();
        colored.to_luma8().save(workshop.path(name)).unwrap();
    }
    for init in ["content", "random", "gray"] {
        let flags = ["--iterations", "40", "--force", "--init", init];
        succeed(workshop.stylize("out.png").args(flags));
        let painted = image::open(workshop.path("out.png")).unwrap().to_rgb8();
        let spread = |pixel: &image::Rgb<u8>| {
            let [least, most] = [pixel.0.iter().min(), pixel.0.iter().max()];
            most.unwrap() - least.unwrap()
        };
        assert!(painted.pixels().all(|pixel| spread(pixel) <= 1), "{init}");
        let first = painted.get_pixel(0, 0);
        assert!(
            painted.pixels().any(|pixel| pixel.0[0].abs_diff(first.0[0]) > 20),
            "{init}"
        );
    }
}

#[test]
fn graphs_of_ones_own_are_a_preset_with_the_weights_of_gatys() {
    let workshop = Workshop::new();
    let graphs = workshop.path("graphs");
    fs::create_dir(&graphs).unwrap();
    for (from, to) in [
        ("book.forward.onnx", "mine.forward.onnx"),
        ("book.targets.onnx", "mine.targets.onnx"),
        ("book.loss_grad.onnx", "mine.loss_grad.onnx"),
        ("vgg19.weights", "vgg19.weights"),
    ] {
        fs::copy(tiny_graphs().join(from), graphs.join(to)).unwrap();
    }
    let arguments = ["--preset", "mine", "--iterations", "1", "--trace", "trace.json"];
    succeed(
        workshop
            .stylize("out.png")
            .args(arguments)
            .arg("--graphs")
            .arg(graphs),
    );
    let trace = json(&workshop.path("trace.json"));
    assert_eq!(trace["settings"]["preset"], "mine");
    assert_eq!(trace["settings"]["style-weight"], 1000.0);
    assert!(trace["evaluations"][0]["terms"]["style/relu4_4"].is_number());
}

/// The trace of a short run with these flags.
fn traced(workshop: &Workshop, flags: &[&str]) -> Value {
    let arguments = ["--iterations", "12", "--force", "--trace", "trace.json"];
    succeed(workshop.stylize("out.png").args(arguments).args(flags));
    json(&workshop.path("trace.json"))
}

fn term(trace: &Value, evaluation: usize, name: &str) -> f64 {
    trace["evaluations"][evaluation]["terms"][name].as_f64().unwrap()
}

#[test]
fn a_weight_of_total_variation_makes_the_picture_smoother() {
    let workshop = Workshop::new();
    // Rough enough for total variation to tell, weighed so that it counts among random weights' terms.
    let tv_of = |weight: &str| {
        let trace = traced(&workshop, &["--tv-weight", weight, "--init", "random"]);
        assert_eq!(
            trace["settings"]["tv-weight"].as_f64().unwrap(),
            weight.parse::<f64>().unwrap()
        );
        roughness(&image::open(workshop.path("out.png")).unwrap().to_rgb8())
    };
    assert!(tv_of("100000000") < 0.5 * tv_of("0"));
}

/// The total variation of a picture, in its own unit.
fn roughness(picture: &image::RgbImage) -> f64 {
    let step = |x: u32, y: u32, to: (u32, u32)| -> f64 {
        let (here, there) = (picture.get_pixel(x, y), picture.get_pixel(to.0, to.1));
        (0..3)
            .map(|c| (f64::from(here[c]) - f64::from(there[c])).powi(2) / 2.0)
            .sum()
    };
    let (width, height) = picture.dimensions();
    let places = (0..height - 1).flat_map(|y| (0..width - 1).map(move |x| (x, y)));
    places
        .map(|(x, y)| step(x, y, (x + 1, y)) + step(x, y, (x, y + 1)))
        .sum()
}

#[test]
fn the_total_variation_term_is_that_of_the_picture() {
    let workshop = Workshop::new();
    let output = succeed(
        workshop
            .evaluate("content.png")
            .args(["--json", "--tv-weight", "0.25"]),
    );
    let found: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let expected = 0.25 * roughness(&image::open(workshop.path("content.png")).unwrap().to_rgb8());
    let ratio = found["terms"]["tv"].as_f64().unwrap() / expected;
    assert!((ratio - 1.0).abs() < 1e-6, "{ratio}");
}

#[test]
fn factors_of_layers_multiply_their_terms() {
    let workshop = Workshop::new();
    let (plain, weighted) = (
        traced(&workshop, &["--preset", "gatys"]),
        traced(
            &workshop,
            &[
                "--preset",
                "gatys",
                "--style-layer-weights",
                "relu1_1=2,relu5_1=0.5",
                "--content-layer-weights",
                "relu4_2=3",
            ],
        ),
    );
    assert_eq!(
        weighted["settings"]["style-layer-weights"],
        "relu1_1=2,relu5_1=0.5"
    );
    for (name, factor) in [
        ("style/relu1_1", 2.0),
        ("style/relu2_1", 1.0),
        ("style/relu5_1", 0.5),
    ] {
        let ratio = term(&weighted, 0, name) / term(&plain, 0, name);
        assert!((ratio / factor - 1.0).abs() < 1e-6, "{name}: {ratio}");
    }
    let last = |trace: &Value, name| term(trace, trace["evaluations"].as_array().unwrap().len() - 1, name);
    let flags = ["--preset", "gatys", "--style-layer-weights", "relu1_1=1000"];
    let heavy = traced(&workshop, &flags);
    let (heavy, plain) = (
        last(&heavy, "style/relu1_1") / 1000.0,
        last(&plain, "style/relu1_1"),
    );
    assert!(
        heavy < plain,
        "a layer that weighs more is matched better: {heavy}, {plain}"
    );
}

#[test]
fn replicate_padding_is_seen_in_terms_and_trace() {
    let workshop = Workshop::new();
    let (zero, replicate) = (
        traced(&workshop, &["--preset", "gatys"]),
        traced(&workshop, &["--preset", "gatys", "--padding", "replicate"]),
    );
    assert_eq!(zero["settings"]["padding"], "zero");
    assert_eq!(replicate["settings"]["padding"], "replicate");
    let name = "style/relu1_1";
    assert!((term(&zero, 0, name) / term(&replicate, 0, name) - 1.0).abs() > 1e-3);
}

#[test]
fn a_style_loss_has_weights_of_its_own_and_explicit_ones_win() {
    let workshop = Workshop::new();
    let weights = |flags: &[&str]| {
        let mut arguments = vec!["--preset", "gatys", "--pooling", "avg"];
        arguments.extend(flags);
        let trace = traced(&workshop, &arguments);
        let names = ["style/relu1_1", "style/relu2_1", "content/relu4_2"];
        names.map(|name| term(&trace, 0, name))
    };
    let own = weights(&["--style-loss", "wasserstein", "--init", "style.png"]);
    let explicit = ["--style-weight", "2", "--content-weight", "0.03"];
    let twice = weights(
        &[
            &["--style-loss", "wasserstein", "--init", "style.png"],
            &explicit[..],
        ]
        .concat(),
    );
    for (own, twice) in own.iter().zip(twice) {
        assert!((twice / own / 2.0 - 1.0).abs() < 1e-5, "{own} {twice}");
    }
    // The content term is that of Gram matrices, whose weight is 1.
    let gram = weights(&["--init", "style.png"]);
    assert!((own[2] / gram[2] / 0.015 - 1.0).abs() < 1e-5);
}

#[test]
fn a_painting_by_each_style_loss_comes_nearer_to_its_style() {
    let workshop = Workshop::new();
    for (loss, pooling) in [("gram", "max"), ("moments", "max"), ("wasserstein", "avg")] {
        let flags = ["--preset", "gatys", "--style-loss", loss, "--pooling", pooling];
        let trace = traced(&workshop, &[&flags[..], &["--iterations", "10"]].concat());
        let evaluations = trace["evaluations"].as_array().unwrap();
        let total = |place: usize| evaluations[place]["loss"].as_f64().unwrap();
        let (first, last) = (total(0), total(evaluations.len() - 1));
        assert!(last < 0.7 * first, "{loss}: {first} {last}");
    }
}
