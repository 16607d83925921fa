//! How far the pictures are, and what came of them.

use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use impasto::batch::{Entry, Job, Status, costs};
use impasto::observe::{Event, Observer};

use crate::cli::progress::{tell, warn_of_placement};
use crate::cli::say;

/// Counts pictures; on a terminal it shows a bar over all of them.
pub struct Tally {
    bar: ProgressBar,
    quiet: bool,
    begin: Instant,
    costs: Vec<f64>,
    /// How many jobs have ended.
    ended: usize,
    /// What those cost that took their time.
    paid: f64,
    painted: usize,
    skipped: usize,
    failed: usize,
}

impl Tally {
    /// A tally of these jobs; `quiet` shows only what went wrong.
    pub fn new(jobs: &[Job], quiet: bool) -> Tally {
        let target = match io::stderr().is_terminal() && !quiet {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(jobs.len() as u64), target);
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} pictures {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Tally {
            bar,
            quiet,
            begin: Instant::now(),
            costs: costs(jobs),
            ended: 0,
            paid: 0.0,
            painted: 0,
            skipped: 0,
            failed: 0,
        }
    }

    /// The bar, for those who draw beside it.
    pub fn bar(&self) -> &ProgressBar {
        &self.bar
    }

    /// Takes note of what came of the next job.
    pub fn count(&mut self, entry: &Entry) {
        let cost = self.costs.get(self.ended).copied().unwrap_or(0.0);
        match entry.status {
            Status::Painted => {
                self.painted += 1;
                self.paid += cost;
            }
            Status::Skipped => self.skipped += 1,
            Status::Failed => self.failed += 1,
            Status::Interrupted => return,
        }
        self.ended += 1;
        self.bar.set_position(self.ended as u64);
        self.tell(entry);
    }

    fn tell(&self, entry: &Entry) {
        let output = &entry.output;
        let line = match (entry.status, &entry.message) {
            (Status::Failed, Some(message)) => format!("error: {output}: {message}"),
            (_, Some(message)) if !self.quiet => format!("{output}: {message}"),
            (Status::Painted, None) if !self.quiet => format!(
                "[{}/{}] {output}: {:.1} s; {}",
                self.ended,
                self.costs.len(),
                entry.seconds,
                self.time_left()
            ),
            _ => return,
        };
        self.bar.suspend(|| say(&line));
    }

    /// By the time that those took that are painted.
    fn time_left(&self) -> String {
        let left: f64 = self.costs.iter().skip(self.ended).sum();
        let seconds = self.begin.elapsed().as_secs_f64() * left / self.paid.max(1.0);
        let left = HumanDuration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        format!("{left} left")
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
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
