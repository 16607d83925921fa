//! The one definition of the options: flags, keys of a settings file, and what a caller of the library sets.

mod checks;
#[cfg(feature = "cli")]
mod flags;
mod pairs;
mod range;
mod resolve;

use std::ops::RangeInclusive;
use std::path::PathBuf;

use merge::Merge;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Optimizer, PRESETS, Pooling, Preset, Size};
use crate::color::ColorMode;
use crate::init::Init;
use crate::memory::Bytes;
use crate::model::{KernelSet, LayerFactors, Padding};
use crate::picture::{Bits, Fit, Seamless};
use crate::regions::MaskSource;
use crate::runtime::{Precision, ProviderChoice};
use crate::scales::Scales;
#[cfg(test)]
pub(super) use checks::available_threads;
pub(super) use checks::within;
pub(super) use range::{unusable, whole};
pub use resolve::Settings;

/// What the caller chose; a `None` is left to the preset, or to the default that is named here.
///
/// A settings file and the settings in a trace have the same names in kebab case, which are those of the flags too.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Merge)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[merge(strategy = merge::option::overwrite_none)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[rustfmt::skip]
pub struct Options {
    /// Bits a channel of the picture and its previews: 8, or 16 in PNG and TIFF [default: 8]
    #[cfg_attr(feature = "cli", arg(long, value_name = "BITS", help_heading = "Output", hide_short_help = true))]
    pub bits: Option<Bits>,

    /// The quality of a JPEG file, 1 to 100; other formats are lossless [default: 95]
    #[cfg_attr(feature = "cli", arg(long, value_name = "QUALITY", value_parser = flags::Whole::<u8>::new(), help_heading = "Output", hide_short_help = true))]
    pub jpeg_quality: Option<u8>,

    /// The painted picture's longer side in pixels [default: 512]
    ///
    /// 1 to 65536; the shorter side with --fit short. A picture already that size is not resampled. Time and memory
    /// grow with the number of pixels.
    #[cfg_attr(feature = "cli", arg(long, value_name = "PIXELS", help_heading = "Size"))]
    pub size: Option<Size>,

    /// Which side --size speaks of [default: long; short with preset book]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SIDE", help_heading = "Size", hide_short_help = true))]
    pub fit: Option<Fit>,

    /// Paint from coarse to fine: auto, a number of scales, or SIZE:ITERATIONS,… [default: auto]
    ///
    /// auto: from --size halves of it, down to no less than 192 pixels. A number, 1 to 16: so many. A list such as
    /// 256:200,512:100 says the sizes from coarse to fine, and the iterations of each. A coarse evaluation costs a quarter of
    /// the next finer one, and lays out larger shapes; below some 192 pixels they take the place of the photo's. The style
    /// picture shrinks with the painted one. With other presets than impasto the content weighs more at a coarse scale: 16
    /// times as much at half the size. Presets book and neural-style, and a start from a file, have one scale.
    #[cfg_attr(feature = "cli", arg(long, value_name = "SCALES", help_heading = "Size", hide_short_help = true))]
    pub scales: Option<Scales>,

    /// Wrap a texture's edges along x, y or both [default: none; without AXES: both]
    ///
    /// Laid side by side it shows no seam, from left to right with x, from top to bottom with y. The network sees the other end beyond an edge, and so does the total
    /// variation. The sides are rounded to multiples of 16 pixels. It takes the time and the memory of a picture with a frame
    /// of 80 pixels around it.
    #[cfg_attr(feature = "cli", arg(long, value_name = "AXES", num_args = 0..=1, require_equals = true, default_missing_value = "both", hide_possible_values = true, help_heading = "Size", hide_short_help = true))]
    pub seamless: Option<Seamless>,

    /// Layers and weights: impasto, gatys, book and others [default: impasto]
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME", long_help = flags::presets_help(), help_heading = "Objective"))]
    pub preset: Option<String>,

    /// How much style: 0 or more [default: the preset's; impasto, gatys: 1000]
    ///
    /// The weight W: the mean squared difference of the Gram matrices of a layer of C channels counts W/C². Another
    /// --style-loss has its own default.
    #[cfg_attr(feature = "cli", arg(long, value_name = "W", value_parser = flags::number, help_heading = "Objective"))]
    pub style_weight: Option<f64>,

