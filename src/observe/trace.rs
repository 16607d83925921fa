//! The course of a run: the loss at every evaluation.

use std::io;
use std::ops::ControlFlow;
use std::time::Instant;

use serde::ser::{SerializeMap as _, Serializer};
use serde::{Serialize, ser};

use super::{Event, Observer, Remember};
use crate::files::binary::{Reader, Writer};

/// Records every evaluation.
pub struct Recorder {
    begin: Instant,
    /// Seconds that the run had taken at `begin`.
    before: f64,
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
            before: 0.0,
            size: (0, 0),
            term_names: Vec::new(),
            evaluations: Vec::new(),
        }
    }

    /// Seconds since the beginning of the run, without those between an end and a resumption.
    fn seconds(&self) -> f64 {
        self.before + self.begin.elapsed().as_secs_f64()
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
                seconds: self.seconds(),
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

impl Remember for Recorder {
    fn save(&self, to: &mut Writer<'_>) -> io::Result<()> {
        to.number(self.seconds())?;
        to.number(self.term_names.len() as u64)?;
        self.term_names.iter().try_for_each(|name| to.text(name))?;
        to.number(self.evaluations.len() as u64)?;
        for record in &self.evaluations {
            to.number(record.evaluation)?;
            to.number(record.iteration)?;
            to.number(record.seconds)?;
            to.number([record.size.0, record.size.1])?;
            to.number(record.loss)?;
            let Terms(terms) = &record.terms;
            terms.iter().try_for_each(|(_, value)| to.number(*value))?;
        }
        Ok(())
    }

    fn restore(&mut self, from: &mut Reader) -> io::Result<()> {
        *self = Recorder::new();
        self.before = from.number()?;
        let names: u64 = from.number()?;
        self.term_names = (0..names).map(|_| from.text()).collect::<Result<_, _>>()?;
        let evaluations: u64 = from.number()?;
        for _ in 0..evaluations {
            let record = Record {
                evaluation: from.number()?,
                iteration: from.number()?,
                seconds: from.number()?,
                size: from.number::<[u32; 2]>()?.into(),
                loss: from.number()?,
                terms: Terms(
                    self.term_names
                        .iter()
                        .map(|name| Ok((name.clone(), from.number()?)))
                        .collect::<io::Result<_>>()?,
                ),
            };
            self.evaluations.push(record);
        }
        Ok(())
    }
}
