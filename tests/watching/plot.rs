//! The plot, read back.

use std::fs;
use std::path::Path;

use impasto::observe::Plot;
use roxmltree::Document;
use tempfile::tempdir;

use super::{evaluate, start};

fn names() -> Vec<String> {
    ["style/relu1_1", "style/relu2_1", "content/relu4_2"]
        .map(str::to_owned)
        .to_vec()
}

/// Twenty evaluations at one size and twenty at twice that, the third term 0.
fn run(title: &str) -> Plot {
    let mut plot = Plot::new(title);
    for (scale, size) in [(0, (64, 48)), (1, (128, 96))] {
        start(&mut plot, scale as usize, size, &names());
        for evaluation in 20 * scale + 1..=20 * scale + 20 {
            let falling = 1e6 / evaluation as f64;
            evaluate(&mut plot, evaluation, &[falling, falling / 30.0, 0.0]);
        }
    }
    plot
}

fn svg(plot: &Plot) -> String {
    let folder = tempdir().unwrap();
    let path = folder.path().join("plot.svg");
    plot.write(&path, false).unwrap();
    fs::read_to_string(path).unwrap()
}

fn texts(document: &Document<'_>) -> Vec<String> {
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts.map(|node| node.text().unwrap().trim().to_owned()).collect()
}

/// The points of the curves: of the lines of more than a pixel's width.
fn curves(document: &Document<'_>) -> Vec<Vec<(f64, f64)>> {
    let lines = document
        .descendants()
        .filter(|node| node.has_tag_name("polyline"));
    let thick = lines.filter(|node| node.attribute("stroke-width").unwrap().parse::<u32>().unwrap() > 1);
    thick
        .map(|node| {
            let points = node.attribute("points").unwrap().split_whitespace();
            points
                .map(|point| {
                    let (x, y) = point.split_once(',').unwrap();
                    (x.parse().unwrap(), y.parse().unwrap())
                })
                .collect()
        })
        .collect()
}

#[test]
fn the_plot_has_one_line_for_the_loss_and_one_for_each_term_that_is_not_zero() {
    let text = svg(&run("a run"));
    let document = Document::parse(&text).unwrap();
    let curves = curves(&document);
    assert_eq!(curves.len(), 3);
    assert!(curves.iter().all(|curve| curve.len() == 40), "{curves:?}");
}

#[test]
fn the_scale_is_logarithmic_and_smaller_values_lie_lower() {
    let text = svg(&run("a run"));
    let document = Document::parse(&text).unwrap();
    let curves = curves(&document);
    // The curves are drawn from the last term to the loss, which lies on top.
    let (second, first) = (&curves[0], &curves[1]);
    for (low, high) in second.iter().zip(first) {
        assert!((low.0 - high.0).abs() < 1e-9 && low.1 > high.1);
        let distance = (low.1 - high.1) - (second[0].1 - first[0].1);
        assert!(
            distance.abs() <= 1.0,
            "a factor is the same distance everywhere, but for rounding: {distance}"
        );
    }
    assert!(
        first
            .windows(2)
            .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1)
    );
}

#[test]
fn title_axes_legend_and_sizes_are_there_in_words() {
    let text = svg(&run("cats & dogs <in> style"));
    let document = Document::parse(&text).unwrap();
    let texts = texts(&document);
    for wanted in [
        "cats & dogs <in> style",
        "evaluations",
        "loss and its terms, weighted",
        "total",
        "style/relu1_1",
        "style/relu2_1",
        "content/relu4_2 (0)",
        "64x48",
        "128x96",
        "1e6",
        "40",
    ] {
        assert!(
            texts.iter().any(|text| text == wanted),
            "{wanted:?} is not in {texts:?}"
        );
    }
}

/// The number in an attribute of an element.
fn number(node: &roxmltree::Node<'_, '_>, attribute: &str) -> f64 {
    node.attribute(attribute).unwrap().parse().unwrap()
}

#[test]
fn a_title_too_long_for_the_plot_loses_its_middle() {
    let text = svg(&run(&format!("begin{}end", "-".repeat(500))));
    let texts = texts(&Document::parse(&text).unwrap());
    let title = texts.iter().find(|text| text.starts_with("begin")).unwrap();
    assert!(title.ends_with("end") && title.contains('…'), "{title}");
    assert!(
        title.chars().count() > 60 && title.chars().count() < 300,
        "{title}"
    );
}

