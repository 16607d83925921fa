//! The command line: flags, their meaning, units, ranges and defaults.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::compare::Compare;
use super::engine::Engine;
use super::manual::Manual;
use super::providers::Providers;
use super::sources::Config;
use super::values::{number, weight, whole};
use super::watch::Watching;

use impasto::color::ColorMode;
use impasto::config::range::{HISTORY, ITERATIONS, JPEG_QUALITY, SEED, SIZE};
use impasto::config::{self, Optimizer, Options, Settings};
use impasto::init::Init;
use impasto::model::{LayerFactors, Padding};
use impasto::observe::When;
use impasto::picture::{self, Bits, Encoding, OutputFormat};
use impasto::scales::Scales;

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
    Stylize(Box<Stylize>),
    Evaluate(Box<Evaluate>),
    Compare(Box<Compare>),
    Providers(Providers),
    Manual(Manual),
}

/// What ends the long help of `stylize`.
const EXAMPLES: &str = "\
Examples:
  A quick look, then the real thing
    impasto stylize photo.jpg painting.jpg -o quick.png --size 256 --iterations 100
    impasto stylize photo.jpg painting.jpg -o large.png --size 1024

  More style; larger strokes; the photo's own colours
    impasto stylize photo.jpg painting.jpg -o bold.png --style-weight 10000
    impasto stylize photo.jpg painting.jpg -o large-strokes.png --style-size 1024
    impasto stylize photo.jpg painting.jpg -o faithful.png --color original

  Several styles, 3 parts to 7
    impasto stylize photo.jpg waves.jpg stars.jpg -o both.png --style-blend 3,7

  From noise: another seed, another picture; the same seed, the same bytes
    impasto stylize photo.jpg painting.jpg -o free.png --init random --seed 7

  Watch it come
    impasto stylize photo.jpg painting.jpg -o out.png --preview --save-every 50
    impasto stylize photo.jpg painting.jpg -o out.png --animation run.gif --plot loss.svg

  Keep settings in a file, and change one of them
    impasto stylize photo.jpg painting.jpg -o out.png --config oil.toml --size 768

  Do a run again, or again with one thing changed
    impasto stylize photo.jpg painting.jpg -o out.png --trace run.json
    impasto stylize --repeat run.json -o again.png
    impasto stylize --repeat run.json -o bolder.png --style-weight 10000";

/// Paint CONTENT in the style of one STYLE or several
///
/// Ctrl-C stops at the next evaluation and saves the best picture so far (exit code 130); a second one ends the program
/// without a picture.
#[derive(Debug, Args)]
#[command(args_override_self = true, allow_negative_numbers = true, after_long_help = EXAMPLES)]
pub struct Stylize {
    /// The photo: PNG, JPEG, JPEG XL, WebP, TIFF, BMP or GIF; - is standard input
    #[arg(required_unless_present = "repeat", conflicts_with = "repeat")]
    pub content: Option<PathBuf>,

    /// The painting, or several to blend; a folder stands for all pictures in it
    #[arg(required_unless_present = "repeat", conflicts_with = "repeat")]
    pub style: Vec<PathBuf>,

    /// Where the picture goes: a name ending in .png, .jpg, .webp or .tif; or -
    ///
    /// Standard output, -, needs --format. A file is written whole or not at all; a pipe or a device is written to as it
    /// stands, and never replaced.
    #[arg(short, long, value_name = "OUT", help_heading = "Output")]
    pub output: PathBuf,

