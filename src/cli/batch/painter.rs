//! Painting job after job: what one leaves that the next can use is kept.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, bail};

use impasto::Error;
use impasto::batch::{Entry, Job, Status};
use impasto::config::{Options, Settings};
use impasto::files::{self, shown};
use impasto::memory::Bytes;
use impasto::observe::{Checkpoints, Fanout, Observer, Recorder};
use impasto::optimize::Outcome;
use impasto::picture::{self, Encoding};
use impasto::record::{Manifest, Record};
use impasto::regions::Masks;
use impasto::stylize::{Network, Networks, Schedule, Start, Stylized, Stylizer};

use super::Batch;
use super::earlier::{Earlier, checkpoint_of, look, remove};
use super::jobs::folder_of;
use super::tally::{Tally, Telling, lock};
use super::turns::Turn;
use crate::cli::args::Painting;
use crate::cli::in_words;
use crate::cli::interrupt::Interrupt;
use crate::cli::providers::announce_engine;
use crate::cli::quiet::quietly;
use crate::cli::stylize::{checkpoint_plan, insert_record, manifest, with_memory};
use crate::cli::task::{Pictures, Read, Task};

/// Paints jobs, several at a time if it is shared by threads.
pub struct Painter<'a> {
    args: &'a Batch,
    interrupt: Interrupt,
    tally: &'a Mutex<Tally>,
    networks: Networks,
    /// The styles of the last job.
    styles: Mutex<Option<(Vec<PathBuf>, Vec<Read>)>>,
    /// The outputs of jobs that have failed.
    failed: Mutex<HashSet<PathBuf>>,
}

/// What came of a job.
enum Came {
    Painted(Outcome),
    /// It was there; something may be to be said of it.
    Skipped(Option<String>),
    Interrupted,
    /// It was interrupted before it was begun.
    Left,
}

