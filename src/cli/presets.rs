//! `impasto stylize --presets`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::ArgMatches;

use impasto::config::{PRESETS, Preset};
use impasto::picture::Fit;

/// Whether the table is asked for. It stands alone: the arguments that `stylize` needs are missing then.
pub fn are_asked_for(matches: &ArgMatches) -> bool {
    let stylize = matches.subcommand_matches("stylize");
    stylize.is_some_and(|stylize| stylize.get_flag("presets"))
}

/// Prints the table.
pub fn print() -> ExitCode {
    // A closed pipe (`--presets | head`) is no failure.
    let _ = io::stdout().write_all(table().as_bytes());
    ExitCode::SUCCESS
}

fn table() -> String {
    let columns = [
        "PRESET",
        "STYLE",
        "CONTENT",
        "TV",
        "SIZE IS THE",
        "SCALES",
        "STYLE LAYERS",
        "CONTENT",
    ];
    let rows: String = PRESETS.iter().map(|preset| row(cells(preset))).collect();
    let summaries: String = PRESETS
        .iter()
        .map(|preset| format!("{:<13} {}\n", preset.name, preset.summary))
        .collect();
    format!(
        "{}{rows}\n{summaries}\nGraphs of your own layers, by make graphs, take the weights of {}.\n",
        row(columns.map(str::to_owned)),
        PRESETS[0].name
    )
}

fn cells(preset: &Preset) -> [String; 8] {
    let side = match preset.fit {
        Fit::Long => "longer side",
        Fit::Short => "shorter side",
    };
    [
        preset.name.to_owned(),
        preset.style_weight.to_string(),
        preset.content_weight.to_string(),
        preset.tv_weight.to_string(),
        side.to_owned(),
        if preset.coarse_to_fine { "auto" } else { "1" }.to_owned(),
        preset.style_layers.to_owned(),
        preset.content_layers.to_owned(),
    ]
}

fn row(
    [
        name,
        style,
        content,
        tv,
        size,
        scales,
        style_layers,
        content_layers,
    ]: [String; 8],
) -> String {
    let weights = format!("{name:<13} {style:>5} {content:>7} {tv:>6}");
    format!("{weights}  {size:<12}  {scales:<6}  {style_layers:<39}  {content_layers}\n")
}
