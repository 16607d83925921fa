//! `impasto evaluate`.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use ndarray::Axis;
use ndarray_npy::WriteNpyExt as _;
use serde::Serialize as _;
use serde::ser::{SerializeMap as _, Serializer};

use impasto::atomic;
use impasto::config::Options;
use impasto::model::KernelSet;
use impasto::stylize::{Judged, Stylizer};

use super::args::Evaluate;
use super::progress::warn_of_placement;
use super::providers::announce_engine;
use super::stylize::check_file;
use super::{Ended, load, load_all, sources, style_files};

/// Prints the loss and its terms.
pub fn run(args: &Evaluate) -> anyhow::Result<Ended> {
    // One evaluation to judge by: exactness counts, not speed.
    let exact = Options {
        kernels: Some(KernelSet::OnnxRuntime),
        ..Options::default()
    };
    let (options, _) = sources::resolve(args.options(), &args.config, exact)?;
    if let Some(path) = &args.gradient {
        check_file(path, args.force, "--gradient")?;
    }
    let image = load(&args.image, false)?;
    let content = load(&args.content, false)?;
    let styles = load_all(&style_files(&args.style)?, false)?;
    let stylizer = Stylizer::new(&options)?;
    if !stylizer.engine().is_cpu() || !stylizer.engine().refusals().is_empty() {
        announce_engine(stylizer.engine());
    }
    let judged = stylizer.evaluate(&image, &content, &styles)?;
    warn_of_placement(judged.placement.as_ref());
    if let Some(path) = &args.gradient {
        write_gradient(path, args.force, &judged)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let text = if args.json { json(&judged)? } else { table(&judged) };
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

fn named(judged: &Judged) -> impl Iterator<Item = (&String, f64)> {
    judged
        .term_names
        .iter()
        .zip(judged.evaluation.terms.iter().copied())
}

fn table(judged: &Judged) -> String {
    let rows: String = named(judged)
        .map(|(name, value)| format!("{name:<20} {value:>14.6e}\n"))
        .collect();
    format!("{rows}{:<20} {:>14.6e}\n", "total", judged.evaluation.loss)
}

fn json(judged: &Judged) -> anyhow::Result<String> {
    /// `{"total": …, "terms": {…}}`, the terms in the graph's order.
    struct Report<'a>(&'a Judged);
    struct Terms<'a>(&'a Judged);
    impl serde::Serialize for Terms<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(named(self.0))
        }
    }
    impl serde::Serialize for Report<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(2))?;
            map.serialize_entry("total", &self.0.evaluation.loss)?;
            map.serialize_entry("terms", &Terms(self.0))?;
            map.end()
        }
    }
    let mut bytes = Vec::new();
    Report(judged).serialize(&mut serde_json::Serializer::pretty(&mut bytes))?;
    bytes.push(b'\n');
    Ok(String::from_utf8(bytes)?)
}
