//! Painting job after job: what one leaves that the next can use is kept.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context as _, bail};

use impasto::Error;
use impasto::batch::{Entry, Job, Status};
use impasto::config::{Options, Settings};
use impasto::files::{self, shown};
use impasto::observe::{Checkpoints, Fanout, Observer, Recorder};
use impasto::optimize::Outcome;
use impasto::picture::{self, Encoding};
use impasto::record::{Manifest, Record};
use impasto::regions::Masks;
use impasto::stylize::{Network, Networks, Start, Stylized, Stylizer};

use super::Batch;
use super::earlier::{Earlier, checkpoint_of, look, remove};
use super::jobs::folder_of;
use super::tally::Tally;
use crate::cli::args::Painting;
use crate::cli::in_words;
use crate::cli::interrupt::Interrupt;
use crate::cli::plan::{Pictures, Plan, Read};
use crate::cli::providers::announce_engine;
use crate::cli::quiet::quietly;
use crate::cli::stylize::{checkpoint_plan, insert_record, manifest, with_memory};

/// What jobs share.
pub struct Painter<'a> {
    args: &'a Batch,
    interrupt: Interrupt,
    networks: Networks,
    /// The styles of the last job.
    styles: Option<(Vec<PathBuf>, Vec<Read>)>,
    /// The outputs of jobs that have failed.
    failed: HashSet<PathBuf>,
    /// The photo of the next job.
    ahead: Option<(PathBuf, JoinHandle<anyhow::Result<Read>>)>,
}

/// What came of a job.
enum Came {
    Painted(Outcome),
    /// It was there; something may be to be said of it.
    Skipped(Option<String>),
    Interrupted,
}

