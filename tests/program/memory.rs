//! What a run may take of memory, and what it says of that before its start.

use std::fs;

use crate::support::{Workshop, fail, stderr, stdout, succeed, waves};
use serde_json::Value;

/// Pictures of 640 pixels, which have no room whole in [`SCARCE`].
fn large() -> Workshop {
    let workshop = Workshop::new();
    waves(640, 422, 1).save(workshop.path("content.png")).unwrap();
    waves(263, 320, 2).save(workshop.path("style.png")).unwrap();
    workshop
}

/// Room for a tile or two.
const SCARCE: [&str; 6] = ["--memory", "560M", "--size", "640", "--scales", "1"];

fn dry_run(workshop: &Workshop, flags: &[&str]) -> Value {
    let output = succeed(
        workshop
            .stylize("out.png")
            .args(["--dry-run", "--json"])
            .args(flags),
    );
    assert!(!workshop.path("out.png").exists());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_dry_run_says_what_a_run_would_take_and_paints_nothing() {
    let workshop = large();
    let forecast = dry_run(
        &workshop,
        &["--size", "320", "--scales", "2", "--iterations", "30"],
    );
    let scales = forecast["scales"].as_array().unwrap();
    let sizes: Vec<_> = scales
        .iter()
        .map(|scale| (&scale["width"], &scale["height"]))
        .collect();
    assert_eq!(sizes, [(&160.into(), &106.into()), (&320.into(), &211.into())]);
    assert_eq!(
        (&forecast["tiles"], &forecast["tile"]),
        (&1.into(), &serde_json::json!([320, 211]))
    );
    assert_eq!(
        (&forecast["evaluations"], &forecast["disk"]),
        (&52.into(), &(3 * 320 * 211).into())
    );
    let parts = scales[1]["memory"].as_object().unwrap().values();
    let total: u64 = parts.map(|bytes| bytes.as_u64().unwrap()).sum();
    assert_eq!(forecast["memory"], total);
    let seconds = |name: &str| forecast["seconds"][name].as_f64().unwrap();
    assert!(0.0 < seconds("least") && seconds("least") <= seconds("most"));

    let text = stdout(&succeed(workshop.stylize("out.png").args([
        "--dry-run",
        "--memory",
        "4G",
    ])));
    for part in ["40x26 whole", "of the 4.00G", "time: ", "disk: "] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn the_losses_of_coarser_scales_beside_a_finer_one_are_reckoned_with() {
    let workshop = large();
    let memory = |preset: &str| {
        let forecast = dry_run(&workshop, &["--size", "320", "--scales", "2", "--preset", preset]);
        forecast["scales"][1]["memory"].clone()
    };
    let [alone, beside] = ["gatys", "impasto"].map(memory);
    // The photo's pixels and features, the image and its gradient; the network's memory is shared.
    let features = 512 * 20 * 13 * 4;
    let more = 2 * 12 * 160 * 106 + features;
    assert_eq!(beside["network"], alone["network"]);
    assert_eq!(beside["content"], alone["content"].as_u64().unwrap() + more);
}

#[test]
fn a_picture_without_room_is_computed_in_tiles_with_a_shorter_history() {
    let workshop = large();
    let forecast = dry_run(&workshop, &SCARCE);
    let way = &forecast["scales"][0];
    assert!(way["tiles"].as_u64() > Some(1), "{forecast}");
    let history = way["history"].as_u64().unwrap();
    assert!((1..80).contains(&history));
    assert!(forecast["memory"].as_u64() <= Some(560 << 20));

    // What was chosen is told, and recorded: a repeated run chooses the same on any machine.
    let run = ["--iterations", "2", "--trace", "run.json"];
    let output = succeed(workshop.stylize("out.png").args(SCARCE).args(run));
    assert!(stderr(&output).contains(" tiles of "), "{}", stderr(&output));
    let trace: Value = serde_json::from_slice(&fs::read(workshop.path("run.json")).unwrap()).unwrap();
    assert_eq!(trace["settings"]["memory"], "560M");
    let mut again = crate::support::impasto();
    again.current_dir(&workshop.folder);
    let output = succeed(again.args(["stylize", "--repeat", "run.json", "-o", "again.png"]));
    assert!(
        stderr(&output).contains("the same bytes as recorded"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn verbose_says_which_files_run_what_they_take_and_how_long() {
    let workshop = large();
    let flags = [
        "--verbose",
        "--size",
        "96",
        "--scales",
        "48:1,96:1",
        "--tile",
        "64",
    ];
    let told = stderr(&succeed(workshop.stylize("out.png").args(flags)));
    for part in [
        "kernels ",
        "loss_grad",
        "weights: ",
        "network ",
        "history ",
        "to prepare 48x",
        "to paint 48x",
        "to paint 96x",
        "to write: ",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    fail(
        workshop.stylize("other.png").args(["--verbose", "--quiet"]),
        &["--quiet"],
    );
}

#[test]
fn memory_that_suffices_changes_nothing_and_is_not_recorded() {
    let workshop = Workshop::new();
    let paint = |name: &str, memory: &[&str]| {
        let run = ["--iterations", "3", "--force", "--trace", "run.json"];
        succeed(workshop.stylize(name).args(run).args(memory));
        let trace: Value = serde_json::from_slice(&fs::read(workshop.path("run.json")).unwrap()).unwrap();
        assert_eq!(trace["settings"]["memory"], Value::Null);
        fs::read(workshop.path(name)).unwrap()
    };
    assert_eq!(paint("a.png", &[]), paint("b.png", &["--memory", "2G"]));
}

#[test]
fn a_picture_that_has_no_room_at_all_is_refused_with_a_size_that_has() {
    let workshop = large();
    let refused = ["--memory", "300M", "--size", "640", "--scales", "1"];
    fail(
        workshop.stylize("out.png").args(refused),
        &["640x422", "may take 300M", "--memory 4"],
    );
    let refused = ["--memory", "1G", "--size", "8000"];
    fail(
        workshop.stylize("out.png").args(refused),
        &["8000x5275", "may take 1.00G", "--size ", "--memory "],
    );
    fail(
        workshop.evaluate("content.png").args(["--memory", "300M"]),
        &["may take 300M", "--memory 564M"],
    );
    assert!(!workshop.path("out.png").exists());
}

#[test]
fn evaluate_takes_tiles_where_memory_is_short() {
    let workshop = large();
    let evaluate = |memory: &str| -> Value {
        let flags = ["--json", "--kernels", "auto", "--memory", memory];
        let output = succeed(workshop.evaluate("content.png").args(flags));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let (whole, tiled) = (evaluate("2G"), evaluate("934M"));
    assert_eq!(whole["tiles"], 1);
    assert!(tiled["tiles"].as_u64() > Some(1), "{tiled}");
    let total = |value: &Value| value["total"].as_f64().unwrap();
    assert!((total(&tiled) / total(&whole) - 1.0).abs() < 1e-5);
}

#[test]
fn an_amount_of_memory_is_a_number_with_its_unit() {
    let workshop = Workshop::new();
    for wrong in ["12T", "0", "-1G", "much"] {
        let code = fail(
            workshop.stylize("out.png").arg(format!("--memory={wrong}")),
            &["--memory", "1.5G"],
        );
        assert_eq!(code, 2);
    }
    fs::write(workshop.path("some.toml"), "memory = \"800M\"\n").unwrap();
    let forecast = dry_run(&workshop, &["--config", "some.toml"]);
    assert_eq!(forecast["budget"], 800 << 20);
}

#[cfg(target_os = "linux")]
#[test]
fn a_limit_of_the_address_space_is_a_limit_of_memory() {
    use std::os::unix::process::CommandExt as _;

    let workshop = Workshop::new();
    let mut command = workshop.stylize("out.png");
    command.args(["--dry-run", "--json", "--threads", "1"]);
    let limit = libc::rlimit {
        rlim_cur: 2 << 30,
        rlim_max: 2 << 30,
    };
    // SAFETY: the call is fit for between fork and exec.
    unsafe {
        command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_AS, &limit) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    let forecast: Value = serde_json::from_slice(&succeed(&mut command).stdout).unwrap();
    let budget = forecast["budget"].as_u64().unwrap();
    assert!(budget < 2 << 30, "{budget}");
}
