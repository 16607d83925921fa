//! The help fits its purpose: a screen for `-h`, all of it by task for `--help`.

use crate::support::{impasto, stdout, succeed};

fn help(arguments: &[&str]) -> String {
    stdout(&succeed(impasto().args(arguments)))
}

#[test]
fn the_short_help_fits_on_a_screen() {
    for arguments in [
        &["-h"][..],
        &["stylize", "-h"],
        &["texture", "-h"],
        &["evaluate", "-h"],
        &["compare", "-h"],
        &["regions", "-h"],
        &["providers", "-h"],
    ] {
        let text = help(arguments);
        let lines = text.lines().count();
        assert!(lines <= 40, "{arguments:?}: {lines} lines:\n{text}");
        let wide = text.lines().find(|line| line.chars().count() > 100);
        assert_eq!(wide, None, "{arguments:?}");
    }
}

#[test]
fn the_short_help_of_stylize_gives_each_flag_one_line() {
    let text = help(&["stylize", "-h"]);
    let (_, flags) = text.split_once("\nOutput:\n").unwrap();
    let is_flag = |line: &str| line.trim_start().starts_with('-');
    let is_heading = |line: &str| line.ends_with(':') && !line.starts_with(' ');
    for line in flags.lines().filter(|line| !line.is_empty()) {
        assert!(
            is_flag(line) || is_heading(line),
            "{line:?} goes on from the line before"
        );
    }
}

#[test]
fn the_long_help_is_grouped_by_task_and_ends_with_examples() {
    let text = help(&["stylize", "--help"]);
    let headings = [
        "Output:",
        "Size:",
        "Objective:",
        "Colour:",
        "Regions:",
        "Start:",
        "Optimiser:",
        "Engine:",
        "Watching:",
        "Records:",
        "Examples:",
    ];
    let places = headings.map(|heading| {
        text.find(&format!("\n{heading}\n"))
            .unwrap_or_else(|| panic!("no {heading}"))
    });
    assert!(places.is_sorted(), "{places:?}");
    let (flags, examples) = text.split_once("\nExamples:\n").unwrap();
    let words = examples.split_whitespace().filter(|word| word.starts_with('-'));
    for flag in words {
        let is_flag = |line: &str| line.split([' ', ',', '[']).any(|word| word == flag);
        assert!(
            flags.lines().any(is_flag),
            "an example has {flag}, which is no flag"
        );
    }
}

#[test]
fn every_flag_of_the_short_help_is_in_the_long_one() {
    let long = help(&["stylize", "--help"]);
    let short = help(&["stylize", "-h"]);
    let flags = short.split_whitespace().filter(|word| word.starts_with("--"));
    for flag in flags {
        assert!(long.contains(flag.trim_matches(['\'', ')', ','])), "{flag}");
    }
}

#[test]
fn completions_name_the_commands_in_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = help(&["completions", shell]);
        for word in ["stylize", "resume", "style-weight"] {
            assert!(script.contains(word), "{word:?} is not in the script for {shell}");
        }
    }
}
