//! Settings from `--config FILE.toml`, the user's own file and the environment, on tiny graphs.

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

/// A workshop with a settings file of the user's own below `own`.
fn workshop_of_user(config: &str) -> Workshop {
    let workshop = Workshop::new();
    fs::create_dir_all(workshop.path("own/impasto")).unwrap();
    fs::write(workshop.path("own/impasto/config.toml"), config).unwrap();
    workshop
}

/// The settings of a run by a user who has `own`.
fn settings_of_user(workshop: &Workshop, arguments: &[&str]) -> Value {
    let mut command = workshop.stylize("out.png");
    command.env("XDG_CONFIG_HOME", workshop.path("own"));
    let record = ["--iterations", "1", "--force", "--trace", "out.json"];
    succeed(command.args(record).args(arguments));
    let trace: Value = serde_json::from_slice(&fs::read(workshop.path("out.json")).unwrap()).unwrap();
    trace["settings"].clone()
}

#[test]
fn the_user_s_own_file_lies_below_config_and_flags_and_can_be_left_out() {
    let workshop = workshop_of_user("seed = 3\nhistory = 7\nfit = \"short\"\n");
    fs::write(workshop.path("impasto.toml"), "history = 8\n").unwrap();
    let chosen = |arguments: &[&str]| {
        let settings = settings_of_user(&workshop, arguments);
        ["seed", "history", "fit"].map(|name| settings[name].clone())
    };
    let [seed, history, fit] = [3, 7, 0].map(Value::from);
    let short = Value::from("short");
    assert_eq!(chosen(&[]), [seed.clone(), history, short.clone()]);
    assert_eq!(
        chosen(&["--config", "impasto.toml", "--seed", "4"]),
        [4.into(), 8.into(), short]
    );
    assert_eq!(chosen(&["--no-config"]), [fit, 80.into(), "long".into()]);

    // Without XDG_CONFIG_HOME it lies below the home folder.
    fs::rename(workshop.path("own"), workshop.path(".config")).unwrap();
    let mut command = workshop.stylize("home.png");
    command
        .env_remove("XDG_CONFIG_HOME")
        .env("HOME", workshop.folder.path());
    succeed(command.args(["--iterations", "1", "--trace", "home.json"]));
    let trace: Value = serde_json::from_slice(&fs::read(workshop.path("home.json")).unwrap()).unwrap();
    assert_eq!(trace["settings"]["seed"], seed);
}

#[test]
fn what_is_wrong_with_the_user_s_own_file_is_named() {
    let workshop = workshop_of_user("seed = 1\nstyle-size = 0\n");
    let mut command = workshop.stylize("refused.png");
    command.env("XDG_CONFIG_HOME", workshop.path("own"));
    fail(&mut command, &["own/impasto/config.toml:2", "style-size is 0"]);
}

#[test]
fn a_recorded_run_knows_no_settings_file_of_the_user_and_no_variables() {
    let workshop = workshop_of_user("seed = 3\nsize = 36\nmax-seconds = 0\n");
    let stopped = [
        "--iterations",
        "4",
        "--max-seconds",
        "0",
        "--checkpoint",
        "run.checkpoint",
    ];
    succeed(workshop.stylize("stopped.png").args(stopped));
    succeed(
        workshop
            .stylize("out.png")
            .args(["--iterations", "4", "--trace", "run.json"]),
    );
    let as_user = |arguments: &[&str]| {
        let mut command = crate::support::impasto();
        command
            .current_dir(workshop.folder.path())
            .env("XDG_CONFIG_HOME", workshop.path("own"))
            .env("IMPASTO_PROVIDER", "nonsense")
            .args(arguments);
        command
    };
    succeed(&mut as_user(&[
        "stylize",
        "--repeat",
        "run.json",
        "-o",
        "again.png",
    ]));
    succeed(&mut as_user(&[
        "resume",
        "run.checkpoint",
        "--max-seconds",
        "1000",
    ]));
    let read = |name: &str| fs::read(workshop.path(name)).unwrap();
    assert!(read("again.png") == read("out.png") && read("stopped.png") == read("out.png"));
}

#[test]
fn variables_of_the_environment_are_flags_and_win_over_files() {
    let workshop = workshop_of_user("memory = \"8G\"\nprovider = \"cpu\"\n");
    let paint = |name: &str, value: &str| {
        let mut command = workshop.stylize("out.png");
        command
            .env("XDG_CONFIG_HOME", workshop.path("own"))
            .env(name, value);
        command.args(["--iterations", "1", "--force"]);
        command
    };
    fail(&mut paint("IMPASTO_MEMORY", "1M"), &["memory"]);
    succeed(paint("IMPASTO_MEMORY", "1M").args(["--memory", "8G"]));
    fail(&mut paint("IMPASTO_PROVIDER", "cuda"), &["cuda"]);
    fail(&mut paint("IMPASTO_THREADS", "many"), &["--threads", "many"]);
    // A command that has no use for it passes it over.
    let mut completions = crate::support::impasto();
    succeed(
        completions
            .args(["completions", "bash"])
            .env("IMPASTO_MEMORY", "1M"),
    );
    let help = stdout(&succeed(crate::support::impasto().args(["stylize", "--help"])));
    for name in ["THREADS", "MEMORY", "PROVIDER", "DEVICE_ID", "GRAPHS"] {
        assert!(help.contains(&format!("[env: IMPASTO_{name}")), "{name}");
    }
}
