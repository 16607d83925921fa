//! `impasto stylize --presets`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::ArgMatches;

use impasto::config::{PRESETS, Preset};
use impasto::model::Padding;
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
        "PADDING",
        "STYLE LAYERS",
        "CONTENT",
    ];
    let rows: String = PRESETS.iter().map(|preset| row(cells(preset))).collect();
    let summaries: String = PRESETS
        .iter()
        .map(|preset| format!("{:<13} {}\n", preset.name, preset.summary))
        .collect();
    format!(
        "{}{rows}\n{summaries}\n\
         A content weight with * is in a unit that follows the pair of pictures: 2 is twice as much as usual for any pair.\n\
         Graphs of your own layers, by make graphs, take the weights of gatys.\n",
        row(columns.map(str::to_owned)),
    )
}

fn cells(preset: &Preset) -> [String; 9] {
    let side = match preset.fit {
        Fit::Long => "longer side",
        Fit::Short => "shorter side",
    };
    [
        preset.name.to_owned(),
        preset.style_weight.to_string(),
        format!("{}{}", preset.content_weight, preset.balance.map_or("", |_| "*")),
        preset.tv_weight.to_string(),
        side.to_owned(),
        if preset.coarse_to_fine { "auto" } else { "1" }.to_owned(),
        match preset.padding {
            Padding::Zero => "zero",
            Padding::Replicate => "replicate",
        }
        .to_owned(),
        style_layers(preset),
        preset.content_layers.to_owned(),
    ]
}

/// The style layers, with the factors of those that have one.
fn style_layers(preset: &Preset) -> String {
    let layers = preset.style_layers.split(' ').map(|layer| {
        let factor = preset.style_layer_weights.iter().find(|(name, _)| *name == layer);
        factor.map_or(layer.to_owned(), |(_, factor)| format!("{layer}={factor}"))
    });
    layers.collect::<Vec<_>>().join(" ")
}

fn row(
    [
        name,
        style,
        content,
        tv,
        size,
        scales,
        padding,
        style_layers,
        content_layers,
    ]: [String; 9],
) -> String {
    let weights = format!("{name:<13} {style:>5} {content:>7} {tv:>6}");
    format!("{weights}  {size:<12}  {scales:<6}  {padding:<9}  {style_layers:<43}  {content_layers}\n")
}