    /// How much content: 0 or more; 2 keeps more of the photo, 0.5 less [default: the preset's; impasto, gatys: 1]
    ///
    /// The factor of the mean squared difference of the content layer's features. Only the weights' ratio counts. With
    /// preset impasto its unit follows the pair of pictures, so that one number serves many.
    #[cfg_attr(feature = "cli", arg(long, value_name = "W", value_parser = flags::number, help_heading = "Objective", hide_short_help = true))]
    pub content_weight: Option<f64>,

    /// The weight of the total variation, 0 or more: the larger, the smoother [default: the preset's; impasto, gatys: 0]
    ///
    /// Half the squared differences of each pixel, in grey levels, from those to its right and below, summed.
    #[cfg_attr(feature = "cli", arg(long, value_name = "W", value_parser = flags::number, help_heading = "Objective", hide_short_help = true))]
    pub tv_weight: Option<f64>,

    /// Factors of single style layers' weights, 0 or more: relu1_1=2,relu5_1=0.5 [default: the preset's, or 1]
    #[cfg_attr(feature = "cli", arg(long, value_name = "LAYER=F,…", help_heading = "Objective", hide_short_help = true))]
    pub style_layer_weights: Option<LayerFactors>,

    /// Factors of single content layers' weights, 0 or more [default: 1 each]
    #[cfg_attr(feature = "cli", arg(long, value_name = "LAYER=F,…", help_heading = "Objective", hide_short_help = true))]
    pub content_layer_weights: Option<LayerFactors>,

    /// What of the style's layers is compared: gram, moments or wasserstein [default: gram]
    ///
    /// gram: Gram matrices (Gatys et al. 2016). moments: means and standard deviations of the channels too (Galerne et al.
    /// 2024). wasserstein: the distance of Gaussians of those means and covariances, with a style weight of 1 and a content
    /// weight of 0.015 for its default; each layer counts four times as much as the next deeper one. With another loss than
    /// gram the style weights are not the preset's but those that the loss is meant for.
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME", help_heading = "Objective", hide_short_help = true))]
    pub style_loss: Option<String>,

    /// What the network sees around a picture: zero, which is its mean colour, or replicate, its edge [default: the preset's]
    #[cfg_attr(feature = "cli", arg(long, value_name = "KIND", help_heading = "Objective", hide_short_help = true))]
    pub padding: Option<Padding>,

    /// How the network pools: max as it was trained, or avg for slightly smoother pictures [default: max]
    #[cfg_attr(feature = "cli", arg(long, value_name = "KIND", help_heading = "Objective", hide_short_help = true))]
    pub pooling: Option<Pooling>,

    /// The style picture's longer side in pixels: the larger it is seen, the larger the strokes
    ///
    /// 1 to 65536. Default: no longer than the painted picture; a smaller style picture is enlarged only when this
    /// or --style-scale asks for it.
    #[cfg_attr(feature = "cli", arg(long, value_name = "PIXELS", value_parser = flags::Whole::<u32>::new(), help_heading = "Objective", hide_short_help = true))]
    pub style_size: Option<u32>,

    /// How large the style picture is seen, as a factor on its default size: 0.01 to 100 [default: 1]
    ///
    /// 2 makes strokes twice as large. Not together with --style-size.
    #[cfg_attr(feature = "cli", arg(long, value_name = "FACTOR", value_parser = flags::number, help_heading = "Objective", hide_short_help = true))]
    pub style_scale: Option<f64>,

    /// The shares of several style pictures, such as 3,7 [default: equal]
    ///
    /// One number for each style picture, 0 or more, in any unit.
    #[cfg_attr(feature = "cli", arg(long, value_name = "PARTS", value_parser = flags::number, value_delimiter = ',', allow_hyphen_values = true, help_heading = "Objective"))]
    pub style_blend: Option<Vec<f64>>,

