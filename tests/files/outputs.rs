//! Files as outputs: which are refused, and what is left behind.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::support::{Workshop, fail, impasto, stderr, succeed, wait_for};
use crate::{ended, names, rescued, started};

/// `stylize` into `output` must be refused before the run, with and without --force, and leave the folder as it is.
fn refuse(workshop: &Workshop, output: &str, arguments: &[&str], parts: &[&str]) {
    let before = names(workshop);
    for force in [&[][..], &["--force"]] {
        let mut command = workshop.stylize(output);
        // A run that began would not end in time.
        command
            .args(["--iterations", "1000000"])
            .args(arguments)
            .args(force);
        let output = ended(started(&mut command));
        let message = stderr(&output);
        assert_ne!(output.status.code(), Some(0), "{arguments:?}");
        let error = message.lines().last().unwrap_or_default();
        for part in parts {
            assert!(
                error.starts_with("error: ") && error.contains(part),
                "{message:?} lacks {part:?}"
            );
        }
    }
    assert_eq!(names(workshop), before);
}

#[test]
fn two_names_of_one_output_are_refused() {
    let workshop = Workshop::new();
    fs::write(workshop.path("out.png"), "kept").unwrap();
    fs::hard_link(workshop.path("out.png"), workshop.path("hard.svg")).unwrap();
    symlink("out.png", workshop.path("soft.json")).unwrap();
    symlink("soft.json", workshop.path("softer.gif")).unwrap();
    fs::create_dir(workshop.path("folder")).unwrap();
    symlink("folder", workshop.path("other")).unwrap();
    for arguments in [
        ["--plot", "hard.svg"],
        ["--trace", "soft.json"],
        ["--animation", "softer.gif"],
    ] {
        let force = [arguments[0], arguments[1], "--force"];
        let mut command = workshop.stylize("out.png");
        fail(command.args(force), &[arguments[1], "two outputs"]);
    }
    refuse(
        &workshop,
        "folder/new.png",
        &["--plot", "other/new.png"],
        &["other/new.png", "two outputs"],
    );
    assert_eq!(fs::read(workshop.path("out.png")).unwrap(), b"kept");
}

#[test]
fn no_output_replaces_an_input_whatever_leads_there() {
    let workshop = Workshop::new();
    let keep = |name: &str| (name.to_owned(), fs::read(workshop.path(name)).unwrap());
    fs::write(workshop.path("oil.toml"), "seed = 1").unwrap();
    fs::copy(workshop.path("style.png"), workshop.path("start.png")).unwrap();
    let recorded = ["--iterations", "0", "--trace", "run.json", "--init", "start.png"];
    succeed(workshop.stylize("first.png").args(recorded));
    symlink("content.png", workshop.path("soft.png")).unwrap();
    fs::hard_link(workshop.path("style.png"), workshop.path("hard.png")).unwrap();
    symlink("oil.toml", workshop.path("oil.svg")).unwrap();
    symlink("style.png", workshop.path("out-00001.png")).unwrap();
    let before = ["content.png", "style.png", "start.png", "oil.toml", "run.json"].map(keep);
    for (output, arguments) in [
        ("content.png", &[][..]),
        ("./style.png", &[]),
        ("soft.png", &[]),
        ("hard.png", &[]),
        ("start.png", &["--init", "start.png"]),
        ("new.png", &["--config", "oil.toml", "--plot", "oil.svg"]),
        ("new.png", &["--config", "oil.toml", "--trace", "oil.toml"]),
        ("new.png", &["--animation", "hard.png"]),
        ("out.png", &["--save-every", "1"]),
    ] {
        let mut command = workshop.stylize(output);
        fail(command.args(arguments).arg("--force"), &["is read in this run"]);
        // Without --force it is there already.
        fail(workshop.stylize(output).args(arguments), &[]);
    }
    let mut repeat = impasto();
    repeat.current_dir(workshop.folder.path());
    repeat.args(["stylize", "--repeat", "run.json", "-o", "new.png"]);
    fail(
        repeat.args(["--trace", "run.json", "--force"]),
        &["run.json is read in this run"],
    );
    let mut evaluate = workshop.evaluate("content.png");
    fail(
        evaluate.args(["--gradient", "soft.png", "--force"]),
        &["soft.png is read in this run"],
    );
    let mut compare = impasto();
    compare
        .current_dir(workshop.folder.path())
        .args(["compare", "start.png"]);
    compare.args([
        "--content",
        "content.png",
        "--style",
        "style.png",
        "--sheet",
        "hard.png",
        "--force",
    ]);
    compare.arg("--graphs").arg(crate::support::tiny_graphs());
    compare.arg("--onnxruntime").arg(crate::support::onnxruntime());
    fail(&mut compare, &["hard.png is read in this run"]);
    for (name, bytes) in before {
        assert!(
            fs::read(workshop.path(&name)).unwrap() == bytes,
            "{name} has changed"
        );
    }
    let mut command = workshop.stylize("content.png");
    command.args(["--force", "--format", "png"]);
    fail(&mut command, &["content.png is read in this run"]);
}

#[test]
fn graphs_and_the_library_are_inputs_too() {
    let workshop = Workshop::new();
    let graphs = workshop.path("graphs");
    fs::create_dir(&graphs).unwrap();
    for path in crate::support::graph_files() {
        fs::copy(&path, graphs.join(path.file_name().unwrap())).unwrap();
    }
    for name in ["gatys.loss_grad.onnx", "vgg19.weights"] {
        let output = format!("graphs/{name}");
        let mut command = workshop.stylize("out.png");
        command.args(["--graphs", "graphs", "--force", "--trace", &output]);
        fail(&mut command, &[&output, "is read in this run"]);
    }
}

