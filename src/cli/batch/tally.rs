//! How far the pictures are, and what came of them.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use impasto::batch::{BatchError, Entry, Log, Status};
use impasto::observe::{Event, Observer};

use crate::cli::progress::{tell, warn_of_placement};
use crate::cli::say;

/// Counts pictures; on a terminal it shows a bar over all of them.
pub struct Tally {
    bar: ProgressBar,
    quiet: bool,
    log: Option<Log>,
    begin: Instant,
    costs: Vec<f64>,
    /// What the jobs cost that have not ended, and what those cost that took their time.
    left: f64,
    paid: f64,
    /// How many jobs have ended.
    ended: usize,
    painted: usize,
    skipped: usize,
    failed: usize,
    /// What came of jobs that is not told before that of those before them.
    held: BTreeMap<usize, Entry>,
    /// The first job of which nothing has been told.
    untold: usize,
}

impl Tally {
    /// A tally of jobs of these `costs`; `quiet` shows only what went wrong.
    pub fn new(costs: Vec<f64>, log: Option<Log>, quiet: bool) -> Tally {
        let target = match io::stderr().is_terminal() && !quiet {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(costs.len() as u64), target);
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} pictures {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Tally {
            bar,
            quiet,
            log,
            begin: Instant::now(),
            left: costs.iter().sum(),
            costs,
            paid: 0.0,
            ended: 0,
            painted: 0,
            skipped: 0,
            failed: 0,
            held: BTreeMap::new(),
            untold: 0,
        }
    }

    /// The bar, for those who draw beside it.
    pub fn bar(&self) -> &ProgressBar {
        &self.bar
    }

    /// Takes note of what came of a job, and tells it when all before it have been told.
    pub fn count(&mut self, job: usize, entry: Entry) -> Result<(), BatchError> {
        let cost = self.costs[job];
        match entry.status {
            Status::Painted => {
                self.painted += 1;
                self.paid += cost;
            }
            Status::Skipped => self.skipped += 1,
            Status::Failed => self.failed += 1,
            Status::Interrupted => {}
        }
        if entry.status != Status::Interrupted {
            self.ended += 1;
            self.left -= cost;
        }
        self.bar.set_position(self.ended as u64);
        self.held.insert(job, entry);
        while let Some(entry) = self.held.remove(&self.untold) {
            self.tell(self.untold, &entry)?;
            self.untold += 1;
        }
        Ok(())
    }

    fn tell(&mut self, job: usize, entry: &Entry) -> Result<(), BatchError> {
        let output = &entry.output;
        let line = match (entry.status, &entry.message) {
            (Status::Failed, Some(message)) => Some(format!("error: {output}: {message}")),
            (_, Some(message)) if !self.quiet => Some(format!("{output}: {message}")),
            (Status::Painted, None) if !self.quiet => Some(format!(
                "[{}/{}] {output}: {:.1} s; {}",
                job + 1,
                self.costs.len(),
                entry.seconds,
                self.time_left()
            )),
            _ => None,
        };
        if let Some(line) = line {
            self.bar.suspend(|| say(&line));
        }
        self.log.as_mut().map_or(Ok(()), |log| log.add(entry))
    }

    /// By the time that those took that are painted.
    fn time_left(&self) -> String {
        let seconds = self.begin.elapsed().as_secs_f64() * self.left / self.paid.max(1.0);
        let left = HumanDuration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        format!("{left} left")
    }

    /// A line beside the bar.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| say(line));
    }

    /// Tells what has not been told, and removes the bar.
    pub fn finish(&mut self) -> Result<(), BatchError> {
        for (job, entry) in std::mem::take(&mut self.held) {
            self.tell(job, &entry)?;
        }
        self.bar.finish_and_clear();
        Ok(())
    }

    /// Whether a picture could not be painted.
    pub fn has_failures(&self) -> bool {
        self.failed > 0
    }

    /// All of it in a line.
    pub fn summary(&self) -> String {
        let left = match self.costs.len() - self.ended {
            0 => String::new(),
            left => format!(", {left} left"),
        };
        format!(
            "{} painted, {} there before, {} failed{left}, in {:.1} s",
            self.painted,
            self.skipped,
            self.failed,
            self.begin.elapsed().as_secs_f64()
        )
    }
}

impl Observer for Tally {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Iterated(step) => self
                .bar
                .set_message(format!("iteration {}, loss {:.4e}", step.iteration, step.loss)),
            Event::Placed(placement) if self.painted == 0 => warn_of_placement(Some(placement)),
            Event::Noted(note) if !self.quiet => self.bar.suspend(|| tell(note)),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Tells a tally that several share.
pub struct Telling<'a>(pub &'a Mutex<Tally>);

impl Observer for Telling<'_> {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        lock(self.0).observe(event)
    }
}

/// The tally, whatever has become of others who had it.
pub fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
