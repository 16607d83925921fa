//! The course of a run: the loss at every evaluation.

use std::ops::ControlFlow;
use std::time::Instant;

use serde::ser::{SerializeMap as _, Serializer};
use serde::{Serialize, ser};

use super::{Event, Observer};

/// Records every evaluation.
pub struct Recorder {
    begin: Instant,
    size: (u32, u32),
    term_names: Vec<String>,
    evaluations: Vec<Record>,
}

/// One evaluation, as the trace has it.
#[derive(Debug, Clone, Serialize)]
struct Record {
    evaluation: u64,
    iteration: u64,
    seconds: f64,
    size: (u32, u32),
    loss: f64,
    terms: Terms,
}

/// Named terms, written in the graph's order.
#[derive(Debug, Clone)]
struct Terms(Vec<(String, f64)>);

impl Serialize for Terms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        ser::SerializeMap::end(map)
    }
}

impl Recorder {
    /// A recorder whose clock starts now.
    pub fn new() -> Recorder {
        Recorder {
            begin: Instant::now(),
            size: (0, 0),
            term_names: Vec::new(),
            evaluations: Vec::new(),
        }
    }
}

impl Serialize for Recorder {
    /// As a list of the evaluations.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.evaluations.serialize(serializer)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder::new()
    }
}

impl Observer for Recorder {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Started(started) => {
                self.size = started.size();
                self.term_names = started.term_names.to_vec();
            }
            Event::Evaluated(evaluated) => self.evaluations.push(Record {
                evaluation: evaluated.evaluation,
                iteration: evaluated.iteration,
                seconds: self.begin.elapsed().as_secs_f64(),
                size: self.size,
                loss: evaluated.result.loss,
                terms: Terms(
                    self.term_names
                        .iter()
                        .cloned()
                        .zip(evaluated.result.terms.iter().copied())
                        .collect(),
                ),
            }),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
