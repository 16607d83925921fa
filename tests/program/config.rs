//! `--config FILE.toml`, on tiny graphs.

use std::fs;

use crate::support::{Workshop, fail, stdout, succeed};
use serde_json::Value;

fn workshop(config: &str) -> Workshop {
    let workshop = Workshop::new();
    fs::write(workshop.path("impasto.toml"), config).unwrap();
    workshop
}

const CONFIG: [&str; 2] = ["--config", "impasto.toml"];

#[test]
fn settings_come_from_the_file_and_flags_win_over_it() {
    let workshop = workshop(
        "size = 33\niterations = 2\nstyle-weight = 50\ncolor = \"match\"\nfit = \"short\"\nhistory = 7\nseed = 3\n",
    );
    succeed(
        workshop
            .stylize("out.png")
            .args(CONFIG)
            .args(["--seed", "4", "--fit", "long", "--trace", "out.json"]),
    );
    let trace: Value = serde_json::from_slice(&fs::read(workshop.path("out.json")).unwrap()).unwrap();
    let settings = &trace["settings"];
    for (name, value) in [
        // The workshop's own flag.
        ("size", Value::from(40)),
        ("iterations", 2.into()),
        ("style-weight", 50.0.into()),
        ("color", "match".into()),
        ("fit", "long".into()),
        ("history", 7.into()),
        ("seed", 4.into()),
    ] {
        assert_eq!(settings[name], value, "{name}");
    }
}

#[test]
fn a_flag_that_names_another_optimiser_drops_what_the_file_says_of_its_own() {
    let workshop = workshop("history = 7\niterations = 2\n");
    succeed(
        workshop
            .stylize("out.png")
            .args(CONFIG)
            .args(["--optimizer", "adam"]),
    );
}

#[test]
fn a_flag_takes_back_what_the_file_sets() {
    let workshop = workshop("style-loss = \"moments\"\niterations = 2\n");
    let loss = |arguments: &[&str]| {
        let mut command = workshop.stylize("out.png");
        command.args(["--force", "--trace", "out.json", "--preset", "gatys"]);
        succeed(command.args(CONFIG).args(arguments));
        let trace: Value = serde_json::from_slice(&fs::read(workshop.path("out.json")).unwrap()).unwrap();
        trace["settings"]["style-loss"].clone()
    };
    assert_eq!(loss(&[]), "moments");
    assert_eq!(loss(&["--style-loss", "gram"]), "gram");
}

#[test]
fn evaluate_takes_the_same_file() {
    let workshop = workshop("style-weight = 0\ncontent-weight = 2\niterations = 5\n");
    let total = |arguments: &[&str]| -> f64 {
        let output = succeed(workshop.evaluate("style.png").arg("--json").args(arguments));
        serde_json::from_str::<Value>(&stdout(&output)).unwrap()["total"]
            .as_f64()
            .unwrap()
    };
    let flags = ["--style-weight", "0", "--content-weight", "2"];
    assert_eq!(total(&CONFIG), total(&flags));
    assert_eq!(
        2.0 * total(&["--config", "impasto.toml", "--content-weight", "1"]),
        total(&flags)
    );
}

#[test]
fn what_is_wrong_with_the_file_is_named_with_file_key_and_line() {
    for (config, parts) in [
        (
            "size = 64\n# a comment\nstile-weight = 3\n",
            &["impasto.toml:3", "stile-weight", "`style-weight`", "`size`"][..],
        ),
        (
            "\nsize = \"big\"\n",
            &["impasto.toml:2", "size", "big", "1 to 65536"],
        ),
        ("style-size = -3\n", &["impasto.toml:1", "style-size", "-3"]),
        (
            "seed = 1\nstyle-size = 0\n",
            &["impasto.toml:2", "style-size is 0", "1 to 65536"],
        ),
        (
            "history = 10\nlearning-rate = 1\n",
            &["impasto.toml:2", "learning-rate", "adam"],
        ),
        (
            "color = \"sepia\"\n",
            &["impasto.toml:1", "color", "sepia", "`original`"],
        ),
        ("bits = 12\n", &["impasto.toml:1", "bits", "8 or 16"]),
        (
            "init = \"chaos\"\n",
            &["impasto.toml:1", "init", "chaos", "style-stats"],
        ),
        (
            "provider = \"quantum\"\n",
            &["impasto.toml:1", "provider", "quantum", "cpu"],
        ),
        (
            "kernels = \"mmx\"\n",
            &["impasto.toml:1", "kernels", "mmx", "portable"],
        ),
        ("\n\nsize = = 3\n", &["impasto.toml:3"]),
        ("size = 3\nsize = 4\n", &["impasto.toml:2", "duplicate"]),
    ] {
        let workshop = workshop(config);
        fail(workshop.stylize("refused.png").args(CONFIG), parts);
        assert!(!workshop.path("refused.png").exists(), "{config}");
    }
}

#[test]
fn an_error_of_a_flag_is_not_blamed_on_the_file() {
    let workshop = workshop("optimizer = \"adam\"\nlearning-rate = 3\n");
    let mut command = workshop.stylize("refused.png");
    let output = command
        .args(CONFIG)
        .args(["--learning-rate", "300"])
        .output()
        .unwrap();
    let message = crate::support::stderr(&output);
    assert!(
        message.contains("learning-rate is 300") && !message.contains("impasto.toml"),
        "{message}"
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let workshop = Workshop::new();
    fail(
        workshop.stylize("refused.png").args(CONFIG),
        &["impasto.toml", "no such file"],
    );
}