    /// Whose colours: style, original (the photo's), match [default: style]
    ///
    /// original: the photo's colours with the painted light and dark. match: the style picture's colours are first
    /// moved to the photo's mean and covariance, so the strokes come in colours like the photo's.
    #[cfg_attr(feature = "cli", arg(long, value_name = "MODE", hide_possible_values = true, help_heading = "Colour"))]
    pub color: Option<ColorMode>,

    /// Where a style paints: a mask, white there; once for each style, in their order
    ///
    /// A picture of the photo's proportions and any size: white, or opaque, where the style paints. FILE#RRGGBB: the pixels
    /// of one colour of a map. rest: what the other masks leave. Styles with the same mask are blended there. Where masks
    /// overlap, the larger one counts; where none is, there is no style. Each style counts by the part of the picture that
    /// its mask has, times its part of --style-blend.
    #[cfg_attr(feature = "cli", arg(long, value_name = "MASK", allow_hyphen_values = true, help_heading = "Regions", hide_short_help = true))]
    pub mask: Option<Vec<MaskSource>>,

    /// The part of a style picture that is taken; once for each style, in their order; none: all of it
    ///
    /// A picture of the style picture's proportions, or FILE#RRGGBB, as with --mask.
    #[cfg_attr(feature = "cli", arg(long, value_name = "MASK", allow_hyphen_values = true, help_heading = "Regions", hide_short_help = true))]
    pub style_mask: Option<Vec<MaskSource>>,

    /// What stays the photo, whatever masks there are: a mask, white where nothing is painted
    #[cfg_attr(feature = "cli", arg(long, value_name = "MASK", allow_hyphen_values = true, help_heading = "Regions", hide_short_help = true))]
    pub keep: Option<MaskSource>,

    /// Factors of the content weight in the parts of --mask, 0 or more: one for each style [default: 1 each]
    #[cfg_attr(feature = "cli", arg(long, value_name = "F,…", value_parser = flags::number, value_delimiter = ',', help_heading = "Regions", hide_short_help = true))]
    pub mask_content_weights: Option<Vec<f64>>,

    /// Whose colours the parts of --mask have, as --color: one for each style [default: as --color]
    ///
    /// match: the style picture's colours are moved to those of its part of the photo.
    #[cfg_attr(feature = "cli", arg(long, value_name = "MODE,…", value_delimiter = ',', hide_possible_values = true, help_heading = "Regions", hide_short_help = true))]
    pub mask_colors: Option<Vec<ColorMode>>,

    /// Start: content, random, gray, style-stats, blend:0.3 or FILE [default: content]
    ///
    /// content: the photo. random: faint noise around mid grey, made from --seed. gray: mid grey. style-stats: noise
    /// with the first style picture's colours. blend:F, F from 0 to 1: the content with that part of noise. A picture
    /// is resized to the painted one. previous, which is the default beside it: the picture of --previous.
    #[cfg_attr(feature = "cli", arg(long, value_name = "INIT", help_heading = "Start"))]
    pub init: Option<Init>,

    /// The seed of the noise in --init: 0 to 2^64-1 [default: 0]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", value_parser = flags::Whole::<u64>::new(), help_heading = "Start", hide_short_help = true))]
    pub seed: Option<u64>,

    /// The last frame of a film as it was painted, to start this one from: --init previous
    ///
    /// It is resized to the painted picture, moved along --flow, and painted on at the finest scale alone. In batch
    /// --frames gives each frame the one before it.
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE", help_heading = "Frames", hide_short_help = true))]
    pub previous: Option<PathBuf>,

    /// Move --previous along an optical flow: a Middlebury .flo file of the photo's size
    ///
    /// The backward flow, from this frame to the last one: for every pixel of this frame the way, in pixels to the right and
    /// down, to where it was in the last one. In batch a pattern such as 'flow/%05d.flo', with the number of the new frame.
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE.flo", help_heading = "Frames", hide_short_help = true))]
    pub flow: Option<PathBuf>,

    /// The forward flow, from the last frame to this one, to see by it what was hidden in the last one
    ///
    /// Where the two do not lead back to where they began, --temporal-weight does not hold (Ruder et al. 2016). In
    /// batch a pattern, with the number of the new frame.
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE.flo", help_heading = "Frames", hide_short_help = true))]
    pub forward_flow: Option<PathBuf>,

