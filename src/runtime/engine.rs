//! The engine: ONNX Runtime with the execution provider that runs the graphs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use ort::ep::ExecutionProviderDispatch;
use ort::memory::AllocationDevice;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::TensorRef;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::provider::{Choice, OWN_FOLDER, PROVIDERS, Precision, Preset, Provider, SHARED_FOLDER, Values};
use super::request::Request;
use super::{Placement, Runtime, binary, cache, library, placement, preload};
use crate::files::shown;

/// What can go wrong when a provider is brought up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The loaded library was built without it.
    #[error(
        "provider {provider} is not part of ONNX Runtime {library}: it needs {}; get it with {remedy}, or use one that works here: {usable}",
        provider.needs
    )]
    NotBuiltIn {
        /// The provider.
        provider: &'static Provider,
        /// ONNX Runtime's version and file.
        library: String,
        /// How to get it.
        remedy: String,
        /// Providers that work, comma separated.
        usable: String,
    },
    /// The provider is there but does not come up.
    #[error(
        "provider {provider} cannot run: {reason}; it needs {}, besides what {} brings; or use one that works here: {usable}",
        provider.needs,
        provider.remedy
    )]
    Unusable {
        /// The provider.
        provider: &'static Provider,
        /// What is missing.
        reason: String,
        /// Providers that work, comma separated.
        usable: String,
    },
    /// A plugin that cannot be used.
    #[error("the provider library {path} cannot be used: {reason}", path = shown(path))]
    Plugin {
        /// The library.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The folder for compiled graphs cannot be used.
    #[error(
        "the cache folder {folder} cannot be used: {cause}; name another with --provider-option {option}=DIR, or go without one with --provider-option {switch}=0",
        folder = shown(folder)
    )]
    Cache {
        /// The folder.
        folder: PathBuf,
        /// Why.
        cause: io::Error,
        /// The option that names another.
        option: &'static str,
        /// The option that does without.
        switch: &'static str,
    },
    /// There is no folder for compiled graphs.
    #[error("there is no cache folder: set HOME, or name a folder with --provider-option {option}=DIR")]
    NoCache {
        /// The option that names one.
        option: &'static str,
    },
    /// ONNX Runtime refused a setting.
    #[error("ONNX Runtime refuses a setting of the session: {0}")]
    Session(ort::Error),
}

