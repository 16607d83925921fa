//! `impasto regions`.

use std::path::{Path, PathBuf};

use clap::Args;

use impasto::config::Options;
use impasto::files::{STANDARD, shown};
use impasto::picture::{Picture, check_output};
use impasto::regions::COLORS;
use impasto::stylize::Stylizer;

use super::outputs::check_inputs_stay;
use super::providers::announce_if_unusual;
use super::quiet::quietly;
use super::{Ended, load, say};

/// Propose regions of a photo: a map of colours, to be edited by hand and named by --mask of stylize
///
/// The network's features (relu4_2) of the photo are put into groups (k-means), whose borders are moved to the photo's edges.
/// The first colour is the largest region's.
#[derive(Debug, Args)]
#[command(args_override_self = true, allow_negative_numbers = true)]
pub struct Regions {
    /// The photo; - is standard input
    pub photo: PathBuf,

    /// Where the map goes: a name ending in .png, .webp or .tif
    #[arg(short, long, value_name = "MAP", help_heading = "Output")]
    pub output: PathBuf,

    /// How many regions: 2 to 12
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = clap::value_parser!(u64).range(2..=12), help_heading = "Regions")]
    pub count: u64,

    /// Replace existing files
    #[arg(short, long, help_heading = "Output")]
    pub force: bool,

    #[command(flatten)]
    pub options: Options,
}

/// Writes the map, and says what to call its regions.
pub fn run(args: &Regions) -> anyhow::Result<Ended> {
    check_output(&args.output, args.force)?;
    let photo = load(&args.photo, false)?;
    let stylizer = quietly(|| Stylizer::new(&args.options))?;
    let inputs: Vec<PathBuf> = [args.photo.clone()]
        .into_iter()
        .chain(stylizer.files_read())
        .collect();
    check_inputs_stay([args.output.as_path()], &inputs)?;
    announce_if_unusual(&stylizer);
    let map = stylizer.propose_regions(&photo, args.count as usize)?;
    map.save(&args.output, args.force)?;
    tell(&args.output, &map, args.count as usize);
    Ok(Ended::Done)
}

/// Says each region's part and name.
fn tell(path: &Path, map: &Picture, count: usize) {
    let name = match path == Path::new(STANDARD) {
        true => "MAP".to_owned(),
        false => shown(path).to_string(),
    };
    let pixels = f64::from(map.width()) * f64::from(map.height());
    for color in &COLORS[..count] {
        let is_own = |pixel: &&[f32]| {
            pixel
                .iter()
                .zip(color.0)
                .all(|(value, own)| *value == f32::from(own))
        };
        let own = map.rgb().chunks_exact(3).filter(is_own).count() as f64;
        say(&format!("{:5.1} %  --mask {name}#{color}", 100.0 * own / pixels));
    }
}