#[test]
fn a_legend_of_all_layers_stays_in_the_plot() {
    let names: Vec<String> = (0..33).map(|layer| format!("style/relu{layer}")).collect();
    let mut plot = Plot::new("a run");
    start(&mut plot, 0, (64, 48), &names);
    evaluate(&mut plot, 1, &[1.0; 33]);
    let text = svg(&plot);
    let document = Document::parse(&text).unwrap();
    let height = number(&document.root_element(), "height");
    let places: Vec<f64> = document
        .descendants()
        .filter(|node| node.has_tag_name("text") && node.text().unwrap().contains("style/relu"))
        .map(|node| number(&node, "y"))
        .collect();
    assert_eq!(places.len(), 33);
    assert!(
        places.windows(2).all(|pair| pair[1] - pair[0] >= 12.0),
        "{places:?}"
    );
    assert!(places.iter().all(|y| *y < height - 12.0), "{places:?}");
}

#[test]
fn a_run_at_one_size_has_no_marks_of_sizes() {
    let mut plot = Plot::new("a run");
    start(&mut plot, 0, (64, 48), &names());
    evaluate(&mut plot, 1, &[1.0, 2.0, 3.0]);
    evaluate(&mut plot, 2, &[1.0, 1.0, 1.0]);
    let text = svg(&plot);
    assert!(!texts(&Document::parse(&text).unwrap()).contains(&"64x48".to_owned()));
}

#[test]
fn what_has_no_logarithm_is_left_out() {
    let mut plot = Plot::new("a run");
    start(&mut plot, 0, (64, 48), &names());
    evaluate(&mut plot, 1, &[5.0, 0.0, f64::NAN]);
    evaluate(&mut plot, 2, &[f64::INFINITY, 2.0, 1.0]);
    evaluate(&mut plot, 3, &[3.0, 2.0, 1.0]);
    let text = svg(&plot);
    let lengths: Vec<usize> = curves(&Document::parse(&text).unwrap())
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(lengths, [2, 2, 2, 1]);
}

#[test]
fn a_run_without_evaluations_is_drawn_too() {
    let text = svg(&Plot::new("nothing"));
    assert!(texts(&Document::parse(&text).unwrap()).contains(&"nothing".to_owned()));
}

#[test]
fn a_png_has_the_same_lines_and_text_without_fonts_of_the_system() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("plot.png");
    run("a run").write(&path, false).unwrap();
    let picture = image::open(&path).unwrap().to_rgb8();
    assert_eq!(picture.dimensions(), (1440, 810));
    let count = |x: std::ops::Range<u32>, y: std::ops::Range<u32>, color: [u8; 3]| {
        let pixels = x.flat_map(|x| y.clone().map(move |y| (x, y)));
        let near = |(x, y): &(u32, u32)| {
            let found = picture.get_pixel(*x, *y).0;
            found.iter().zip(color).all(|(a, b)| a.abs_diff(b) < 40)
        };
        pixels.filter(near).count()
    };
    let (black, first_term) = ([20; 3], [136, 204, 238]);
    assert!(count(600..840, 0..50, black) > 40, "the title");
    assert!(count(120..1160, 60..700, black) > 1000, "the loss");
    assert!(count(120..1160, 60..700, first_term) > 500, "the first term");
    assert!(count(1180..1430, 60..200, black) > 100, "the legend");
}

#[test]
fn a_plot_replaces_a_file_only_when_asked_to_and_knows_its_formats() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("plot.svg");
    fs::write(&path, "kept").unwrap();
    run("a run").write(&path, false).unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), b"kept");
    run("a run").write(&path, true).unwrap();
    assert!(fs::read_to_string(&path).unwrap().starts_with("<svg"));
    let message = Plot::check(Path::new("plot.pdf")).unwrap_err().to_string();
    assert!(
        message.contains("plot.pdf") && message.contains("svg, png"),
        "{message}"
    );
    Plot::check(Path::new("PLOT.SVG")).unwrap();
}
