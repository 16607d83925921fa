//! ONNX Runtime and the graphs, loaded once for any number of runs.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Error;
use crate::config::{Options, Settings};
use crate::memory::{Bytes, usual_budget};
use crate::model::{Graphs, default_folder};
use crate::runtime::{Engine, LibraryQuery, Runtime};

/// ONNX Runtime with its provider, and the graphs of some settings.
#[derive(Clone, Debug)]
pub struct Network {
    pub(super) engine: Engine,
    pub(super) graphs: Graphs,
    /// What was left for a run when it was loaded; none where the system does not say.
    pub(super) budget: Option<Bytes>,
    /// What the graphs may take of a card's memory; none where they run on no card, or nothing is known of it.
    pub(super) card_budget: Option<Bytes>,
}

/// Networks by the settings that they hang on, each loaded once and made for many runs, of several threads too.
#[derive(Debug, Default)]
pub struct Networks(Mutex<Vec<(String, Network)>>);

/// The most networks that are kept.
const MOST: usize = 4;

impl Network {
    /// Loads ONNX Runtime and checks the graphs that `options`, which resolve to `settings`, ask for.
    ///
    /// # Errors
    /// ONNX Runtime or a graph that cannot be used.
    pub fn load(options: &Options, settings: &Settings) -> Result<Network, Error> {
        settings.provider.check()?;
        settings.kernels.check()?;
        let name = settings.graph_name();
        let folder = options.graphs.clone().map_or_else(|| default_folder(&name), Ok)?;
        let graphs = Graphs::open(&folder, &name, &settings.graph_options())?;
        // Before anything is loaded that takes long.
        settings.weights(&graphs.loss_gradient)?;
        let runtime = Runtime::load(&LibraryQuery {
            file: options.onnxruntime.clone(),
            name: options.runtime.clone(),
            provider: settings.provider.provider,
        })?;
        let engine = Engine::start(&runtime, &settings.provider, settings.threads)?;
        Ok(Network {
            card_budget: engine.card_budget(),
            engine,
            graphs,
            budget: usual_budget(),
        })
    }

    /// ONNX Runtime and its provider.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl Networks {
    /// The network that `options` ask for, if it is loaded.
    ///
    /// # Errors
    /// An option out of its range.
    pub fn known(&self, options: &Options) -> Result<Option<Network>, Error> {
        let key = key(options, &options.resolve()?);
        let known = self.lock();
        let network = known.iter().find(|(known, _)| *known == key);
        Ok(network.map(|(_, network)| network.clone()))
    }

    /// The network that `options` ask for.
    ///
    /// # Errors
    /// An option out of its range; ONNX Runtime or a graph that cannot be used.
    pub fn of(&self, options: &Options) -> Result<Network, Error> {
        let settings = options.resolve()?;
        let key = key(options, &settings);
        let mut all = self.lock();
        if let Some((_, network)) = all.iter().find(|(known, _)| *known == key) {
            return Ok(network.clone());
        }
        let mut network = Network::load(options, &settings)?;
        network.graphs = network.graphs.for_many_runs();
        if all.len() == MOST {
            all.remove(0);
        }
        all.push((key, network.clone()));
        Ok(network)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, Network)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that a network hangs on.
fn key(options: &Options, settings: &Settings) -> String {
    let graphs = (settings.graph_name(), settings.graph_options());
    let runtime = (&options.graphs, &options.onnxruntime, &options.runtime);
    format!(
        "{graphs:?} {runtime:?} {:?} {}",
        settings.provider, settings.threads
    )
}
