//! The command line: flags, their meaning, units, ranges and defaults.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::compare::Compare;
use super::manual::Manual;
use super::providers::{ProviderArgs, Providers};
use super::watch::Watching;

use impasto::config::{self, Options};
use impasto::init::Init;
use impasto::model::KernelSet;
use impasto::picture;

/// Paint a photo in the style of a painting.
///
/// Impasto optimises the pixels of a picture until a VGG19 sees the photo's content in the painting's style (Gatys
/// et al. 2016). It runs on ONNX Runtime: no PyTorch, no Python, no GPU needed.
#[derive(Debug, Parser)]
#[command(
    name = "impasto",
    version,
    arg_required_else_help = true,
    subcommand_required = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Stylize(Stylize),
    Evaluate(Evaluate),
    Compare(Compare),
    Providers(Providers),
    Manual(Manual),
}

/// Paint CONTENT in the style of STYLE
///
/// Examples:
///
///   impasto stylize photo.jpg painting.jpg -o painted.png
///
///   impasto stylize photo.jpg painting.jpg -o small.png --size 256 --iterations 200
///
///   impasto stylize photo.jpg painting.jpg -o bold.png --style-weight 10000 --init random --seed 7
///
/// Ctrl-C stops at the next evaluation and saves the best picture so far (exit code 130).
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, args_override_self = true)]
pub struct Stylize {
    /// The photo: PNG, JPEG, WebP, TIFF or BMP
    pub content: PathBuf,

    /// The painting
    pub style: PathBuf,

    /// Where the picture goes; the extension says how: .png, .jpg, .webp or .tif
    #[arg(short, long, value_name = "OUT", help_heading = "Output")]
    pub output: PathBuf,

    /// Replace existing files
    #[arg(short, long, help_heading = "Output")]
    pub force: bool,

    /// Save a numbered preview every N iterations: OUT-00050.png for OUT.png
    #[arg(long, value_name = "N", value_parser = whole::<u64>(1, 1_000_000), help_heading = "Output")]
    pub save_every: Option<u64>,

    /// Write settings, versions and the loss at every evaluation to a JSON file
    #[arg(long, value_name = "FILE.json", help_heading = "Output")]
    pub trace: Option<PathBuf>,

    #[command(flatten)]
    pub watching: Watching,

    /// Print nothing but errors
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,

    /// The painted picture's size in pixels: its longer side, or with --fit short its shorter one [default: 512]
    ///
    /// 1 to 32768. A picture already that size is not resampled. Time and memory grow with the number of pixels.
    #[arg(long, value_name = "PIXELS", value_parser = whole::<u32>(1, 32_768), allow_negative_numbers = true, help_heading = "Size")]
    pub size: Option<u32>,

    /// Which side --size speaks of [default: long; short with preset book]
    #[arg(long, value_name = "SIDE", help_heading = "Size")]
    pub fit: Option<FitArg>,

    #[command(flatten)]
    pub objective: Objective,

    /// What to start from: content, random, gray, style-stats, blend:F or a picture's path [default: content]
    ///
    /// random: faint noise around mid grey, made from --seed. gray: mid grey. style-stats: noise with the style
    /// picture's colours. blend:F, F from 0 to 1: the content with that part of noise. A picture is resized to the
    /// painted one.
    #[arg(long, value_name = "INIT", help_heading = "Start")]
    pub init: Option<Init>,

    /// The seed of the noise in --init: 0 to 2^64-1 [default: 0]
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0, u64::MAX), allow_negative_numbers = true, help_heading = "Start")]
    pub seed: Option<u64>,

    /// L-BFGS iterations, about one evaluation each: 0 or more [default: 500]
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0, 1_000_000), allow_negative_numbers = true, help_heading = "Optimiser")]
    pub iterations: Option<u64>,

    /// Steps that L-BFGS remembers, 1 to 1000; each takes 24 bytes a pixel [default: 20]
    #[arg(long, value_name = "PAIRS", value_parser = whole::<usize>(1, 1000), allow_negative_numbers = true, help_heading = "Optimiser")]
    pub history: Option<usize>,

    #[command(flatten)]
    pub engine: Engine,
}

/// Compute the loss of IMAGE, term by term, and how far it is from its targets; nothing is painted
///
/// Distances are relative: 0 for a picture that has the style's Gram matrices or the content's features at a layer, 1 for
/// one as far away as nothing at all. Held-out layers are not in the loss. The total variation is the mean absolute
/// difference of neighbours in grey levels; SSIM is the structural similarity of the luminance to the content's (Wang
/// et al. 2004).
///
/// IMAGE is taken at its own size, the content picture is resized to it when it differs, the style picture keeps
/// its own size unless --style-size is given.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct Evaluate {
    /// The picture to judge
    pub image: PathBuf,

    /// The photo that gives the content
    #[arg(long, value_name = "PICTURE")]
    pub content: PathBuf,

    /// The painting that gives the style
    #[arg(long, value_name = "PICTURE")]
    pub style: PathBuf,

    /// Print JSON: {"total": …, "terms": {"style/relu1_1": …, …}, "style_distance": {"relu1_1": …, …}, …}
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Write the gradient too: float32 [3, height, width], BGR, loss per grey level, as .npy
    #[arg(long, value_name = "OUT.npy", help_heading = "Output")]
    pub gradient: Option<PathBuf>,

    /// Replace existing files
    #[arg(short, long, help_heading = "Output")]
    pub force: bool,

    #[command(flatten)]
    pub objective: Objective,

    #[command(flatten)]
    pub engine: Engine,
}