impl From<ort::Error> for EngineError {
    fn from(error: ort::Error) -> Self {
        EngineError::Session(error)
    }
}

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
        let engine = Engine {
            runtime: runtime.clone(),
            target: Target::Known(Provider::cpu()),
            request: request.clone(),
            threads,
            refusals: Vec::new(),
        };
        match (&request.library, request.provider) {
            (Some(path), _) => engine.with_plugin(path),
            (None, Choice::Named(provider)) => engine.with_named(provider),
            (None, Choice::Auto) => Ok(engine.with_best()),
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
                        .unwrap_or_else(|| format!("it needs --runtime {name}"))),
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
            let ready = library::runtime_with(provider);
            return Err(EngineError::NotBuiltIn {
                provider,
                library: format!("{} ({})", self.runtime.version(), shown(self.runtime.path())),
                remedy: ready.map_or(provider.remedy.to_owned(), |name| format!("--runtime {name}")),
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
    pub fn patience(&self) -> Option<String> {
        let Target::Known(provider) = self.target else {
            return None;
        };
        let folder = cache::folder()?.join(provider.name);
        Some(format!("{} {}", provider.patience?, shown(&folder)))
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

    /// Where the nodes of a session of this engine are; nothing to tell where they are all on the processor.
    pub(crate) fn placement(&self, session: &Session) -> Option<Placement> {
        if self.is_cpu() {
            return None;
        }
        Placement::read(session).ok()
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
                let options: Values = self
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

    /// All options of a provider: what the table sets, then what the caller sets.
    fn values(
        &self,
        provider: &'static Provider,
        request: &Request,
        purpose: Purpose<'_>,
    ) -> Result<Values, EngineError> {
        let mut values = Values::new();
        set_all(&mut values, provider.defaults);
        if let Some(key) = provider.threads {
            set(&mut values, key, &self.threads.to_string());
        }
        if matches!(purpose, Purpose::FewRuns) {
            set_all(&mut values, provider.few_runs);
        }
        let precision = provider
            .precisions
            .iter()
            .find(|(precision, _)| request.precision.is_none_or(|asked| asked == *precision));
        set_all(&mut values, precision.map_or(&[], |(_, preset)| preset));
        if let (Some(id), Some(device)) = (request.device, provider.device) {
            let (key, value) = device(id);
            set(&mut values, key, &value);
        }
        if replays(provider, request) {
            set_all(&mut values, provider.when_replayed);
        }
        for (key, value) in &request.options {
            set(&mut values, key, value);
        }
        match purpose {
            Purpose::Trial => set_all(&mut values, provider.trial),
            // Pictures of several sizes go through such a session, which cannot be recorded.
            Purpose::FewRuns => provider
                .replay
                .into_iter()
                .for_each(|key| set(&mut values, key, "0")),
            Purpose::ManyRuns(key) => self.set_cache(&mut values, provider, request, key)?,
        }
        Ok(values)
    }

    /// Adds the options of the provider's cache, but for those that the caller has set, and prepares its folders.
    fn set_cache(
        &self,
        values: &mut Values,
        provider: &'static Provider,
        request: &Request,
        key: &str,
    ) -> Result<(), EngineError> {
        let Some(&(switch, _)) = provider.cache.first() else {
            return Ok(());
        };
        if get(values, switch).is_some_and(|value| matches!(value, "0" | "False" | "false" | "")) {
            return Ok(());
        }
        for &(option, value) in provider.cache {
            if !matches!(value, OWN_FOLDER | SHARED_FOLDER) {
                set(
                    values,
                    option,
                    get(values, option).map(str::to_owned).as_deref().unwrap_or(value),
                );
                continue;
            }
            let folder = match get(values, option) {
                Some(folder) => PathBuf::from(folder),
                None => self
                    .cache_folder(provider, request, value, key)
                    .ok_or(EngineError::NoCache { option })?,
            };
            cache::prepare(&folder).map_err(|cause| EngineError::Cache {
                folder: folder.clone(),
                cause,
                option,
                switch,
            })?;
            set(values, option, &folder.to_string_lossy());
        }
        Ok(())
    }

    /// The folder of everything that a compiled graph depends on, but for what the provider looks at itself: card and
    /// its own version.
    fn cache_folder(
        &self,
        provider: &Provider,
        request: &Request,
        which: &str,
        key: &str,
    ) -> Option<PathBuf> {
        let shared = cache::folder()?.join(provider.name);
        if which == SHARED_FOLDER {
            return Some(shared);
        }
        let precision = request.precision.map_or("default", Precision::name);
        let versions = format!("{}|{}", env!("CARGO_PKG_VERSION"), self.runtime.version());
        let digest = Sha256::digest(format!("{key}|{precision}|{versions}|{:?}", request.options));
        Some(
            shared.join(
                digest
                    .iter()
                    .take(8)
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<String>(),
            ),
        )
    }

    /// Runs a graph of one layer, whose result is known.
    fn trial(&self) -> ort::Result<()> {
        let builder = self.builder(Purpose::Trial).map_err(|error| match error {
            EngineError::Session(error) => error,
            other => ort::Error::new(other.to_string()),
        });
        let mut session = builder?.commit_from_memory(TRIAL_GRAPH)?;
        // Each window sees all four.
        let input = TensorRef::from_array_view(([1_usize, 1, 2, 2], [1.0_f32, 2.0, 3.0, 4.0].as_slice()))?;
        let outputs = session.run(ort::inputs!["x" => input])?;
        match outputs["y"].try_extract_tensor::<f32>()?.1 {
            found if found.iter().all(|&value| value == 10.0) => Ok(()),
            found => Err(ort::Error::new(format!(
                "it computes {found:?} where 10 is right"
            ))),
        }
    }
}

/// Whether the caller has the launches of a run recorded and replayed.
fn replays(provider: &Provider, request: &Request) -> bool {
    let on = |(key, value): &(String, String)| {
        Some(key.as_str()) == provider.replay && (value == "1" || value.eq_ignore_ascii_case("true"))
    };
    request.options.iter().any(on)
}

/// The number of the device, whichever way the caller has named it; an option of the provider wins.
fn device_id(provider: &Provider, request: &Request) -> i32 {
    let key = provider.device.map(|device| device(0).0);
    let mut options = request.options.iter();
    let named = options.find(|(option, _)| Some(option.as_str()) == key);
    let named = named.and_then(|(_, value)| value.parse().ok());
    named.unwrap_or(request.device.unwrap_or(0) as i32)
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

/// Whether the provider works: its driver and libraries are there, and it runs a graph of one layer. The error says
/// what is missing.
pub(super) fn attempt(
    runtime: &Runtime,
    provider: &'static Provider,
    request: &Request,
    threads: usize,
) -> Result<(), String> {
    if provider.is_cpu() {
        return Ok(());
    }
    let folder = runtime.path().parent().unwrap_or(Path::new("."));
    preload::driver(provider)?;
    preload::libraries(provider, folder)?;
    preload::check(provider, folder)?;
    let engine = Engine {
        runtime: runtime.clone(),
        target: Target::Known(provider),
        request: request.clone(),
        threads,
        refusals: Vec::new(),
    };
    engine.trial().map_err(|error| reason(error.message()))
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

fn get<'a>(values: &'a Values, key: &str) -> Option<&'a str> {
    values
        .iter()
        .find(|(known, _)| known == key)
        .map(|(_, value)| value.as_str())
}

fn set(values: &mut Values, key: &str, value: &str) {
    values.retain(|(known, _)| known != key);
    values.push((key.to_owned(), value.to_owned()));
}

fn set_all(values: &mut Values, preset: Preset) {
    for (key, value) in preset {
        set(values, key, value);
    }
}

/// What a provider's complaint comes down to: the library that its loader misses, or its own words, shortened.
fn reason(message: &str) -> String {
    const MISSING: &str = ": cannot open shared object file";
    const LONGEST: usize = 240;
    if let Some((before, _)) = message.split_once(MISSING) {
        let library = before.rsplit([' ', ':']).next().unwrap_or(before);
        return format!("the library {library} is missing");
    }
    // What the loader said stands behind where in ONNX Runtime it was said.
    let said = message
        .rsplit_once(" with error: ")
        .map_or(message, |(_, said)| said);
    let words: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// An ONNX model of a layer, `y = Relu(Conv(x, w))`, all f32 `[1, 1, 2, 2]`, `w` 3x3 ones with a padding of 1, opset 13:
/// protocol buffers, field by field. Convolutions have libraries of their own, which may be missing or broken.
const TRIAL_GRAPH: &[u8] = b"\
    \x08\x08\
    \x3a\xa4\x01\
        \x0a\x22\x0a\x01x\x0a\x01w\x12\x01c\x22\x04Conv\
            \x2a\x11\x0a\x04pads\x40\x01\x40\x01\x40\x01\x40\x01\xa0\x01\x07\
        \x0a\x0c\x0a\x01c\x12\x01y\x22\x04Relu\
        \x12\x01g\
        \x2a\x33\x08\x01\x08\x01\x08\x03\x08\x03\x10\x01\
            \x22\x24\0\0\x80\x3f\0\0\x80\x3f\0\0\x80\x3f\0\0\x80\x3f\0\0\x80\x3f\
                \0\0\x80\x3f\0\0\x80\x3f\0\0\x80\x3f\0\0\x80\x3f\
            \x42\x01w\
        \x5a\x1b\x0a\x01x\x12\x16\x0a\x14\x08\x01\x12\x10\
            \x0a\x02\x08\x01\x0a\x02\x08\x01\x0a\x02\x08\x02\x0a\x02\x08\x02\
        \x62\x1b\x0a\x01y\x12\x16\x0a\x14\x08\x01\x12\x10\
            \x0a\x02\x08\x01\x0a\x02\x08\x01\x0a\x02\x08\x02\x0a\x02\x08\x02\
    \x42\x04\x0a\x00\x10\x0d";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_named() {
        let message = "Error in /src/provider_bridge_ort.cc:1778 : Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file: No such file or directory";
        assert_eq!(reason(message), "the library libcublasLt.so.13 is missing");
    }

    #[test]
    fn what_the_loader_said_is_kept() {
        let message = "provider_bridge_ort.cc:2043 FAIL : Failed to load library cuda.so with error: cuda.so: undefined symbol: cuInit";
        assert_eq!(reason(message), "cuda.so: undefined symbol: cuInit");
    }

    #[test]
    fn a_long_complaint_is_shortened_to_one_line() {
        let shortened = reason(&"too\nlong ".repeat(200));
        assert!(shortened.chars().count() <= 241 && !shortened.contains('\n'));
    }

    /// An engine whose provider is never brought up.
    fn engine_for(request: Request) -> Engine {
        Engine {
            runtime: Runtime::load(&super::super::Sought::default()).unwrap(),
            target: Target::Known(Provider::cpu()),
            request,
            threads: 2,
            refusals: Vec::new(),
        }
    }

    fn of(provider: &str, options: &[(&str, &str)]) -> Request {
        Request {
            provider: provider.parse().unwrap(),
            options: options
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect(),
            ..Request::default()
        }
    }

    #[test]
    fn an_engine_cache_that_cannot_be_written_is_named_with_the_way_around_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().join("engines").to_string_lossy().into_owned();
        let request = of("tensorrt", &[("trt_engine_cache_path", &path)]);
        let engine = engine_for(request.clone());
        let tensorrt = Provider::named("tensorrt").unwrap();
        let values = engine.values(tensorrt, &request, Purpose::ManyRuns("graph"));
        let message = values.unwrap_err().to_string();
        assert!(
            message.contains(&path) && message.contains("trt_engine_cache_enable=0"),
            "{message}"
        );

        let off = of(
            "tensorrt",
            &[("trt_engine_cache_path", &path), ("trt_engine_cache_enable", "0")],
        );
        assert!(engine.values(tensorrt, &off, Purpose::ManyRuns("graph")).is_ok());
    }

    #[test]
    fn engines_are_kept_apart_by_graph_precision_and_options() {
        let engine = engine_for(Request::default());
        let tensorrt = Provider::named("tensorrt").unwrap();
        let folder = |request: &Request, key| engine.cache_folder(tensorrt, request, OWN_FOLDER, key);
        let plain = of("tensorrt", &[]);
        let half = Request {
            precision: Some(Precision::F16),
            ..plain.clone()
        };
        let folders = [
            folder(&plain, "graph|512x512"),
            folder(&plain, "graph|512x384"),
            folder(&half, "graph|512x512"),
            folder(&of("tensorrt", &[("trt_sparsity_enable", "1")]), "graph|512x512"),
        ];
        for (index, one) in folders.iter().enumerate() {
            assert!(
                folders[index + 1..].iter().all(|other| other != one),
                "{folders:?}"
            );
        }
        assert_eq!(folder(&plain, "graph|512x512"), folders[0]);
    }

    #[test]
    fn what_runs_a_few_times_is_prepared_in_less_time() {
        let engine = engine_for(Request::default());
        let cuda = Provider::named("cuda").unwrap();
        let search = |purpose| {
            let values = engine.values(cuda, &of("cuda", &[]), purpose).unwrap();
            (
                get(&values, "cudnn_conv_algo_search").unwrap().to_owned(),
                get(&values, "use_tf32").unwrap().to_owned(),
            )
        };
        assert_eq!(search(Purpose::FewRuns), ("HEURISTIC".into(), "0".into()));
        assert_eq!(
            search(Purpose::ManyRuns("graph")),
            ("EXHAUSTIVE".into(), "0".into())
        );
    }

    #[test]
    fn runs_of_several_sizes_are_not_recorded_whatever_the_caller_sets() {
        let engine = engine_for(Request::default());
        let cuda = Provider::named("cuda").unwrap();
        let recorded = of("cuda", &[("enable_cuda_graph", "1")]);
        let values = |request: &Request, purpose| {
            let values = engine.values(cuda, request, purpose).unwrap();
            ["enable_cuda_graph", "arena_extend_strategy"]
                .map(|key| get(&values, key).unwrap_or_default().to_owned())
        };
        assert_eq!(values(&recorded, Purpose::FewRuns)[0], "0");
        // While it is recorded the arena must not have to grow.
        let many = values(&recorded, Purpose::ManyRuns("graph"));
        assert_eq!(many, ["1", "kNextPowerOfTwo"]);
        let plain = values(&of("cuda", &[]), Purpose::ManyRuns("graph"));
        assert_eq!(plain, ["", "kSameAsRequested"]);
    }

    #[test]
    fn memory_is_that_of_the_device_whichever_way_it_is_named() {
        let cuda = Provider::named("cuda").unwrap();
        let by_flag = Request {
            device: Some(2),
            ..of("cuda", &[])
        };
        assert_eq!(device_id(cuda, &by_flag), 2);
        assert_eq!(device_id(cuda, &of("cuda", &[("device_id", "1")])), 1);
        assert_eq!(device_id(cuda, &of("cuda", &[])), 0);
    }

    #[test]
    fn the_caller_wins_over_the_table() {
        let mut values = Values::new();
        set_all(&mut values, &[("a", "1"), ("b", "2")]);
        set(&mut values, "a", "3");
        assert_eq!(get(&values, "a"), Some("3"));
        assert_eq!(values.len(), 2);
    }
}
