//! Execution providers: what the program knows of one, and which is asked for.

mod table;

use std::fmt;
use std::str::FromStr;

use ort::ep::{ArbitrarilyConfigurableExecutionProvider, ExecutionProvider, ExecutionProviderDispatch};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use table::{CPU, PROVIDERS};
pub(super) use table::{OWN_FOLDER, SHARED_FOLDER};

/// Keys and values of a provider's options.
pub type OptionPairs = Vec<(String, String)>;

/// Options that an entry sets, before those of the caller.
pub type Preset = &'static [(&'static str, &'static str)];

/// Makes an option and its value of a device's number.
pub type DeviceOption = fn(u32) -> (&'static str, String);

/// An execution provider that the program knows: an entry of [`PROVIDERS`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Provider {
    /// The name on the command line.
    pub name: &'static str,
    /// ONNX Runtime's own name.
    pub ort_name: &'static str,
    /// What it runs on, for lists.
    pub runs_on: &'static str,
    /// What the machine must have.
    pub needs: &'static str,
    /// How to get an ONNX Runtime that has it.
    pub remedy: &'static str,
    /// Whether `auto` tries it: it computes in float32 and is ready within seconds.
    pub automatic: bool,
    /// The stem of its library beside ONNX Runtime, where it has one of its own.
    pub library: Option<&'static str>,
    /// The library of the device's driver, and what to call it.
    pub driver: Option<(&'static str, &'static str)>,
    /// Stems of libraries beside ONNX Runtime that have to be loaded before it, in this order.
    pub preload: &'static [&'static str],
    /// The provider that takes the nodes that this one leaves, and the sessions that run only a few times.
    pub companion: Option<&'static str>,
    /// The option that `--device-id N` sets, and its value.
    pub device: Option<DeviceOption>,
    /// All options that it knows.
    pub options: &'static [&'static str],
    /// The option that takes the number of threads, where it has its own.
    pub threads: Option<&'static str>,
    /// Options that are set unless the caller sets them.
    pub defaults: Preset,
    /// Options in place of the defaults for a session that runs only a few times.
    pub few_runs: Preset,
    /// Options in place of the defaults where [`replay`](Provider::replay) is on.
    pub when_replayed: Preset,
    /// Options for the trial session of a single layer.
    pub trial: Preset,
    /// What it can compute in, and the options that say so.
    pub precisions: &'static [(Precision, Preset)],
    /// Options of its cache on disk, the first of which turns it on.
    pub cache: Preset,
    /// Why the first session takes long, where it does.
    pub first_run_notice: Option<&'static str>,
    /// ONNX Runtime's names of its memory: the device's, and the host's that it copies from fast.
    pub memory: Option<(&'static str, &'static str)>,
    /// The option that limits what it takes of that memory, in bytes.
    pub memory_limit: Option<&'static str>,
    /// The option that has the launches of a run recorded and replayed.
    pub replay: Option<&'static str>,
    available: fn() -> ort::Result<bool>,
    build: fn(&OptionPairs) -> ort::Result<ExecutionProviderDispatch>,
}

/// What a provider computes in.
///
/// 16 bits are too few: a Gram matrix of relu4_1 has entries of 3e6 for the cat and 2e7 for the painting of the
/// demo, and 65504 is the largest number that f16 holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Precision {
    /// 32-bit floating point: 24 bits of mantissa. The figures of the documentation are of this one.
    #[default]
    F32,
    /// NVIDIA's TensorFloat-32 in convolutions and products: 11 bits of mantissa, sums in 32 bits.
    Tf32,
}

impl Precision {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Tf32 => "tf32",
        }
    }
}

impl Provider {
    /// An entry with everything left out that most do without.
    const fn new<E: ExecutionProvider>(
        build: fn(&OptionPairs) -> ort::Result<ExecutionProviderDispatch>,
    ) -> Provider {
        Provider {
            name: "",
            ort_name: E::NAME,
            runs_on: "",
            needs: "",
            remedy: "",
            automatic: false,
            library: None,
            driver: None,
            preload: &[],
            companion: None,
            device: None,
            options: &[],
            threads: None,
            defaults: &[],
            few_runs: &[],
            when_replayed: &[],
            trial: &[],
            precisions: &[(Precision::F32, &[])],
            cache: &[],
            first_run_notice: None,
            memory: None,
            memory_limit: None,
            replay: None,
            available: E::is_available,
            build,
        }
    }

