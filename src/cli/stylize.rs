//! `impasto stylize`.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use serde_json::json;

use impasto::Error;
use impasto::config::Settings;
use impasto::files::binary::Reader;
use impasto::files::{self, STANDARD, shown};
use impasto::memory::Bytes;
use impasto::observe::{
    CheckpointPlan, Checkpoints, Fanout, Observer, Planned, Previews, Recorder, Remember, UpTo,
};
use impasto::optimize::StopReason;
use impasto::picture::{self, Encoding, Picture};
use impasto::record::{self, FileRecord, Manifest, Record, Trace};
use impasto::stylize::{ScalePlan, Schedule, Start, Stylized, Stylizer};

use super::args::{Painting, Stylize};
use super::dry_run;
use super::interrupt::Interrupt;
use super::outputs::{self, check_distinct, check_file, check_inputs_stay, check_previews};
use super::progress::{self, Progress};
use super::providers::announce_engine;
use super::quiet::quietly;
use super::sources::read_beside;
use super::task::{Pictures, Task};
use super::verbose::Verbose;
use super::watch::{Watch, Watching};
use super::{Ended, file_name, input_name, say};

/// Seconds from one checkpoint to the next, unless others are asked for.
const CHECKPOINT_EVERY: u64 = 60;

/// Paints, saves the picture and what else was asked for.
pub fn run(args: &Stylize) -> anyhow::Result<Ended> {
    progress::choose(args.painting.progress);
    paint(&args.painting, &Task::of(args)?, None)
}

/// Paints what the task says, from the state that was `saved` of the run if there is one.
pub fn paint(args: &Painting, task: &Task, mut saved: Option<&mut Reader>) -> anyhow::Result<Ended> {
    let mut verbose = Verbose::new(args.verbose);
    let encoding = args.encoding(&task.settings);
    check_outputs(args, &encoding)?;
    let Pictures {
        content,
        styles,
        start,
        masks,
        last,
        files,
    } = task.pictures(args.quiet)?;
    check_record(args, task, &files)?;
    let resumable = args.checkpoint.is_some();
    let stylizer = quietly(|| Stylizer::with_masks(&task.options, masks))?
        .with_last_frame(last)
        .with_whole_iterations(resumable);
    task.check(&stylizer, args.quiet)?;
    let schedule = stylizer.schedule(&content, &styles)?;
    let planned = schedule.planned();
    check_planned(args, &stylizer, &files, &planned, &encoding)?;
    if !args.quiet {
        task.tell_of_rounding(&planned);
    }
    if args.dry_run {
        return dry_run::run(args, &stylizer, &schedule, &encoding, (&content, &styles));
    }
    if let Some(folder) = &args.guides {
        write_guides(folder, args, &stylizer.guide_pictures(&content, &styles)?, &files)?;
    }
    if !args.quiet {
        announce(&files, &stylizer, &content, &styles, &schedule);
    }
    verbose.announce(&stylizer, &schedule);
    verbose.ended("to read pictures and to load ONNX Runtime and the graphs");

    let made_by = (with_memory(&stylizer, schedule.budget), &*files);
    let mut manifest = manifest(args, &stylizer, made_by, &encoding, None)?;
    let mut progress = Progress::new(&planned, args.quiet);
    verbose.stand_above(progress.bar());
    let mut interrupt = Interrupt::listen(progress.bar(), resumable).context("cannot listen to Ctrl-C")?;
    let mut recorder = Recorder::new();
    let mut limit = task.limit().map(UpTo);
    let mut previews = Previews::new(&args.output, args.when(), args.force, encoding);
    let mut watch = Watch::new(&args.watching, title(&files), progress.bar());
    let (remembering, preview) = watch.observers();
    let remembering = [&mut recorder as &mut dyn Remember]
        .into_iter()
        .chain(remembering);
    let checkpoint_plan = checkpoint_plan(args, task, &stylizer, &files, &encoding)?;
    let mut checkpoints = Checkpoints::new(checkpoint_plan, remembering.collect());
    if let Some(saved) = saved.as_deref_mut() {
        checkpoints
            .restore(saved)
            .context("the checkpoint is not that of this run")?;
    }
    let start = match (saved, start) {
        (Some(saved), _) => Start::Saved(saved),
        (None, Some(picture)) => Start::Picture(picture),
        (None, None) => Start::AsSet,
    };
    let begin = Instant::now();
    let mut observers: Vec<&mut dyn Observer> = vec![
        &mut progress,
        &mut verbose,
        &mut interrupt,
        &mut previews,
        &mut checkpoints,
    ];
    observers.extend(limit.as_mut().map(|limit| limit as &mut dyn Observer));
    observers.extend(preview.map(|preview| preview as &mut dyn Observer));
    let painted = stylizer.stylize_from(start, content, styles, &mut Fanout(observers));
    let checkpointed = checkpoints.finish();
    progress.finish();
    verbose.ended_at("to paint");
    let (painted, failure) = match painted {
        Ok(painted) => (painted, None),
        Err(Error::Unfinished { best, source }) => (*best, Some(source)),
        Err(error) => return Err(error.into()),
    };

    let mut picture = painted.picture.encoded(&args.output, &encoding)?;
    let plain = task.is_repeated().then(|| files::sha256(&picture));
    let stop = painted.outcome.stop;
    manifest.ended_after = stop.is_from_outside().then_some(painted.outcome.evaluations);
    if !args.no_record {
        insert_record(&mut picture, &task.record(&manifest), args.quiet);
    }
    manifest.output.sha256 = files::sha256(&picture);
    let saved = save(&picture, args, &encoding);
    // All that can be written is, whatever else fails.
    let traced = args.trace.as_ref().map_or(Ok(()), |path| {
        write_trace(path, args.force, &manifest, &stylizer, &painted, &recorder)
    });
    let watched = watch.finish(&args.watching, args.force, &painted.picture);
    saved?;
    verbose.ended("to write");
    task.compare(&manifest, plain.as_deref(), args.quiet);
    let broken_off = || {
        let output = outputs::name(&args.output);
        format!("the run broke off; the best picture until then is in {output}")
    };
    if let Some(failure) = failure {
        return Err(anyhow!(failure).context(broken_off()));
    }
    checkpointed.context("--checkpoint").with_context(broken_off)?;
    previews.finish().with_context(broken_off)?;
    traced.and(watched)?;
    let interrupted = interrupt.asked();
    if !args.quiet || interrupted {
        report(args, &painted, begin.elapsed().as_secs_f64(), interrupted);
    }
    settle_checkpoint(args, stop, interrupted)?;
    Ok(if interrupted {
        Ended::Interrupted
    } else {
        Ended::Done
    })
}

