//! `impasto stylize`.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, anyhow, bail};

use impasto::Error;
use impasto::atomic::{self, folder_of};
use impasto::config::Settings;
use impasto::observe::{Fanout, Observer, Planned, Previews, Recorder};
use impasto::optimize::Outcome;
use impasto::picture::{self, Encoding, Picture};
use impasto::record::{FileRecord, Manifest, Trace};
use impasto::stylize::{Stylized, Stylizer};

use super::args::Stylize;
use super::interrupt::Interrupt;
use super::plan::Plan;
use super::progress::Progress;
use super::providers::announce_engine;
use super::quiet::quietly;
use super::watch::{Watch, Watching};
use super::{Ended, file_name, load, load_all, say};

/// Paints, saves the picture and what else was asked for.
pub fn run(args: &Stylize) -> anyhow::Result<Ended> {
    let plan = Plan::of(args)?;
    check_outputs(args, &plan.settings)?;
    let content = load(&plan.content, args.quiet)?;
    let styles = load_all(&plan.styles, args.quiet)?;
    let inputs = plan.inputs()?;
    check_record(args, &plan, &inputs)?;
    let stylizer = quietly(|| Stylizer::new(&plan.options))?;
    plan.check(&stylizer, args.quiet)?;
    let schedule = stylizer.schedule(&content, &styles)?;
    check_planned(args, &schedule)?;
    if !args.quiet {
        announce(&plan, &stylizer, &content, &styles, &schedule);
    }

    let mut progress = Progress::new(&schedule, args.quiet);
    let mut interrupt = Interrupt::listen(progress.bar()).context("cannot listen to Ctrl-C")?;
    let mut recorder = Recorder::new();
    let mut limit = plan.limit();
    let encoding = plan.settings.encoding;
    let mut previews = Previews::new(&args.output, args.when(), args.force, encoding);
    let mut watch = Watch::new(&args.watching, title(&plan), progress.bar());
    let begin = Instant::now();
    let mut observers: Vec<&mut dyn Observer> =
        vec![&mut progress, &mut recorder, &mut interrupt, &mut previews];
    observers.extend(limit.as_mut().map(|limit| limit as &mut dyn Observer));
    observers.extend(watch.observers());
    let painted = stylizer.stylize(content, styles, &mut Fanout(observers));
    progress.finish();
    let (painted, failure) = match painted {
        Ok(painted) => (painted, None),
        Err(Error::Unfinished { best, source }) => (*best, Some(source)),
        Err(error) => return Err(error.into()),
    };

    save(&painted.picture, args, &encoding)?;
    let manifest = manifest(args, &stylizer, inputs, &painted)?;
    plan.compare(&manifest.output, args.quiet);
    // All that can be written is, whatever else fails.
    let traced = args.trace.as_ref().map_or(Ok(()), |path| {
        write_trace(path, args.force, &manifest, &stylizer, &painted, &recorder)
    });
    let watched = watch.finish(&args.watching, args.force, &painted.picture);
    let broken_off = || {
        let output = args.output.display();
        format!("the run broke off; the best picture until then is in {output}")
    };
    if let Some(failure) = failure {
        return Err(anyhow!(failure).context(broken_off()));
    }
    previews.finish().with_context(broken_off)?;
    traced.and(watched)?;
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

/// Saves the picture; where it cannot be saved, it goes to the system's folder for temporary files, not to waste.
fn save(picture: &Picture, args: &Stylize, encoding: &Encoding) -> anyhow::Result<()> {
    let Err(failure) = picture.save_as(&args.output, args.force, encoding) else {
        return Ok(());
    };
    let name = format!("impasto-{}-{}", std::process::id(), file_name(&args.output));
    let refuge = std::env::temp_dir().join(name);
    match picture.save_as(&refuge, false, encoding) {
        Ok(()) => Err(anyhow!(failure).context(format!("the picture is in {} instead", refuge.display()))),
        Err(_) => Err(failure.into()),
    }
}

/// All that would stop the run at its end is looked at before its beginning.
fn check_outputs(args: &Stylize, settings: &Settings) -> anyhow::Result<()> {
    picture::check_output_as(&args.output, args.force, &settings.encoding)?;
    if let Some(trace) = &args.trace {
        check_file(trace, args.force, "--trace")?;
    }
    Watch::check(args)?;
    check_distinct(args)
}

/// The same for the trace: JSON has no names that are not UTF-8.
fn check_record(args: &Stylize, plan: &Plan, inputs: &[FileRecord]) -> anyhow::Result<()> {
    if args.trace.is_none() {
        return Ok(());
    }
    let output = FileRecord::known("output", &args.output, String::new());
    serde_json::to_string(&(&plan.settings, inputs, output))
        .map(drop)
        .context("--trace: a file's name cannot be recorded; rename the file, or go without a trace")
}

/// The same for what hangs on the sizes and iterations of the run.
fn check_planned(args: &Stylize, schedule: &[Planned]) -> anyhow::Result<()> {
    for planned in schedule {
        picture::check_output_size(&args.output, (planned.width, planned.height))?;
    }
    let previews = args.when().files(&args.output, schedule);
    for output in outputs(args) {
        if is_among(output, &previews)? {
            bail!("{} is a preview's name; give it another", output.display());
        }
    }
    if let Some(existing) = previews.iter().find(|path| atomic::is_taken(path) && !args.force) {
        bail!(
            "the preview {} exists; use --force to replace it, or another --output",
            existing.display()
        );
    }
    Ok(())
}

/// The files that are written at the end.
fn outputs(args: &Stylize) -> impl Iterator<Item = &PathBuf> {
    let Watching { plot, animation, .. } = &args.watching;
    [
        Some(&args.output),
        args.trace.as_ref(),
        plot.as_ref(),
        animation.as_ref(),
    ]
    .into_iter()
    .flatten()
}

/// Whether a file is one of the previews, which lie side by side.
fn is_among(path: &Path, previews: &[PathBuf]) -> io::Result<bool> {
    let Some(first) = previews.first() else {
        return Ok(false);
    };
    let (first, path) = (place(first)?, place(path)?);
    let mut names = previews.iter().map(|preview| preview.file_name());
    Ok(first.parent() == path.parent() && names.any(|name| name == path.file_name()))
}

/// Checks that no two outputs are the same file. Their folders exist.
fn check_distinct(args: &Stylize) -> anyhow::Result<()> {
    let mut seen = HashSet::new();
    for path in outputs(args) {
        if !seen.insert(place(path)?) {
            bail!(
                "{} is named for two outputs; give each a file of its own",
                path.display()
            );
        }
    }
    Ok(())
}

/// Where the file is or will be, whatever way leads there.
fn place(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Ok(place) => Ok(place),
        Err(_) => Ok(folder_of(path)
            .canonicalize()?
            .join(path.file_name().unwrap_or_default())),
    }
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
    if atomic::is_taken(path) && !overwrite {
        bail!("{option}: {} exists; use --force to replace it", path.display());
    }
    atomic::check(path).with_context(|| format!("{option}: {} cannot be written", path.display()))
}

