//! A record of a run: its settings, its versions and the loss at every evaluation, as one JSON object.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use serde::ser::{SerializeMap as _, Serializer};
use serde::{Serialize, ser};

use super::{Event, Observer};
use crate::atomic;
use crate::config::Settings;
use crate::model::Contract;

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

/// The whole record of a run.
#[derive(Serialize)]
pub struct Trace<'a> {
    /// The resolved settings.
    pub settings: &'a Settings,
    /// `impasto`, `contract`, `onnxruntime`, …: the versions of what took part.
    pub versions: BTreeMap<&'static str, String>,
    /// What the loss graph says of itself.
    pub graph: &'a Contract,
    /// The pictures by role: path, sha256.
    pub inputs: BTreeMap<&'static str, BTreeMap<&'static str, String>>,
    /// The painted picture's width and height in pixels.
    pub size: (u32, u32),
    /// Why the optimisation stopped.
    pub stop: String,
    /// Every evaluation; seconds count from the start of the run.
    #[serde(serialize_with = "records")]
    pub evaluations: &'a Recorder,
}

fn records<S: Serializer>(recorder: &&Recorder, serializer: S) -> Result<S::Ok, S::Error> {
    recorder.evaluations.serialize(serializer)
}

impl Trace<'_> {
    /// Writes the trace to `path`, atomically: the file is whole or not there.
    ///
    /// # Errors
    /// The folder or file cannot be written, or there is a file and `overwrite` is not set.
    pub fn write(&self, path: &Path, overwrite: bool) -> io::Result<()> {
        atomic::write(path, overwrite, |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            file.write_all(b"\n")
        })
    }
}
