//! `impasto stylize` from outside, on tiny graphs of seeded weights.

use std::fs;
use std::process::Stdio;

use crate::support::{Workshop, impasto, stderr, succeed, wait_for, waves};
use serde_json::Value;

fn json(path: &std::path::Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn paints_a_picture_of_the_size_that_was_asked_for() {
    let workshop = Workshop::new();
    succeed(
        workshop
            .stylize("long.png")
            .args(["--size", "64", "--iterations", "2"]),
    );
    assert_eq!(
        image::image_dimensions(workshop.path("long.png")).unwrap(),
        (64, 45)
    );
    succeed(
        workshop
            .stylize("short.jpg")
            .args(["--size", "32", "--fit", "short", "--iterations", "2"]),
    );
    assert_eq!(
        image::image_dimensions(workshop.path("short.jpg")).unwrap(),
        (46, 32)
    );
    succeed(
        workshop
            .stylize("book.webp")
            .args(["--size", "32", "--preset", "book", "--iterations", "2"]),
    );
    assert_eq!(
        image::image_dimensions(workshop.path("book.webp")).unwrap(),
        (46, 32)
    );
}

#[test]
fn an_explicit_fit_wins_over_the_preset() {
    let workshop = Workshop::new();
    succeed(
        workshop
            .stylize("a.png")
            .args(["--preset", "book", "--fit", "long", "--iterations", "0"]),
    );
    assert_eq!(image::image_dimensions(workshop.path("a.png")).unwrap(), (40, 28));
}

#[test]
fn no_iterations_give_the_content_picture_back_bit_for_bit() {
    let workshop = Workshop::new();
    succeed(workshop.stylize("same.png").args(["--iterations", "0"]));
    let painted = image::open(workshop.path("same.png")).unwrap().to_rgb8();
    assert_eq!(
        painted,
        image::open(workshop.path("content.png")).unwrap().to_rgb8()
    );
}

#[test]
fn the_loss_falls_and_the_trace_holds_every_evaluation() {
    let workshop = Workshop::new();
    succeed(
        workshop
            .stylize("out.png")
            .args(["--iterations", "30", "--trace", "trace.json"]),
    );
    let trace = json(&workshop.path("trace.json"));
    let evaluations = trace["evaluations"].as_array().unwrap();
    assert!(evaluations.len() >= 31, "{} evaluations", evaluations.len());
    let loss = |index: usize| evaluations[index]["loss"].as_f64().unwrap();
    assert!(
        loss(evaluations.len() - 1) < 0.5 * loss(0),
        "from {} to {}",
        loss(0),
        loss(evaluations.len() - 1)
    );
    for (index, evaluation) in evaluations.iter().enumerate() {
        assert_eq!(evaluation["evaluation"], index as u64 + 1);
        assert_eq!(evaluation["size"], serde_json::json!([40, 28]));
        let terms = evaluation["terms"].as_object().unwrap();
        assert_eq!(terms.len(), 7);
        assert_eq!(terms["tv"], 0.0);
        let sum: f64 = terms.values().map(|term| term.as_f64().unwrap()).sum();
        let total = evaluation["loss"].as_f64().unwrap();
        assert!((sum - total).abs() <= 1e-9 * total.abs(), "{sum} is not {total}");
    }
    assert_eq!(trace["settings"]["preset"], "impasto");
    assert_eq!(trace["settings"]["iterations"], 30);
    assert_eq!(trace["settings"]["style-weight"], 1000.0);
    assert!(
        trace["versions"]["onnxruntime"]
            .as_str()
            .unwrap()
            .starts_with("1.")
    );
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_one_thread_and_on_two() {
    let workshop = Workshop::new();
    for (name, threads) in [("a.png", "1"), ("b.png", "1"), ("c.png", "2"), ("d.png", "3")] {
        let arguments = [
            "--init",
            "random",
            "--seed",
            "7",
            "--iterations",
            "25",
            "--threads",
            threads,
        ];
        succeed(workshop.stylize(name).args(arguments));
    }
    let bytes = |name| fs::read(workshop.path(name)).unwrap();
    for name in ["b.png", "c.png", "d.png"] {
        assert!(bytes(name) == bytes("a.png"), "{name} differs from a.png");
    }
}

#[test]
fn another_seed_gives_another_picture() {
    let workshop = Workshop::new();
    for seed in ["1", "2"] {
        let arguments = [
            "--init",
            "random",
            "--seed",
            seed,
            "--iterations",
            "3",
            "--no-record",
        ];
        succeed(workshop.stylize(&format!("{seed}.png")).args(arguments));
    }
    assert!(fs::read(workshop.path("1.png")).unwrap() != fs::read(workshop.path("2.png")).unwrap());
}

#[test]
fn the_picture_does_not_depend_on_the_scale_of_the_loss() {
    let workshop = Workshop::new();
    for (name, style, content) in [
        ("one.png", "1000", "1"),
        ("small.png", "0.001", "1e-6"),
        ("big.png", "1e9", "1e6"),
    ] {
        let weights = [
            "--iterations",
            "40",
            "--style-weight",
            style,
            "--content-weight",
            content,
        ];
        succeed(workshop.stylize(name).args(weights));
    }
    let open = |name| image::open(workshop.path(name)).unwrap().to_rgb8();
    let start = image::open(workshop.path("content.png")).unwrap().to_rgb8();
    let one = open("one.png");
    assert!(largest_difference(&one, &start) > 20, "nothing was painted");
    for name in ["small.png", "big.png"] {
        let difference = largest_difference(&one, &open(name));
        assert!(difference <= 1, "{name} differs by {difference} grey levels");
    }
}

fn largest_difference(a: &image::RgbImage, b: &image::RgbImage) -> u8 {
    a.as_raw()
        .iter()
        .zip(b.as_raw())
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .unwrap()
}

#[test]
fn starts_from_a_picture_file() {
    let workshop = Workshop::new();
    waves(40, 28, 90).save(workshop.path("start.png")).unwrap();
    succeed(
        workshop
            .stylize("out.png")
            .args(["--init", "start.png", "--iterations", "0"]),
    );
    let painted = image::open(workshop.path("out.png")).unwrap().to_rgb8();
    assert_eq!(painted, waves(40, 28, 90));
}

#[test]
fn saves_numbered_previews() {
    let workshop = Workshop::new();
    succeed(
        workshop
            .stylize("out.png")
            .args(["--iterations", "10", "--save-every", "5"]),
    );
    assert!(workshop.path("out-00005.png").exists());
    assert!(workshop.path("out-00010.png").exists());
    let read = |name| fs::read(workshop.path(name)).unwrap();
    assert!(read("out-00005.png") != read("out-00010.png"));
}

#[test]
fn quiet_prints_nothing() {
    let workshop = Workshop::new();
    let output = succeed(workshop.stylize("out.png").args(["--iterations", "2", "--quiet"]));
    assert_eq!((stderr(&output).as_str(), output.stdout.len()), ("", 0));
}

#[test]
fn says_what_it_does_in_plain_lines_when_there_is_no_terminal() {
    let workshop = Workshop::new();
    let message = stderr(&succeed(workshop.stylize("out.png").args(["--iterations", "3"])));
    for part in [
        "content.png (40x28)",
        "ONNX Runtime 1.",
        "iteration 1/3",
        "painted out.png: 40x28, 3 iterations",
    ] {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_the_best_picture_and_a_whole_trace() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let workshop = Workshop::new();
        let mut command = workshop.stylize("out.png");
        command.args([
            "--iterations",
            "1000000",
            "--trace",
            "trace.json",
            "--save-every",
            "1",
        ]);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        wait_for(&workshop.path("out-00002.png"));
        succeed(std::process::Command::new("kill").args([signal, &child.id().to_string()]));
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
        assert!(
            stderr(&output).contains("interrupted; the best picture so far is in out.png"),
            "{}",
            stderr(&output)
        );
        assert_eq!(
            image::image_dimensions(workshop.path("out.png")).unwrap(),
            (40, 28)
        );
        assert!(
            json(&workshop.path("trace.json"))["evaluations"]
                .as_array()
                .unwrap()
                .len()
                >= 3
        );
    }
}

#[cfg(unix)]
#[test]
fn a_hang_up_that_is_ignored_ends_nothing() {
    let workshop = Workshop::new();
    let painting = workshop.stylize("out.png");
    let mut command = std::process::Command::new("sh");
    command
        .current_dir(workshop.folder.path())
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
        .arg(painting.get_program())
        .args(painting.get_args())
        .args(["--iterations", "1000000", "--save-every", "1"]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let signal = |name: &str| {
        succeed(std::process::Command::new("kill").args([name, &child.id().to_string()]));
    };
    wait_for(&workshop.path("out-00002.png"));
    signal("-HUP");
    let painted = fs::read_dir(workshop.folder.path()).unwrap().count();
    wait_for(&workshop.path(&format!("out-{:05}.png", painted + 5)));
    signal("-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[cfg(unix)]
#[test]
fn a_picture_whose_place_was_taken_meanwhile_is_not_lost() {
    let workshop = Workshop::new();
    let refuge = workshop.path("refuge");
    fs::create_dir(&refuge).unwrap();
    let mut command = workshop.stylize("out.png");
    command.args(["--iterations", "1000000", "--save-every", "1"]);
    let child = command
        .env("TMPDIR", &refuge)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id();
    wait_for(&workshop.path("out-00002.png"));
    fs::write(workshop.path("out.png"), "kept").unwrap();
    succeed(std::process::Command::new("kill").args(["-INT", &id.to_string()]));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read(workshop.path("out.png")).unwrap(), b"kept");
    let mut kept = fs::read_dir(&refuge).unwrap().map(|entry| entry.unwrap().path());
    let is_ours = |path: &std::path::PathBuf| path.to_string_lossy().contains("/impasto-");
    let saved = kept.find(is_ours).unwrap();
    assert_eq!(image::image_dimensions(&saved).unwrap(), (40, 28));
    let message = stderr(&output);
    for part in [saved.to_str().unwrap(), "out.png: the file exists"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn help_and_version_go_to_stdout() {
    for arguments in [
        vec!["--help"],
        vec!["stylize", "--help"],
        vec!["evaluate", "-h"],
        vec!["--version"],
    ] {
        let output = succeed(impasto().args(&arguments));
        assert!(
            output.stdout.len() > 10 && output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
}

#[cfg(unix)]
#[test]
fn picture_and_trace_have_the_permissions_of_any_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let workshop = Workshop::new();
    succeed(
        workshop
            .stylize("out.png")
            .args(["--iterations", "1", "--trace", "trace.json"]),
    );
    fs::write(workshop.path("any"), "").unwrap();
    let mode = |name| fs::metadata(workshop.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("out.png"), mode("trace.json")), (mode("any"), mode("any")));
}
