//! How the library tells what it does: events to an observer, which may ask it to stop.

mod animation;
mod checkpoints;
#[cfg(feature = "charts")]
mod plot;
mod preview;
mod trace;

use std::fmt;
use std::io;
use std::ops::ControlFlow;

use serde::Serialize;

pub use animation::{Animation, MAX_FRAMES};
pub use checkpoints::{CheckpointPlan, Checkpoints};
#[cfg(feature = "charts")]
pub use plot::Plot;
pub use preview::{Previews, When};
pub use trace::Recorder;

pub use crate::files::OutputError;
use crate::files::binary::{Reader, Writer};
use crate::model::Evaluation;
use crate::picture::Picture;
use crate::postprocess::Postprocess;
use crate::regions::RegionNote;
use crate::runtime::Placement;

/// What an observer is told.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The graph is on a provider other than the processor; this is where its nodes run.
    Placed(&'a Placement),
    /// The session of a scale is ready, its optimisation begins.
    Started(Started<'a>),
    /// A run of the graph in parts has come so far.
    Evaluating(Evaluating),
    /// The graph has run once.
    Evaluated(Evaluated<'a>),
    /// The optimiser has accepted a point; `image` is that point.
    Iterated(Iterated<'a>),
    /// A scale that is not the last has come to its end with this picture.
    ScaleDone(&'a Picture),
    /// What masks come to, before the first evaluation.
    Noted(&'a RegionNote),
    /// The optimiser restarts from the best point with an empty history; the text says why.
    Restarted(&'a str),
    /// The run can be left here, and resumed to the same end.
    Resumable(Resumable<'a>),
}

/// The beginning of the optimisation at one scale.
#[derive(Debug, Clone, Copy)]
pub struct Started<'a> {
    /// Which scale of the schedule it is, counted from 0.
    pub scale: usize,
    /// All scales of the run from coarse to fine.
    pub schedule: &'a [Planned],
    /// The names of the loss terms, in the order of [`Evaluation::terms`].
    pub term_names: &'a [String],
    /// Makes pictures of the points, as the result will be one.
    pub postprocess: &'a Postprocess,
}

/// A scale of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// The painted picture's width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// Iterations at most.
    pub iterations: u64,
}

impl Started<'_> {
    /// The painted picture's width and height in pixels at this scale.
    pub fn size(&self) -> (u32, u32) {
        let planned = self.schedule[self.scale];
        (planned.width, planned.height)
    }
}

/// A run of the graph under way. The counts are those of the whole run, over all scales.
#[derive(Debug, Clone, Copy)]
pub struct Evaluating {
    /// Runs of the graph so far, this one included.
    pub evaluation: u64,
    /// Accepted points so far.
    pub iteration: u64,
    /// How much of it is done, from 0 to 1.
    pub part: f64,
}

/// One run of the graph. The counts are those of the whole run, over all scales.
#[derive(Debug, Clone, Copy)]
pub struct Evaluated<'a> {
    /// Runs of the graph so far, this one included: 1 at the first.
    pub evaluation: u64,
    /// Accepted points so far: 0 until the first line search is over.
    pub iteration: u64,
    /// The loss and its terms.
    pub result: &'a Evaluation,
}

/// One accepted step of the optimiser. The counts are those of the whole run, over all scales.
#[derive(Debug, Clone, Copy)]
pub struct Iterated<'a> {
    /// Accepted points so far, this one included: 1 at the first.
    pub iteration: u64,
    /// Runs of the graph so far.
    pub evaluation: u64,
    /// The loss at this point.
    pub loss: f64,
    /// The point, flattened from `[1, 3, height, width]` in the network's convention.
    pub image: &'a [f32],
}

/// The run between two iterations, or before the first of a scale.
#[derive(Clone, Copy)]
pub struct Resumable<'a> {
    /// Whether it ends here, before its end: somebody or the clock has asked for it.
    pub ends: bool,
    /// Writes down all that it takes to go on.
    pub save: &'a dyn Fn(&mut Writer<'_>) -> io::Result<()>,
}

impl fmt::Debug for Resumable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resumable")
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

/// Is told of progress. Any `FnMut(&Event) -> ControlFlow<()>` is one.
pub trait Observer {
    /// Takes note of an event. [`ControlFlow::Break`] ends the optimisation: the best picture so far is returned.
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()>;
}

impl<F: FnMut(&Event<'_>) -> ControlFlow<()>> Observer for F {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        self(event)
    }
}

/// An observer whose memory belongs to the run: one that is resumed has it again.
pub trait Remember: Observer {
    /// Writes its memory down.
    ///
    /// # Errors
    /// It cannot be written.
    fn save(&self, to: &mut Writer<'_>) -> io::Result<()>;

    /// Takes on the memory of the one that was written down.
    ///
    /// # Errors
    /// It cannot be read, or is none of such an observer.
    fn restore(&mut self, from: &mut Reader) -> io::Result<()>;
}

/// Passes the events of one optimisation on as those of the whole run.
pub(crate) struct Relayed<'a> {
    /// The optimiser's losses are multiples of this.
    pub(crate) unit: f64,
    /// Iterations of the scales before.
    pub(crate) iterations: u64,
    /// Evaluations of the scales before.
    pub(crate) evaluations: u64,
    /// Writes down what the run was before this optimisation.
    pub(crate) save: &'a dyn Fn(&mut Writer<'_>) -> io::Result<()>,
    pub(crate) observer: &'a mut dyn Observer,
}

impl Observer for Relayed<'_> {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Evaluating(evaluating) => self.observer.observe(&Event::Evaluating(Evaluating {
                evaluation: self.evaluations + evaluating.evaluation,
                iteration: self.iterations + evaluating.iteration,
                ..*evaluating
            })),
            Event::Evaluated(evaluated) => {
                let Evaluation { loss, terms } = evaluated.result;
                let result = Evaluation {
                    loss: loss * self.unit,
                    terms: terms.iter().map(|term| term * self.unit).collect(),
                };
                self.observer.observe(&Event::Evaluated(Evaluated {
                    evaluation: self.evaluations + evaluated.evaluation,
                    iteration: self.iterations + evaluated.iteration,
                    result: &result,
                }))
            }
            Event::Iterated(iterated) => self.observer.observe(&Event::Iterated(Iterated {
                iteration: self.iterations + iterated.iteration,
                evaluation: self.evaluations + iterated.evaluation,
                loss: iterated.loss * self.unit,
                image: iterated.image,
            })),
            Event::Resumable(optimisation) => self.observer.observe(&Event::Resumable(Resumable {
                save: &|to| {
                    (self.save)(to)?;
                    to.number(u8::from(true))?;
                    (optimisation.save)(to)
                },
                ..*optimisation
            })),
            other => self.observer.observe(other),
        }
    }
}

/// Tells several observers, all of them each time; one that asks to stop is enough.
pub struct Fanout<'a>(pub Vec<&'a mut dyn Observer>);

impl Observer for Fanout<'_> {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        all(self.0.iter_mut().map(|observer| observer.observe(event)))
    }
}

/// One answer of all, each of which is waited for: a break, if there is one.
fn all(answers: impl Iterator<Item = ControlFlow<()>>) -> ControlFlow<()> {
    match answers.filter(ControlFlow::is_break).count() {
        0 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    }
}

/// Ends the optimisation after so many evaluations of the whole run, of which there is always one.
pub struct UpTo(pub u64);

impl Observer for UpTo {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Evaluated(evaluated) if evaluated.evaluation >= self.0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}
