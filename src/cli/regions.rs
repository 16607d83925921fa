//! `impasto regions`.

use std::path::{Path, PathBuf};

use clap::Args;

use impasto::config::Options;
use impasto::files::{STANDARD, shown};
use impasto::picture::{self, Picture, check_output};
use impasto::regions::{COLORS, Rgb};
use impasto::stylize::Stylizer;

use super::outputs::{check_distinct, check_inputs_stay};
use super::providers::announce_if_unusual;
use super::quiet::quietly;
use super::{Ended, check_standard_input, decode_style, load, say};

/// Propose regions of a photo: a map of colours, to be edited by hand and named by --mask of stylize
///
/// The network's features (relu4_2) of the photo are put into groups (k-means), whose borders are moved to the photo's edges.
/// The first colour is the largest region's. With a painting its features are put into the same groups.
#[derive(Debug, Args)]
#[command(args_override_self = true, allow_negative_numbers = true)]
pub struct Regions {
    /// The photo; - is standard input
    pub photo: PathBuf,

    /// Where the map goes: a name ending in .png, .webp or .tif
    #[arg(short, long, value_name = "MAP", help_heading = "Output")]
    pub output: PathBuf,

    /// A painting to find the same regions in
    ///
    /// A colour means the same in both maps.
    #[arg(
        long,
        value_name = "PICTURE",
        requires = "style_map",
        help_heading = "Regions"
    )]
    pub style: Option<PathBuf>,

    /// Where the painting's map goes, as MAP of the photo; for --style-mask
    #[arg(long, value_name = "MAP", requires = "style", help_heading = "Output")]
    pub style_map: Option<PathBuf>,

    /// How many regions: 2 to 12
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = clap::value_parser!(u64).range(2..=12), help_heading = "Regions")]
    pub count: u64,

    /// Replace existing files
    #[arg(short, long, help_heading = "Output")]
    pub force: bool,

    #[command(flatten)]
    pub options: Options,
}

/// Writes the maps, and says what to call their regions.
pub fn run(args: &Regions) -> anyhow::Result<Ended> {
    let outputs = || {
        [&args.output]
            .into_iter()
            .chain(&args.style_map)
            .map(PathBuf::as_path)
    };
    outputs().try_for_each(|path| check_output(path, args.force))?;
    check_distinct(outputs())?;
    check_standard_input([&args.photo].into_iter().chain(&args.style))?;
    let photo = load(&args.photo, false)?;
    let style = args
        .style
        .as_ref()
        .map(|path| decode_style(picture::read(path)?, false));
    let style = style.transpose()?;
    let stylizer = quietly(|| Stylizer::new(&args.options))?;
    let inputs = [&args.photo].into_iter().chain(&args.style).cloned();
    let inputs: Vec<PathBuf> = inputs.chain(stylizer.files_read()).collect();
    check_inputs_stay(outputs(), &inputs)?;
    announce_if_unusual(&stylizer);
    let count = args.count as usize;
    let maps = stylizer.propose_regions(&photo, style.as_ref(), count)?;
    for (path, map) in outputs().zip(&maps) {
        map.save(path, args.force)?;
    }
    let maps: Vec<(String, &Picture)> = outputs().map(named).zip(&maps).collect();
    for color in &COLORS[..count] {
        say(&line(&maps, *color));
    }
    Ok(Ended::Done)
}

/// What a map's file is called in a command.
fn named(path: &Path) -> String {
    match path == Path::new(STANDARD) {
        true => "MAP".to_owned(),
        false => shown(path).to_string(),
    }
}

/// A region's part of the photo, and of the painting if there is a map of it, and its names.
fn line(maps: &[(String, &Picture)], color: Rgb) -> String {
    let (name, map) = &maps[0];
    let part = 100.0 * part_of(map, color);
    let Some((style_name, style_map)) = maps.get(1) else {
        return format!("{part:5.1} %  --mask {name}#{color}");
    };
    let of_style = 100.0 * part_of(style_map, color);
    let style_mask = match of_style > 0.0 {
        true => format!("{style_name}#{color}"),
        false => "none".to_owned(),
    };
    format!("{part:5.1} %, {of_style:5.1} % of the painting  --mask {name}#{color} --style-mask {style_mask}")
}

/// The part of a map's pixels that have a colour.
fn part_of(map: &Picture, color: Rgb) -> f64 {
    let pixels = map.rgb().chunks_exact(3);
    let count = pixels.len() as f64;
    pixels.filter(|pixel| *pixel == color.0.map(f32::from)).count() as f64 / count
}
