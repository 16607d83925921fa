//! `impasto batch`: the bytes of `stylize`, whatever fails, stops or is shared out. On tiny graphs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use impasto::picture::{Encoding, Picture};
use impasto::record::Record;
use serde_json::Value;

use crate::support::{
    Workshop, fail, impasto, onnxruntime, stderr, stdout, succeed, tiny_graphs, wait_for, waves,
};

/// A workshop with three photos, one of another size, in `photos` and two paintings in `paintings`.
fn workshop() -> Workshop {
    let workshop = Workshop::new();
    for folder in ["photos", "paintings"] {
        fs::create_dir(workshop.path(folder)).unwrap();
    }
    for (name, width, seed) in [("a", 40, 1), ("b", 40, 2), ("c", 33, 3)] {
        waves(width, 30, seed)
            .save(workshop.path(&format!("photos/{name}.png")))
            .unwrap();
    }
    for (name, seed) in [("x", 11), ("y", 12)] {
        waves(36, 44, seed)
            .save(workshop.path(&format!("paintings/{name}.png")))
            .unwrap();
    }
    workshop
}

/// A command of the program on the tiny graphs, in the workshop.
fn command(workshop: &Workshop, arguments: &[&str]) -> Command {
    let mut command = impasto();
    command
        .env_remove("SLURM_ARRAY_TASK_ID")
        .env_remove("JOB_COMPLETION_INDEX")
        .current_dir(workshop.folder.path())
        .args(arguments)
        .args(["--size", "32", "--iterations", "8", "--graphs"])
        .arg(tiny_graphs())
        .arg("--onnxruntime")
        .arg(onnxruntime());
    command
}

/// All photos in all styles.
fn batch(workshop: &Workshop, arguments: &[&str]) -> Command {
    let pattern = "out/{style}/{content}.png";
    let all = ["batch", "photos", "--styles", "paintings", "-o", pattern];
    let mut command = command(workshop, &all);
    command.args(arguments);
    command
}

/// The pictures of [`batch`], by name.
const NAMES: [&str; 6] = ["x/a", "x/b", "x/c", "y/a", "y/b", "y/c"];

fn output(workshop: &Workshop, name: &str) -> PathBuf {
    workshop.path(&format!("out/{name}.png"))
}

/// Checks that all pictures are those of `stylize`, and that nothing else lies beside them.
fn assert_right(workshop: &Workshop, arguments: &[&str]) {
    for name in NAMES {
        let (style, content) = name.split_once('/').unwrap();
        let (content, style) = (format!("photos/{content}.png"), format!("paintings/{style}.png"));
        let mut alone = command(
            workshop,
            &["stylize", &content, &style, "-o", "alone.png", "--force"],
        );
        succeed(alone.args(arguments));
        let alone = fs::read(workshop.path("alone.png")).unwrap();
        assert!(
            fs::read(output(workshop, name)).unwrap() == alone,
            "{name} has other bytes"
        );
    }
    for style in ["x", "y"] {
        let files = fs::read_dir(workshop.path(&format!("out/{style}"))).unwrap();
        assert_eq!(files.count(), 3, "something lies beside the pictures");
    }
}

