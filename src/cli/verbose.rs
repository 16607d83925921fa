//! `--verbose`: what runs, and how long each part of a run takes.

use std::ops::ControlFlow;
use std::time::Instant;

use indicatif::ProgressBar;

use impasto::files::shown;
use impasto::observe::{Event, Observer};
use impasto::stylize::{Schedule, Stylizer};

use super::dry_run::Scale;
use super::say;

/// Tells of the parts of a run as they end.
pub struct Verbose {
    is_on: bool,
    bar: ProgressBar,
    since: Instant,
    /// The painted picture's width and height at the scale under way.
    size: (u32, u32),
}

impl Verbose {
    /// The first part begins; unless it `is_on`, nothing is told.
    pub fn new(is_on: bool) -> Verbose {
        Verbose {
            is_on,
            bar: ProgressBar::hidden(),
            since: Instant::now(),
            size: (0, 0),
        }
    }

    /// Says which files and kernels run, and what each scale takes.
    pub fn announce(&self, stylizer: &Stylizer, schedule: &Schedule) {
        if !self.is_on {
            return;
        }
        let runtime = stylizer.engine().runtime();
        self.say(&format!("ONNX Runtime is {}", shown(runtime.path())));
        if let Some(kernels) = stylizer.versions().get("kernels") {
            self.say(&format!("kernels {kernels}"));
        }
        for file in stylizer.files() {
            self.say(&format!("{}: {}", file.role, shown(&file.path)));
        }
        for scale in schedule.scales.iter().map(Scale::new) {
            self.say(scale.line().trim_end());
        }
    }

    /// What is told from now on stands above `bar`.
    pub fn stand_above(&mut self, bar: &ProgressBar) {
        self.bar = bar.clone();
    }

    /// Says how long the part took that ends here.
    pub fn ended(&mut self, part: &str) {
        self.say(&format!("{part}: {:.2} s", self.since.elapsed().as_secs_f64()));
        self.since = Instant::now();
    }

    fn say(&self, text: &str) {
        if self.is_on {
            self.bar.suspend(|| say(text));
        }
    }

    /// Says how long a part of the scale under way took.
    pub fn ended_at(&mut self, part: &str) {
        let (width, height) = self.size;
        self.ended(&format!("{part} {width}x{height}"));
    }
}

impl Observer for Verbose {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Started(started) => {
                self.size = started.size();
                self.ended_at("to prepare");
            }
            Event::ScaleDone(_) => self.ended_at("to paint"),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
