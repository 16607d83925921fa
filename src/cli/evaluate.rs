//! `impasto evaluate`.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use ndarray::Axis;
use ndarray_npy::WriteNpyExt as _;

use impasto::atomic;
use impasto::stylize::{Judged, Stylizer};

use super::args::Evaluate;
use super::progress::warn_of_placement;
use super::providers::announce_if_unusual;
use super::quiet::quietly;
use super::report::{Report, json, judge, table};
use super::stylize::check_file;
use super::{Ended, load, load_all, sources, style_files};

/// Prints the loss and its terms, and how far the picture is from its targets.
pub fn run(args: &Evaluate) -> anyhow::Result<Ended> {
    let (options, _) = sources::resolve_to_judge(args.options(), &args.config)?;
    if let Some(path) = &args.gradient {
        check_file(path, args.force, "--gradient")?;
    }
    let image = load(&args.image, false)?;
    let content = load(&args.content, false)?;
    let styles = load_all(&style_files(&args.style)?, false)?;
    let stylizer = quietly(|| Stylizer::new(&options))?;
    announce_if_unusual(&stylizer);
    let judged = stylizer.evaluate(&image, &content, &styles)?;
    warn_of_placement(judged.placement.as_ref());
    if let Some(path) = &args.gradient {
        write_gradient(path, args.force, &judged)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let judgement = judge(&stylizer, &content, &styles)?.judge(&image)?;
    let report = Report::new(&judged, judgement);
    let text = if args.json {
        json(&report)?
    } else {
        table(&[&report])
    };
    io::stdout()
        .write_all(text.as_bytes())
        .context("the result cannot be printed")?;
    Ok(Ended::Done)
}

/// Writes the gradient as `.npy`.
fn write_gradient(path: &Path, overwrite: bool, judged: &Judged) -> io::Result<()> {
    let gradient = judged.gradient.index_axis(Axis(0), 0);
    atomic::write(path, overwrite, |file| {
        gradient.write_npy(file).map_err(io::Error::other)
    })
}