fn code(output: &Output) -> Option<i32> {
    assert!(!stderr(output).contains("panicked"), "{}", stderr(output));
    output.status.code()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn every_picture_has_the_bytes_that_stylize_gives_it() {
    for arguments in [
        &["--scales=24:4,32:8", "--init=random"][..],
        &[
            "--tile=64",
            "--size=150",
            "--iterations=3",
            "--scales=1",
            "--color=match",
        ],
    ] {
        let workshop = workshop();
        succeed(&mut batch(&workshop, arguments));
        assert_right(&workshop, arguments);
    }
}

#[test]
fn several_at_a_time_come_to_the_same_and_are_told_in_their_order() {
    let workshop = workshop();
    fs::write(workshop.path("photos/b.png"), b"no picture").unwrap();
    let arguments = ["--jobs=3", "--log=log.jsonl"];
    let done = batch(&workshop, &arguments).output().unwrap();
    let told = stderr(&done);
    assert_eq!(code(&done), Some(3), "{told}");
    assert!(told.contains("3 pictures at a time"), "{told}");
    assert!(told.contains("4 painted, 0 there before, 2 failed"), "{told}");
    waves(40, 30, 2).save(workshop.path("photos/b.png")).unwrap();
    let told = stderr(&succeed(&mut batch(&workshop, &arguments)));
    assert!(told.contains("2 painted, 4 there before, 0 failed"), "{told}");
    assert_right(&workshop, &[]);
    let of_log = lines(&workshop.path("log.jsonl"));
    let names: Vec<String> = of_log.iter().map(|line| line["output"].to_string()).collect();
    let all = NAMES.map(|name| format!("\"out/{name}.png\""));
    assert_eq!(names, [all.clone(), all].concat());
}

#[test]
fn no_more_are_painted_at_a_time_than_have_room() {
    let workshop = workshop();
    let memory = ["--memory=400M"];
    let told = stderr(&succeed(batch(&workshop, &memory).arg("--jobs=2")));
    assert!(told.contains("not as many pictures have room in 400M"), "{told}");
    assert_right(&workshop, &memory);
}

#[test]
fn what_cannot_be_painted_stops_no_other_and_is_told() {
    let workshop = workshop();
    fs::write(workshop.path("photos/b.png"), b"no picture").unwrap();
    let mut batch_with_log = batch(&workshop, &["--log", "log.jsonl"]);
    let done = batch_with_log.output().unwrap();
    assert_eq!(code(&done), Some(3), "{}", stderr(&done));
    let told = stderr(&done);
    assert_eq!(
        told.lines().filter(|line| line.starts_with("error: ")).count(),
        2,
        "{told}"
    );
    assert!(told.contains("4 painted, 0 there before, 2 failed"), "{told}");
    let status = |line: &Value| (line["output"].clone(), line["status"].clone());
    let of_log: Vec<_> = lines(&workshop.path("log.jsonl")).iter().map(status).collect();
    assert_eq!(of_log[1], ("out/x/b.png".into(), "failed".into()));
    assert_eq!(of_log[2], ("out/x/c.png".into(), "painted".into()));

    waves(40, 30, 2).save(workshop.path("photos/b.png")).unwrap();
    let mut again = batch(&workshop, &["--log", "log.jsonl", "--retry-failed"]);
    let told = stderr(&succeed(&mut again));
    assert!(told.contains("2 painted, 0 there before, 0 failed"), "{told}");
    assert_right(&workshop, &[]);
    assert_eq!(lines(&workshop.path("log.jsonl")).len(), 8);
}

#[test]
fn jobs_that_cannot_all_be_right_are_refused_before_the_start() {
    let workshop = workshop();
    let batch = |pattern: &str| {
        let mut batch = command(&workshop, &["batch", "photos", "--styles", "paintings"]);
        batch.args(["-o", pattern]);
        batch
    };
    fail(
        &mut batch("out/{content}.png"),
        &["out/a.png", "two jobs", "x.png", "y.png"],
    );
    fail(&mut batch("out/{content}-{style}.gif"), &["a-x.gif", "extension"]);
    fail(batch("photos/{content}-{style}.png").arg("--size=0"), &["size"]);
    fail(
        &mut command(
            &workshop,
            &[
                "batch",
                "photos/a.png",
                "--styles",
                "style.png",
                "-o",
                "./style.png",
                "-f",
            ],
        ),
        &["style.png", "would be lost"],
    );
    fail(
        &mut command(
            &workshop,
            &["batch", "photos/*.gif", "--styles", "style.png", "-o", "x.png"],
        ),
        &["no file"],
    );
    let refused = batch("{photo}.png").output().unwrap();
    assert_eq!(code(&refused), Some(2));
    assert!(
        stderr(&refused).contains("{content}, {style} and {settings}"),
        "{}",
        stderr(&refused)
    );
    assert!(!workshop.path("out").exists());
}

#[test]
fn names_come_from_patterns_standard_input_settings_and_jobs_files() {
    let workshop = workshop();
    fs::write(workshop.path("oil.toml"), "iterations = 2\nstyle-weight = 10\n").unwrap();
    fs::write(
        workshop.path("ink.toml"),
        "iterations = 2\nseed = 3\ninit = \"random\"\n",
    )
    .unwrap();
    fs::write(workshop.path("list"), "photos/a.png\nphotos/c.png\n").unwrap();
    let mut listed = impasto();
    listed
        .current_dir(workshop.folder.path())
        .args([
            "batch",
            "-",
            "--styles",
            "paintings/[x]*",
            "--settings",
            "oil.toml",
            "ink.toml",
        ])
        .args(["-o", "{content}-{settings}.png", "--size=32", "--graphs"])
        .arg(tiny_graphs())
        .arg("--onnxruntime")
        .arg(onnxruntime())
        .stdin(fs::File::open(workshop.path("list")).unwrap());
    succeed(&mut listed);
    let alone = |settings: &str| {
        let file = format!("{settings}.toml");
        let mut alone = impasto();
        alone
            .current_dir(workshop.folder.path())
            .args([
                "stylize",
                "photos/c.png",
                "paintings/x.png",
                "-o",
                "alone.png",
                "-f",
            ])
            .args(["--size=32", "--config", &file, "--graphs"])
            .arg(tiny_graphs())
            .arg("--onnxruntime")
            .arg(onnxruntime());
        succeed(&mut alone);
        fs::read(workshop.path("alone.png")).unwrap()
    };
    for settings in ["oil", "ink"] {
        let painted = fs::read(workshop.path(&format!("c-{settings}.png"))).unwrap();
        assert!(painted == alone(settings), "{settings}");
        assert!(workshop.path(&format!("a-{settings}.png")).exists());
    }

    fs::write(
        workshop.path("jobs.jsonl"),
        "{\"content\": \"photos/a.png\", \"style\": [\"paintings/x.png\", \"paintings/y.png\"], \
         \"style-blend\": [1, 2], \"output\": \"jobs/a.webp\"}\n",
    )
    .unwrap();
    succeed(&mut command(&workshop, &["batch", "--jobs-file", "jobs.jsonl"]));
    let styles = ["paintings/x.png", "paintings/y.png"];
    let mut alone = command(
        &workshop,
        &[
            "stylize",
            "photos/a.png",
            styles[0],
            styles[1],
            "-o",
            "alone.webp",
        ],
    );
    succeed(alone.arg("--style-blend=1,2"));
    let read = |name: &str| fs::read(workshop.path(name)).unwrap();
    assert!(read("jobs/a.webp") == read("alone.webp"));
}

#[test]
fn shards_share_the_jobs_whoever_names_them() {
    let workshop = workshop();
    let told = stderr(&succeed(&mut batch(&workshop, &["--shard", "1/2"])));
    assert!(told.starts_with("shard 1 of 2: 3 of 6 pictures\n"), "{told}");
    let painted = NAMES
        .iter()
        .filter(|name| output(&workshop, name).exists())
        .count();
    assert_eq!(painted, 3);
    let mut slurm = batch(&workshop, &[]);
    slurm
        .env("SLURM_ARRAY_TASK_ID", "1")
        .env("SLURM_ARRAY_TASK_MIN", "0")
        .env("SLURM_ARRAY_TASK_COUNT", "2");
    let told = stderr(&succeed(&mut slurm));
    assert!(
        told.starts_with("shard 2 of 2 (SLURM_ARRAY_TASK_ID=1): 3 of 6 pictures\n"),
        "{told}"
    );
    assert_right(&workshop, &[]);

    let mut unknown = batch(&workshop, &[]);
    fail(
        unknown.env("JOB_COMPLETION_INDEX", "0"),
        &["JOB_COMPLETIONS", "--shard"],
    );
    assert_eq!(
        code(&batch(&workshop, &["--shard", "3/2"]).output().unwrap()),
        Some(2)
    );
}

#[cfg(unix)]
#[test]
fn a_run_that_is_interrupted_goes_on_where_it_was() {
    let workshop = workshop();
    let arguments = ["--iterations=600", "--scales=1", "--checkpoint-every=0"];
    let mut child = batch(&workshop, &arguments).spawn().unwrap();
    let checkpoint = workshop.path("out/x/a.png.checkpoint");
    wait_for(&checkpoint);
    // SAFETY: the child is ours and has not been waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(checkpoint.exists() && !output(&workshop, "x/a").exists());

    // Another run's checkpoint is not taken for its own.
    let one = [
        "batch",
        "photos/a.png",
        "--styles",
        "paintings/x.png",
        "-o",
        "out/x/a.png",
    ];
    let other = command(&workshop, &one).output().unwrap();
    assert_eq!(code(&other), Some(3));
    assert!(
        stderr(&other).contains("is of another run (iterations 8 instead of 600"),
        "{}",
        stderr(&other)
    );

    let mut resumed = command(&workshop, &one);
    succeed(resumed.args(&arguments[..2]));
    assert!(!checkpoint.exists());
    let mut alone = command(
        &workshop,
        &["stylize", "photos/a.png", "paintings/x.png", "-o", "alone.png"],
    );
    succeed(alone.args(&arguments[..2]));
    let read = |path: &Path| fs::read(path).unwrap();
    assert!(read(&output(&workshop, "x/a")) == read(&workshop.path("alone.png")));
}

#[cfg(unix)]
#[test]
fn of_several_that_are_interrupted_each_goes_on_where_it_was() {
    let workshop = workshop();
    let arguments = ["--iterations=600", "--scales=1"];
    let mut child = batch(&workshop, &arguments)
        .args(["--jobs=2", "--checkpoint-every=0", "--log=log.jsonl"])
        .spawn()
        .unwrap();
    let checkpoints = ["a", "b"].map(|name| workshop.path(&format!("out/x/{name}.png.checkpoint")));
    checkpoints.iter().for_each(|checkpoint| wait_for(checkpoint));
    // SAFETY: the child is ours and has not been waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(checkpoints.iter().all(|checkpoint| checkpoint.exists()));
    let of_log = lines(&workshop.path("log.jsonl"));
    let told: Vec<_> = of_log
        .iter()
        .map(|line| (&line["output"], &line["status"]))
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter().all(|(_, status)| *status == "interrupted"),
        "{told:?}"
    );

    succeed(batch(&workshop, &arguments).arg("--jobs=2"));
    assert_right(&workshop, &arguments);
}

