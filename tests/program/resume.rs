//! A run that was stopped, by whatever and wherever, is resumed from its checkpoint to the same bytes; what cannot be is
//! refused by name. On tiny graphs.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::{Workshop, fail, graph_files, impasto, stderr, succeed, wait_for, waves};
use serde_json::Value;

/// What a run writes at its end.
const OUTPUTS: [&str; 4] = ["out.png", "trace.json", "run.gif", "loss.svg"];

/// `impasto stylize` with everything that it can write at its end.
fn stylize(workshop: &Workshop, arguments: &[&str]) -> Command {
    let mut command = workshop.stylize("out.png");
    command.args([
        "--trace",
        "trace.json",
        "--animation",
        "run.gif",
        "--plot",
        "loss.svg",
    ]);
    command.args(arguments);
    command
}

/// The same with a checkpoint after every iteration, and previews that tell how far it is.
fn checkpointed(workshop: &Workshop, arguments: &[&str]) -> Command {
    let mut command = stylize(workshop, arguments);
    command.args([
        "--checkpoint",
        "run.ck",
        "--checkpoint-every",
        "0",
        "--save-every",
        "5",
    ]);
    command
}

fn resume(workshop: &Workshop) -> Command {
    let mut command = impasto();
    command
        .current_dir(workshop.folder.path())
        .args(["resume", "run.ck"]);
    command
}

/// Runs a command up to an iteration, and kills it there.
fn kill_at(workshop: &Workshop, iteration: u64, command: &mut Command) {
    let mut child = command.arg("--quiet").spawn().unwrap();
    wait_for(&workshop.path(&format!("out-{iteration:05}.png")));
    child.kill().unwrap();
    assert!(
        !child.wait().unwrap().success(),
        "it came to its end before iteration {iteration}"
    );
}

/// The files of a finished run; of its trace all but the seconds.
fn outputs(workshop: &Workshop) -> Vec<Vec<u8>> {
    let read = |name: &&str| {
        let bytes = fs::read(workshop.path(name)).unwrap();
        match name.ends_with(".json") {
            true => without_seconds(&bytes).to_string().into_bytes(),
            false => bytes,
        }
    };
    OUTPUTS.iter().map(read).collect()
}

fn without_seconds(trace: &[u8]) -> Value {
    let mut trace: Value = serde_json::from_slice(trace).unwrap();
    for evaluation in trace["evaluations"].as_array_mut().unwrap() {
        evaluation.as_object_mut().unwrap().remove("seconds").unwrap();
    }
    trace
}

fn assert_same(workshop: &Workshop, whole: &[Vec<u8>]) {
    for ((name, found), whole) in OUTPUTS.iter().zip(outputs(workshop)).zip(whole) {
        assert!(&found == whole, "{name} has other bytes");
    }
    assert!(!workshop.path("run.ck").exists(), "the checkpoint is still there");
}

/// Paints whole, then with a kill at each of these iterations, each in what the one before has left.
fn check(arguments: &[&str], kills: &[u64]) {
    let workshop = Workshop::new();
    succeed(&mut stylize(&workshop, arguments));
    let whole = outputs(&workshop);
    OUTPUTS
        .iter()
        .for_each(|name| fs::remove_file(workshop.path(name)).unwrap());
    let mut command = checkpointed(&workshop, arguments);
    for iteration in kills {
        kill_at(&workshop, *iteration, &mut command);
        command = resume(&workshop);
    }
    succeed(&mut command);
    assert_same(&workshop, &whole);
}

#[test]
fn a_killed_run_of_l_bfgs_ends_with_the_bytes_of_a_whole_one() {
    check(&["--scales=1", "--iterations=150", "--history=7"], &[25, 90]);
}

#[test]
fn so_does_one_that_is_killed_in_each_of_its_scales() {
    let scales = "--scales=24:60,32:60,40:90";
    check(&[scales, "--color=original", "--init=random"], &[25, 85, 145]);
    check(&[scales, "--optimizer=adam"], &[25, 85, 145]);
}

#[test]
fn so_does_one_of_adam() {
    check(&["--optimizer=adam", "--scales=1", "--iterations=150"], &[25, 90]);
}

#[test]
fn so_does_one_in_tiles() {
    check(
        &["--size=160", "--tile=64", "--scales=2", "--iterations=20"],
        &[10],
    );
}

