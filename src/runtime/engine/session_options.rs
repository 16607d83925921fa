//! The options that a provider's session is built with.

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::{Engine, EngineError, Purpose};
use crate::files::hexadecimal;
use crate::memory::Bytes;
use crate::runtime::cache;
use crate::runtime::provider::{OWN_FOLDER, OptionPairs, Precision, Preset, Provider, SHARED_FOLDER};
use crate::runtime::request::Request;

impl Engine {
    /// All options of a provider: what the table sets, then what the caller sets.
    pub(super) fn values(
        &self,
        provider: &'static Provider,
        request: &Request,
        purpose: Purpose<'_>,
    ) -> Result<OptionPairs, EngineError> {
        let mut values = OptionPairs::new();
        set_all(&mut values, provider.defaults);
        if let Some(key) = provider.threads {
            set(&mut values, key, &self.threads().to_string());
        }
        if matches!(purpose, Purpose::FewRuns) {
            set_all(&mut values, provider.few_runs);
        }
        set_all(
            &mut values,
            precision(provider, request).map_or(&[], |(_, preset)| *preset),
        );
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
        values: &mut OptionPairs,
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
        let versions = format!("{}|{}", env!("CARGO_PKG_VERSION"), self.runtime().version());
        let digest = Sha256::digest(format!("{key}|{precision}|{versions}|{:?}", request.options));
        Some(shared.join(hexadecimal(&digest[..8])))
    }
}

/// What the provider computes in, and the options that say so: what is asked for, or the first of its list.
pub(super) fn precision(
    provider: &'static Provider,
    request: &Request,
) -> Option<&'static (Precision, Preset)> {
    let mut precisions = provider.precisions.iter();
    precisions.find(|(precision, _)| request.precision.is_none_or(|asked| asked == *precision))
}

/// Whether the caller has the launches of a run recorded and replayed.
pub(super) fn replays(provider: &Provider, request: &Request) -> bool {
    let on = |(key, value): &(String, String)| {
        Some(key.as_str()) == provider.replay && (value == "1" || value.eq_ignore_ascii_case("true"))
    };
    request.options.iter().any(on)
}

/// The number of the device, whichever way the caller has named it; an option of the provider wins.
pub(super) fn device_id(provider: &Provider, request: &Request) -> i32 {
    let key = provider.device.map(|device| device(0).0);
    let mut options = request.options.iter();
    let named = options.find(|(option, _)| Some(option.as_str()) == key);
    let named = named.and_then(|(_, value)| value.parse().ok());
    named.unwrap_or(request.device.unwrap_or(0) as i32)
}

/// What the caller limits the provider to of its device's memory.
pub(super) fn memory_limit(provider: &Provider, request: &Request) -> Option<Bytes> {
    let limit = get(&request.options, provider.memory_limit?)?;
    limit.parse().ok().map(Bytes)
}

fn get<'a>(values: &'a OptionPairs, key: &str) -> Option<&'a str> {
    values
        .iter()
        .find(|(known, _)| known == key)
        .map(|(_, value)| value.as_str())
}

fn set(values: &mut OptionPairs, key: &str, value: &str) {
    values.retain(|(known, _)| known != key);
    values.push((key.to_owned(), value.to_owned()));
}

fn set_all(values: &mut OptionPairs, preset: Preset) {
    for (key, value) in preset {
        set(values, key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{LibraryQuery, Runtime};

    /// An engine whose provider is never brought up.
    fn engine_for(request: Request) -> Engine {
        let runtime = Runtime::load(&LibraryQuery::default()).unwrap();
        Engine::on(Provider::cpu(), &runtime, &request, 2)
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
        let coarse = Request {
            precision: Some(Precision::Tf32),
            ..plain.clone()
        };
        let folders = [
            folder(&plain, "graph|512x512"),
            folder(&plain, "graph|512x384"),
            folder(&coarse, "graph|512x512"),
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
    fn a_limit_of_the_providers_memory_is_known() {
        let limit = |provider: &str, options: &[(&str, &str)]| {
            memory_limit(Provider::named(provider).unwrap(), &of(provider, options))
        };
        assert_eq!(
            limit("cuda", &[("gpu_mem_limit", "4294967296")]),
            Some(Bytes(4 << 30))
        );
        assert_eq!(limit("cuda", &[("use_tf32", "1")]), None);
        assert_eq!(limit("openvino", &[("device_type", "CPU")]), None);
    }

    #[test]
    fn the_caller_wins_over_the_table() {
        let mut values = OptionPairs::new();
        set_all(&mut values, &[("a", "1"), ("b", "2")]);
        set(&mut values, "a", "3");
        assert_eq!(get(&values, "a"), Some("3"));
        assert_eq!(values.len(), 2);
    }
}
