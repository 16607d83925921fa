//! The flags that say what the graphs run on.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use impasto::config::Options;
use impasto::config::range::{DEVICE_ID, THREADS};
use impasto::model::KernelSet;
use impasto::runtime::{self, Choice, Precision};

use super::values::whole;

/// What it runs on.
#[derive(Debug, Args)]
pub struct Engine {
    #[command(flatten)]
    pub provider: ProviderArgs,

    /// What the CPU provider computes with: auto (the program's own kernels), onnxruntime, portable, neon, avx2, avx512, amx
    ///
    /// stylize takes auto, the fastest. evaluate takes onnxruntime, which is several times slower and closer to
    /// exact arithmetic; with auto it gives the gradient that stylize sees.
    #[arg(long, value_name = "NAME", help_heading = "Engine", hide_short_help = true)]
    pub kernels: Option<KernelSet>,

    /// Threads, 1 to 1024 [default: all processors that the process may use]
    ///
    /// More than there are processors would only wait for each other; so many then run as there are, and a warning says
    /// so. The bytes are the same for any number.
    #[arg(long, value_name = "N", value_parser = whole::<usize>(THREADS), help_heading = "Engine", hide_short_help = true)]
    pub threads: Option<usize>,

    /// The folder with the graphs [default: onnx beside the program, ../share/impasto/onnx, the repository's onnx]
    #[arg(long, value_name = "DIR", help_heading = "Engine", hide_short_help = true)]
    pub graphs: Option<PathBuf>,

    /// The ONNX Runtime library, 1.24 or later
    ///
    /// Default: the environment variable ORT_DYLIB_PATH; then beside the program, ../lib, ../lib/onnxruntime/NAME,
    /// the repository's runtime/NAME, the system's library folders. Those that have the provider come first.
    #[arg(long, value_name = "FILE", help_heading = "Engine", hide_short_help = true)]
    pub onnxruntime: Option<PathBuf>,

    /// The ONNX Runtime that `make setup RUNTIME=NAME` brought: cpu, cuda or openvino
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with = "onnxruntime",
        help_heading = "Engine",
        hide_short_help = true
    )]
    pub runtime: Option<String>,
}

/// Which provider runs the graphs, and how.
#[derive(Debug, Args)]
pub struct ProviderArgs {
    /// What runs the graphs: auto, cpu, cuda, tensorrt, openvino, … [default: auto]
    #[arg(long, value_name = "NAME", long_help = providers_help(), help_heading = "Engine", hide_short_help = true)]
    pub provider: Option<Choice>,

    /// The number of the provider's device, 0 to 65535 [default: its first]
    #[arg(long, value_name = "N", value_parser = whole::<u32>(DEVICE_ID), help_heading = "Engine", hide_short_help = true)]
    pub device_id: Option<u32>,

    /// An option of the provider; may be given several times
    ///
    /// The names are those of ONNX Runtime's documentation; a wrong one gets the list of those that there are.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value, help_heading = "Engine", hide_short_help = true)]
    pub provider_option: Vec<(String, String)>,

    /// The library of a provider that comes as a plugin; it is the one that runs
    #[arg(long, value_name = "FILE", help_heading = "Engine", hide_short_help = true)]
    pub provider_library: Option<PathBuf>,

    /// What the provider computes in [default: f32, with tensorrt tf32]
    #[arg(long, value_name = "FORMAT", help_heading = "Engine", hide_short_help = true)]
    pub precision: Option<PrecisionArg>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PrecisionArg {
    /// 32-bit floating point
    F32,
    /// NVIDIA's TensorFloat-32 in convolutions and products: cuda, tensorrt
    Tf32,
    /// 16-bit floating point: tensorrt, openvino, coreml, migraphx, qnn, cann
    F16,
}

impl Engine {
    /// The library's options.
    pub fn options(&self) -> Options {
        let provider = &self.provider;
        let options = &provider.provider_option;
        Options {
            threads: self.threads,
            kernels: self.kernels,
            provider: provider.provider,
            device_id: provider.device_id,
            provider_option: (!options.is_empty()).then(|| options.iter().cloned().collect()),
            provider_library: provider.provider_library.clone(),
            precision: provider.precision.map(|precision| match precision {
                PrecisionArg::F32 => Precision::F32,
                PrecisionArg::Tf32 => Precision::Tf32,
                PrecisionArg::F16 => Precision::F16,
            }),
            graphs: self.graphs.clone(),
            onnxruntime: self.onnxruntime.clone(),
            runtime: self.runtime.clone(),
            ..Options::default()
        }
    }
}

fn providers_help() -> String {
    let rows: String = runtime::PROVIDERS
        .iter()
        .map(|provider| format!("\n  {:<13} {}", provider.name, provider.runs_on))
        .collect();
    format!(
        "What runs the graphs [default: auto]. auto takes the first of cuda, migraphx, directml, openvino and cpu that \
         works, and says why the others do not; one that is named runs or is an error. `impasto providers` lists what \
         works here.\n{rows}"
    )
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("must be KEY=VALUE".to_owned()),
    }
}