    /// Where --temporal-weight holds: a mask of the photo's size, white there
    ///
    /// It takes from what the flows say, where there are any. In batch a pattern, with the number of the new frame.
    #[cfg_attr(feature = "cli", arg(long, value_name = "MASK", help_heading = "Frames", hide_short_help = true))]
    pub flow_mask: Option<PathBuf>,

    /// How much the picture stays --previous, moved: 0 or more [default: 10000 with --flow or --flow-mask, else 0]
    ///
    /// The weight of the mean squared difference in grey levels, of the pixels that were seen in the last frame.
    #[cfg_attr(feature = "cli", arg(long, value_name = "W", value_parser = flags::number, help_heading = "Frames", hide_short_help = true))]
    pub temporal_weight: Option<f64>,

    /// What moves the pixels: lbfgs or adam [default: lbfgs]
    ///
    /// lbfgs reaches a lower loss in the same time. adam takes 84 bytes a pixel where lbfgs takes some 560, and 72 more at
    /// the first scale; adam keeps every pixel displayable, so that nothing is clipped at the end.
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME", hide_possible_values = true, help_heading = "Optimiser", hide_short_help = true))]
    pub optimizer: Option<Optimizer>,

    /// Iterations at the first scale: 0 to 1000000 [default: 200]
    ///
    /// Each finer scale has half as many; each takes about one evaluation. With other presets than impasto they are those at the finest scale, 500 by default,
    /// and coarser ones have a quarter as many.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", value_parser = flags::Whole::<u64>::new(), help_heading = "Optimiser"))]
    pub iterations: Option<u64>,

    /// Steps that L-BFGS remembers, 1 to 1000; each takes 6 bytes a pixel [default: 80]
    #[cfg_attr(feature = "cli", arg(long, value_name = "PAIRS", value_parser = flags::Whole::<usize>::new(), help_heading = "Optimiser", hide_short_help = true))]
    pub history: Option<usize>,

    /// How far a step of adam moves a pixel, in grey levels: more than 0, at most 255 [default: 5]
    #[cfg_attr(feature = "cli", arg(long, value_name = "LEVELS", value_parser = flags::number, help_heading = "Optimiser", hide_short_help = true))]
    pub learning_rate: Option<f64>,

    /// How much of the gradient's mean each step of adam keeps: 0 to below 1 [default: 0.9]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE", value_parser = flags::number, help_heading = "Optimiser", hide_short_help = true))]
    pub beta1: Option<f64>,

    /// How much of the gradient's mean square each step of adam keeps: 0 to below 1 [default: 0.99]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE", value_parser = flags::number, help_heading = "Optimiser", hide_short_help = true))]
    pub beta2: Option<f64>,

    /// Stop when ten iterations change the loss by less than this fraction of it: 0 to 1 [default: never]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FRACTION", value_parser = flags::number, help_heading = "Optimiser", hide_short_help = true))]
    pub tolerance: Option<f64>,

    /// Stop at the first evaluation that ends after so many seconds, with the best picture so far [default: never]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SECONDS", value_parser = flags::number, help_heading = "Optimiser", hide_short_help = true))]
    pub max_seconds: Option<f64>,

    /// What runs the graphs: auto, cpu, cuda, tensorrt, openvino, … [default: auto]
    #[cfg_attr(feature = "cli", arg(long, env = "IMPASTO_PROVIDER", value_name = "NAME", long_help = flags::providers_help(), help_heading = "Engine", hide_short_help = true))]
    pub provider: Option<ProviderChoice>,

    /// The number of the provider's device, 0 to 65535 [default: its first]
    #[cfg_attr(feature = "cli", arg(long, env = "IMPASTO_DEVICE_ID", value_name = "N", value_parser = flags::Whole::<u32>::new(), help_heading = "Engine", hide_short_help = true))]
    pub device_id: Option<u32>,

