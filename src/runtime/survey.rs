//! What there is on this machine: for `impasto providers`.

use ort::memory::DeviceType;
use serde::Serialize;

use super::engine::attempt;
use super::provider::{PROVIDERS, Provider};
use super::{Remedy, Request, Runtime};

/// The providers and devices that the loaded library offers.
#[derive(Clone, Debug, Serialize)]
pub struct Survey {
    /// All providers that the program knows.
    pub providers: Vec<Found>,
    /// The devices that ONNX Runtime has found by itself; a provider may know more.
    pub devices: Vec<Device>,
}

/// A provider and whether it works.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The name.
    pub name: &'static str,
    /// What it runs on.
    pub runs_on: &'static str,
    /// Whether the library was built with it.
    pub built_in: bool,
    /// Whether it works.
    #[serde(flatten)]
    pub state: State,
}

/// Whether a provider works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum State {
    /// It ran a graph of one layer.
    Usable,
    /// It is built in but does not run.
    Unusable {
        /// What is missing.
        reason: String,
    },
    /// The library was built without it.
    Absent {
        /// How to get it.
        remedy: Remedy,
    },
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// ONNX Runtime's name of the provider that offers it.
    pub provider: String,
    /// `cpu`, `gpu` or `npu`.
    pub kind: &'static str,
    /// Who made it.
    pub vendor: String,
    /// The maker's number of it.
    pub id: u32,
}

/// Tries every provider that the loaded library was built with.
pub fn find(runtime: &Runtime, threads: usize) -> Survey {
    Survey {
        providers: PROVIDERS
            .iter()
            .map(|provider| found(runtime, provider, threads))
            .collect(),
        devices: devices(runtime),
    }
}

fn found(runtime: &Runtime, provider: &'static Provider, threads: usize) -> Found {
    let built_in = provider.is_built_in();
    let state = if !built_in {
        State::Absent {
            remedy: Remedy::of(provider),
        }
    } else {
        match attempt(runtime, provider, &Request::default(), threads) {
            Ok(()) => State::Usable,
            Err(reason) => State::Unusable { reason },
        }
    };
    Found {
        name: provider.name,
        runs_on: provider.runs_on,
        built_in,
        state,
    }
}

fn devices(runtime: &Runtime) -> Vec<Device> {
    let describe = |device: ort::device::Device<'_>| {
        let hardware = device.hardware_device();
        Some(Device {
            provider: device.ep().ok()?.to_owned(),
            kind: match hardware.ty() {
                DeviceType::GPU => "gpu",
                DeviceType::NPU => "npu",
                _ => "cpu",
            },
            vendor: hardware.vendor().unwrap_or_default().to_owned(),
            id: hardware.id(),
        })
    };
    runtime.environment().devices().filter_map(describe).collect()
}