/// Paints whole, then with kills after these milliseconds, wherever it is by then; returns how many of them came in time.
fn check_at_moments(arguments: &[&str], moments: impl IntoIterator<Item = u64>) -> usize {
    let (whole, kills) = (Workshop::new(), Workshop::new());
    succeed(&mut stylize(&whole, arguments));
    let mut killed = 0;
    let is_there = |name: &str| kills.path(name).exists();
    let next = || match is_there("run.ck") {
        true => resume(&kills),
        false => checkpointed(&kills, arguments),
    };
    // The last thing that a run does is to remove its checkpoint.
    let has_ended = || is_there("out.png") && !is_there("run.ck");
    for moment in moments {
        let mut child = next().arg("--quiet").spawn().unwrap();
        std::thread::sleep(Duration::from_millis(moment));
        child.kill().unwrap();
        child.wait().unwrap();
        if has_ended() {
            break;
        }
        killed += 1;
    }
    if !has_ended() {
        succeed(&mut next());
    }
    for name in ["out.png", "run.gif", "loss.svg"] {
        let read = |workshop: &Workshop| fs::read(workshop.path(name)).unwrap();
        assert!(
            read(&whole) == read(&kills),
            "{name} has other bytes: {arguments:?}"
        );
    }
    let losses = |workshop: &Workshop| {
        without_seconds(&fs::read(workshop.path("trace.json")).unwrap())["evaluations"].clone()
    };
    assert_eq!(losses(&whole), losses(&kills));
    killed
}

#[test]
fn so_does_one_that_is_killed_at_any_moment() {
    let killed = check_at_moments(&["--scales=24:60,40:150"], [40, 400, 150, 250]);
    assert!(killed > 1, "it was faster than the kills");
}

#[test]
#[ignore = "takes two minutes; cargo nextest run --run-ignored only"]
fn so_do_forty_that_are_killed_at_any_moment() {
    const TILED: [&str; 3] = ["--size=160", "--tile=64", "--iterations=40"];
    let runs = [
        &["--scales=1", "--iterations=150"][..],
        &["--size=100", "--scales=60:40,80:40,100:70"],
        &["--scales=1", "--iterations=150", "--optimizer=adam"],
        &["--size=100", "--scales=60:40,80:40,100:70", "--optimizer=adam"],
        &[TILED[0], TILED[1], TILED[2], "--scales=1"],
        &[TILED[0], TILED[1], TILED[2], "--scales=2", "--optimizer=adam"],
    ];
    let mut random: u32 = 24;
    let mut moment = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u64::from(30 + (random >> 16) % 1200)
    };
    let mut killed = 0;
    for run in 0..40 {
        let moments: Vec<u64> = (0..1 + run % 3).map(|_| moment()).collect();
        killed += check_at_moments(runs[run % runs.len()], moments);
    }
    assert!(killed > 30, "{killed} kills came in time");
}

#[cfg(unix)]
#[test]
fn a_run_that_ctrl_c_or_time_ended_goes_on() {
    let workshop = Workshop::new();
    let arguments = ["--scales=24:60,40:90", "--max-seconds=1e9"];
    succeed(&mut stylize(&workshop, &arguments));
    let whole = outputs(&workshop);
    OUTPUTS
        .iter()
        .for_each(|name| fs::remove_file(workshop.path(name)).unwrap());

    let mut command = checkpointed(&workshop, &arguments);
    // So long that the one at the signal is the only one.
    let mut child = command.args(["--checkpoint-every", "1000"]).spawn().unwrap();
    wait_for(&workshop.path("out-00040.png"));
    succeed(Command::new("kill").args(["-INT", &child.id().to_string()]));
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(workshop.path("out.png").exists());

    let message = stderr(&succeed(resume(&workshop).args(["--max-seconds", "0"])));
    assert!(message.contains("out of time"), "{message}");
    assert!(
        message.contains("impasto resume run.ck --max-seconds"),
        "{message}"
    );
    let trace = without_seconds(&fs::read(workshop.path("trace.json")).unwrap());
    assert!(
        trace["iterations"].as_u64().unwrap() > 40,
        "{}",
        trace["iterations"]
    );

    succeed(resume(&workshop).args(["--max-seconds", "1e9"]));
    assert_same(&workshop, &whole);
}

/// Leaves a run that was killed in its first scale.
fn killed() -> Workshop {
    let workshop = Workshop::new();
    kill_at(&workshop, 10, &mut checkpointed(&workshop, &["--iterations=200"]));
    workshop
}

#[test]
fn it_goes_on_for_longer_to_another_place_and_from_another_folder() {
    let workshop = killed();
    succeed(&mut stylize(&workshop, &["--iterations=250"]));
    let whole = fs::read(workshop.path("out.png")).unwrap();
    OUTPUTS
        .iter()
        .for_each(|name| fs::remove_file(workshop.path(name)).unwrap());
    let mut elsewhere = impasto();
    elsewhere
        .current_dir("/")
        .arg("resume")
        .arg(workshop.path("run.ck"));
    succeed(
        elsewhere
            .args(["--iterations", "250", "-o"])
            .arg(workshop.path("other.png")),
    );
    assert!(fs::read(workshop.path("other.png")).unwrap() == whole);
    assert!(workshop.path("trace.json").exists() && !workshop.path("out.png").exists());
}

