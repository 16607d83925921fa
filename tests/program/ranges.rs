//! Flags, settings files and traces take the same values, and refuse others in the same words.

use std::fs;
use std::process::Command;

use crate::support::{Workshop, fail, impasto, stderr, succeed};
use serde_json::{Value, json};

/// Options that are whole numbers, and their ranges.
const WHOLE: [(&str, u64, u64); 6] = [
    ("size", 1, 65_536),
    ("style-size", 1, 65_536),
    ("iterations", 0, 1_000_000),
    ("history", 1, 1000),
    ("threads", 1, 1024),
    ("jpeg-quality", 1, 100),
];

/// A workshop with the trace of a run in it.
fn traced() -> (Workshop, Value) {
    let workshop = Workshop::new();
    succeed(
        workshop
            .stylize("out.png")
            .args(["--iterations", "1", "--trace", "run.json"]),
    );
    let trace = serde_json::from_slice(&fs::read(workshop.path("run.json")).unwrap()).unwrap();
    (workshop, trace)
}

/// Repeating this trace must fail.
fn refuse_trace(workshop: &Workshop, trace: &[u8], parts: &[&str]) {
    fs::write(workshop.path("bad.json"), trace).unwrap();
    let mut command = impasto();
    command.current_dir(workshop.folder.path());
    command.args([
        "stylize",
        "--repeat",
        "bad.json",
        "-o",
        "again.png",
        "--save-every",
        "1",
    ]);
    fail(&mut command, &[parts, &["bad.json"]].concat());
    assert!(!workshop.path("again.png").exists());
}

#[test]
fn a_number_out_of_its_range_is_refused_alike_wherever_it_comes_from() {
    let (workshop, trace) = traced();
    for (option, least, most) in WHOLE {
        let range = format!("a whole number from {least} to {most}");
        let below = i128::from(least) - 1;
        let above = i128::from(most) + 1;
        for value in [
            below,
            above,
            i64::MAX.into(),
            i64::MIN.into(),
            u64::MAX.into(),
            1 << 100,
        ] {
            let value = value.to_string();
            let mut flag = workshop.stylize("refused.png");
            fail(flag.args([&format!("--{option}"), &value]), &[&range, option]);

            fs::write(workshop.path("bad.toml"), format!("\n{option} = {value}\n")).unwrap();
            let mut file = without_flags(&workshop);
            fail(
                file.args(["--config", "bad.toml", "--save-every", "1"]),
                &["bad.toml:2", option],
            );

            let recorded = &trace["settings"][option];
            let text = trace["settings"].to_string();
            let (from, to) = (
                format!("\"{option}\":{recorded}"),
                format!("\"{option}\":{value}"),
            );
            assert!(text.contains(&from), "{option}");
            let mut changed = trace.clone();
            changed["settings"] = json!("SETTINGS");
            let changed = changed
                .to_string()
                .replace("\"SETTINGS\"", &text.replace(&from, &to));
            refuse_trace(&workshop, changed.as_bytes(), &[option, &range]);
        }
        for written in [above.to_string(), below.to_string(), "\"many\"".to_owned()] {
            fs::write(workshop.path("bad.toml"), format!("{option} = {written}")).unwrap();
            let mut file = without_flags(&workshop);
            fail(
                file.args(["--config", "bad.toml"]),
                &["bad.toml:1", option, &written, &range],
            );
        }
    }
}

/// `stylize` with no setting but its inputs.
fn without_flags(workshop: &Workshop) -> Command {
    let mut command = impasto();
    command.current_dir(workshop.folder.path());
    command.args(["stylize", "content.png", "style.png", "-o", "refused.png"]);
    command
}

#[test]
fn scales_have_the_ranges_of_sizes_and_iterations() {
    let workshop = Workshop::new();
    for (scales, part) in [
        ("20:9223372036854775807", "0 to 1000000"),
        ("20:1,40:1000001", "0 to 1000000"),
        ("20:1,65537:1", "1 to 65536"),
        ("0:1", "1 to 65536"),
    ] {
        let mut flag = workshop.stylize("refused.png");
        fail(
            flag.args(["--save-every", "1", "--scales", scales]),
            &["--scales", part],
        );
        fs::write(workshop.path("bad.toml"), format!("scales = \"{scales}\"")).unwrap();
        let mut file = workshop.stylize("refused.png");
        fail(
            file.args(["--save-every", "1", "--config", "bad.toml"]),
            &["bad.toml:1", "scales", part],
        );
    }
}

#[test]
fn numbers_that_are_none_are_refused_in_a_settings_file() {
    let workshop = Workshop::new();
    for option in [
        "style-weight",
        "tv-weight",
        "style-scale",
        "tolerance",
        "max-seconds",
        "learning-rate",
        "beta1",
    ] {
        for value in ["nan", "inf", "-inf", "-1", "1e300", "\"much\"", "[]", "{ a = 1 }"] {
            let adam = if ["learning-rate", "beta1"].contains(&option) {
                "optimizer = \"adam\"\n"
            } else {
                ""
            };
            fs::write(workshop.path("bad.toml"), format!("{adam}{option} = {value}")).unwrap();
            let mut command = workshop.stylize("refused.png");
            fail(command.args(["--config", "bad.toml"]), &["bad.toml:", option]);
        }
    }
}

