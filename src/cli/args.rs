//! The flags of the commands that paint or judge a picture, beside the [options](Options).

use std::num::NonZero;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::{Arg, Args};
use serde::{Deserialize, Serialize};

use super::progress::ProgressKind;
use super::sources::Config;
use super::watch::Watching;

use impasto::config::{Options, Settings};
use impasto::observe::When;
use impasto::picture::{Encoding, OutputFormat};

/// The argument, hidden, and an error of the command called `name` where it is given.
pub fn refused(arg: Arg, name: &str) -> Arg {
    let refusal = format!("{name} has no use for it");
    arg.hide(true)
        .env(Resettable::Reset)
        .value_parser(move |_: &str| Err::<String, _>(refusal.clone()))
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

  A style for each part of the photo; a part that stays as it is
    impasto stylize photo.jpg stars.jpg waves.jpg -o parts.png --mask sky.png --mask rest
    impasto stylize photo.jpg painting.jpg -o face.png --keep face-mask.png

  From noise: another seed, another picture; the same seed, the same bytes
    impasto stylize photo.jpg painting.jpg -o free.png --init random --seed 7

  Watch it come
    impasto stylize photo.jpg painting.jpg -o out.png --preview --save-every 50
    impasto stylize photo.jpg painting.jpg -o out.png --animation run.gif --plot loss.svg

  Keep settings in a file, and change one of them
    impasto stylize photo.jpg painting.jpg -o out.png --config oil.toml --size 768

  A long run that survives a power cut
    impasto stylize photo.jpg painting.jpg -o large.png --size 4096 --checkpoint large.checkpoint
    impasto resume large.checkpoint

  Do a run again, or again with one thing changed
    impasto stylize photo.jpg painting.jpg -o out.png --trace run.json
    impasto stylize --repeat run.json -o again.png
    impasto stylize --repeat run.json -o bolder.png --style-weight 10000

  What a picture was made of, and to make it again from itself
    impasto about out.png
    impasto stylize --repeat out.png -o again.png";

/// Paint CONTENT in the style of one STYLE or several
///
/// Ctrl-C stops at the next evaluation, with --checkpoint at the end of the iteration, and saves the best picture so far
/// (exit code 130); a second one ends the program without a picture.
#[derive(Debug, Args)]
#[command(args_override_self = true, allow_negative_numbers = true, after_long_help = EXAMPLES)]
pub struct Stylize {
    /// The photo: PNG, JPEG, JPEG XL, WebP, TIFF, BMP or GIF; - is standard input
    #[arg(required_unless_present = "repeat")]
    pub content: Option<PathBuf>,

    #[command(flatten)]
    pub painting: Painting,

    /// Print the presets with their layers, weights and size rule, and paint nothing
    #[arg(long, exclusive = true, help_heading = "Objective", hide_short_help = true)]
    pub presets: bool,
}

/// What all that paint have in common: styles, settings, outputs.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
pub struct Painting {
    /// The painting, or several to blend; a folder stands for all pictures in it
    #[arg(required_unless_present = "repeat")]
    #[serde(skip)]
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
    pub format: Option<OutputFormat>,

    /// Replace existing files
    #[arg(short, long, help_heading = "Output")]
    #[serde(skip)]
    pub force: bool,

    #[command(flatten)]
    #[serde(skip)]
    pub options: Options,

    /// Save a preview every N iterations: OUT-00050.png for OUT.png
    ///
    /// Iterations count over all scales; previews of a coarse scale are as small as it is.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000), help_heading = "Watching")]
    pub save_every: Option<u64>,

    /// Save the picture after each scale but the last: OUT-128x96.png for OUT.png
    #[arg(long, help_heading = "Watching", hide_short_help = true)]
    pub save_scales: bool,

    /// Write what the loss sees of each region at each layer: DIR/region1-relu1_1.png
    ///
    /// For --mask, --style-mask and --keep; regions have their numbers in the order of the masks. White is what counts, at
    /// the finest scale.
    #[arg(long, value_name = "DIR", help_heading = "Regions", hide_short_help = true)]
    pub guides: Option<PathBuf>,

    #[command(flatten)]
    pub watching: Watching,

    /// Print nothing but errors
    #[arg(short, long, help_heading = "Watching", hide_short_help = true)]
    #[serde(skip)]
    pub quiet: bool,

    /// How progress is told: auto (a bar on a terminal, a line now and then elsewhere), or json [default: auto]
    ///
    /// json: each line on stderr is a JSON object. {"event": "started", "scale", "width", "height"}, scales counted from 0;
    /// {"event": "iterated", "iteration", "iterations": of all scales, "evaluation", "loss", "seconds_left"}; in tiles {"event":
    /// "evaluating", "evaluation", "iteration", "part": 0 to 1}; {"event": "message", "text"}: what is said in words otherwise,
    /// errors too; {"event": "painted", "output", "width", "height", "iterations", "evaluations", "loss", "seconds", "stop",
    /// "interrupted"}.
    #[arg(
        long,
        value_name = "KIND",
        hide_possible_values = true,
        conflicts_with_all = ["quiet", "preview"],
        help_heading = "Watching",
        hide_short_help = true
    )]
    #[serde(skip)]
    pub progress: Option<ProgressKind>,

    /// Say which files run, what each scale takes of memory, and how long each part of the run takes
    #[arg(
        short,
        long,
        conflicts_with = "quiet",
        help_heading = "Watching",
        hide_short_help = true
    )]
    #[serde(skip)]
    pub verbose: bool,

    /// Say what the run would take of memory, time and disk, and paint nothing
    ///
    /// The scales, whether they are computed in tiles, the steps that L-BFGS remembers; time by an evaluation of a small
    /// picture on this machine. What has no room is refused here as it would be then.
    #[arg(long, help_heading = "Watching", hide_short_help = true)]
    pub dry_run: bool,

    /// Print what --dry-run says as JSON
    ///
    /// {"scales": [{"width", "height", "iterations", "tiles", "tile": [width, height], "history", "memory": {…}}, …], "tiles"
    /// and "tile" of the last one, "memory": the peak, "budget", "disk" in bytes, "evaluations", "seconds": {"least", "most"}}
    #[arg(long, requires = "dry_run", help_heading = "Watching", hide_short_help = true)]
    pub json: bool,

    /// Write down all it takes to repeat the run, and its losses
    ///
    /// As JSON: the loss and its terms at every evaluation, the resolved settings, the sha256 of pictures, graphs and
    /// weights, versions, kernels, and how the run ended. With - as its name it goes to standard
    /// output.
    #[arg(long, value_name = "FILE.json", help_heading = "Records")]
    pub trace: Option<PathBuf>,

    /// Keep all it takes to resume the run in a file: impasto resume FILE
    ///
    /// A run that was killed, or that Ctrl-C or --max-seconds ended, goes on from there and ends with the same bytes as one
    /// that was never stopped. The file is written before the first evaluation, then between iterations, whole or not
    /// at all; a run that comes to its end removes it. Ctrl-C and --max-seconds wait for the end of the iteration. It takes as
    /// much of the disk as the optimiser does of memory, twice that while it is replaced.
    #[arg(long, value_name = "FILE", help_heading = "Records", hide_short_help = true)]
    pub checkpoint: Option<PathBuf>,

    /// The seconds from one checkpoint to the next, 0 to 1000000; 0 is after every iteration [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=1_000_000), requires = "checkpoint", help_heading = "Records", hide_short_help = true)]
    pub checkpoint_every: Option<u64>,

    /// Leave out of the picture's file what says how it was made
    ///
    /// Otherwise it holds the settings, the names of pictures, graphs and weights without folders, their sha256, and versions:
    /// no time, no user, no machine, no folder. `impasto about` prints it, --repeat reads it. Previews have none.
    #[arg(long, help_heading = "Records", hide_short_help = true)]
    #[serde(default)]
    pub no_record: bool,

    /// Do a run again, from its trace or from the picture that came of it
    ///
    /// With the same program on the same machine the picture has the same bytes. Pictures, graphs and weights that
    /// have changed are errors; another version or machine is a warning. A trace's pictures are looked for where they were and
    /// beside it, a picture's by their names beside it and in the working folder; CONTENT and STYLE, if they are given, are
    /// where they are now. A picture that came through standard input is read there again. Flags that are given beside it
    /// win, so that one thing can be varied. A run that Ctrl-C or --max-seconds ended is repeated up to where it ended.
    #[arg(long, value_name = "FILE", help_heading = "Records", hide_short_help = true)]
    #[serde(skip)]
    pub repeat: Option<PathBuf>,

    #[command(flatten)]
    #[serde(skip)]
    pub config: Config,
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

    /// The photo that gives the content; without one IMAGE is a texture
    #[arg(long, value_name = "PICTURE")]
    pub content: Option<PathBuf>,

    /// The painting that gives the style; give it several times to blend, or a folder
    #[arg(long, required = true, value_name = "PICTURE")]
    pub style: Vec<PathBuf>,

    /// Say how IMAGE's opposite edges meet, among all its lines
    ///
    /// The mean difference of the pixels on both sides of the edge, in grey levels; the least and the greatest of the lines
    /// between other columns, or rows; and the rank: the part of those that are smaller, 0 to 1.
    #[arg(long, help_heading = "Output")]
    pub seam: bool,

    /// Write nine of IMAGE side by side, to look at its seams
    ///
    /// In three rows. Each is scaled down to 1024 pixels if it is larger.
    #[arg(long, value_name = "SHEET", help_heading = "Output")]
    pub sheet: Option<PathBuf>,

    /// Print JSON: {"total": …, "terms": {…}, "style_distance": {…}, …}
    ///
    /// terms by name, such as style/relu1_1; style_distance, held_out_style_distance (null without its graph) and
    /// content_distance by layer (null without --content); total_variation; ssim (null without --content, and for a picture of
    /// less than 11 pixels a side); tiles, their number, and tile, their [width, height], as with --tile; with --seam seam,
    /// {x, y}, each {difference, rank, least, most}; with masks regions, a list of {region, share, style_distance,
    /// other_style_distance}, the last by region and layer.
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
    pub options: Options,
}

impl Painting {
    /// How the picture is written.
    pub fn encoding(&self, settings: &Settings) -> Encoding {
        Encoding {
            format: self.format,
            ..settings.encoding
        }
    }

    /// The outputs that are named, but for the checkpoint.
    pub fn places(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let Watching { plot, animation, .. } = &mut self.watching;
        let others = [&mut self.trace, plot, animation].into_iter().flatten();
        [&mut self.output].into_iter().chain(others)
    }

    /// When previews are saved.
    pub fn when(&self) -> When {
        When {
            every: self.save_every.and_then(NonZero::new),
            each_scale: self.save_scales,
        }
    }
}