/// What a plot of the run is called.
fn title(plan: &Plan) -> String {
    let styles: Vec<String> = plan.styles.iter().map(|path| file_name(path)).collect();
    let styles = match styles.len() {
        0..=3 => styles.join(" and "),
        count => format!("{count} pictures"),
    };
    format!("{} in the style of {styles}", file_name(&plan.content))
}

fn announce(plan: &Plan, stylizer: &Stylizer, content: &Picture, styles: &[Picture], schedule: &[Planned]) {
    let named = |(path, picture): (&PathBuf, &Picture)| {
        let (width, height) = picture.size();
        format!("{} ({width}x{height})", path.display())
    };
    let content = named((&plan.content, content));
    let styles: Vec<String> = plan.styles.iter().zip(styles).map(named).collect();
    say(&format!("{content} in the style of {}", styles.join(", ")));
    let scales: Vec<String> = schedule
        .iter()
        .map(|planned| format!("{}x{}", planned.width, planned.height))
        .collect();
    let graph = stylizer.settings().graph_name();
    say(&format!("graph {graph}, {}", scales.join(", then ")));
    announce_engine(stylizer);
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

/// What the run was made of. The output has been written.
fn manifest(
    args: &Stylize,
    stylizer: &Stylizer,
    inputs: Vec<FileRecord>,
    painted: &Stylized,
) -> anyhow::Result<Manifest<Settings>> {
    let Outcome {
        stop, evaluations, ..
    } = painted.outcome;
    let output = FileRecord::of("output", &args.output);
    Ok(Manifest {
        settings: stylizer.settings().clone(),
        versions: stylizer.versions(),
        library: std::path::absolute(stylizer.engine().runtime().path())?,
        graphs: stylizer.files(),
        inputs,
        output: output.with_context(|| format!("{} cannot be read again", args.output.display()))?,
        ended_after: stop.is_from_outside().then_some(evaluations),
    })
}

fn write_trace(
    path: &Path,
    overwrite: bool,
    manifest: &Manifest<Settings>,
    stylizer: &Stylizer,
    painted: &Stylized,
    recorder: &Recorder,
) -> anyhow::Result<()> {
    let trace = Trace {
        manifest,
        graph: stylizer.contract(),
        size: painted.picture.size(),
        stop: painted.outcome.stop.to_string(),
        iterations: painted.outcome.iterations,
        evaluations: recorder,
    };
    trace
        .write(path, overwrite)
        .with_context(|| format!("the trace {} cannot be written", path.display()))
}