    /// The format, where OUT does not end in one: png, jpeg, webp or tiff
    #[arg(
        long,
        value_name = "FORMAT",
        hide_possible_values = true,
        help_heading = "Output",
        hide_short_help = true
    )]
    pub format: Option<FormatArg>,

    /// Replace existing files
    #[arg(short, long, help_heading = "Output")]
    pub force: bool,

    /// Bits a channel of the picture and its previews: 8, or 16 in PNG and TIFF [default: 8]
    #[arg(long, value_name = "BITS", help_heading = "Output", hide_short_help = true)]
    pub bits: Option<Bits>,

    /// The quality of a JPEG file, 1 to 100; other formats are lossless [default: 95]
    #[arg(long, value_name = "QUALITY", value_parser = whole::<u8>(JPEG_QUALITY), help_heading = "Output", hide_short_help = true)]
    pub jpeg_quality: Option<u8>,

    /// The painted picture's longer side in pixels [default: 512]
    ///
    /// 1 to 32768; the shorter side with --fit short. A picture already that size is not resampled. Time and memory
    /// grow with the number of pixels.
    #[arg(long, value_name = "PIXELS", value_parser = whole::<u32>(SIZE), help_heading = "Size")]
    pub size: Option<u32>,

    /// Which side --size speaks of [default: long; short with preset book]
    #[arg(long, value_name = "SIDE", help_heading = "Size", hide_short_help = true)]
    pub fit: Option<FitArg>,

    /// Paint from coarse to fine: auto, a number of scales, or SIZE:ITERATIONS,… [default: auto]
    ///
    /// auto: from --size halves of it, down to no less than 192 pixels, each with a quarter of --iterations. A number, 1
    /// to 16: so many. A list such as 256:200,512:100 says the sizes from coarse to fine, and the iterations of each. A coarse
    /// evaluation costs a quarter of the next finer one, and lays out larger shapes; below some 192 pixels they take the
    /// place of the photo's. The style picture shrinks with the painted one, and the content weighs more: 16 times as
    /// much at half the size. Presets book and neural-style, and a start from a file, have one scale.
    #[arg(long, value_name = "SCALES", help_heading = "Size", hide_short_help = true)]
    pub scales: Option<Scales>,

    /// Print the presets with their layers, weights and size rule, and paint nothing
    #[arg(long, exclusive = true, help_heading = "Objective", hide_short_help = true)]
    pub presets: bool,

    #[command(flatten)]
    pub objective: Objective,

    /// Start: content, random, gray, style-stats, blend:0.3 or FILE [default: content]
    ///
    /// content: the photo. random: faint noise around mid grey, made from --seed. gray: mid grey. style-stats: noise
    /// with the first style picture's colours. blend:F, F from 0 to 1: the content with that part of noise. A picture
    /// is resized to the painted one.
    #[arg(long, value_name = "INIT", help_heading = "Start")]
    pub init: Option<Init>,

    /// The seed of the noise in --init: 0 to 2^64-1 [default: 0]
    #[arg(long, value_name = "N", value_parser = whole::<u64>(SEED), help_heading = "Start", hide_short_help = true)]
    pub seed: Option<u64>,

    /// What moves the pixels: lbfgs or adam [default: lbfgs]
    ///
    /// lbfgs reaches a lower loss in the same time. adam takes 84 bytes a pixel where lbfgs takes some 560, and 72 more at
    /// the first scale; adam keeps every pixel displayable, so that nothing is clipped at the end.
    #[arg(long, value_name = "NAME", help_heading = "Optimiser", hide_short_help = true)]
    pub optimizer: Option<Optimizer>,

    /// Iterations at the finest scale: 0 to 1000000 [default: 500]
    ///
    /// Each takes about one evaluation. Coarser scales have a quarter as many.
    #[arg(long, value_name = "N", value_parser = whole::<u64>(ITERATIONS), help_heading = "Optimiser")]
    pub iterations: Option<u64>,

    /// Steps that L-BFGS remembers, 1 to 1000; each takes 6 bytes a pixel [default: 80]
    #[arg(long, value_name = "PAIRS", value_parser = whole::<usize>(HISTORY), help_heading = "Optimiser", hide_short_help = true)]
    pub history: Option<usize>,

    /// How far a step of adam moves a pixel, in grey levels: more than 0, at most 255 [default: 5]
    #[arg(long, value_name = "LEVELS", value_parser = number, help_heading = "Optimiser", hide_short_help = true)]
    pub learning_rate: Option<f64>,

    /// How much of the gradient's mean each step of adam keeps: 0 to below 1 [default: 0.9]
    #[arg(long, value_name = "SHARE", value_parser = number, help_heading = "Optimiser", hide_short_help = true)]
    pub beta1: Option<f64>,

    /// How much of the gradient's mean square each step of adam keeps: 0 to below 1 [default: 0.99]
    #[arg(long, value_name = "SHARE", value_parser = number, help_heading = "Optimiser", hide_short_help = true)]
    pub beta2: Option<f64>,

    /// Stop when ten iterations change the loss by less than this fraction of it: 0 to 1 [default: never]
    #[arg(long, value_name = "FRACTION", value_parser = number, help_heading = "Optimiser", hide_short_help = true)]
    pub tolerance: Option<f64>,

    /// Stop at the first evaluation that ends after so many seconds, with the best picture so far [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = number, help_heading = "Optimiser", hide_short_help = true)]
    pub max_seconds: Option<f64>,

    /// Save a preview every N iterations: OUT-00050.png for OUT.png
    ///
    /// Iterations count over all scales; previews of a coarse scale are as small as it is.
    #[arg(long, value_name = "N", value_parser = whole::<u64>(1..=1_000_000), help_heading = "Watching")]
    pub save_every: Option<u64>,

    /// Save the picture after each scale but the last: OUT-128x96.png for OUT.png
    #[arg(long, help_heading = "Watching", hide_short_help = true)]
    pub save_scales: bool,

    #[command(flatten)]
    pub watching: Watching,

    /// Print nothing but errors
    #[arg(short, long, help_heading = "Watching", hide_short_help = true)]
    pub quiet: bool,

    /// Write down all it takes to repeat the run, and its losses
    ///
    /// As JSON: the loss and its terms at every evaluation, the resolved settings, the sha256 of pictures, graphs and
    /// weights, versions, kernels, and how the run ended. With - as its name it goes to standard
    /// output.
    #[arg(long, value_name = "FILE.json", help_heading = "Records")]
    pub trace: Option<PathBuf>,

    /// Do a run again: CONTENT, STYLE and settings come from its trace
    ///
    /// With the same program on the same machine the picture has the same bytes. Pictures, graphs and weights that
    /// have changed are errors; another version or machine is a warning. A picture that came through standard input
    /// is read there again. Flags that are given beside it win, so that
    /// one thing can be varied. A run that Ctrl-C or --max-seconds ended is repeated up to where it ended.
    #[arg(
        long,
        value_name = "TRACE.json",
        help_heading = "Records",
        hide_short_help = true
    )]
    pub repeat: Option<PathBuf>,

    #[command(flatten)]
    pub config: Config,

    #[command(flatten)]
    pub engine: Engine,
}

