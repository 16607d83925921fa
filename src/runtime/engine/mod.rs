//! The engine: ONNX Runtime with the execution provider that runs the graphs.

mod error;
mod session_options;
mod trial;

use std::path::Path;
use std::sync::PoisonError;

use ort::ep::ExecutionProviderDispatch;
use ort::memory::AllocationDevice;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use serde::Serialize;

use super::provider::{OptionPairs, PROVIDERS, Provider, ProviderChoice};
use super::request::Request;
use super::{Placement, Remedy, Runtime, arena, binary, cache, card, library, placement, preload};
use crate::files::shown;
use crate::memory::Bytes;
pub use error::EngineError;
use session_options::{device_id, memory_limit, replays};
pub(super) use trial::attempt;
use trial::reason;

/// A provider that does not run, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The provider.
    pub provider: &'static str,
    /// Why, in words.
    pub reason: String,
}

/// What a session is built for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose<'a> {
    /// To see whether the provider works.
    Trial,
    /// A few runs: what takes long to prepare does not pay.
    FewRuns,
    /// Hundreds of runs. The text tells this graph and size from all others.
    ManyRuns(&'a str),
}

/// Memory of a provider's device.
#[derive(Clone, Debug)]
pub(crate) struct DeviceMemory {
    /// The device.
    pub device: AllocationDevice<'static>,
    /// Memory of the host that the device copies from fast.
    pub pinned: AllocationDevice<'static>,
    /// The device's number.
    pub id: i32,
    /// Whether runs are recorded and replayed, so that inputs and outputs must stay where they are on the device.
    pub replay: bool,
}

/// ONNX Runtime with the provider that runs the graphs; cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    runtime: Runtime,
    target: Target,
    request: Request,
    threads: usize,
    refusals: Vec<Refusal>,
}

#[derive(Clone, Debug)]
enum Target {
    Known(&'static Provider),
    /// ONNX Runtime's name of a provider that came with a plugin, and the number of its device.
    Plugin(String, usize),
}

impl Engine {
    /// Brings up the provider that is asked for, or with `auto` the best that works; a checked request is assumed.
    ///
    /// # Errors
    /// The provider that was named cannot run; the error says what is missing and which would work.
    pub fn start(runtime: &Runtime, request: &Request, threads: usize) -> Result<Engine, EngineError> {
        let engine = Engine::on(Provider::cpu(), runtime, request, threads);
        match (&request.library, request.provider) {
            (Some(path), _) => engine.with_plugin(path),
            (None, ProviderChoice::Named(provider)) => engine.with_named(provider),
            (None, ProviderChoice::Auto) => Ok(engine.with_best()),
        }
    }

    /// On this provider, whether it works or not.
    pub(super) fn on(
        provider: &'static Provider,
        runtime: &Runtime,
        request: &Request,
        threads: usize,
    ) -> Engine {
        Engine {
            runtime: runtime.clone(),
            target: Target::Known(provider),
            request: request.clone(),
            threads,
            refusals: Vec::new(),
        }
    }

    /// The best of all providers that `auto` may take; the processor at last.
    fn with_best(mut self) -> Engine {
        for provider in PROVIDERS.iter().filter(|provider| provider.automatic) {
            let attempt = if provider.is_built_in() {
                attempt(&self.runtime, provider, &Request::default(), self.threads)
            } else if provider.driver.is_some() {
                // A runtime for this device lies ready, and yet another one was loaded.
                match library::runtime_with(provider) {
                    Some(name) => Err(preload::driver(provider)
                        .err()
                        .unwrap_or_else(|| format!("it needs the runtime {name}"))),
                    None => continue,
                }
            } else {
                continue;
            };
            match attempt {
                Ok(()) => {
                    self.target = Target::Known(provider);
                    break;
                }
                Err(reason) => self.refusals.push(Refusal {
                    provider: provider.name,
                    reason,
                }),
            }
        }
        self
    }