#[test]
fn a_settings_file_that_is_none_is_refused_in_one_line() {
    let workshop = Workshop::new();
    let deep = |open: &str, close: &str| format!("size = {}1{}", open.repeat(10_000), close.repeat(10_000));
    let dotted = format!("{} = 1", vec!["a"; 20_000].join("."));
    for text in [
        "size = 40\nsize = 41",
        "size",
        "size = ",
        "[size]",
        "[[size]]",
        "size = 40\0",
        "no-such-option = 1",
        "provider-option = { a = 1 }",
        "style-blend = 3",
        "style-blend = [\"a\"]",
        "style-layer-weights = { relu1_1 = \"a\" }",
        "seed = 1e3",
        "size = 1979-05-27",
        &deep("[", "]"),
        &deep("{a=", "}"),
        &dotted,
    ] {
        fs::write(workshop.path("bad.toml"), text).unwrap();
        fail(
            workshop.stylize("refused.png").args(["--config", "bad.toml"]),
            &["bad.toml"],
        );
    }
    fs::write(workshop.path("bad.toml"), b"size = 40 # caf\xe9").unwrap();
    fail(
        workshop.stylize("refused.png").args(["--config", "bad.toml"]),
        &["bad.toml", "UTF-8"],
    );
    // What editors put before the text is no fault.
    fs::write(workshop.path("good.toml"), "\u{feff}iterations = 1").unwrap();
    succeed(workshop.stylize("out.png").args(["--config", "good.toml"]));
}

#[test]
fn a_trace_that_is_none_is_refused_in_one_line() {
    let (workshop, trace) = traced();
    let text = trace.to_string();
    for cut in [0, 1, text.len() / 3, text.len() - 1] {
        refuse_trace(&workshop, &text.as_bytes()[..cut], &["line"]);
    }
    let with = |key: &str, value: Value, part: &str| {
        let mut changed = trace.clone();
        changed[key] = value;
        refuse_trace(&workshop, changed.to_string().as_bytes(), &[part]);
    };
    with("settings", json!([]), "no JSON object");
    with("settings", json!(null), "no JSON object");
    with("settings", json!([null, "max"]), "no JSON object");
    with("settings", json!({"size": [40]}), "size");
    with("settings", json!({"no-such-option": 1}), "no-such-option");
    with("settings", json!({"style-weight": "much"}), "style-weight");
    with("settings", json!({"style-weight": -1}), "style-weight");
    with(
        "settings",
        json!({"scales": "20:9223372036854775807"}),
        "0 to 1000000",
    );
    with("settings", json!({"init": "blend:7"}), "init");
    with(
        "inputs",
        json!([["content", "content.png", "content.png", "0"]]),
        "no record of a file",
    );
    with("inputs", json!({}), "trace");
    with("output", json!([]), "no record of a file");
    with("graphs", json!([1]), "no record of a file");
    with("versions", json!([]), "trace");
    with("ended-after", json!(-1), "trace");
    refuse_trace(
        &workshop,
        json!([trace["settings"]]).to_string().as_bytes(),
        &["no settings"],
    );
    refuse_trace(&workshop, "[".repeat(10_000).as_bytes(), &["recursion"]);
    refuse_trace(&workshop, format!("\u{feff}{text}").as_bytes(), &["line 1"]);
    refuse_trace(&workshop, b"\xff\xfe", &["line 1"]);
    refuse_trace(&workshop, b"{\"settings\": {}}\0", &["line 1"]);
    let twice = text.replacen("\"seed\":0", "\"seed\":0,\"seed\":0", 1);
    assert_ne!(twice, text);
    refuse_trace(&workshop, twice.as_bytes(), &["duplicate"]);
}

#[test]
fn more_threads_than_processors_are_not_started() {
    let workshop = Workshop::new();
    let run = ["--iterations", "2"];
    succeed(workshop.stylize("plain.png").args(run));
    let output = succeed(workshop.stylize("many.png").args(run).args(["--threads", "1024"]));
    let processors = std::thread::available_parallelism().unwrap().get();
    let said = stderr(&output);
    let warning = said.lines().find(|line| line.starts_with("warning: ")).unwrap();
    assert!(
        warning.contains("1024") && warning.contains(&format!("{processors} run")),
        "{said}"
    );
    assert!(said.contains(&format!(" {processors} thread(s)")), "{said}");
    let bytes = |name: &str| fs::read(workshop.path(name)).unwrap();
    assert_eq!(bytes("many.png"), bytes("plain.png"));
    let judged = succeed(workshop.evaluate("content.png").args(["--threads", "1024"]));
    assert!(stderr(&judged).contains("warning: 1024 threads"));
    let quiet = succeed(
        workshop
            .stylize("quiet.png")
            .args(run)
            .args(["--threads", "1024", "--quiet"]),
    );
    assert_eq!(stderr(&quiet), "");
}
