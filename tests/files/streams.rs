//! Standard output, pipes and devices as outputs.

use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Workshop, fail, impasto, stderr, succeed};
use crate::{ended, is_device, is_pipe, make_device, make_pipe, names, reader, rescued, started};

/// A line of the shell in the workshop, in which `$impasto` paints the photo for one iteration.
fn shell(workshop: &Workshop, line: &str) -> Command {
    let painter = workshop.stylize("unused.png");
    let words: Vec<String> = [painter.get_program()]
        .into_iter()
        .chain(painter.get_args())
        .map(|word| word.to_str().unwrap().to_owned())
        .collect();
    let words = words.join(" ").replace(" -o unused.png", " --iterations 1");
    let mut command = Command::new("sh");
    command.current_dir(workshop.folder.path()).env("impasto", words);
    command.args(["-c", line]);
    command
}

#[test]
fn standard_output_takes_the_picture_and_nothing_else() {
    let workshop = Workshop::new();
    let bytes = |name: &str| fs::read(workshop.path(name)).unwrap();
    for (format, name) in [
        ("jpg", "plain.jpeg"),
        ("webp", "plain.webp"),
        ("tiff", "plain.tif"),
        ("png", "plain.png"),
    ] {
        succeed(&mut shell(&workshop, &format!("$impasto -o {name}")));
        let line = format!("$impasto -o - --format {format} | cat");
        assert!(
            succeed(&mut shell(&workshop, &line)).stdout == bytes(name),
            "{format}"
        );
    }
    let plain = bytes("plain.png");
    for stdout in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        if stdout.starts_with("/proc") && cfg!(not(target_os = "linux")) {
            continue;
        }
        let line = format!("$impasto -o {stdout} --format png | cat");
        assert!(succeed(&mut shell(&workshop, &line)).stdout == plain, "{stdout}");
        let line = format!("echo head > file; $impasto -o {stdout} --format png >> file");
        succeed(&mut shell(&workshop, &line));
        assert!(
            bytes("file") == [b"head\n".as_slice(), &plain].concat(),
            "{stdout}"
        );
    }
    succeed(&mut shell(
        &workshop,
        "$impasto -o /dev/fd/3 --format png 3> third",
    ));
    assert_eq!(bytes("third"), bytes("plain.png"));
}

#[test]
fn standard_output_needs_a_format_and_takes_no_previews() {
    let workshop = Workshop::new();
    fail(&mut workshop.stylize("-"), &["standard output", "--format"]);
    for flags in [["--save-every", "1"], ["--save-scales", "--force"]] {
        fail(
            workshop.stylize("-").args(["--format", "png"]).args(flags),
            &["previews", "standard output"],
        );
    }
    fail(
        workshop.stylize("out.png").args(["--format", "webp"]),
        &["out.png", "PNG", "WebP"],
    );
    fail(
        workshop.stylize("-").args(["--format", "jpeg", "--bits", "16"]),
        &["JPEG", "16"],
    );
    fail(workshop.stylize("-").args(["--format", "bmp"]), &["bmp"]);
}

#[test]
fn a_format_stands_in_for_an_extension() {
    let workshop = Workshop::new();
    let mut command = workshop.stylize("painted");
    succeed(command.args(["--format", "webp", "--iterations", "2", "--save-every", "1"]));
    for name in ["painted", "painted-00001", "painted-00002"] {
        assert_eq!(&fs::read(workshop.path(name)).unwrap()[8..12], b"WEBP");
    }
}

#[test]
fn a_trace_goes_to_standard_output_alone() {
    let workshop = Workshop::new();
    let output = succeed(&mut shell(&workshop, "$impasto -o out.png --trace -"));
    let trace: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(trace["output"]["path"], "out.png");
    for trace in ["-", "/dev/stdout", "/dev/fd/1"] {
        let line = format!("$impasto -o - --format png --trace {trace} | cat > out; wc -c < out >&2");
        let message = stderr(&shell(&workshop, &line).output().unwrap());
        assert!(message.contains("two outputs"), "{message}");
        assert!(message.ends_with("0\n"), "{message}");
    }
    fail(
        workshop
            .evaluate("content.png")
            .args(["--gradient", "-"])
            .stdout(Stdio::piped()),
        &["--gradient", "standard output"],
    );
}

