//! How the library tells what it does: events to an observer, which may ask it to stop.

mod animation;
mod output;
#[cfg(feature = "charts")]
mod plot;
mod preview;
mod trace;

use std::ops::ControlFlow;

pub use animation::{Animation, MAX_FRAMES};
pub use output::OutputError;
#[cfg(feature = "charts")]
pub use plot::Plot;
pub use preview::{Previews, preview_path};
pub use trace::{Recorder, Trace};

use crate::model::Evaluation;
use crate::runtime::Placement;

/// What an observer is told.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The graph is on a provider other than the processor; this is where its nodes run.
    Placed(&'a Placement),
    /// Sessions are ready, the optimisation begins.
    Started(Started<'a>),
    /// The graph has run once.
    Evaluated(Evaluated<'a>),
    /// The optimiser has accepted a point; `image` is that point.
    Iterated(Iterated<'a>),
    /// The optimiser restarts from the best point with an empty history; the text says why.
    Restarted(&'a str),
}

/// The beginning of an optimisation.
#[derive(Debug, Clone, Copy)]
pub struct Started<'a> {
    /// The painted picture's width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// The names of the loss terms, in the order of [`Evaluation::terms`].
    pub term_names: &'a [String],
}

/// One run of the graph.
#[derive(Debug, Clone, Copy)]
pub struct Evaluated<'a> {
    /// Runs of the graph so far, this one included: 1 at the first.
    pub evaluation: u64,
    /// Accepted points so far: 0 until the first line search is over.
    pub iteration: u64,
    /// The loss and its terms.
    pub result: &'a Evaluation,
}

/// One accepted step of the optimiser.
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

/// Passes events on with their losses multiplied: the optimiser works on a loss in a unit of its own.
pub(crate) struct InUnits<'a> {
    unit: f64,
    observer: &'a mut dyn Observer,
}

impl<'a> InUnits<'a> {
    /// Tells `observer` losses in multiples of `unit`.
    pub(crate) fn of(unit: f64, observer: &'a mut dyn Observer) -> Self {
        Self { unit, observer }
    }
}

impl Observer for InUnits<'_> {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Evaluated(evaluated) => {
                let result = Evaluation {
                    loss: evaluated.result.loss * self.unit,
                    terms: evaluated
                        .result
                        .terms
                        .iter()
                        .map(|term| term * self.unit)
                        .collect(),
                };
                self.observer.observe(&Event::Evaluated(Evaluated {
                    result: &result,
                    ..*evaluated
                }))
            }
            Event::Iterated(iterated) => {
                let loss = iterated.loss * self.unit;
                self.observer
                    .observe(&Event::Iterated(Iterated { loss, ..*iterated }))
            }
            other => self.observer.observe(other),
        }
    }
}

/// Tells several observers, all of them each time; one that asks to stop is enough.
pub struct Fanout<'a>(pub Vec<&'a mut dyn Observer>);

impl Observer for Fanout<'_> {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        let answers: Vec<ControlFlow<()>> = self
            .0
            .iter_mut()
            .map(|observer| observer.observe(event))
            .collect();
        answers
            .into_iter()
            .find(ControlFlow::is_break)
            .unwrap_or(ControlFlow::Continue(()))
    }
}