impl Painter<'_> {
    /// A painter that has nothing loaded yet.
    pub fn new<'a>(args: &'a Batch, interrupt: Interrupt, tally: &'a Mutex<Tally>) -> Painter<'a> {
        Painter {
            args,
            interrupt,
            tally,
            networks: Networks::default(),
            styles: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// Loads what the first job runs on, without which none could be painted, and says what that is. True on the processor.
    pub fn load(&self, job: &Job) -> anyhow::Result<bool> {
        let network = self.network(&job.options)?;
        if !self.args.quiet {
            announce_engine(network.engine(), &job.options.resolve()?);
        }
        Ok(network.engine().is_cpu())
    }

    /// Whether a signal has asked it to stop.
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.asked()
    }

    /// Paints a job when it is its turn, and tells what came of it; nothing of one that has not been begun.
    pub fn paint(&self, job: &Job, turn: &mut Turn<'_>) -> Option<Entry> {
        let (status, message, outcome) = match self.try_to_paint(job, turn) {
            Ok(Came::Painted(outcome)) => (Status::Painted, None, Some(outcome)),
            Ok(Came::Skipped(note)) => (Status::Skipped, note, None),
            Ok(Came::Interrupted) => (Status::Interrupted, None, None),
            Ok(Came::Left) => return None,
            Err(error) => {
                self.failed().insert(job.output.clone());
                (Status::Failed, Some(in_words(&error, true)), None)
            }
        };
        let name = |path: &PathBuf| path.to_string_lossy().into_owned();
        Some(Entry {
            output: name(&job.output),
            content: name(&job.content),
            styles: job.styles.iter().map(name).collect(),
            status,
            message,
            seconds: turn.elapsed().as_secs_f64(),
            evaluations: outcome.as_ref().map(|outcome| outcome.evaluations),
            loss: outcome.map(|outcome| outcome.loss),
        })
    }

    fn try_to_paint(&self, job: &Job, turn: &mut Turn<'_>) -> anyhow::Result<Came> {
        self.check_last_frame(job)?;
        let args = self.arguments(job);
        let mut task = Task::of_job(job)?;
        let encoding = args.encoding(&task.settings);
        let folder = folder_of(&job.output);
        fs::create_dir_all(&folder).with_context(|| format!("the folder {}", shown(&folder)))?;
        let earlier = look(job, &task.settings, args.force, || {
            self.record(&args, &task, &encoding)
        })?;
        let mut saved = match earlier {
            Earlier::Picture(note) => return Ok(Came::Skipped(note)),
            Earlier::Checkpoint(saved) => Some(saved),
            Earlier::Nothing => None,
        };
        picture::check_output_as(&job.output, args.force, &encoding)?;
        if let Some(saved) = &saved {
            // What was free when the run began has decided its bytes.
            task.options.memory = saved.recorded.options_as_set().memory;
        }
        turn.approach();
        if self.is_interrupted() {
            return Ok(Came::Left);
        }
        let Pictures {
            content,
            styles,
            start,
            masks,
            last,
            files,
        } = self.pictures(job, &task)?;
        let network = self.network(&task.options)?;
        let stylizer = Stylizer::on(network, &task.options, masks)?
            .with_last_frame(last)
            .with_whole_iterations(true);
        let schedule = stylizer.schedule(&content, &styles)?;
        for planned in schedule.planned() {
            picture::check_output_size(&job.output, (planned.width, planned.height), &encoding)?;
        }
        let made_by = (with_memory(&stylizer, schedule.budget), &*files);
        let manifest = manifest(&args, &stylizer, made_by, &encoding, None)?;

        self.begin(turn, &stylizer, &schedule);
        if self.is_interrupted() {
            return Ok(Came::Left);
        }
        let mut recorder = Recorder::new();
        let checkpoints = checkpoint_plan(&args, &task, &stylizer, &files, &encoding)?;
        let mut checkpoints = Checkpoints::after_a_while(checkpoints, vec![&mut recorder]);
        let start = match (&mut saved, start) {
            (Some(saved), _) => {
                checkpoints.restore(&mut saved.state)?;
                Start::Saved(&mut saved.state)
            }
            (None, Some(picture)) => Start::Picture(picture),
            (None, None) => Start::AsSet,
        };
        let (mut telling, mut interrupt) = (Telling(self.tally), self.interrupt.clone());
        let observers: Vec<&mut dyn Observer> = vec![&mut telling, &mut interrupt, &mut checkpoints];
        let painted = stylizer.stylize_from(start, content, styles, &mut Fanout(observers));
        checkpoints.finish().context("the checkpoint")?;
        let painted = painted.map_err(|error| match error {
            Error::Unfinished { source, .. } => *source,
            error => error,
        })?;
        if self.is_interrupted() && painted.outcome.stop.is_from_outside() {
            return Ok(Came::Interrupted);
        }
        // Written while the next one is painted.
        turn.leave();
        write(&args, &encoding, &painted, manifest)?;
        Ok(Came::Painted(painted.outcome))
    }

    /// Waits for a place and memory.
    fn begin(&self, turn: &mut Turn<'_>, stylizer: &Stylizer, schedule: &Schedule) {
        let fits = |others| stylizer.has_room_beside(schedule, Bytes(others));
        let is_short = turn.begin(schedule.own().0, fits);
        if let Some(budget) = stylizer.budget().filter(|_| is_short && !self.args.quiet) {
            let line = format!(
                "not as many pictures have room in {} at a time; as many as have are painted",
                budget.rounded()
            );
            lock(self.tally).say(&line);
        }
    }

    fn failed(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is there in place of a frame that has failed is not the one before this.
    fn check_last_frame(&self, job: &Job) -> anyhow::Result<()> {
        match &job.options.previous {
            Some(previous) if self.failed().contains(previous) => {
                bail!("the frame before it, {}, has failed", shown(previous))
            }
            _ => Ok(()),
        }
    }

    /// What the picture of a job would say of its making, in as much memory as it may take.
    fn record(&self, args: &Painting, task: &Task, encoding: &Encoding) -> anyhow::Result<Record> {
        let network = self.network(&task.options)?;
        let stylizer = Stylizer::on(network, &task.options, Masks::default())?;
        let made_by = (task.settings.clone(), &*task.files()?);
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

    fn network(&self, options: &Options) -> anyhow::Result<Network> {
        match self.networks.known(options)? {
            Some(network) => Ok(network),
            None => quietly(|| self.networks.of(options)),
        }
    }

    /// The job's pictures; styles that are known already are not read again.
    fn pictures(&self, job: &Job, task: &Task) -> anyhow::Result<Pictures> {
        let quiet = self.args.quiet;
        let content = task.content_picture(quiet)?;
        let last = || self.styles.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last()
            .as_ref()
            .filter(|(paths, _)| *paths == job.styles)
            .map(|(_, styles)| styles.clone());
        let styles = match known {
            Some(styles) => styles,
            None => {
                let styles = task.style_pictures(quiet)?;
                *last() = Some((job.styles.clone(), styles.clone()));
                styles
            }
        };
        task.with_other_pictures(content, styles, quiet)
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
