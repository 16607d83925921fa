//! `--trace` holds all it takes to repeat a run, and `--repeat` does so, on tiny graphs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Workshop, fail, graph_files, impasto, onnxruntime, stderr, succeed, wait_for, waves};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// `impasto stylize --repeat trace.json -o OUTPUT` in the workshop.
fn repeat(workshop: &Workshop, output: &str) -> Command {
    let mut command = impasto();
    command
        .current_dir(workshop.folder.path())
        .args(["stylize", "--repeat", "trace.json", "-o", output]);
    command
}

/// Paints `name` with a trace.
fn paint(workshop: &Workshop, name: &str, arguments: &[&str]) {
    let record = ["--iterations", "6", "--trace", "trace.json"];
    succeed(workshop.stylize(name).args(record).args(arguments));
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn sha256(path: &Path) -> String {
    let digest = Sha256::digest(fs::read(path).unwrap());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_repeated_run_gives_the_same_bytes() {
    for (name, arguments) in [
        (
            "a.jpg",
            &[
                "--color",
                "match",
                "--history",
                "3",
                "--jpeg-quality",
                "70",
                "--fit",
                "short",
            ][..],
        ),
        (
            "b.png",
            &[
                "--optimizer",
                "adam",
                "--init",
                "random",
                "--seed",
                "9",
                "--bits",
                "16",
                "--color",
                "original",
            ],
        ),
        (
            "c.tif",
            &[
                "--preset",
                "book",
                "--init",
                "start.png",
                "--style-size",
                "30",
                "--style-weight",
                "17",
            ],
        ),
        (
            "d.png",
            &[
                "--optimizer",
                "adam",
                "--pooling",
                "avg",
                "--init",
                "blend:0.5",
                "--learning-rate",
                "3",
            ],
        ),
    ] {
        let workshop = Workshop::new();
        waves(20, 20, 8).save(workshop.path("start.png")).unwrap();
        paint(&workshop, name, arguments);
        let again = format!("again.{}", &name[2..]);
        let message = stderr(&succeed(&mut repeat(&workshop, &again)));
        let same = fs::read(workshop.path(name)).unwrap() == fs::read(workshop.path(&again)).unwrap();
        assert!(same, "{name} has other bytes: {message}");
        assert!(message.contains("the same bytes as recorded"), "{message}");
        assert!(!message.contains("warning"), "{message}");
    }
}

#[test]
fn the_trace_holds_all_it_takes_to_repeat_the_run() {
    let workshop = Workshop::new();
    waves(20, 20, 8).save(workshop.path("start.png")).unwrap();
    paint(&workshop, "out.png", &["--init", "start.png", "--seed", "3"]);
    let trace = read(&workshop.path("trace.json"));
    for (index, (role, path)) in [
        ("content", "content.png"),
        ("style", "style.png"),
        ("init", "start.png"),
    ]
    .into_iter()
    .enumerate()
    {
        let input = &trace["inputs"][index];
        assert_eq!((&input["role"], &input["path"]), (&json!(role), &json!(path)));
        assert_eq!(input["sha256"], sha256(&workshop.path(path)));
        assert!(Path::new(input["absolute"].as_str().unwrap()).is_absolute());
    }
    for graph in trace["graphs"].as_array().unwrap() {
        assert_eq!(
            graph["sha256"],
            sha256(Path::new(graph["path"].as_str().unwrap())),
            "{graph}"
        );
    }
    assert_eq!(trace["graphs"][5]["role"], "weights");
    assert_eq!(trace["output"]["sha256"], sha256(&workshop.path("out.png")));
    for name in [
        "impasto",
        "contract",
        "onnxruntime",
        "provider",
        "kernels",
        "machine",
    ] {
        assert!(trace["versions"][name].is_string(), "no version of {name}");
    }
    assert_ne!(trace["versions"]["kernels"], "auto");
    assert_eq!(trace["settings"]["seed"], 3);
    assert_eq!(
        (&trace["settings"]["bits"], &trace["settings"]["jpeg-quality"]),
        (&json!(8), &json!(95))
    );
    assert_eq!(trace["ended-after"], Value::Null);
}

#[test]
fn inputs_are_found_from_another_folder_and_beside_a_trace_that_has_moved() {
    let workshop = Workshop::new();
    paint(&workshop, "out.png", &[]);
    let painted = fs::read(workshop.path("out.png")).unwrap();
    let mut elsewhere = impasto();
    elsewhere.current_dir("/").args(["stylize", "--repeat"]);
    succeed(
        elsewhere
            .arg(workshop.path("trace.json"))
            .arg("-o")
            .arg(workshop.path("again.png")),
    );
    assert!(fs::read(workshop.path("again.png")).unwrap() == painted);

    let moved = tempfile::tempdir().unwrap();
    for name in ["trace.json", "content.png", "style.png"] {
        fs::rename(workshop.path(name), moved.path().join(name)).unwrap();
    }
    let mut command = impasto();
    command.current_dir("/").args(["stylize", "--repeat"]);
    succeed(
        command
            .arg(moved.path().join("trace.json"))
            .arg("-o")
            .arg(moved.path().join("again.png")),
    );
    assert!(fs::read(moved.path().join("again.png")).unwrap() == painted);
}

#[test]
fn inputs_that_have_changed_or_are_gone_are_named() {
    let workshop = Workshop::new();
    waves(20, 20, 8).save(workshop.path("start.png")).unwrap();
    paint(&workshop, "out.png", &["--init", "start.png"]);
    for (name, role) in [
        ("content.png", "content"),
        ("style.png", "style"),
        ("start.png", "init"),
    ] {
        let bytes = fs::read(workshop.path(name)).unwrap();
        waves(33, 31, 5).save(workshop.path(name)).unwrap();
        fail(
            &mut repeat(&workshop, "again.png"),
            &["trace.json", role, name, "changed", &sha256(&workshop.path(name))],
        );
        fs::remove_file(workshop.path(name)).unwrap();
        fail(
            &mut repeat(&workshop, "again.png"),
            &["trace.json", role, name, "not there"],
        );
        assert!(!workshop.path("again.png").exists());
        if role == "init" {
            succeed(repeat(&workshop, "again.png").args(["--init", "content"]));
        }
        fs::write(workshop.path(name), bytes).unwrap();
    }
}

#[test]
fn graphs_and_weights_that_have_changed_are_named() {
    let workshop = Workshop::new();
    let graphs = workshop.path("graphs");
    fs::create_dir(&graphs).unwrap();
    for path in graph_files() {
        fs::copy(&path, graphs.join(path.file_name().unwrap())).unwrap();
    }
    paint(
        &workshop,
        "out.png",
        &["--graphs", "graphs", "--kernels", "onnxruntime"],
    );
    // An empty field at the end, which changes the file and nothing else.
    let graph = graphs.join("gatys.loss_grad.onnx");
    let mut bytes = fs::read(&graph).unwrap();
    bytes.extend([0x32, 0x00]);
    fs::write(&graph, bytes).unwrap();
    fail(
        &mut repeat(&workshop, "again.png"),
        &["trace.json", "gatys.loss_grad.onnx", "changed"],
    );
    assert!(!workshop.path("again.png").exists());
}

#[test]
fn other_versions_and_another_machine_are_warnings() {
    let workshop = Workshop::new();
    paint(&workshop, "out.png", &[]);
    let mut trace = read(&workshop.path("trace.json"));
    trace["versions"]["onnxruntime"] = json!("1.24.0");
    trace["versions"]["machine"] = json!("a loom");
    fs::write(workshop.path("trace.json"), trace.to_string()).unwrap();
    let message = stderr(&succeed(&mut repeat(&workshop, "again.png")));
    for part in [
        "warning",
        "instead of 1.24.0",
        "instead of a loom",
        "bytes may differ",
    ] {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

#[test]
fn kernels_that_this_machine_has_not_are_a_warning() {
    let workshop = Workshop::new();
    paint(&workshop, "out.png", &[]);
    let mut trace = read(&workshop.path("trace.json"));
    let foreign = if cfg!(target_arch = "x86_64") {
        "neon"
    } else {
        "avx2"
    };
    trace["settings"]["kernels"] = json!(foreign);
    trace["versions"]["kernels"] = json!(foreign);
    fs::write(workshop.path("trace.json"), trace.to_string()).unwrap();
    let message = stderr(&succeed(&mut repeat(&workshop, "again.png")));
    assert!(message.contains(&format!("instead of {foreign}")), "{message}");
}

#[test]
fn a_flag_beside_it_wins_and_what_it_changes_is_said() {
    let workshop = Workshop::new();
    paint(
        &workshop,
        "out.png",
        &["--optimizer", "adam", "--learning-rate", "2"],
    );
    let run = ["--style-weight", "5", "--threads", "1", "--trace", "varied.json"];
    let message = stderr(&succeed(repeat(&workshop, "again.png").args(run)));
    assert!(
        message.contains("not as recorded: style-weight; the bytes will differ"),
        "{message}"
    );
    let settings = &read(&workshop.path("varied.json"))["settings"];
    assert_eq!(
        (&settings["style-weight"], &settings["learning-rate"]),
        (&json!(5.0), &json!(2.0))
    );
    succeed(repeat(&workshop, "lbfgs.png").args(["--optimizer", "lbfgs"]));
}

#[test]
fn what_follows_from_a_preset_or_a_start_follows_from_the_one_beside_it() {
    let workshop = Workshop::new();
    paint(&workshop, "out.png", &["--tv-weight", "0.5"]);
    let varied = |arguments: &[&str]| {
        let mut command = repeat(&workshop, "again.png");
        succeed(
            command
                .args(["--force", "--trace", "varied.json"])
                .args(arguments),
        );
        read(&workshop.path("varied.json"))["settings"].clone()
    };
    let settings = varied(&["--preset", "photo"]);
    for (name, value) in [
        ("style-weight", json!(100.0)),
        ("content-weight", json!(30.0)),
        // The run's own, not its preset's.
        ("tv-weight", json!(0.5)),
        ("scales", json!("auto")),
    ] {
        assert_eq!(settings[name], value, "{name}");
    }
    assert_eq!(varied(&["--preset", "book"])["fit"], "short");
    let settings = varied(&["--preset", "gatys"]);
    assert_eq!(settings["padding"], "zero");
    assert_eq!(settings["style-layer-weights"], "");
    assert_eq!(varied(&["--init", "style.png"])["scales"], "1");
    let settings = varied(&["--preset", "gatys", "--style-loss", "moments"]);
    assert_eq!(settings["style-loss"], "moments");
    assert!(settings["style-weight"].is_null());
}

#[test]
fn what_is_no_trace_is_refused() {
    let workshop = Workshop::new();
    fail(
        &mut repeat(&workshop, "again.png"),
        &["trace.json", "no such file"],
    );
    for text in ["no json", "{}", "{\"settings\": {\"colour\": \"match\"}}"] {
        fs::write(workshop.path("trace.json"), text).unwrap();
        fail(
            &mut repeat(&workshop, "again.png"),
            &["trace.json", "not a trace"],
        );
    }
}

#[test]
fn a_run_that_time_ended_is_repeated_up_to_there() {
    for run in [
        ["--optimizer=lbfgs", "--iterations=1000000"],
        ["--optimizer=adam", "--iterations=1000000"],
        ["--init=random", "--scales=24:1000000,40:5"],
        ["--color=original", "--scales=24:3,40:1000000"],
    ] {
        let workshop = Workshop::new();
        let long = [run[0], run[1], "--max-seconds=0.7"];
        succeed(
            workshop
                .stylize("out.png")
                .args(long)
                .args(["--trace", "trace.json"]),
        );
        let trace = read(&workshop.path("trace.json"));
        let evaluations = trace["evaluations"].as_array().unwrap().len();
        assert_eq!(trace["ended-after"], evaluations);
        assert!(evaluations > 1, "only one evaluation in time");

        // And again from the trace of the repetition.
        succeed(repeat(&workshop, "again.png").args(["--trace", "again.json"]));
        fs::rename(workshop.path("again.json"), workshop.path("trace.json")).unwrap();
        succeed(&mut repeat(&workshop, "once-more.png"));
        let bytes = |name| fs::read(workshop.path(name)).unwrap();
        assert!(bytes("out.png") == bytes("again.png") && bytes("out.png") == bytes("once-more.png"));
        assert_eq!(read(&workshop.path("trace.json"))["ended-after"], evaluations);
    }
}

#[cfg(unix)]
#[test]
fn a_run_that_ctrl_c_ended_is_repeated_up_to_there() {
    let workshop = Workshop::new();
    let mut command = workshop.stylize("out.png");
    command.args([
        "--iterations",
        "1000000",
        "--trace",
        "trace.json",
        "--save-every",
        "3",
    ]);
    let mut child = command.spawn().unwrap();
    wait_for(&workshop.path("out-00006.png"));
    succeed(Command::new("kill").args(["-INT", &child.id().to_string()]));
    assert_eq!(child.wait().unwrap().code(), Some(130));
    succeed(&mut repeat(&workshop, "again.png"));
    assert!(fs::read(workshop.path("out.png")).unwrap() == fs::read(workshop.path("again.png")).unwrap());
}

#[test]
fn the_record_keeps_to_the_onnx_runtime_that_ran() {
    let workshop = Workshop::new();
    paint(&workshop, "out.png", &[]);
    let library = read(&workshop.path("trace.json"))["library"].clone();
    assert_eq!(library, json!(onnxruntime()));
}
