//! Pictures say how they were made: `impasto about` prints it, `--repeat` makes them again, on tiny graphs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Workshop, fail, impasto, onnxruntime, stderr, stdout, succeed, tiny_graphs, waves};
use impasto::record::Record;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const FORMATS: [&str; 4] = ["png", "jpg", "webp", "tif"];

fn sha256(path: &Path) -> String {
    let digest = Sha256::digest(fs::read(path).unwrap());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Paints `name` in six iterations.
fn paint(workshop: &Workshop, name: &str, arguments: &[&str]) {
    succeed(workshop.stylize(name).args(["--iterations", "6"]).args(arguments));
}

/// `impasto stylize --repeat RECORD -o again.EXTENSION` in the workshop.
fn repeat(workshop: &Workshop, record: &str, arguments: &[&str]) -> Command {
    let mut command = impasto();
    let (_, extension) = record.rsplit_once('.').unwrap();
    let output = format!("again.{extension}");
    command
        .current_dir(workshop.folder.path())
        .args(["stylize", "--force", "--repeat", record, "-o", &output])
        .args(arguments)
        .arg("--graphs")
        .arg(tiny_graphs())
        .arg("--onnxruntime")
        .arg(onnxruntime());
    command
}

/// Whether two files of the workshop have the same bytes.
fn are_same(workshop: &Workshop, names: [&str; 2]) -> bool {
    let [a, b] = names.map(|name| fs::read(workshop.path(name)).unwrap());
    a == b
}

fn about(workshop: &Workshop, arguments: &[&str]) -> Command {
    let mut command = impasto();
    command
        .current_dir(workshop.folder.path())
        .arg("about")
        .args(arguments);
    command
}

fn about_json(workshop: &Workshop, name: &str) -> Value {
    serde_json::from_str(&stdout(&succeed(&mut about(workshop, &[name, "--json"])))).unwrap()
}

#[test]
fn a_picture_of_any_format_says_how_it_was_made_and_is_made_again_from_that() {
    let workshop = Workshop::new();
    for format in FORMATS {
        let (name, again) = (format!("out.{format}"), format!("again.{format}"));
        paint(
            &workshop,
            &name,
            &["--seed", "3", "--init", "random", "--style-weight", "17"],
        );
        let record = about_json(&workshop, &name);
        for (index, (role, file)) in [("content", "content.png"), ("style", "style.png")]
            .iter()
            .enumerate()
        {
            let sha256 = sha256(&workshop.path(file));
            assert_eq!(
                record["inputs"][index],
                json!({ "role": role, "name": file, "sha256": sha256 })
            );
        }
        let settings = &record["settings"];
        assert_eq!(
            (&settings["seed"], &settings["style-weight"]),
            (&json!(3), &json!(17.0))
        );
        assert_eq!(record["graphs"][5]["name"], "vgg19.weights");
        assert_eq!(record["versions"]["impasto"], env!("CARGO_PKG_VERSION"));

        let message = stderr(&succeed(&mut repeat(&workshop, &name, &[])));
        assert!(message.contains("the same bytes as recorded\n"), "{message}");
        assert!(!message.contains("warning"), "{message}");
        assert!(are_same(&workshop, [&name, &again]), "{name}");
    }
}

#[test]
fn the_record_tells_nothing_of_machine_user_or_folder_and_is_the_same_for_any_number_of_threads() {
    let workshop = Workshop::new();
    let folder = workshop.folder.path().to_str().unwrap();
    waves(40, 28, 4).save(workshop.path("mask.png")).unwrap();
    let [content, mask, start] =
        ["content.png", "mask.png", "style.png"].map(|name| format!("{folder}/{name}"));
    paint(
        &workshop,
        "threads.png",
        &["--threads", "1", "--mask", "mask.png", "--init", "style.png"],
    );
    let mut command = workshop.stylize("whole.png");
    let named = [
        "--iterations",
        "6",
        "--max-seconds",
        "1000",
        "--mask",
        &mask,
        "--init",
        &start,
    ];
    succeed(command.args(named));
    assert!(are_same(&workshop, ["threads.png", "whole.png"]));

    let text = stdout(&succeed(&mut about(&workshop, &["whole.png", "--json"])));
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let told = [folder, "/", "threads", "max-seconds", "machine"];
    for told in told.into_iter().chain(model.map(|(_, name)| name)) {
        assert!(!text.contains(told), "{told:?} is in {text}");
    }
    let file = fs::read(workshop.path("whole.png")).unwrap();
    for told in [folder, &content] {
        assert!(!file.windows(told.len()).any(|bytes| bytes == told.as_bytes()));
    }
}

#[test]
fn a_picture_goes_without_a_record_where_that_is_asked_for() {
    let workshop = Workshop::new();
    for format in FORMATS {
        let name = format!("out.{format}");
        paint(&workshop, &name, &["--no-record"]);
        fail(
            &mut about(&workshop, &[&name]),
            &[&name, "does not say how it was made"],
        );
        fail(
            &mut repeat(&workshop, &name, &[]),
            &[&name, "does not say how it was made"],
        );
        assert_eq!(Record::read(&workshop.path(&name)).unwrap(), None);
    }
    fail(
        &mut about(&workshop, &["content.png"]),
        &["content.png", "does not say"],
    );
    fail(
        &mut about(&workshop, &["missing.png"]),
        &["missing.png", "no such file"],
    );
    fs::write(workshop.path("text.png"), "a text").unwrap();
    fail(
        &mut about(&workshop, &["text.png"]),
        &["text.png", "not a picture"],
    );
}

#[test]
fn about_prints_lines_and_reads_standard_input() {
    let workshop = Workshop::new();
    paint(&workshop, "out.jpg", &[]);
    let lines = stdout(&succeed(&mut about(&workshop, &["out.jpg"])));
    for part in [
        "content.png",
        "sha256",
        "size",
        "= 40",
        "vgg19.weights",
        "onnxruntime",
    ] {
        assert!(lines.contains(part), "{part:?} is not in {lines}");
    }
    let mut command = about(&workshop, &["-"]);
    command.stdin(fs::File::open(workshop.path("out.jpg")).unwrap());
    assert_eq!(stdout(&succeed(&mut command)), lines);
}

#[test]
fn pictures_are_found_by_name_beside_the_picture_and_in_the_working_folder_or_as_they_are_given() {
    let workshop = Workshop::new();
    paint(&workshop, "out.png", &[]);
    for folder in ["moved", "elsewhere"] {
        fs::create_dir(workshop.path(folder)).unwrap();
    }
    fs::rename(workshop.path("out.png"), workshop.path("moved/out.png")).unwrap();
    fs::rename(workshop.path("style.png"), workshop.path("moved/style.png")).unwrap();
    let made_again = |arguments: &[&str]| {
        succeed(&mut repeat(&workshop, "moved/out.png", arguments));
        assert!(
            are_same(&workshop, ["moved/out.png", "again.png"]),
            "{arguments:?}"
        );
    };
    made_again(&[]);

    fs::rename(workshop.path("content.png"), workshop.path("elsewhere/photo.png")).unwrap();
    fail(
        &mut repeat(&workshop, "moved/out.png", &[]),
        &["moved/out.png", "content picture content.png", "CONTENT STYLE"],
    );
    made_again(&["elsewhere/photo.png"]);
    made_again(&["elsewhere/photo.png", "moved/style.png"]);
    // Beside the picture lies the right one, and yet another is given.
    for (pictures, parts) in [
        (
            &["moved/style.png"][..],
            ["content", "moved/style.png has changed"],
        ),
        (
            &["elsewhere/photo.png", "elsewhere/photo.png"][..],
            ["style", "elsewhere/photo.png has changed"],
        ),
        (
            &["elsewhere/photo.png", "missing.png"][..],
            ["style", "missing.png"],
        ),
        (
            &["elsewhere/photo.png", "moved/style.png", "moved/style.png"][..],
            ["1 style", "2 are given"],
        ),
    ] {
        fail(&mut repeat(&workshop, "moved/out.png", pictures), &parts);
    }
}

#[test]
fn masks_of_the_same_name_keep_apart() {
    let workshop = Workshop::new();
    for (folder, seed) in [("a", 5), ("b", 9)] {
        fs::create_dir(workshop.path(folder)).unwrap();
        waves(40, 28, seed)
            .save(workshop.path(&format!("{folder}/mask.png")))
            .unwrap();
    }
    waves(36, 44, 8).save(workshop.path("other.png")).unwrap();
    let masks = ["other.png", "--mask", "a/mask.png", "--mask", "b/mask.png"];
    paint(&workshop, "out.png", &masks);
    let record = about_json(&workshop, "out.png");
    assert_eq!(record["settings"]["mask"], json!(["mask.png", "2/mask.png"]));
    fs::rename(workshop.path("a/mask.png"), workshop.path("mask.png")).unwrap();
    fail(
        &mut repeat(&workshop, "out.png", &[]),
        &["mask picture 2/mask.png"],
    );
    fs::rename(workshop.path("b"), workshop.path("2")).unwrap();
    succeed(&mut repeat(&workshop, "out.png", &[]));
    assert!(are_same(&workshop, ["out.png", "again.png"]));
}

#[test]
fn a_run_that_was_resumed_or_is_a_texture_has_the_record_of_one_that_was_not() {
    let workshop = Workshop::new();
    paint(&workshop, "whole.png", &[]);
    let stopped = ["--max-seconds", "0", "--checkpoint", "run.checkpoint"];
    paint(&workshop, "out.png", &stopped);
    assert!(about_json(&workshop, "out.png")["ended-after"].is_number());
    let mut resume = impasto();
    resume.current_dir(workshop.folder.path());
    succeed(resume.args(["resume", "run.checkpoint", "--max-seconds", "1000"]));
    assert!(are_same(&workshop, ["out.png", "whole.png"]));

    let texture = |arguments: &[&str]| {
        let mut command = impasto();
        command
            .current_dir(workshop.folder.path())
            .arg("texture")
            .args(arguments);
        command
            .arg("--graphs")
            .arg(tiny_graphs())
            .arg("--onnxruntime")
            .arg(onnxruntime());
        command
    };
    let flags = [
        "style.png",
        "-o",
        "texture.png",
        "--size",
        "40x32",
        "--iterations",
        "4",
    ];
    succeed(&mut texture(&flags));
    succeed(&mut texture(&[
        "--repeat",
        "texture.png",
        "-o",
        "texture-again.png",
    ]));
    assert!(are_same(&workshop, ["texture.png", "texture-again.png"]));
    fail(
        &mut repeat(&workshop, "texture.png", &[]),
        &["texture.png", "impasto texture"],
    );
}

#[test]
fn a_picture_that_time_ended_is_repeated_up_to_there() {
    let workshop = Workshop::new();
    let flags = ["--iterations", "1000000", "--max-seconds", "0.5"];
    succeed(workshop.stylize("out.png").args(flags));
    succeed(&mut repeat(&workshop, "out.png", &[]));
    assert!(are_same(&workshop, ["out.png", "again.png"]));
}

#[test]
fn what_is_repeated_without_or_with_a_record_where_it_had_one_or_none_is_told() {
    let workshop = Workshop::new();
    paint(&workshop, "out.png", &["--trace", "trace.json", "--no-record"]);
    let message = stderr(&succeed(&mut repeat(
        &workshop,
        "trace.json",
        &["-o", "with.png"],
    )));
    assert!(
        message.contains("but for what the picture says of its making"),
        "{message}"
    );
    let message = stderr(&succeed(&mut repeat(&workshop, "with.png", &["--no-record"])));
    assert!(message.contains("not as recorded: no-record"), "{message}");
    assert!(are_same(&workshop, ["out.png", "again.png"]));
}

#[test]
fn a_record_says_how_it_differs_from_another() {
    let workshop = Workshop::new();
    paint(&workshop, "a.png", &[]);
    paint(&workshop, "b.png", &["--seed", "7", "--size", "36"]);
    let read = |name| Record::read(&workshop.path(name)).unwrap().unwrap();
    let (a, mut b) = (read("a.png"), read("b.png"));
    assert_eq!(
        a.differences(&b),
        ["seed 7 instead of 0", "size 36 instead of 40"]
    );
    assert!(a.differences(&a).is_empty() && !a.differs_in_program_alone(&a));
    b = a.clone();
    b.versions.insert("impasto".to_owned(), "9.0".to_owned());
    assert!(a.differs_in_program_alone(&b));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(a.differences(&b), [format!("impasto 9.0 instead of {version}")]);
    b.inputs[0].sha256 = "0".to_owned();
    assert!(!a.differs_in_program_alone(&b));
}

/// A picture may come from anywhere.
#[test]
fn a_record_names_no_file_elsewhere_and_no_library() {
    let workshop = Workshop::new();
    paint(&workshop, "out.png", &[]);
    let mut plain = fs::read(workshop.path("out.png")).unwrap();
    paint(&workshop, "plain.png", &["--no-record"]);
    let record = Record::read(&workshop.path("out.png")).unwrap().unwrap();
    let put = |record: &Record| {
        let mut file = fs::read(workshop.path("plain.png")).unwrap();
        record.insert(&mut file).unwrap();
        fs::write(workshop.path("out.png"), file).unwrap();
    };
    put(&record);
    assert!(fs::read(workshop.path("out.png")).unwrap() == plain);

    let mut other = record.clone();
    other.settings.insert("onnxruntime".to_owned(), json!("evil.so"));
    other.settings.insert("graphs".to_owned(), json!("evil"));
    put(&other);
    fs::write(workshop.path("evil.so"), "no library").unwrap();
    succeed(&mut repeat(&workshop, "out.png", &[]));
    for name in ["/etc/passwd", "../content.png"] {
        other = record.clone();
        other.inputs[0].name = name.to_owned();
        put(&other);
        fail(
            &mut repeat(&workshop, "out.png", &[]),
            &["out.png", name, "elsewhere"],
        );
    }
    other = record.clone();
    other.settings.insert("size".to_owned(), json!("large"));
    put(&other);
    fail(
        &mut repeat(&workshop, "out.png", &[]),
        &["out.png", "size", "large"],
    );

    let place = plain
        .windows(10)
        .position(|bytes| bytes == b"\"versions\"")
        .unwrap();
    plain[place] = b'[';
    fs::write(workshop.path("out.png"), plain).unwrap();
    fail(
        &mut about(&workshop, &["out.png"]),
        &["out.png", "cannot be read"],
    );
}