    fn with_named(self, provider: &'static Provider) -> Result<Engine, EngineError> {
        if !provider.is_built_in() {
            return Err(EngineError::NotBuiltIn {
                provider,
                library: format!("{} ({})", self.runtime.version(), shown(self.runtime.path())),
                remedy: Remedy::of(provider),
                usable: self.usable(),
            });
        }
        match attempt(&self.runtime, provider, &self.request, self.threads) {
            Ok(()) => Ok(Engine {
                target: Target::Known(provider),
                ..self
            }),
            Err(reason) => Err(EngineError::Unusable {
                provider,
                reason: reason + &asked(&self.request, provider),
                usable: self.usable(),
            }),
        }
    }

    fn with_plugin(self, path: &Path) -> Result<Engine, EngineError> {
        let failed = |reason: String| EngineError::Plugin {
            path: path.to_path_buf(),
            reason,
        };
        binary::check(path).map_err(failed)?;
        let providers = self
            .runtime
            .plugin(path)
            .map_err(|error| failed(reason(error.message())))?;
        let device = self.request.device.unwrap_or(0) as usize;
        let devices: Vec<String> = self
            .runtime
            .environment()
            .devices()
            .filter_map(|device| device.ep().ok().map(str::to_owned))
            .filter(|name| providers.contains(name))
            .collect();
        let Some(name) = devices.get(device).cloned() else {
            let count = devices.len();
            return Err(failed(format!(
                "it has {count} device(s) on this machine, and no number {device}"
            )));
        };
        let index = devices[..device].iter().filter(|other| **other == name).count();
        let engine = Engine {
            target: Target::Plugin(name, index),
            ..self
        };
        engine.trial().map_err(|error| failed(reason(error.message())))?;
        Ok(engine)
    }

    /// The names of the providers that work with this library, comma separated.
    fn usable(&self) -> String {
        let works = |provider: &&'static Provider| {
            provider.is_built_in()
                && attempt(&self.runtime, provider, &Request::default(), self.threads).is_ok()
        };
        let names: Vec<&str> = PROVIDERS
            .iter()
            .filter(works)
            .map(|provider| provider.name)
            .collect();
        names.join(", ")
    }

    /// ONNX Runtime.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The number of threads on the processor.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The name of the provider that runs: that of the table, or ONNX Runtime's own name of a plugin's.
    pub fn provider(&self) -> &str {
        match &self.target {
            Target::Known(provider) => provider.name,
            Target::Plugin(name, _) => name,
        }
    }

    /// Whether the graphs run on ONNX Runtime's own provider for the processor.
    pub fn is_cpu(&self) -> bool {
        matches!(&self.target, Target::Known(provider) if provider.is_cpu())
    }

    /// The better providers that `auto` could not take, and why.
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// Why the first session may take long, where it may.
    pub fn first_run_notice(&self) -> Option<String> {
        let Target::Known(provider) = self.target else {
            return None;
        };
        let folder = cache::folder()?.join(provider.name);
        Some(format!("{} {}", provider.first_run_notice?, shown(&folder)))
    }

    /// The memory of the provider's device, where it is used.
    pub(crate) fn memory(&self) -> Option<DeviceMemory> {
        let Target::Known(provider) = self.target else {
            return None;
        };
        let (device, pinned) = provider.memory?;
        Some(DeviceMemory {
            device: AllocationDevice::new(device),
            pinned: AllocationDevice::new(pinned),
            id: device_id(provider, &self.request),
            replay: replays(provider, &self.request),
        })
    }

    /// What the graphs may take of a card's memory: what the provider is limited to, or four fifths of what the card has. None
    /// on the processor, and where nothing is known of it.
    pub(crate) fn card_budget(&self) -> Option<Bytes> {
        let Target::Known(provider) = self.target else {
            return None;
        };
        let all = || {
            let (driver, _) = provider.driver?;
            let Bytes(bytes) = card::memory(Path::new(driver), device_id(provider, &self.request))?;
            Some(Bytes(bytes / 5 * 4))
        };
        memory_limit(provider, &self.request).or_else(all)
    }

    /// Where the nodes of a session of this engine are; nothing to tell where they are all on the processor.
    pub(crate) fn placement(&self, session: &Session) -> Option<Placement> {
        if self.is_cpu() {
            return None;
        }
        Placement::read(session).ok()
    }