    /// An option of the provider; may be given several times
    ///
    /// The names are those of ONNX Runtime's documentation; a wrong one gets the list of those that there are.
    #[cfg_attr(feature = "cli", arg(long, value_name = "KEY=VALUE", value_parser = flags::key_value, help_heading = "Engine", hide_short_help = true))]
    #[serde(with = "pairs")]
    pub provider_option: Option<Vec<(String, String)>>,

    /// The library of a provider that comes as a plugin; it is the one that runs
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE", help_heading = "Engine", hide_short_help = true))]
    pub provider_library: Option<PathBuf>,

    /// What the provider computes in [default: f32, with tensorrt tf32]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FORMAT", help_heading = "Engine", hide_short_help = true))]
    pub precision: Option<Precision>,

    /// How much memory to take, such as 800M or 12G [default: four fifths of what is left]
    ///
    /// Left by the machine, the process's control group and ulimit -v, whichever is least; on a card also of what the card has,
    /// or --provider-option gpu_mem_limit=BYTES. K, M and G are powers of 1024. A picture that has no room is computed in tiles,
    /// and L-BFGS remembers fewer steps; one that has none even so is refused before the start. --dry-run tells.
    #[cfg_attr(feature = "cli", arg(long, env = "IMPASTO_MEMORY", value_name = "SIZE", help_heading = "Engine", hide_short_help = true))]
    pub memory: Option<Bytes>,

    /// Compute in tiles with windows of some PIXELS a side, in less memory and more time [default: as --memory demands]
    ///
    /// The loss and its gradient are the same. Windows are rounded to multiples of 64; a tile is a window and a frame of 80
    /// pixels or more around it. 0 to 65536; 0: never in tiles.
    #[cfg_attr(feature = "cli", arg(long, value_name = "PIXELS", value_parser = flags::Whole::<u32>::new(), help_heading = "Engine", hide_short_help = true))]
    pub tile: Option<u32>,

    /// What the CPU provider computes with: auto (the program's own kernels), onnxruntime, portable, neon, avx2, avx512, amx
    ///
    /// stylize takes auto, the fastest. evaluate takes onnxruntime, which is several times slower and closer to
    /// exact arithmetic; with auto it gives the gradient that stylize sees.
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME", help_heading = "Engine", hide_short_help = true))]
    pub kernels: Option<KernelSet>,

    /// Threads, 1 to 1024 [default: all processors that the process may use]
    ///
    /// More than there are processors would only wait for each other; so many then run as there are, and a warning says
    /// so. The bytes are the same for any number.
    #[cfg_attr(feature = "cli", arg(long, env = "IMPASTO_THREADS", value_name = "N", value_parser = flags::Whole::<usize>::new(), help_heading = "Engine", hide_short_help = true))]
    pub threads: Option<usize>,

    /// The folder with the graphs [default: onnx beside the program, ../share/impasto/onnx, the repository's onnx]
    #[cfg_attr(feature = "cli", arg(long, env = "IMPASTO_GRAPHS", value_name = "DIR", help_heading = "Engine", hide_short_help = true))]
    pub graphs: Option<PathBuf>,

    /// The ONNX Runtime library, 1.24 or later
    ///
    /// Default: the environment variable ORT_DYLIB_PATH; then beside the program, ../lib, ../lib/onnxruntime/NAME,
    /// the repository's runtime/NAME, the system's library folders. Those that have the provider come first.
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE", help_heading = "Engine", hide_short_help = true))]
    pub onnxruntime: Option<PathBuf>,

    /// The ONNX Runtime that `make setup RUNTIME=NAME` brought: cpu, cuda or openvino
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME", conflicts_with = "onnxruntime", help_heading = "Engine", hide_short_help = true))]
    pub runtime: Option<String>,
}

/// The range of the option called so, if it is a whole number.
fn range_of(option: &str) -> Option<RangeInclusive<u64>> {
    Some(match option {
        "size" | "style-size" => crate::range::SIZE,
        "tile" => 0..=*crate::range::SIZE.end(),
        "seed" => 0..=u64::MAX,
        "iterations" => crate::range::ITERATIONS,
        "history" => 1..=1000,
        "jpeg-quality" => 1..=100,
        "threads" => 1..=1024,
        "device-id" => 0..=65_535,
        _ => return None,
    })
}