/// Judge IMAGE: its loss, term by term, and its distances from the targets; nothing is painted
///
/// Distances are relative: 0 for a picture that has the style's Gram matrices or the content's features at a layer, 1
/// for one as far away as nothing at all. Held-out layers are not in the loss: relu1_2, relu2_2, relu3_3, relu4_3, and
/// with preset book relu5_1. The total variation is the mean absolute difference of neighbours in grey levels; SSIM is
/// the structural similarity of the luminance to the content's (Wang et al. 2004).
///
/// IMAGE is taken at its own size, the content picture is resized to it when it differs, the style picture keeps
/// its own size unless --style-size or --style-scale is given.
#[derive(Debug, Args)]
#[command(args_override_self = true, allow_negative_numbers = true)]
pub struct Evaluate {
    /// The picture to judge; - is standard input
    pub image: PathBuf,

    /// The photo that gives the content
    #[arg(long, value_name = "PICTURE")]
    pub content: PathBuf,

    /// The painting that gives the style; give it several times to blend, or a folder
    #[arg(long, required = true, value_name = "PICTURE")]
    pub style: Vec<PathBuf>,

    /// Print JSON: {"total": …, "terms": {…}, "style_distance": {…}, …}
    ///
    /// terms by name, such as style/relu1_1; style_distance, held_out_style_distance (null without its graph) and
    /// content_distance by layer; total_variation; ssim (null for a picture of less than 11 pixels a side).
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Write the gradient too: float32 [3, height, width], BGR, loss per grey level, as .npy
    #[arg(long, value_name = "OUT.npy", help_heading = "Output")]
    pub gradient: Option<PathBuf>,