/// What is asked of the picture.
#[derive(Debug, Args)]
pub struct Objective {
    /// The set of layers and weights: gatys or book [default: gatys]
    #[arg(long, value_name = "NAME", long_help = presets_help(), help_heading = "Objective")]
    pub preset: Option<String>,

    /// The style weight W, 0 or more; a layer of C channels weighs W/C² [default: 1000]
    #[arg(long, value_name = "W", value_parser = weight, allow_negative_numbers = true, help_heading = "Objective")]
    pub style_weight: Option<f64>,

    /// The content weight, 0 or more [default: 1]
    #[arg(long, value_name = "W", value_parser = weight, allow_negative_numbers = true, help_heading = "Objective")]
    pub content_weight: Option<f64>,

    /// How the network pools: max as it was trained, or avg for slightly smoother pictures [default: max]
    #[arg(long, value_name = "KIND", help_heading = "Objective")]
    pub pooling: Option<PoolingArg>,

    /// The style picture's longer side in pixels: the larger it is seen, the larger the strokes
    ///
    /// 1 to 32768. Default: no longer than the painted picture; a smaller style picture is enlarged only when this
    /// asks for it.
    #[arg(long, value_name = "PIXELS", value_parser = whole::<u32>(1, 32_768), allow_negative_numbers = true, help_heading = "Objective")]
    pub style_size: Option<u32>,
}

/// What it runs on.
#[derive(Debug, Args)]
pub struct Engine {
    #[command(flatten)]
    pub provider: ProviderArgs,

    /// What the CPU provider computes with: auto (the program's own kernels), onnxruntime, portable, neon, avx2, avx512
    ///
    /// stylize takes auto, the fastest. evaluate takes onnxruntime, which is several times slower and closer to
    /// exact arithmetic; with auto it gives the gradient that stylize sees.
    #[arg(long, value_name = "NAME", help_heading = "Engine")]
    pub kernels: Option<KernelSet>,

    /// Threads, 1 to 1024 [default: all processors that the process may use]
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1, 1024), allow_negative_numbers = true, help_heading = "Engine")]
    pub threads: Option<usize>,

    /// The folder with the graphs [default: onnx beside the program, ../share/impasto/onnx, the repository's onnx]
    #[arg(long, value_name = "DIR", help_heading = "Engine")]
    pub graphs: Option<PathBuf>,

    /// The ONNX Runtime library, 1.24 or later
    ///
    /// Default: the environment variable ORT_DYLIB_PATH; then beside the program, ../lib, ../lib/onnxruntime/NAME,
    /// the repository's runtime/NAME, the system's library folders. Those that have the provider come first.
    #[arg(long, value_name = "FILE", help_heading = "Engine")]
    pub onnxruntime: Option<PathBuf>,

    /// The ONNX Runtime that `make setup RUNTIME=NAME` brought: cpu, cuda or openvino
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with = "onnxruntime",
        help_heading = "Engine"
    )]
    pub runtime: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FitArg {
    /// The longer side
    Long,
    /// The shorter side
    Short,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PoolingArg {
    /// Maximum
    Max,
    /// Average
    Avg,
}

impl Stylize {
    /// The library's options.
    pub fn options(&self) -> Options {
        Options {
            size: self.size,
            fit: self.fit.map(|fit| match fit {
                FitArg::Long => picture::Fit::Long,
                FitArg::Short => picture::Fit::Short,
            }),
            init: self.init.clone(),
            seed: self.seed,
            iterations: self.iterations,
            history: self.history,
            ..shared_options(&self.objective, &self.engine)
        }
    }
}

impl Evaluate {
    /// The library's options.
    pub fn options(&self) -> Options {
        judging_options(&self.objective, &self.engine)
    }
}

/// The library's options for judging a picture.
pub fn judging_options(objective: &Objective, engine: &Engine) -> Options {
    let options = shared_options(objective, engine);
    // One evaluation to judge by: exactness counts, not speed.
    Options {
        kernels: options.kernels.or(Some(KernelSet::OnnxRuntime)),
        ..options
    }
}

fn shared_options(objective: &Objective, engine: &Engine) -> Options {
    Options {
        preset: objective.preset.clone(),
        pooling: objective.pooling.map(|pooling| match pooling {
            PoolingArg::Max => config::Pooling::Max,
            PoolingArg::Avg => config::Pooling::Avg,
        }),
        style_size: objective.style_size,
        style_weight: objective.style_weight,
        content_weight: objective.content_weight,
        kernels: engine.kernels,
        threads: engine.threads,
        provider: engine.provider.request(),
        runtime: engine.runtime.clone(),
        graphs: engine.graphs.clone(),
        onnxruntime: engine.onnxruntime.clone(),
        ..Options::default()
    }
}

fn presets_help() -> String {
    let rows = config::PRESETS
        .iter()
        .map(|preset| format!("\n  {:<8} {}", preset.name, preset.summary));
    let table: String = rows.collect();
    format!(
        "The set of layers and weights [default: gatys]. An explicit flag always wins over its preset.\n{table}"
    )
}

/// A parser of whole numbers from `least` to `most` whose error names the range.
pub fn whole<T>(least: T, most: T) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + std::fmt::Display + Copy + Send + Sync + 'static,
{
    move |text| match text.parse::<T>() {
        Ok(value) if value >= least && value <= most => Ok(value),
        _ => Err(format!("must be a whole number from {least} to {most}")),
    }
}

fn weight(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("must be a number, 0 or more".to_owned()),
    }
}