/// Where and when checkpoints are written, if they are.
pub fn checkpoint_plan(
    args: &Painting,
    task: &Task,
    stylizer: &Stylizer,
    files: &[FileRecord],
    encoding: &Encoding,
) -> anyhow::Result<Option<CheckpointPlan>> {
    let Some(path) = &args.checkpoint else {
        return Ok(None);
    };
    let settings = with_memory(stylizer, stylizer.budget());
    let manifest = manifest(args, stylizer, (settings, files), encoding, task.limit())?;
    Ok(Some(CheckpointPlan {
        path: path.clone(),
        every: Duration::from_secs(args.checkpoint_every.unwrap_or(CHECKPOINT_EVERY)),
        head: record::head(&manifest, args)?,
        overwrite: args.force,
    }))
}

/// Removes the checkpoint of a run that is done; of another says how to go on.
fn settle_checkpoint(args: &Painting, stop: StopReason, interrupted: bool) -> anyhow::Result<()> {
    let Some(checkpoint) = &args.checkpoint else {
        return Ok(());
    };
    let longer = match stop {
        _ if interrupted => "",
        StopReason::OutOfTime => " --max-seconds MORE",
        _ => return outputs::remove(checkpoint),
    };
    if !args.quiet || interrupted {
        say(&format!(
            "go on with: impasto resume {}{longer}",
            shown(checkpoint)
        ));
    }
    Ok(())
}

/// Lets the picture's file say how it was made; a format that has no room for so much goes without.
pub fn insert_record(picture: &mut Vec<u8>, record: &Record, quiet: bool) {
    if let Err(error) = record.insert(picture)
        && !quiet
    {
        say(&format!("warning: {error}, and is left out"));
    }
}

