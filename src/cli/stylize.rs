//! `impasto stylize`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail};

use impasto::atomic::folder_of;
use impasto::config::Settings;
use impasto::model::contract::{CONTRACT_VERSION, file_digest};
use impasto::observe::{Fanout, Observer, Planned, Previews, Recorder, Trace};
use impasto::picture::{self, Picture};
use impasto::stylize::{Stylized, Stylizer};

use super::args::Stylize;
use super::interrupt::Interrupt;
use super::progress::Progress;
use super::providers::announce_engine;
use super::{Ended, load, load_styles, say, style_files};

/// Paints, saves the picture and what else was asked for.
pub fn run(args: &Stylize) -> anyhow::Result<Ended> {
    let options = args.options();
    let settings = options.resolve()?;
    check_outputs(args, &settings)?;
    let content = load(&args.content, args.quiet)?;
    let styles = load_styles(&args.style, args.quiet)?;
    let stylizer = Stylizer::new(&options)?;
    let schedule = stylizer.schedule(&content, &styles)?;
    check_previews(args, &schedule)?;
    if !args.quiet {
        announce(args, &stylizer, &content, &styles, &schedule);
    }

    let mut interrupt = Interrupt::listen().context("cannot listen to Ctrl-C")?;
    let mut progress = Progress::new(&schedule, args.quiet);
    let mut recorder = Recorder::new();
    let mut previews = Previews::new(&args.output, args.when(), args.force, settings.encoding);
    let begin = Instant::now();
    let observers: Vec<&mut dyn Observer> = vec![&mut progress, &mut recorder, &mut interrupt, &mut previews];
    let painted = stylizer.stylize(&content, &styles, &mut Fanout(observers));
    progress.finish();
    let painted = painted?;

    painted
        .picture
        .save_as(&args.output, args.force, &settings.encoding)?;
    if let Some(path) = &args.trace {
        write_trace(path, args, &stylizer, &painted, &recorder)?;
    }
    previews.finish()?;
    let interrupted = interrupt.asked();
    if !args.quiet || interrupted {
        report(args, &painted, begin.elapsed().as_secs_f64(), interrupted);
    }
    Ok(if interrupted {
        Ended::Interrupted
    } else {
        Ended::Done
    })
}

/// All that would stop the run at its end is looked at before its beginning.
fn check_outputs(args: &Stylize, settings: &Settings) -> anyhow::Result<()> {
    picture::check_output_as(&args.output, args.force, &settings.encoding)?;
    if let Some(trace) = &args.trace {
        check_file(trace, args.force, "--trace")?;
    }
    Ok(())
}

fn check_previews(args: &Stylize, schedule: &[Planned]) -> anyhow::Result<()> {
    let mut previews = args.when().files(&args.output, schedule).into_iter();
    if let Some(existing) = previews.find(|path| path.exists() && !args.force) {
        bail!(
            "the preview {} exists; use --force to replace it, or another --output",
            existing.display()
        );
    }
    Ok(())
}

/// Checks that a file other than a picture can be written.
pub fn check_file(path: &Path, overwrite: bool, option: &str) -> anyhow::Result<()> {
    let folder = folder_of(path);
    if path.is_dir() {
        bail!("{option}: {} is a folder; name a file", path.display());
    }
    if !folder.is_dir() {
        bail!(
            "{option}: the folder {} does not exist; create it first",
            folder.display()
        );
    }
    if path.exists() && !overwrite {
        bail!("{option}: {} exists; use --force to replace it", path.display());
    }
    Ok(())
}

fn announce(
    args: &Stylize,
    stylizer: &Stylizer,
    content: &Picture,
    styles: &[Picture],
    schedule: &[Planned],
) {
    let named = |(path, picture): (&PathBuf, &Picture)| {
        let (width, height) = picture.size();
        format!("{} ({width}x{height})", path.display())
    };
    let files = style_files(&args.style).unwrap_or_default();
    let styles: Vec<String> = files.iter().zip(styles).map(named).collect();
    let content = named((&args.content, content));
    say(&format!("{content} in the style of {}", styles.join(", ")));
    let scales: Vec<String> = schedule
        .iter()
        .map(|planned| format!("{}x{}", planned.width, planned.height))
        .collect();
    let graph = stylizer.settings().graph_name();
    say(&format!("graph {graph}, {}", scales.join(", then ")));
    announce_engine(stylizer.engine());
}

fn report(args: &Stylize, painted: &Stylized, seconds: f64, interrupted: bool) {
    let (outcome, (width, height)) = (&painted.outcome, painted.picture.size());
    let state = if interrupted {
        "interrupted; the best picture so far is in"
    } else {
        "painted"
    };
    say(&format!(
        "{state} {}: {width}x{height}, {} iterations, {} evaluations, loss {:.4e}, {seconds:.1} s ({})",
        args.output.display(),
        outcome.iterations,
        outcome.evaluations,
        outcome.loss,
        outcome.stop
    ));
}

fn write_trace(
    path: &Path,
    args: &Stylize,
    stylizer: &Stylizer,
    painted: &Stylized,
    recorder: &Recorder,
) -> anyhow::Result<()> {
    let input = |path: &Path| -> anyhow::Result<BTreeMap<&'static str, String>> {
        Ok(BTreeMap::from([
            ("path", path.display().to_string()),
            ("sha256", file_digest(path)?),
        ]))
    };
    let trace = Trace {
        settings: stylizer.settings(),
        versions: BTreeMap::from([
            ("impasto", env!("CARGO_PKG_VERSION").to_owned()),
            ("contract", CONTRACT_VERSION.to_owned()),
            ("provider", stylizer.engine().provider().to_owned()),
            ("onnxruntime", stylizer.engine().runtime().version().to_owned()),
        ]),
        graph: stylizer.contract(),
        inputs: BTreeMap::from([
            ("content", input(&args.content)?),
            ("style", input(&args.style[0])?),
        ]),
        size: painted.picture.size(),
        stop: painted.outcome.stop.to_string(),
        evaluations: recorder,
    };
    trace
        .write(path, args.force)
        .with_context(|| format!("the trace {} cannot be written", path.display()))
}