impl Painter<'_> {
    /// A painter that has nothing loaded yet.
    pub fn new(args: &Batch, interrupt: Interrupt) -> Painter<'_> {
        Painter {
            args,
            interrupt,
            networks: Networks::default(),
            styles: None,
            failed: HashSet::new(),
            ahead: None,
        }
    }

    /// Loads what the first job runs on, without which none could be painted, and says what that is.
    pub fn load(&mut self, job: &Job) -> anyhow::Result<()> {
        let network = self.network(&job.options)?;
        if !self.args.quiet {
            announce_engine(network.engine(), &job.options.resolve()?);
        }
        Ok(())
    }

    /// Whether a signal has asked it to stop.
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.asked()
    }

    /// Paints a job, and reads the photo of the `next` meanwhile.
    pub fn paint(&mut self, job: &Job, next: Option<&Job>, tally: &mut Tally) -> Entry {
        let begin = Instant::now();
        let (status, message, outcome) = match self.try_to_paint(job, next, tally) {
            Ok(Came::Painted(outcome)) => (Status::Painted, None, Some(outcome)),
            Ok(Came::Skipped(note)) => (Status::Skipped, note, None),
            Ok(Came::Interrupted) => (Status::Interrupted, None, None),
            Err(error) => {
                self.failed.insert(job.output.clone());
                (Status::Failed, Some(in_words(&error, true)), None)
            }
        };
        let name = |path: &PathBuf| path.to_string_lossy().into_owned();
        Entry {
            output: name(&job.output),
            content: name(&job.content),
            styles: job.styles.iter().map(name).collect(),
            status,
            message,
            seconds: begin.elapsed().as_secs_f64(),
            evaluations: outcome.as_ref().map(|outcome| outcome.evaluations),
            loss: outcome.map(|outcome| outcome.loss),
        }
    }

    fn try_to_paint(&mut self, job: &Job, next: Option<&Job>, tally: &mut Tally) -> anyhow::Result<Came> {
        self.check_last_frame(job)?;
        let args = self.arguments(job);
        let mut plan = Plan::of_job(job)?;
        let encoding = args.encoding(&plan.settings);
        let folder = folder_of(&job.output);
        fs::create_dir_all(&folder).with_context(|| format!("the folder {}", shown(&folder)))?;
        let earlier = look(job, &plan.settings, args.force, || {
            self.record(&args, &plan, &encoding)
        })?;
        let mut saved = match earlier {
            Earlier::Picture(note) => return Ok(Came::Skipped(note)),
            Earlier::Checkpoint(saved) => Some(saved),
            Earlier::Nothing => None,
        };
        picture::check_output_as(&job.output, args.force, &encoding)?;
        if let Some(saved) = &saved {
            // What was free when the run began has decided its bytes.
            plan.options.memory = saved.recorded.options_as_set().memory;
        }
        let Pictures {
            content,
            styles,
            start,
            masks,
            last,
            files,
        } = self.pictures(job, &plan, next)?;
        let network = self.network(&plan.options)?;
        let stylizer = Stylizer::on(network, &plan.options, masks)?
            .with_last_frame(last)
            .with_whole_iterations(true);
        let schedule = stylizer.schedule(&content, &styles)?;
        for planned in schedule.planned() {
            picture::check_output_size(&job.output, (planned.width, planned.height), &encoding)?;
        }
        let made_by = (with_memory(&stylizer, schedule.budget), &*files);
        let manifest = manifest(&args, &stylizer, made_by, &encoding, None)?;

        let mut recorder = Recorder::new();
        let checkpoints = checkpoint_plan(&args, &plan, &stylizer, &files, &encoding)?;
        let mut checkpoints = Checkpoints::after_a_while(checkpoints, vec![&mut recorder]);
        let start = match (&mut saved, start) {
            (Some(saved), _) => {
                checkpoints.restore(&mut saved.state)?;
                Start::Saved(&mut saved.state)
            }
            (None, Some(picture)) => Start::Picture(picture),
            (None, None) => Start::AsSet,
        };
        let observers: Vec<&mut dyn Observer> = vec![tally, &mut self.interrupt, &mut checkpoints];
        let painted = stylizer.stylize_from(start, content, styles, &mut Fanout(observers));
        checkpoints.finish().context("the checkpoint")?;
        let painted = painted.map_err(|error| match error {
            Error::Unfinished { source, .. } => *source,
            error => error,
        })?;
        if self.is_interrupted() && painted.outcome.stop.is_from_outside() {
            return Ok(Came::Interrupted);
        }
        write(&args, &encoding, &painted, manifest)?;
        Ok(Came::Painted(painted.outcome))
    }

    /// What is there in place of a frame that has failed is not the one before this.
    fn check_last_frame(&self, job: &Job) -> anyhow::Result<()> {
        match &job.options.previous {
            Some(previous) if self.failed.contains(previous) => {
                bail!("the frame before it, {}, has failed", shown(previous))
            }
            _ => Ok(()),
        }
    }

    /// What the picture of a job would say of its making, in as much memory as it may take.
    fn record(&mut self, args: &Painting, plan: &Plan, encoding: &Encoding) -> anyhow::Result<Record> {
        let network = self.network(&plan.options)?;
        let stylizer = Stylizer::on(network, &plan.options, Masks::default())?;
        let made_by = (plan.settings.clone(), &*plan.files()?);
        Ok(Record::of(&manifest(args, &stylizer, made_by, encoding, None)?))
    }

    /// How `stylize` would be called for it.
    fn arguments(&self, job: &Job) -> Painting {
        Painting {
            output: job.output.clone(),
            format: self.args.format,
            force: self.args.force,
            no_record: self.args.no_record,
            quiet: self.args.quiet,
            checkpoint: Some(checkpoint_of(&job.output)),
            checkpoint_every: self.args.checkpoint_every,
            ..Painting::default()
        }
    }

    fn network(&mut self, options: &Options) -> anyhow::Result<Network> {
        quietly(|| self.networks.of(options))
    }

    /// The job's pictures; those that are known already are not read again.
    fn pictures(&mut self, job: &Job, plan: &Plan, next: Option<&Job>) -> anyhow::Result<Pictures> {
        let quiet = self.args.quiet;
        let content = match self.ahead.take() {
            Some((path, read)) if path == job.content => {
                read.join().unwrap_or_else(|_| plan.content_picture(quiet))
            }
            _ => plan.content_picture(quiet),
        }?;
        self.read_ahead(next);
        let known = self.styles.take().filter(|(paths, _)| *paths == job.styles);
        let styles = match known {
            Some((_, styles)) => styles,
            None => plan.style_pictures(quiet)?,
        };
        self.styles = Some((job.styles.clone(), styles.clone()));
        plan.with_other_pictures(content, styles, quiet)
    }

    /// Begins to read the photo of a job that is still to be painted.
    fn read_ahead(&mut self, next: Option<&Job>) {
        let quiet = self.args.quiet;
        let Some(job) = next.filter(|next| self.args.force || !next.output.exists()) else {
            return;
        };
        if let Ok(plan) = Plan::of_job(job) {
            let read = thread::spawn(move || plan.content_picture(quiet));
            self.ahead = Some((job.content.clone(), read));
        }
    }
}

/// Writes a picture with its record; its checkpoint is of no use any more.
fn write(
    args: &Painting,
    encoding: &Encoding,
    painted: &Stylized,
    mut manifest: Manifest<Settings>,
) -> anyhow::Result<()> {
    let Outcome {
        stop, evaluations, ..
    } = painted.outcome;
    manifest.ended_after = stop.is_from_outside().then_some(evaluations);
    let mut file = painted.picture.encoded(&args.output, encoding)?;
    if !args.no_record {
        insert_record(&mut file, &Record::of(&manifest), args.quiet);
    }
    files::write(&args.output, args.force, &file)?;
    remove(&checkpoint_of(&args.output))
}