    /// An entry of a provider that takes its options as keys and values.
    const fn of<E>() -> Provider
    where
        E: ExecutionProvider
            + ArbitrarilyConfigurableExecutionProvider
            + Default
            + Into<ExecutionProviderDispatch>,
    {
        Provider::new::<E>(|values| {
            let provider = values.iter().fold(E::default(), |provider, (key, value)| {
                provider.with_arbitrary_config(key, value)
            });
            Ok(provider.into())
        })
    }

    /// The provider called `name`.
    pub fn named(name: &str) -> Option<&'static Provider> {
        PROVIDERS.iter().find(|provider| provider.name == name)
    }

    /// The processor.
    pub fn cpu() -> &'static Provider {
        // The last entry, which a test holds.
        &PROVIDERS[PROVIDERS.len() - 1]
    }

    /// Whether this is the processor, where nothing is left over for another provider.
    pub fn is_cpu(&self) -> bool {
        self.name == CPU
    }

    /// Whether the loaded ONNX Runtime was built with it. One must have been loaded.
    pub(super) fn is_built_in(&self) -> bool {
        (self.available)().unwrap_or(false)
    }

    /// What registers it, an error included, with these options.
    pub(super) fn registration(&self, values: &OptionPairs) -> ort::Result<ExecutionProviderDispatch> {
        Ok((self.build)(values)?.error_on_failure())
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Which provider is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub enum ProviderChoice {
    /// The best that works on this machine.
    #[default]
    Auto,
    /// This one or none.
    Named(&'static Provider),
}

impl ProviderChoice {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            ProviderChoice::Auto => "auto",
            ProviderChoice::Named(provider) => provider.name,
        }
    }

    /// All names, `auto` first, comma separated.
    pub fn names() -> String {
        let known = PROVIDERS.iter().map(|provider| provider.name);
        std::iter::once("auto")
            .chain(known)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// A provider that this program does not know.
#[derive(Debug, thiserror::Error)]
#[error("execution provider {name:?} is not known; usable are: {known}")]
pub struct UnknownProvider {
    name: String,
    known: String,
}

impl FromStr for ProviderChoice {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == "auto" {
            return Ok(ProviderChoice::Auto);
        }
        Provider::named(name)
            .map(ProviderChoice::Named)
            .ok_or_else(|| UnknownProvider {
                name: name.to_owned(),
                known: ProviderChoice::names(),
            })
    }
}

impl Serialize for ProviderChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ProviderChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ProviderChoice, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(preset: Preset) -> impl Iterator<Item = &'static str> {
        preset.iter().map(|(key, _)| *key)
    }

    #[test]
    fn every_entry_sets_only_options_that_it_knows() {
        for provider in PROVIDERS {
            let precisions = provider.precisions.iter().flat_map(|(_, preset)| keys(preset));
            let device = provider.device.map(|device| device(0).0);
            let set = keys(provider.defaults)
                .chain(provider.threads)
                .chain(keys(provider.few_runs))
                .chain(keys(provider.when_replayed))
                .chain(keys(provider.trial))
                .chain(keys(provider.cache))
                .chain(precisions)
                .chain(device)
                .chain(provider.memory_limit)
                .chain(provider.replay);
            for key in set {
                assert!(
                    provider.options.contains(&key),
                    "{provider} does not know its own {key}"
                );
            }
        }
    }

    #[test]
    fn names_are_unique_and_the_processor_comes_last() {
        for (index, provider) in PROVIDERS.iter().enumerate() {
            assert!(!provider.name.is_empty() && !provider.needs.is_empty() && !provider.remedy.is_empty());
            assert!(std::ptr::eq(
                Provider::named(provider.name).unwrap(),
                &PROVIDERS[index]
            ));
            assert!(
                provider
                    .companion
                    .is_none_or(|name| Provider::named(name).is_some())
            );
        }
        assert!(Provider::cpu().is_cpu());
    }
}
