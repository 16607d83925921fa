//! What is read.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::support::{
    Workshop, fail, graph_files, impasto, onnxruntime, stderr, stdout, succeed, tiny_graphs,
};
use crate::{ended, make_pipe, sparse, started, writer};

/// `impasto stylize CONTENT STYLE -o OUTPUT` in the workshop, one iteration.
fn stylize(workshop: &Workshop, content: &str, style: &str, output: &str) -> Command {
    let mut command = impasto();
    command.current_dir(workshop.folder.path());
    command.args(["stylize", content, style, "-o", output]);
    command.args(["--size", "40", "--iterations", "1", "--no-record"]);
    command.arg("--graphs").arg(tiny_graphs());
    command.arg("--onnxruntime").arg(onnxruntime());
    command
}

fn sha256(bytes: &[u8]) -> String {
    impasto::files::sha256(bytes)
}

#[test]
fn pipes_are_read_once_whatever_they_bring() {
    let workshop = Workshop::new();
    let bytes = |name: &str| fs::read(workshop.path(name)).unwrap();
    succeed(stylize(&workshop, "content.png", "style.png", "plain.png").args(["--init", "style.png"]));
    fs::write(workshop.path("plain.toml"), "seed = 4").unwrap();
    for (pipe, bytes) in [
        ("content.pipe", bytes("content.png")),
        ("style.pipe", bytes("style.png")),
        ("init.pipe", bytes("style.png")),
        ("config.pipe", bytes("plain.toml")),
    ] {
        make_pipe(&workshop.path(pipe));
        writer(&workshop.path(pipe), bytes);
    }
    let mut command = stylize(&workshop, "content.pipe", "style.pipe", "piped.png");
    command.args([
        "--init",
        "init.pipe",
        "--config",
        "config.pipe",
        "--trace",
        "run.json",
    ]);
    let output = ended(started(&mut command));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(bytes("piped.png"), bytes("plain.png"));
    let trace: Value = serde_json::from_slice(&bytes("run.json")).unwrap();
    assert_eq!(trace["settings"]["seed"], 4);
    for (input, name) in trace["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["content.png", "style.png"])
    {
        assert_eq!(input["sha256"], sha256(&bytes(name)));
    }

    make_pipe(&workshop.path("trace.pipe"));
    let mut told: Value = trace;
    for (index, name) in ["content.png", "style.png", "style.png"].into_iter().enumerate() {
        told["inputs"][index]["path"] = name.into();
    }
    writer(&workshop.path("trace.pipe"), told.to_string().into_bytes());
    let mut repeat = impasto();
    repeat.current_dir(workshop.folder.path());
    repeat.args([
        "stylize",
        "--repeat",
        "trace.pipe",
        "-o",
        "again.png",
        "--no-record",
    ]);
    let output = ended(started(&mut repeat));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(bytes("again.png"), bytes("plain.png"));
}

#[test]
fn a_pipe_that_nobody_writes_to_is_waited_for_with_a_word_until_ctrl_c() {
    let workshop = Workshop::new();
    make_pipe(&workshop.path("photo.pipe"));
    for command in [
        &mut stylize(&workshop, "photo.pipe", "style.png", "out.png"),
        stylize(&workshop, "content.png", "style.png", "out.png").args(["--config", "photo.pipe", "-q"]),
        &mut workshop.evaluate("photo.pipe"),
    ] {
        let mut child = started(command);
        let mut line = String::new();
        let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
        std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
        assert!(line.contains("waiting for photo.pipe"), "{line}");
        succeed(Command::new("kill").args(["-INT", &child.id().to_string()]));
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGINT));
    }
    assert!(!workshop.path("out.png").exists());
}

