//! Progress on stderr: a bar on a terminal, a plain line every few seconds elsewhere.

use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use impasto::observe::{Event, Iterated, Observer};
use impasto::runtime::Placement;

use super::say;

/// How often a plain line is printed.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows iteration, evaluations, loss and its change, and the time left.
pub struct Progress {
    bar: ProgressBar,
    plain: bool,
    iterations: u64,
    begin: Instant,
    last_line: Instant,
    last_loss: Option<f64>,
}

impl Progress {
    /// Progress over `iterations`; `quiet` shows nothing.
    pub fn new(iterations: u64, quiet: bool) -> Progress {
        let terminal = io::stderr().is_terminal();
        let target = if terminal && !quiet {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(iterations), target);
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} {msg}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let now = Instant::now();
        Progress {
            bar,
            plain: !terminal && !quiet,
            iterations,
            begin: now,
            last_line: now,
            last_loss: None,
        }
    }

    /// The bar, for those who draw beside it.
    pub fn bar(&self) -> &ProgressBar {
        &self.bar
    }

    /// Removes the bar, so that what follows stands on clean lines.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn iterated(&mut self, step: &Iterated<'_>) {
        let message = format!(
            "{} evaluations, loss {}",
            step.evaluation,
            describe(step.loss, self.last_loss)
        );
        self.last_loss = Some(step.loss);
        self.bar.set_position(step.iteration);
        if self.plain && (self.last_line.elapsed() >= LINE_EVERY || step.iteration == 1) {
            self.last_line = Instant::now();
            say(&format!(
                "iteration {}/{}, {message}, {}",
                step.iteration,
                self.iterations,
                self.time_left(step)
            ));
        }
        self.bar.set_message(message);
    }

    fn time_left(&self, step: &Iterated<'_>) -> String {
        let each = self.begin.elapsed().as_secs_f64() / step.iteration as f64;
        let left = each * self.iterations.saturating_sub(step.iteration) as f64;
        format!("about {left:.0} s left")
    }
}

/// A loss and its change in percent since the one before.
fn describe(loss: f64, before: Option<f64>) -> String {
    match before {
        Some(before) if before != 0.0 => format!("{loss:.4e} ({:+.2} %)", (loss / before - 1.0) * 100.0),
        _ => format!("{loss:.4e}"),
    }
}

/// Says so when nodes were left to the processor.
pub fn warn_of_placement(placement: Option<&Placement>) {
    if let Some(warning) = placement.and_then(Placement::warning) {
        say(&format!("warning: {warning}"));
    }
}

impl Observer for Progress {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Started(_) => {
                self.begin = Instant::now();
                self.bar.reset_eta();
            }
            Event::Iterated(step) => self.iterated(step),
            Event::Placed(placement) => warn_of_placement(Some(placement)),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