    /// Prepares memory for sessions that are built from now on and take so many bytes at once.
    ///
    /// # Errors
    /// ONNX Runtime refuses.
    pub(crate) fn expect_bytes(&self, bytes: u64) -> Result<(), EngineError> {
        match self.is_cpu() {
            true => Ok(arena::share_for(self.runtime.environment(), bytes as usize)?),
            false => Ok(()),
        }
    }

    /// The beginning of a session on the provider.
    pub(crate) fn builder(&self, purpose: Purpose<'_>) -> Result<SessionBuilder, EngineError> {
        let builder = Session::builder(self.runtime.environment())?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(ort::Error::from)?
            .with_intra_threads(self.threads)
            .map_err(ort::Error::from)?;
        let provided = match &self.target {
            // With one block planned for all tensors a short run took 578 MB at 512 pixels; taken as they come, 483.
            Target::Known(provider) if provider.is_cpu() => {
                return Ok(builder
                    .with_memory_pattern(false)
                    .map_err(ort::Error::from)?
                    .with_env_allocators()
                    .map_err(ort::Error::from)?
                    // Threads that wait for more work after an evaluation would take the optimiser's time.
                    .with_config_entry("session.force_spinning_stop", "1")
                    .map_err(ort::Error::from)?);
            }
            Target::Known(provider) => {
                builder.with_execution_providers(self.registrations(provider, purpose)?)
            }
            Target::Plugin(name, index) => {
                let devices = self.runtime.environment().devices();
                let chosen = devices
                    .filter(|device| device.ep().is_ok_and(|ep| ep == name))
                    .nth(*index);
                let options: OptionPairs = self
                    .request
                    .options
                    .iter()
                    .map(|(key, value)| (format!("{name}.{key}"), value.clone()))
                    .collect();
                builder.with_devices(chosen, Some(&options))
            }
        };
        let (key, value) = placement::RECORD;
        let builder = provided.map_err(ort::Error::from)?;
        Ok(builder.with_config_entry(key, value).map_err(ort::Error::from)?)
    }

    /// The provider and what takes the nodes that it leaves.
    fn registrations(
        &self,
        provider: &'static Provider,
        purpose: Purpose<'_>,
    ) -> Result<Vec<ExecutionProviderDispatch>, EngineError> {
        let mut registrations = Vec::new();
        let companion = provider.companion.and_then(Provider::named);
        if companion.is_none() || !matches!(purpose, Purpose::FewRuns) {
            registrations.push(provider.registration(&self.values(provider, &self.request, purpose)?)?);
        }
        if let Some(companion) = companion {
            let request = Request {
                device: self.request.device,
                ..Request::default()
            };
            registrations.push(companion.registration(&self.values(companion, &request, purpose)?)?);
        }
        Ok(registrations)
    }
}

/// What the caller has set, in parentheses, since a provider seldom says which of its options it stumbled over.
fn asked(request: &Request, provider: &Provider) -> String {
    let device = request.device.zip(provider.device).map(|(id, device)| device(id));
    let device = device.map(|(key, value)| format!("{key}={value}"));
    let options = request
        .options
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    let set: Vec<String> = device.into_iter().chain(options).collect();
    if set.is_empty() {
        String::new()
    } else {
        format!(" (with {})", set.join(", "))
    }
}

impl Runtime {
    /// Registers a plugin, once; returns ONNX Runtime's names of the providers that it brings.
    fn plugin(&self, path: &Path) -> ort::Result<Vec<String>> {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, providers)) = plugins.iter().find(|(known, _)| *known == path) {
            return Ok(providers.clone());
        }
        let names = || -> Vec<String> {
            let devices = self.environment.devices();
            devices
                .filter_map(|device| device.ep().ok().map(str::to_owned))
                .collect()
        };
        let before = names();
        self.environment
            .register_ep_library(path.to_string_lossy(), &path)?;
        let providers: Vec<String> = names()
            .into_iter()
            .filter(|name| !before.contains(name))
            .collect();
        plugins.push((path, providers.clone()));
        Ok(providers)
    }
}
