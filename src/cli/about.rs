//! `impasto about`.

use std::path::PathBuf;

use clap::Args;

use impasto::files::escaped;
use impasto::record::{NamedFile, Record, RecordError};

use super::outputs::print;
use super::report::json;
use super::{Ended, input_name};

/// Print what a picture's file says of its making: pictures, settings, versions
///
/// stylize and texture write that into each picture, unless --no-record is given; stylize --repeat FILE makes it again. A picture
/// that says nothing is an error (exit code 1).
#[derive(Debug, Args)]
pub struct About {
    /// The picture: PNG, JPEG, WebP or TIFF; - is standard input
    pub file: PathBuf,

    /// Print JSON: {"versions": {…}, "settings": {…}, "inputs": […], "graphs": […]}
    ///
    /// settings by the long flags' names; inputs and graphs are lists of {"role", "name", "sha256"}; "ended-after", the number of
    /// evaluations, if Ctrl-C, --max-seconds or a failure ended the run.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Prints the record of a picture.
pub fn run(args: &About) -> anyhow::Result<Ended> {
    let record = Record::read(&args.file)?;
    let record = record.ok_or_else(|| RecordError::NoRecord {
        path: input_name(&args.file).into(),
    })?;
    print(&if args.json { json(&record)? } else { text(&record) })?;
    Ok(Ended::Done)
}

/// The record in lines: pictures, settings with their values as JSON has them, graphs, versions.
fn text(record: &Record) -> String {
    let settings = record
        .settings
        .iter()
        .map(|(name, value)| (&**name, value.to_string()));
    let ended = record
        .ended_after
        .map(|evaluation| format!("ended from outside after {evaluation} evaluations\n"));
    [
        files(&record.inputs),
        table(settings, " = "),
        files(&record.graphs),
        table(
            record
                .versions
                .iter()
                .map(|(name, version)| (&**name, version.clone())),
            " ",
        ),
    ]
    .into_iter()
    .chain(ended)
    .collect::<Vec<_>>()
    .join("\n")
}

fn files(files: &[NamedFile]) -> String {
    table(
        files
            .iter()
            .map(|file| (&*file.role, format!("{}  sha256 {}", file.name, file.sha256))),
        " ",
    )
}

/// Lines of a name and a value each, the values below each other.
fn table<'a>(rows: impl Iterator<Item = (&'a str, String)>, between: &str) -> String {
    let rows: Vec<(&str, String)> = rows.collect();
    let width = rows
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    rows.iter()
        .map(|(name, value)| format!("{:width$}{between}{}\n", escaped(name), escaped(value)))
        .collect()
}