#[test]
fn what_has_changed_is_named() {
    let workshop = killed();
    for name in ["content.png", "style.png"] {
        let bytes = fs::read(workshop.path(name)).unwrap();
        waves(33, 31, 5).save(workshop.path(name)).unwrap();
        fail(&mut resume(&workshop), &["run.ck", name, "changed"]);
        fs::write(workshop.path(name), bytes).unwrap();
    }
    assert!(!workshop.path("out.png").exists());
    succeed(&mut resume(&workshop));
}

#[test]
fn a_graph_that_has_changed_is_named() {
    let workshop = Workshop::new();
    fs::create_dir(workshop.path("graphs")).unwrap();
    for path in graph_files() {
        let name = path.file_name().unwrap();
        fs::copy(&path, workshop.path("graphs").join(name)).unwrap();
    }
    let arguments = ["--graphs=graphs", "--kernels=onnxruntime", "--iterations=200"];
    kill_at(&workshop, 5, &mut checkpointed(&workshop, &arguments));
    // An empty field at the end, which changes the file and nothing else.
    let graph = workshop.path("graphs/gatys.loss_grad.onnx");
    let mut bytes = fs::read(&graph).unwrap();
    bytes.extend([0x32, 0x00]);
    fs::write(&graph, bytes).unwrap();
    fail(
        &mut resume(&workshop),
        &["run.ck", "gatys.loss_grad.onnx", "changed"],
    );
}

/// Changes bytes of the checkpoint, and its checksum with them.
fn forge(path: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.windows(from.len()).position(|part| part == from).unwrap();
    bytes.splice(at..at + from.len(), to.iter().copied());
    let end = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&checksum);
    fs::write(path, bytes).unwrap();
}

#[test]
fn another_version_or_processor_goes_on_with_it_only_by_force() {
    let workshop = killed();
    forge(
        &workshop.path("run.ck"),
        br#""machine":"linux"#,
        br#""machine":"amiga"#,
    );
    fail(&mut resume(&workshop), &["run.ck", "instead of amiga", "--force"]);
    let message = stderr(&succeed(resume(&workshop).arg("--force")));
    assert!(
        message.contains("warning") && message.contains("instead of amiga"),
        "{message}"
    );
}

#[test]
fn a_checkpoint_of_another_format_is_refused_by_name() {
    let workshop = killed();
    forge(&workshop.path("run.ck"), b"impasto\x1a\x01", b"impasto\x1a\x09");
    fail(
        resume(&workshop).arg("--force"),
        &["run.ck", "format 9", "format 1"],
    );
}

#[test]
fn what_is_damaged_or_no_checkpoint_is_refused() {
    let workshop = killed();
    let path = workshop.path("run.ck");
    let bytes = fs::read(&path).unwrap();
    for length in [13, 100, 3000, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        fail(&mut resume(&workshop), &["run.ck", "damaged"]);
    }
    for at in [40, bytes.len() / 2, bytes.len() - 2] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        fs::write(&path, damaged).unwrap();
        fail(&mut resume(&workshop), &["run.ck", "damaged"]);
    }
    for other in [&b""[..], b"impasto", b"a letter to Theo, of July 1888"] {
        fs::write(&path, other).unwrap();
        fail(&mut resume(&workshop), &["run.ck", "no checkpoint"]);
    }
    fs::remove_file(&path).unwrap();
    fail(&mut resume(&workshop), &["run.ck", "no such file"]);
}

#[test]
fn a_file_in_the_checkpoint_s_place_stays() {
    let workshop = Workshop::new();
    fs::write(workshop.path("run.ck"), "a letter").unwrap();
    fail(
        &mut checkpointed(&workshop, &["--iterations=3"]),
        &["run.ck", "exists", "--force"],
    );
    assert_eq!(fs::read(workshop.path("run.ck")).unwrap(), b"a letter");
    let mut to_input = stylize(&workshop, &["--iterations=3", "--force"]);
    fail(to_input.args(["--checkpoint", "style.png"]), &["style.png"]);
    fail(
        stylize(&workshop, &["--iterations=3"]).args(["--checkpoint", "-"]),
        &["--checkpoint"],
    );
}

#[test]
fn what_a_checkpoint_has_settled_is_no_option_of_resume() {
    let workshop = Workshop::new();
    let code = fail(
        resume(&workshop).args(["--size", "30"]),
        &["--size", "resume has no use for it"],
    );
    assert_eq!(code, 2);
}