#[test]
fn what_never_ends_ends_at_the_limit() {
    let workshop = Workshop::new();
    // Ten gigabytes that take no room, and what a picture, a trace or a graph could be long enough for.
    sparse(&workshop.path("huge"), 10 << 30);
    sparse(&workshop.path("large"), 900 << 20);
    let graphs = workshop.path("graphs");
    fs::create_dir(&graphs).unwrap();
    for path in graph_files() {
        fs::copy(&path, graphs.join(path.file_name().unwrap())).unwrap();
    }
    for endless in ["/dev/zero", "huge", "large"] {
        let begin = Instant::now();
        fail(
            &mut stylize(&workshop, endless, "style.png", "out.png"),
            &[endless],
        );
        fail(
            &mut stylize(&workshop, "content.png", endless, "out.png"),
            &[endless],
        );
        let plain = || stylize(&workshop, "content.png", "style.png", "out.png");
        fail(plain().args(["--config", endless]), &[endless]);
        let path = workshop.path(endless);
        fail(plain().arg("--init").arg(&path), &[endless]);
        let mut repeat = impasto();
        repeat.current_dir(workshop.folder.path());
        fail(
            repeat.args(["stylize", "--repeat", endless, "-o", "out.png"]),
            &[endless],
        );
        fail(&mut workshop.evaluate(endless), &[endless]);
        for name in ["gatys.forward.onnx", "gatys.loss_grad.onnx"] {
            let (graph, kept) = (graphs.join(name), graphs.join("kept"));
            fs::rename(&graph, &kept).unwrap();
            std::os::unix::fs::symlink(&path, &graph).unwrap();
            fail(plain().args(["--graphs", "graphs"]), &[name]);
            fs::rename(&kept, &graph).unwrap();
        }
        assert!(begin.elapsed().as_secs() < 20, "{endless}: {:?}", begin.elapsed());
    }
    fs::remove_file(graphs.join("vgg19.weights")).unwrap();
    std::os::unix::fs::symlink(workshop.path("huge"), graphs.join("vgg19.weights")).unwrap();
    let mut plain = stylize(&workshop, "content.png", "style.png", "out.png");
    fail(plain.args(["--graphs", "graphs"]), &["vgg19.weights", "MiB"]);
    assert!(!workshop.path("out.png").exists());
}

#[test]
fn an_endless_pipe_ends_where_it_is_no_picture_no_settings_and_no_trace() {
    let workshop = Workshop::new();
    let from_zero = |arguments: &[&str]| {
        let mut command = Command::new("sh");
        command.current_dir(workshop.folder.path());
        let program = env!("CARGO_BIN_EXE_impasto");
        let line = format!(
            "cat /dev/zero 2>/dev/null | {program} stylize {}",
            arguments.join(" ")
        );
        command.arg("-c").arg(line);
        command
    };
    for (arguments, part) in [
        (
            ["-", "style.png", "-o", "out.png"],
            "standard input: not a picture",
        ),
        (
            ["/dev/stdin", "style.png", "-o", "out.png"],
            "/dev/stdin: not a picture",
        ),
        (
            ["--repeat", "/dev/stdin", "-o", "out.png"],
            "/dev/stdin is not a trace",
        ),
        (
            ["content.png style.png", "--config=/dev/stdin", "-o", "out.png"],
            "larger than 1 MiB",
        ),
    ] {
        fail(&mut from_zero(&arguments), &[part]);
    }
}

#[test]
fn folders_sockets_and_devices_are_no_inputs() {
    let workshop = Workshop::new();
    let _listener = UnixListener::bind(workshop.path("socket.png")).unwrap();
    fs::create_dir(workshop.path("folder.png")).unwrap();
    for (name, part) in [
        ("socket.png", "a socket"),
        ("folder.png", "a folder"),
        ("/dev/zero", "a device"),
        ("/dev/tty", "a device"),
    ] {
        fail(
            &mut stylize(&workshop, name, "style.png", "out.png"),
            &[name, part],
        );
        fail(&mut workshop.evaluate(name), &[name, part]);
        let mut command = stylize(&workshop, "content.png", "style.png", "out.png");
        fail(command.args(["--config", name]), &["settings file", name, part]);
        let mut repeat = impasto();
        repeat.current_dir(workshop.folder.path());
        repeat.args(["stylize", "--repeat", name, "-o", "out.png"]);
        fail(&mut repeat, &["trace", name, part]);
    }
    fail(
        &mut stylize(&workshop, "/dev/null", "style.png", "out.png"),
        &["/dev/null", "empty"],
    );
    // No settings are settings.
    succeed(stylize(&workshop, "content.png", "style.png", "out.png").args(["--config", "/dev/null"]));
}

