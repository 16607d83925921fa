//! How the library tells what it does: events to an observer, which may ask it to stop.

use std::ops::ControlFlow;

use crate::model::Evaluation;

/// What an observer is told.
#[derive(Debug)]
pub enum Event<'a> {
    /// The graph has run once.
    Evaluated(Evaluated<'a>),
    /// The optimiser has accepted a point; `image` is that point.
    Iterated(Iterated<'a>),
    /// The optimiser restarts from the best point with an empty history; the text says why.
    Restarted(&'a str),
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