    /// Replace existing files
    #[arg(short, long, help_heading = "Output")]
    pub force: bool,

    #[command(flatten)]
    pub config: Config,

    #[command(flatten)]
    pub objective: Objective,

    #[command(flatten)]
    pub engine: Engine,
}

/// What is asked of the picture.
#[derive(Debug, Args)]
pub struct Objective {
    /// Layers and weights: impasto, gatys, book and others [default: impasto]
    #[arg(long, value_name = "NAME", long_help = presets_help(), help_heading = "Objective")]
    pub preset: Option<String>,

    /// How much style: 0 or more [default: the preset's; impasto, gatys: 1000]
    ///
    /// The weight W: the mean squared difference of the Gram matrices of a layer of C channels counts W/C². Another
    /// --style-loss has its own default.
    #[arg(long, value_name = "W", value_parser = weight, help_heading = "Objective")]
    pub style_weight: Option<f64>,

    /// How much content: 0 or more; 2 keeps more of the photo, 0.5 less [default: the preset's; impasto, gatys: 1]
    ///
    /// The factor of the mean squared difference of the content layer's features. Only the weights' ratio counts. With
    /// preset impasto its unit follows the pair of pictures, so that one number serves many.
    #[arg(long, value_name = "W", value_parser = weight, help_heading = "Objective", hide_short_help = true)]
    pub content_weight: Option<f64>,

    /// The weight of the total variation, 0 or more: the larger, the smoother [default: the preset's; impasto, gatys: 0]
    ///
    /// Half the squared differences of each pixel, in grey levels, from those to its right and below, summed.
    #[arg(long, value_name = "W", value_parser = weight, help_heading = "Objective", hide_short_help = true)]
    pub tv_weight: Option<f64>,

    /// Factors of single style layers' weights, 0 or more: relu1_1=2,relu5_1=0.5 [default: the preset's, or 1]
    #[arg(
        long,
        value_name = "LAYER=F,…",
        help_heading = "Objective",
        hide_short_help = true
    )]
    pub style_layer_weights: Option<LayerFactors>,

    /// Factors of single content layers' weights, 0 or more [default: 1 each]
    #[arg(
        long,
        value_name = "LAYER=F,…",
        help_heading = "Objective",
        hide_short_help = true
    )]
    pub content_layer_weights: Option<LayerFactors>,

    /// What of the style's layers is compared: gram, moments or wasserstein [default: gram]
    ///
    /// gram: Gram matrices (Gatys et al. 2016). moments: means and standard deviations of the channels too (Galerne et al.
    /// 2024). wasserstein: the distance of Gaussians of those means and covariances, with a style weight of 1 and a content
    /// weight of 0.015 for its default; each layer counts four times as much as the next deeper one. With another loss than
    /// gram the style weights are not the preset's but those that the loss is meant for.
    #[arg(long, value_name = "NAME", help_heading = "Objective", hide_short_help = true)]
    pub style_loss: Option<String>,

    /// What the network sees around a picture: zero, which is its mean colour, or replicate, its edge [default: the preset's]
    #[arg(long, value_name = "KIND", help_heading = "Objective", hide_short_help = true)]
    pub padding: Option<PaddingArg>,

    /// How the network pools: max as it was trained, or avg for slightly smoother pictures [default: max]
    #[arg(long, value_name = "KIND", help_heading = "Objective", hide_short_help = true)]
    pub pooling: Option<PoolingArg>,

    /// The style picture's longer side in pixels: the larger it is seen, the larger the strokes
    ///
    /// 1 to 32768. Default: no longer than the painted picture; a smaller style picture is enlarged only when this
    /// or --style-scale asks for it.
    #[arg(long, value_name = "PIXELS", value_parser = whole::<u32>(SIZE), help_heading = "Objective", hide_short_help = true)]
    pub style_size: Option<u32>,

    /// How large the style picture is seen, as a factor on its default size: 0.01 to 100 [default: 1]
    ///
    /// 2 makes strokes twice as large. Not together with --style-size.
    #[arg(long, value_name = "FACTOR", value_parser = number, help_heading = "Objective", hide_short_help = true)]
    pub style_scale: Option<f64>,

    /// The shares of several style pictures, such as 3,7 [default: equal]
    ///
    /// One number for each style picture, 0 or more, in any unit.
    #[arg(long, value_name = "PARTS", value_parser = number, value_delimiter = ',', allow_hyphen_values = true, help_heading = "Objective")]
    pub style_blend: Option<Vec<f64>>,

    /// Whose colours: style, original (the photo's), match [default: style]
    ///
    /// original: the photo's colours with the painted light and dark. match: the style picture's colours are first
    /// moved to the photo's mean and covariance, so the strokes come in colours like the photo's.
    #[arg(long, value_name = "MODE", help_heading = "Colour")]
    pub color: Option<ColorMode>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FormatArg {
    /// PNG
    Png,
    /// JPEG
    #[value(alias = "jpg")]
    Jpeg,
    /// WebP, lossless
    Webp,
    /// TIFF
    #[value(alias = "tif")]
    Tiff,
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

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PaddingArg {
    /// Zeros: the mean colour
    Zero,
    /// The picture's edge, repeated
    Replicate,
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
            optimizer: self.optimizer,
            iterations: self.iterations,
            scales: self.scales.clone(),
            history: self.history,
            learning_rate: self.learning_rate,
            beta1: self.beta1,
            beta2: self.beta2,
            tolerance: self.tolerance,
            max_seconds: self.max_seconds,
            bits: self.bits,
            jpeg_quality: self.jpeg_quality,
            ..self.objective.options().or(self.engine.options())
        }
    }
}