#[test]
fn a_run_into_standard_output_can_be_repeated() {
    let workshop = Workshop::new();
    let output = succeed(&mut shell(
        &workshop,
        "$impasto -o - --format tiff --trace run.json | cat",
    ));
    let trace: Value = serde_json::from_slice(&fs::read(workshop.path("run.json")).unwrap()).unwrap();
    assert_eq!(
        (&trace["output"]["path"], &trace["format"]),
        (&"-".into(), &"tiff".into())
    );
    let repeat = ["stylize", "--repeat", "run.json", "-o", "again.tif"];
    let message = stderr(&succeed(
        impasto().current_dir(workshop.folder.path()).args(repeat),
    ));
    assert!(message.contains("the same bytes as recorded"), "{message}");
    assert!(fs::read(workshop.path("again.tif")).unwrap() == output.stdout);
    let repeat = ["stylize", "--repeat", "run.json", "-o", "again.png"];
    let message = stderr(&succeed(
        impasto().current_dir(workshop.folder.path()).args(repeat),
    ));
    assert!(!message.contains("bytes"), "{message}");
}

#[test]
fn a_reader_that_has_gone_is_said_in_a_line_and_the_picture_is_kept() {
    let workshop = Workshop::new();
    let refuge = workshop.path("refuge");
    fs::create_dir(&refuge).unwrap();
    let mut command = workshop.stylize("-");
    command
        .args(["--format", "png", "--iterations", "1"])
        .env("TMPDIR", &refuge);
    let mut child = started(&mut command);
    drop(child.stdout.take());
    let output = ended(child);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    let last = message.lines().last().unwrap();
    assert!(
        last.contains("standard output: the program that reads it has ended"),
        "{message}"
    );
    let kept = rescued(&refuge);
    assert!(last.contains(kept.to_str().unwrap()), "{message}");
    assert_eq!(image::image_dimensions(&kept).unwrap(), (40, 28));

    for mut command in [workshop.evaluate("content.png"), {
        let mut command = impasto();
        command
            .arg("providers")
            .arg("--onnxruntime")
            .arg(crate::support::onnxruntime());
        command
    }] {
        let mut child = started(&mut command);
        drop(child.stdout.take());
        let output = ended(child);
        assert_eq!(output.status.code(), Some(1));
        let message = stderr(&output);
        assert!(
            message
                .lines()
                .last()
                .unwrap()
                .starts_with("error: the result cannot be printed"),
            "{message}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_an_error() {
    let workshop = Workshop::new();
    let refuge = workshop.path("refuge");
    fs::create_dir(&refuge).unwrap();
    fail(
        shell(&workshop, "$impasto -o - --format png > /dev/full").env("TMPDIR", &refuge),
        &["standard output: cannot be written", "refuge"],
    );
    let mut evaluate = workshop.evaluate("content.png");
    evaluate.stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let output = ended(evaluate.stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!(output.status.code(), Some(1));
}

/// Each flag that writes a file, and a name that it takes.
const FLAGS: [(&str, &str); 4] = [
    ("--output", "place.png"),
    ("--trace", "place.json"),
    ("--plot", "place.svg"),
    ("--animation", "place.gif"),
];

#[test]
fn devices_are_written_to_and_never_replaced() {
    for force in [&[][..], &["--force"]] {
        for (flag, name) in FLAGS {
            let workshop = Workshop::new();
            if !make_device(&workshop.path(name)) {
                return;
            }
            let run = [flag, name, "--iterations", "1"];
            let mut command = workshop.stylize("out.png");
            if flag == "--output" {
                command = shell(&workshop, &format!("$impasto -o {name} {}", force.join(" ")));
                succeed(&mut command);
            } else {
                succeed(command.args(run).args(force));
            }
            assert!(is_device(&workshop.path(name)), "{flag} {force:?}");
            assert!(names(&workshop).iter().all(|name| !name.ends_with(".part")));
        }
    }
    let workshop = Workshop::new();
    make_device(&workshop.path("gradient.npy"));
    make_device(&workshop.path("out-00001.png"));
    succeed(
        workshop
            .evaluate("content.png")
            .args(["--gradient", "gradient.npy", "--force"]),
    );
    succeed(
        workshop
            .stylize("out.png")
            .args(["--iterations", "1", "--save-every", "1", "--force"]),
    );
    make_device(&workshop.path("sheet.png"));
    let mut compare = impasto();
    compare.current_dir(workshop.folder.path());
    compare.args([
        "compare",
        "content.png",
        "--content",
        "content.png",
        "--style",
        "style.png",
    ]);
    compare.arg("--graphs").arg(crate::support::tiny_graphs());
    compare.arg("--onnxruntime").arg(crate::support::onnxruntime());
    succeed(compare.args(["--sheet", "sheet.png", "--force"]));
    std::os::unix::fs::symlink("sheet.png", workshop.path("link.json")).unwrap();
    let linked = ["--iterations", "1", "--trace", "link.json", "--force"];
    succeed(workshop.stylize("linked.png").args(linked));
    assert!(workshop.path("link.json").is_symlink());
    for name in ["gradient.npy", "out-00001.png", "sheet.png"] {
        assert!(is_device(&workshop.path(name)), "{name}");
    }
}

#[test]
fn the_null_device_takes_everything() {
    let workshop = Workshop::new();
    let null = [
        "--format",
        "png",
        "--trace",
        "/dev/null",
        "--iterations",
        "1",
        "--force",
    ];
    succeed(workshop.stylize("/dev/null").args(null));
    assert!(is_device(std::path::Path::new("/dev/null")));
}

#[test]
fn pipes_are_written_to_and_never_replaced() {
    for force in [&[][..], &["--force"]] {
        let workshop = Workshop::new();
        for (_, name) in FLAGS {
            make_pipe(&workshop.path(name));
        }
        let read = FLAGS.map(|(_, name)| reader(&workshop.path(name)));
        let mut command = workshop.stylize("place.png");
        for (flag, name) in &FLAGS[1..] {
            command.args([flag, name]);
        }
        let output = ended(started(command.args(["--iterations", "1"]).args(force)));
        assert!(output.status.success(), "{}", stderr(&output));
        let [picture, trace, plot, animation] = read.map(|thread| thread.join().unwrap());
        assert_eq!(image::load_from_memory(&picture).unwrap().width(), 40);
        let trace: Value = serde_json::from_slice(&trace).unwrap();
        assert_eq!(trace["output"]["sha256"], impasto::files::sha256(&picture));
        assert!(plot.starts_with(b"<svg") && animation.starts_with(b"GIF89a"));
        for (_, name) in FLAGS {
            assert!(is_pipe(&workshop.path(name)), "{name}");
        }
        fail(
            workshop.stylize("place.png").args(["--save-every", "1"]),
            &["previews", "place.png"],
        );
    }
}

#[test]
fn a_pipe_that_nobody_reads_is_waited_for_with_a_word() {
    let workshop = Workshop::new();
    make_pipe(&workshop.path("out.png"));
    let mut child = started(workshop.stylize("out.png").args(["--iterations", "1", "--quiet"]));
    let mut line = String::new();
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert!(
        line.contains("waiting for a program that reads out.png"),
        "{line}"
    );
    let mut bytes = Vec::new();
    fs::File::open(workshop.path("out.png"))
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    assert_eq!(image::load_from_memory(&bytes).unwrap().width(), 40);
    assert!(child.wait().unwrap().success());
}

#[test]
fn sockets_are_left_alone() {
    let workshop = Workshop::new();
    let _listener = UnixListener::bind(workshop.path("socket.png")).unwrap();
    for force in [&[][..], &["--force"]] {
        fail(
            workshop.stylize("socket.png").args(force),
            &["socket.png", "a socket"],
        );
        fail(
            workshop
                .stylize("out.png")
                .args(["--plot", "socket.png"])
                .args(force),
            &["--plot", "socket.png", "a socket"],
        );
    }
}

#[test]
fn a_stream_that_cannot_be_written_is_refused_before_the_run() {
    let workshop = Workshop::new();
    fail(
        shell(&workshop, "$impasto -o /dev/fd/3 --format png 3< content.png").env("X", ""),
        &["/dev/fd/3", "cannot be written"],
    );
    fail(
        workshop.stylize("/dev/fd/77").args(["--format", "png"]),
        &["/dev/fd/77", "cannot be written"],
    );
}