/// Saves the picture; where it cannot be saved, it goes to the system's folder for temporary files, not to waste.
fn save(picture: &[u8], args: &Painting, encoding: &Encoding) -> anyhow::Result<()> {
    let Err(failure) = files::write(&args.output, args.force, picture) else {
        return Ok(());
    };
    let extension = encoding.format_at(&args.output)?.extension();
    match files::rescue(picture, extension) {
        Ok(refuge) => Err(anyhow!(failure).context(format!("the picture is in {} instead", shown(&refuge)))),
        Err(_) => Err(failure.into()),
    }
}

/// All that would stop the run at its end is looked at before its beginning.
fn check_outputs(args: &Painting, encoding: &Encoding) -> anyhow::Result<()> {
    picture::check_output_as(&args.output, args.force, encoding)?;
    if args.output == Path::new(STANDARD) && io::stdout().is_terminal() {
        bail!("-o: standard output is a terminal; send the picture to a file or another program");
    }
    if args.when().is_ever() && files::is_stream(&args.output)? {
        bail!(
            "--save-every and --save-scales: previews lie beside the output, and {} has no place beside it; name a file",
            outputs::name(&args.output)
        );
    }
    if let Some(trace) = &args.trace {
        check_file(trace, args.force, "--trace")?;
    }
    if let Some(checkpoint) = &args.checkpoint {
        check_file(checkpoint, args.force, "--checkpoint")?;
        if files::is_stream(checkpoint)? {
            bail!("--checkpoint: {} is no file; name one", outputs::name(checkpoint));
        }
    }
    Watch::check(&args.watching, args.force)?;
    check_distinct(outputs_of(args))
}

/// The same for trace and checkpoint: JSON has no names that are not UTF-8.
fn check_record(args: &Painting, task: &Task, inputs: &[FileRecord]) -> anyhow::Result<()> {
    let (option, what) = match (&args.trace, &args.checkpoint) {
        (None, None) => return Ok(()),
        (Some(_), _) => ("--trace", "a trace"),
        (None, Some(_)) => ("--checkpoint", "checkpoints"),
    };
    let output = FileRecord::new("output", &args.output, String::new());
    serde_json::to_string(&(&task.settings, inputs, output, args))
        .map(drop)
        .with_context(|| {
            format!("{option}: a file's name cannot be recorded; rename the file, or go without {what}")
        })
}

/// The same for what hangs on the sizes and iterations of the run, and on the files it reads.
fn check_planned(
    args: &Painting,
    stylizer: &Stylizer,
    pictures: &[FileRecord],
    schedule: &[Planned],
    encoding: &Encoding,
) -> anyhow::Result<()> {
    for planned in schedule {
        picture::check_output_size(&args.output, (planned.width, planned.height), encoding)?;
    }
    let mut inputs: Vec<PathBuf> = pictures.iter().map(|file| file.path.clone()).collect();
    inputs.extend(args.repeat.clone());
    inputs.extend(read_beside(&args.config, stylizer));
    check_inputs_stay(outputs_of(args), &inputs)?;
    let previews = args.when().files(&args.output, schedule);
    check_previews(&previews, outputs_of(args), &inputs, args.force)
}

/// Writes the regions' guides, which must not take the place of what is read or written otherwise.
fn write_guides(
    folder: &Path,
    args: &Painting,
    guides: &[(String, Picture)],
    inputs: &[FileRecord],
) -> anyhow::Result<()> {
    if guides.is_empty() {
        bail!("--guides: there are no regions without --mask, --style-mask or --keep");
    }
    fs::create_dir_all(folder).with_context(|| format!("--guides: {}", shown(folder)))?;
    let paths: Vec<PathBuf> = guides.iter().map(|(name, _)| folder.join(name)).collect();
    let inputs: Vec<PathBuf> = inputs.iter().map(|file| file.path.clone()).collect();
    check_inputs_stay(paths.iter().map(PathBuf::as_path), &inputs)?;
    check_distinct(outputs_of(args).chain(paths.iter().map(PathBuf::as_path)))?;
    for path in &paths {
        check_file(path, args.force, "--guides")?;
    }
    for (path, (_, guide)) in paths.iter().zip(guides) {
        guide.save(path, args.force)?;
    }
    Ok(())
}

/// The files that are written at the end or on the way.
fn outputs_of(args: &Painting) -> impl Iterator<Item = &Path> {
    let Watching { plot, animation, .. } = &args.watching;
    let others = [&args.trace, &args.checkpoint, plot, animation]
        .into_iter()
        .flatten();
    [&args.output].into_iter().chain(others).map(PathBuf::as_path)
}