impl Stylize {
    /// How the picture is written.
    pub fn encoding(&self, settings: &Settings) -> Encoding {
        Encoding {
            format: self.format.map(|format| match format {
                FormatArg::Png => OutputFormat::Png,
                FormatArg::Jpeg => OutputFormat::Jpeg,
                FormatArg::Webp => OutputFormat::WebP,
                FormatArg::Tiff => OutputFormat::Tiff,
            }),
            ..settings.encoding
        }
    }

    /// When previews are saved.
    pub fn when(&self) -> When {
        When {
            every: self.save_every.and_then(NonZero::new),
            each_scale: self.save_scales,
        }
    }
}

impl Evaluate {
    /// The library's options.
    pub fn options(&self) -> Options {
        self.objective.options().or(self.engine.options())
    }
}

impl Objective {
    /// The library's options.
    pub fn options(&self) -> Options {
        Options {
            preset: self.preset.clone(),
            pooling: self.pooling.map(|pooling| match pooling {
                PoolingArg::Max => config::Pooling::Max,
                PoolingArg::Avg => config::Pooling::Avg,
            }),
            style_size: self.style_size,
            style_scale: self.style_scale,
            style_blend: self.style_blend.clone(),
            style_weight: self.style_weight,
            content_weight: self.content_weight,
            color: self.color,
            tv_weight: self.tv_weight,
            style_layer_weights: self.style_layer_weights.clone(),
            content_layer_weights: self.content_layer_weights.clone(),
            style_loss: self.style_loss.clone(),
            padding: self.padding.map(|padding| match padding {
                PaddingArg::Zero => Padding::Zero,
                PaddingArg::Replicate => Padding::Replicate,
            }),
            ..Options::default()
        }
    }
}

fn presets_help() -> String {
    let rows = config::PRESETS
        .iter()
        .map(|preset| format!("\n  {:<13} {}", preset.name, preset.summary));
    let table: String = rows.collect();
    format!(
        "The set of layers and weights [default: impasto], or the name of graphs of your own. An explicit flag always wins \
         over its preset; --presets prints them in full. `make graphs` makes graphs of other layers, which take the weights of gatys.\n{table}"
    )
}