#[test]
fn what_is_there_is_left_if_it_was_made_so_and_refused_or_replaced_if_not() {
    let workshop = workshop();
    succeed(&mut batch(&workshop, &[]));
    let told = stderr(&succeed(&mut batch(&workshop, &["--force"])));
    assert!(told.contains("0 painted, 6 there before, 0 failed"), "{told}");

    let other = output(&workshop, "x/b");
    let mut record = Record::read(&other).unwrap().unwrap();
    record.versions.insert("impasto".to_owned(), "0.0.1".to_owned());
    let mut file = Picture::load(&other)
        .unwrap()
        .encoded(&other, &Encoding::default())
        .unwrap();
    record.insert(&mut file).unwrap();
    fs::write(&other, file).unwrap();
    waves(40, 30, 9).save(output(&workshop, "y/c")).unwrap();
    waves(33, 30, 8).save(workshop.path("photos/c.png")).unwrap();
    let again = batch(&workshop, &[]).output().unwrap();
    let told = stderr(&again);
    assert_eq!(code(&again), Some(3), "{told}");
    for part in [
        "out/x/b.png: painted by version 0.0.1, and left as it is",
        "error: out/x/c.png: made otherwise (file 1 (content) c.png",
        "error: out/y/c.png: out/y/c.png: the file exists; use --force",
        "0 painted, 4 there before, 2 failed",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }

    let told = stderr(&succeed(&mut batch(&workshop, &["--force"])));
    assert!(told.contains("2 painted, 4 there before, 0 failed"), "{told}");
    fs::remove_file(other).unwrap();
    succeed(&mut batch(&workshop, &[]));
    assert_right(&workshop, &[]);
}