#[test]
fn standard_input_is_the_photo() {
    let workshop = Workshop::new();
    succeed(&mut stylize(&workshop, "content.png", "style.png", "plain.png"));
    let photo = || fs::File::open(workshop.path("content.png")).unwrap();
    let mut command = stylize(&workshop, "-", "style.png", "out.png");
    command.args(["--trace", "run.json", "--plot", "loss.svg"]);
    let message = stderr(&succeed(command.stdin(photo())));
    assert!(
        message.contains("standard input (40x28) in the style of style.png"),
        "{message}"
    );
    let bytes = |name: &str| fs::read(workshop.path(name)).unwrap();
    assert_eq!(bytes("out.png"), bytes("plain.png"));
    let trace: Value = serde_json::from_slice(&bytes("run.json")).unwrap();
    assert_eq!(
        (&trace["inputs"][0]["path"], &trace["inputs"][0]["absolute"]),
        (&"-".into(), &"-".into())
    );
    assert_eq!(trace["inputs"][0]["sha256"], sha256(&bytes("content.png")));
    assert!(
        String::from_utf8(bytes("loss.svg"))
            .unwrap()
            .contains("standard input in the style of")
    );

    let json = |command: &mut Command| stdout(&succeed(command.args(["--json"])));
    let named = json(&mut workshop.evaluate("content.png"));
    assert_eq!(json(workshop.evaluate("-").stdin(photo())), named);
    let other = ["--content", "-", "--style", "style.png"];
    let mut command = impasto();
    command
        .current_dir(workshop.folder.path())
        .args(["evaluate", "content.png"])
        .args(other);
    command
        .arg("--graphs")
        .arg(tiny_graphs())
        .arg("--onnxruntime")
        .arg(onnxruntime());
    assert_eq!(json(command.stdin(photo())), named);
}

#[test]
fn a_run_whose_photo_came_through_standard_input_is_repeated_with_it_there() {
    let workshop = Workshop::new();
    let file = |name: &str| fs::File::open(workshop.path(name)).unwrap();
    let mut command = stylize(&workshop, "-", "style.png", "out.png");
    succeed(command.args(["--trace", "run.json"]).stdin(file("content.png")));
    let repeat = |output: &str| {
        let mut command = impasto();
        command.current_dir(workshop.folder.path());
        command.args(["stylize", "--repeat", "run.json", "-o", output]);
        command
    };
    let message = stderr(&succeed(repeat("again.png").stdin(file("content.png"))));
    assert!(message.contains("the same bytes as recorded"), "{message}");
    fail(
        repeat("other.png").stdin(file("style.png")),
        &["run.json", "content file standard input has changed"],
    );
    fail(
        repeat("other.png").stdin(Stdio::from(file("."))),
        &["run.json", "came through standard input", "a folder"],
    );
}

#[test]
fn standard_input_is_one_picture_at_most() {
    let workshop = Workshop::new();
    fail(&mut stylize(&workshop, "-", "-", "out.png"), &["only once"]);
    let compare = ["compare", "-", "content.png", "--content=-", "--style=style.png"];
    fail(
        impasto().current_dir(workshop.folder.path()).args(compare),
        &["only once"],
    );
    // A file of that name is named by its folder.
    fs::copy(workshop.path("content.png"), workshop.path("-")).unwrap();
    succeed(&mut stylize(&workshop, "./-", "style.png", "out.png"));
}

#[test]
fn names_that_no_file_can_have_are_missing_files() {
    let workshop = Workshop::new();
    let long = format!("{}.png", "n".repeat(300));
    for name in [&long, "content.png/", "content.png/photo.png", ""] {
        let mut command = impasto();
        command.current_dir(workshop.folder.path()).arg("stylize");
        command.arg(OsStr::new(name)).args(["style.png", "-o", "out.png"]);
        fail(&mut command, &[name]);
    }
}
