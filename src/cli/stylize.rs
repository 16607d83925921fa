//! `impasto stylize`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};

use impasto::atomic::folder_of;
use impasto::model::contract::{CONTRACT_VERSION, file_digest};
use impasto::observe::{Fanout, Observer, Previews, Recorder, Trace, preview_path};
use impasto::picture::{self, Picture};
use impasto::stylize::{Stylized, Stylizer};

use super::args::Stylize;
use super::interrupt::Interrupt;
use super::progress::Progress;
use super::providers::announce_engine;
use super::watch::Watch;
use super::{Ended, load, say};

/// Paints, saves the picture and what else was asked for.
pub fn run(args: &Stylize) -> anyhow::Result<Ended> {
    let options = args.options();
    let settings = options.resolve()?;
    check_outputs(args, settings.iterations)?;
    let content = load(&args.content, args.quiet)?;
    let style = load(&args.style, args.quiet)?;
    let stylizer = Stylizer::new(&options)?;
    if !args.quiet {
        announce(args, &stylizer, &content, &style);
    }

    let mut interrupt = Interrupt::listen().context("cannot listen to Ctrl-C")?;
    let mut progress = Progress::new(settings.iterations, args.quiet);
    let mut recorder = Recorder::new();
    let mut previews = args
        .save_every
        .map(|every| Previews::new(&args.output, every, args.force));
    let mut watch = Watch::new(args, progress.bar());
    let begin = Instant::now();
    let mut observers: Vec<&mut dyn Observer> = vec![&mut progress, &mut recorder, &mut interrupt];
    observers.extend(previews.as_mut().map(|previews| previews as &mut dyn Observer));
    observers.extend(watch.observers());
    let painted = stylizer.stylize(&content, &style, &mut Fanout(observers));
    progress.finish();
    let painted = painted?;

    painted.picture.save(&args.output, args.force)?;
    if let Some(path) = &args.trace {
        write_trace(path, args, &stylizer, &painted, &recorder)?;
    }
    watch.finish(&args.watching, args.force, &painted.picture)?;
    if let Some(previews) = previews {
        previews.finish()?;
    }
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
fn check_outputs(args: &Stylize, iterations: u64) -> anyhow::Result<()> {
    picture::check_output(&args.output, args.force)?;
    if let Some(trace) = &args.trace {
        check_file(trace, args.force, "--trace")?;
    }
    Watch::check(args)?;
    let every = args.save_every.unwrap_or(u64::MAX);
    let previews = (1..=iterations / every).map(|index| preview_path(&args.output, index * every));
    if let Some(existing) = previews.into_iter().find(|path| path.exists() && !args.force) {
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

fn announce(args: &Stylize, stylizer: &Stylizer, content: &Picture, style: &Picture) {
    let size = |picture: &Picture| format!("{}x{}", picture.size().0, picture.size().1);
    say(&format!(
        "{} ({}) in the style of {} ({})",
        args.content.display(),
        size(content),
        args.style.display(),
        size(style)
    ));
    say(&format!("graph {}", stylizer.settings().graph_name()));
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
        inputs: BTreeMap::from([("content", input(&args.content)?), ("style", input(&args.style)?)]),
        size: painted.picture.size(),
        stop: painted.outcome.stop.to_string(),
        evaluations: recorder,
    };
    trace
        .write(path, args.force)
        .with_context(|| format!("the trace {} cannot be written", path.display()))
}
