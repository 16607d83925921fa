//! Progress on stderr: a bar on a terminal, a plain line every few seconds elsewhere, or a JSON object a line.

use std::io::{self, IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use impasto::observe::{Evaluating, Event, Iterated, Observer, Planned};
use impasto::regions::RegionNote;
use impasto::runtime::Placement;

use super::say;

/// How often a plain line is printed.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How progress is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ProgressKind {
    /// A bar on a terminal, lines elsewhere.
    Auto,
    /// A JSON object a line.
    Json,
}

/// Whether all that goes to stderr is JSON.
static JSON: AtomicBool = AtomicBool::new(false);

/// From now on all that goes to stderr is of this kind.
pub fn choose(kind: Option<ProgressKind>) {
    JSON.store(kind == Some(ProgressKind::Json), Ordering::Relaxed);
}

/// Whether all that goes to stderr is JSON.
pub fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// A JSON object on a line of stderr. That it cannot be written is no reason to stop painting.
pub fn tell_json(event: &Value) {
    let _ = writeln!(io::stderr(), "{event}");
}

/// Shows iteration, evaluations, loss and its change, and the time left.
pub struct Progress {
    bar: ProgressBar,
    plain: bool,
    quiet: bool,
    schedule: Vec<Planned>,
    scale: usize,
    begin: Instant,
    /// The work that was done at `begin`, once the first iteration has told.
    before: Option<f64>,
    last_line: Instant,
    last_loss: Option<f64>,
    message: String,
}

impl Progress {
    /// Progress over a schedule; `quiet` shows nothing.
    pub fn new(schedule: &[Planned], quiet: bool) -> Progress {
        let terminal = io::stderr().is_terminal();
        let in_words = !quiet && !is_json();
        let target = if terminal && in_words {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(iterations(schedule)), target);
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let now = Instant::now();
        Progress {
            bar,
            plain: !terminal && in_words,
            quiet,
            schedule: schedule.to_vec(),
            scale: 0,
            begin: now,
            before: None,
            last_line: now,
            last_loss: None,
            message: String::new(),
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

    fn started(&mut self, scale: usize) {
        if scale == 0 {
            self.begin = Instant::now();
        }
        self.scale = scale;
        self.last_loss = None;
        if is_json() {
            let Planned { width, height, .. } = self.schedule[scale];
            tell_json(&json!({ "event": "started", "scale": scale, "width": width, "height": height }));
        }
    }

    fn iterated(&mut self, step: &Iterated<'_>) {
        let left = self.seconds_left(step);
        if is_json() {
            return tell_json(&json!({
                "event": "iterated",
                "iteration": step.iteration,
                "iterations": iterations(&self.schedule),
                "evaluation": step.evaluation,
                "loss": step.loss,
                "seconds_left": left,
            }));
        }
        let message = format!(
            "{}{} evaluations, loss {}, about {left:.0} s left",
            self.at_scale(),
            step.evaluation,
            describe(step.loss, self.last_loss),
        );
        self.last_loss = Some(step.loss);
        self.bar.set_position(step.iteration);
        self.bar.set_message(message.clone());
        if self.plain && (self.last_line.elapsed() >= LINE_EVERY || step.iteration == 1) {
            self.say(step.iteration, &message);
        }
        self.message = message;
    }

    /// A bar that stands still for minutes looks like a program that does.
    fn evaluating(&mut self, under_way: &Evaluating) {
        let Evaluating {
            evaluation,
            iteration,
            part,
        } = under_way;
        if is_json() {
            return tell_json(&json!({
                "event": "evaluating",
                "evaluation": evaluation,
                "iteration": iteration,
                "part": part,
            }));
        }
        let part = format!("evaluation {evaluation} to {:.0} %", 100.0 * part);
        let message = [&self.message, &part].into_iter().filter(|text| !text.is_empty());
        let message = message.map(String::as_str).collect::<Vec<_>>().join("; ");
        if self.plain && self.last_line.elapsed() >= LINE_EVERY {
            self.say(*iteration, &message);
        }
        self.bar.set_message(message);
    }

    fn say(&mut self, iteration: u64, message: &str) {
        self.last_line = Instant::now();
        let all = iterations(&self.schedule);
        say(&format!("iteration {iteration}/{all}, {message}"));
    }

    /// The size that is painted, if there are several.
    fn at_scale(&self) -> String {
        match (self.schedule.len(), self.schedule.get(self.scale)) {
            (2.., Some(planned)) => format!("at {}x{}, ", planned.width, planned.height),
            _ => String::new(),
        }
    }

    /// An iteration takes as long as its picture has pixels.
    fn seconds_left(&mut self, step: &Iterated<'_>) -> f64 {
        let work = |planned: &Planned, iterations: u64| {
            f64::from(planned.width) * f64::from(planned.height) * iterations as f64
        };
        let all = |scales: &[Planned]| -> f64 {
            scales
                .iter()
                .map(|planned| work(planned, planned.iterations))
                .sum()
        };
        let (scales, scale) = (&self.schedule[..self.scale], &self.schedule[self.scale]);
        let here = step.iteration.saturating_sub(iterations(scales));
        let done = all(scales) + work(scale, here);
        let before = *self.before.get_or_insert(done - work(scale, 1));
        let left = (all(&self.schedule) - done).max(0.0) / (done - before);
        self.begin.elapsed().as_secs_f64() * left
    }
}

/// The iterations of all scales together.
fn iterations(schedule: &[Planned]) -> u64 {
    schedule.iter().map(|planned| planned.iterations).sum()
}

/// A loss and its change in percent since the one before.
fn describe(loss: f64, before: Option<f64>) -> String {
    match before {
        Some(before) if before != 0.0 => format!("{loss:.4e} ({:+.2} %)", (loss / before - 1.0) * 100.0),
        _ => format!("{loss:.4e}"),
    }
}

/// Says what masks come to.
pub fn tell(note: &RegionNote) {
    let kind = if note.is_warning() { "warning" } else { "note" };
    say(&format!("{kind}: {note}"));
}

/// Says so when nodes were left to the processor, or copies are slow.
pub fn warn_of_placement(placement: Option<&Placement>) {
    for warning in placement.map(Placement::warnings).unwrap_or_default() {
        say(&format!("warning: {warning}"));
    }
}

impl Observer for Progress {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Started(started) => self.started(started.scale),
            Event::Evaluating(under_way) => self.evaluating(under_way),
            Event::Iterated(step) => self.iterated(step),
            Event::Placed(placement) => warn_of_placement(Some(placement)),
            Event::Noted(note) if !self.quiet => tell(note),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