/// What a plot of the run is called.
fn title(files: &[FileRecord]) -> String {
    let named = |role| of_role(files, role).map(file_name);
    let styles: Vec<String> = named("style").collect();
    let styles = match styles.len() {
        0..=3 => styles.join(" and "),
        count => format!("{count} pictures"),
    };
    subject(named("content").next(), &styles)
}

/// What is painted.
fn subject(content: Option<String>, styles: &str) -> String {
    match content {
        Some(content) => format!("{content} in the style of {styles}"),
        None => format!("a texture of {styles}"),
    }
}

/// The input files of a role.
fn of_role<'a>(files: &'a [FileRecord], role: &str) -> impl Iterator<Item = &'a Path> {
    let of_that_role = files.iter().filter(move |file| file.role == role);
    of_that_role.map(|file| file.path.as_path())
}

fn announce(
    files: &[FileRecord],
    stylizer: &Stylizer,
    content: &Picture,
    styles: &[Picture],
    schedule: &Schedule,
) {
    let named = |(path, picture): (&Path, &Picture)| {
        let (width, height) = picture.size();
        format!("{} ({width}x{height})", input_name(path))
    };
    let content = of_role(files, "content").zip([content]).map(named).next();
    let styles: Vec<String> = of_role(files, "style").zip(styles).map(named).collect();
    say(&subject(content, &styles.join(", ")));
    let scales: Vec<String> = schedule.scales.iter().map(describe).collect();
    let graph = stylizer.settings().graph_name();
    say(&format!(
        "graph {graph}, {}; some {} of memory",
        scales.join(", then "),
        schedule.peak().rounded()
    ));
    announce_engine(stylizer.engine(), stylizer.settings());
}

/// A scale, and how it is computed where that is not as usual.
fn describe((planned, way): &(Planned, ScalePlan)) -> String {
    let size = format!("{}x{}", planned.width, planned.height);
    [size]
        .into_iter()
        .chain(dry_run::in_tiles(way))
        .collect::<Vec<_>>()
        .join(" ")
}

fn report(args: &Painting, painted: &Stylized, seconds: f64, interrupted: bool) {
    let (outcome, (width, height)) = (&painted.outcome, painted.picture.size());
    if progress::is_json() {
        return progress::tell_json(&json!({
            "event": "painted",
            "output": outputs::name(&args.output),
            "width": width,
            "height": height,
            "iterations": outcome.iterations,
            "evaluations": outcome.evaluations,
            "loss": outcome.loss,
            "seconds": seconds,
            "stop": outcome.stop.to_string(),
            "interrupted": interrupted,
        }));
    }
    let state = if interrupted {
        "interrupted; the best picture so far is in"
    } else {
        "painted"
    };
    say(&format!(
        "{state} {}: {width}x{height}, {} iterations, {} evaluations, loss {:.4e}, {seconds:.1} s ({})",
        outputs::name(&args.output),
        outcome.iterations,
        outcome.evaluations,
        outcome.loss,
        outcome.stop
    ));
}

/// The settings, with the memory that has decided how the scales are computed.
pub fn with_memory(stylizer: &Stylizer, memory: Option<Bytes>) -> Settings {
    Settings {
        memory,
        ..stylizer.settings().clone()
    }
}

/// What the run is made of; the picture that comes of it has no sha256 yet.
pub fn manifest(
    args: &Painting,
    stylizer: &Stylizer,
    (settings, inputs): (Settings, &[FileRecord]),
    encoding: &Encoding,
    ended_after: Option<u64>,
) -> anyhow::Result<Manifest<Settings>> {
    Ok(Manifest {
        settings,
        versions: stylizer.versions(),
        library: std::path::absolute(stylizer.engine().runtime().path())?,
        graphs: stylizer.files(),
        inputs: inputs.to_vec(),
        output: FileRecord::new("output", &args.output, String::new()),
        format: Some(encoding.format_at(&args.output)?),
        ended_after,
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
        graph: stylizer.metadata(),
        size: painted.picture.size(),
        stop: painted.outcome.stop.to_string(),
        iterations: painted.outcome.iterations,
        evaluations: recorder,
    };
    trace.write(path, overwrite).context("--trace")
}