#[test]
fn names_that_no_output_can_have_are_refused_before_the_run() {
    let workshop = Workshop::new();
    fs::create_dir(workshop.path("folder")).unwrap();
    fs::write(workshop.path("file"), "kept").unwrap();
    let long = format!("{}.png", "n".repeat(252));
    let deep = format!("{}out.png", "folder/../".repeat(500));
    let (json, svg, gif) = (
        "n".repeat(256),
        format!("{}.svg", "n".repeat(252)),
        format!("{}.gif", "n".repeat(252)),
    );
    for (output, parts) in [
        (long.as_str(), ["nnn.png", "too long"]),
        (&deep, ["out.png", "too long"]),
        ("out.png/", ["out.png/", "no file's name"]),
        ("out.png/.", ["out.png/.", "no file's name"]),
        ("folder", ["folder", "does not name a format"]),
        ("folder/", ["folder/", "does not name a format"]),
        ("file/out.png", ["file/out.png", "does not exist"]),
        ("missing/out.png", ["missing", "create it first"]),
    ] {
        refuse(&workshop, output, &[], &parts);
    }
    refuse(
        &workshop,
        "folder/",
        &["--format", "png"],
        &["folder/", "this is a folder"],
    );
    for (flag, name) in [("--trace", &json), ("--plot", &svg), ("--animation", &gif)] {
        refuse(&workshop, "out.png", &[flag, name], &[flag, "too long"]);
    }
    refuse(&workshop, "out.png", &["--trace", ""], &["--trace"]);
    refuse(
        &workshop,
        "out.png",
        &["--trace", "run.json/"],
        &["--trace", "no file's name"],
    );
}

#[test]
fn the_longest_name_is_written_and_its_previews_are_too_long() {
    let workshop = Workshop::new();
    let longest = format!("{}.png", "n".repeat(251));
    refuse(
        &workshop,
        &longest,
        &["--save-every", "1"],
        &["-00001.png", "too long"],
    );
    refuse(
        &workshop,
        &longest,
        &["--save-scales", "--scales", "24:1,40:1000000"],
        &["-24x17.png", "too long"],
    );
    let trace = "t".repeat(255);
    succeed(
        workshop
            .stylize(&longest)
            .args(["--iterations", "1", "--trace", &trace]),
    );
    assert!(workshop.path(&longest).exists() && workshop.path(&trace).exists());
    assert_eq!(names(&workshop).len(), 4);
}

/// Begins a run into `name`, takes its place while it paints, and ends it; returns what it said.
fn taken_meanwhile(workshop: &Workshop, name: &str, refuge: &Path) -> String {
    let mut command = workshop.stylize(name);
    command.args([
        "--iterations",
        "1000000",
        "--animation",
        "run.gif",
        "--save-scales",
    ]);
    command
        .args(["--scales", "24:1,40:1000000"])
        .env("TMPDIR", refuge);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    let stem = name.strip_suffix(".png").unwrap();
    wait_for(&workshop.path(&format!("{stem}-24x17.png")));
    fs::write(workshop.path(name), "kept").unwrap();
    succeed(Command::new("kill").args(["-INT", &id.to_string()]));
    let output = ended(child);
    assert_eq!(output.status.code(), Some(1));
    stderr(&output)
}

#[test]
fn a_picture_that_found_no_place_lies_under_a_short_name_beside_others() {
    let workshop = Workshop::new();
    let refuge = workshop.path("refuge");
    fs::create_dir(&refuge).unwrap();
    let name = format!("{}.png", "n".repeat(244));
    let first = taken_meanwhile(&workshop, &name, &refuge);
    assert_eq!(fs::read(workshop.path(&name)).unwrap(), b"kept");
    let kept = rescued(&refuge);
    assert!(
        first.contains(kept.to_str().unwrap()) && first.contains("the file exists"),
        "{first}"
    );
    let short = kept.file_name().unwrap().to_str().unwrap();
    assert!(
        short.starts_with("impasto-") && short.ends_with(".png") && short.len() < 32,
        "{short}"
    );
    assert_eq!(image::image_dimensions(&kept).unwrap(), (40, 28));
    // The rest is written all the same.
    assert!(workshop.path("run.gif").exists());
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next_into_that_folder() {
    let workshop = Workshop::new();
    fs::create_dir(workshop.path("folder")).unwrap();
    let aged = |name: &str| {
        let file = File::create(workshop.path(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(7200))
            .unwrap();
        file
    };
    let kept = [
        "holiday.part",
        ".impasto-notes",
        "folder/.impasto-a1B2c3.part",
        ".impasto-fresh1.part",
    ];
    for name in &kept[..3] {
        aged(name);
    }
    fs::write(workshop.path(kept[3]), "being written").unwrap();
    let living = aged(".impasto-a1B2c3.part");
    living.lock().unwrap();
    aged(".impasto-Xy9Zw8.part");

    succeed(workshop.stylize("out.png").args(["--iterations", "0"]));
    assert!(!workshop.path(".impasto-Xy9Zw8.part").exists());
    for name in kept.into_iter().chain([".impasto-a1B2c3.part"]) {
        assert!(workshop.path(name).exists(), "{name} is gone");
    }
    drop(living);
    succeed(
        workshop
            .stylize("again.png")
            .args(["--iterations", "0", "--trace", "folder/run.json"]),
    );
    assert!(!workshop.path(".impasto-a1B2c3.part").exists());
    assert!(!workshop.path("folder/.impasto-a1B2c3.part").exists());
}