#[test]
fn killed_at_any_moment_and_run_again_it_comes_to_the_same() {
    let workshop = workshop();
    let arguments = ["--iterations=60", "--checkpoint-every=0", "--log=log.jsonl"];
    for (run, milliseconds) in [60, 130, 200, 270, 350, 500].into_iter().enumerate() {
        let jobs = ["--jobs=1", "--jobs=2"][run % 2];
        let mut child = batch(&workshop, &arguments)
            .args(["--quiet", jobs])
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    succeed(&mut batch(&workshop, &arguments));
    assert_right(&workshop, &arguments[..1]);
    let text = fs::read_to_string(workshop.path("log.jsonl")).unwrap();
    let entries = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let painted: Vec<String> = entries
        .filter(|entry| entry["status"] == "painted")
        .map(|entry| entry["output"].to_string())
        .collect();
    for name in &painted {
        assert_eq!(
            painted.iter().filter(|other| *other == name).count(),
            1,
            "{name} was painted twice"
        );
    }
}

#[test]
fn the_help_has_the_exit_codes() {
    let help = stdout(&succeed(impasto().args(["batch", "--help"])));
    assert!(help.contains("3 when some could not be painted"), "{help}");
}

#[test]
fn a_photo_is_not_seamless_and_own_settings_lie_below_a_file_of_jobs() {
    let workshop = workshop();
    fail(batch(&workshop, &[]).arg("--seamless"), &["--seamless", "no use"]);
    fs::create_dir_all(workshop.path("own/impasto")).unwrap();
    fs::write(
        workshop.path("own/impasto/config.toml"),
        "seamless = \"both\"\nseed = 7\n",
    )
    .unwrap();
    fs::write(
        workshop.path("jobs.jsonl"),
        "{\"content\": \"photos/a.png\", \"style\": \"paintings/x.png\", \"output\": \"job.png\"}\n",
    )
    .unwrap();
    let own = workshop.path("own");
    for arguments in [
        &["batch", "--jobs-file", "jobs.jsonl"][..],
        &[
            "batch",
            "photos/a.png",
            "--styles",
            "paintings/x.png",
            "-o",
            "grid.png",
        ],
        &["stylize", "photos/a.png", "paintings/x.png", "-o", "alone.png"],
    ] {
        let mut command = command(&workshop, arguments);
        succeed(command.env("XDG_CONFIG_HOME", &own).args(["--init", "random"]));
    }
    let read = |name: &str| fs::read(workshop.path(name)).unwrap();
    let alone = read("alone.png");
    assert!(read("job.png") == alone && read("grid.png") == alone);
    let record = Record::read(&workshop.path("job.png")).unwrap().unwrap();
    assert_eq!(record.settings["seed"], 7);
}
