//! `stylize --dry-run`: what a run would take.

use std::time::Duration;

use anyhow::Context as _;
use indicatif::HumanDuration;
use serde::Serialize;

use impasto::memory::Bytes;
use impasto::observe::Planned;
use impasto::picture::{Bits, Encoding, Picture};
use impasto::stylize::{Memory, Pace, ScalePlan, Schedule, Stylizer};

use super::Ended;
use super::args::Painting;
use super::outputs::print;
use super::report::json;

/// What a run would take; its JSON is described at the flag.
#[derive(Serialize)]
struct Forecast {
    scales: Vec<Scale>,
    tiles: usize,
    /// Width and height.
    tile: (u32, u32),
    /// Bytes at the peak, those that it may take, and those of the picture's file at most.
    memory: u64,
    budget: Option<u64>,
    disk: u64,
    /// At most, but for those of line searches that go on.
    evaluations: u64,
    seconds: Seconds,
}

/// A scale, and how it is computed.
#[derive(Serialize)]
pub struct Scale {
    #[serde(flatten)]
    planned: Planned,
    #[serde(flatten)]
    way: ScalePlan,
}

#[derive(Serialize)]
struct Seconds {
    least: f64,
    most: f64,
}

/// Prints what the run would take.
pub fn run(
    args: &Painting,
    stylizer: &Stylizer,
    schedule: &Schedule,
    encoding: &Encoding,
    (content, styles): (&Picture, &[Picture]),
) -> anyhow::Result<Ended> {
    let pace = stylizer.pace(content, styles)?;
    let forecast =
        Forecast::new(stylizer, schedule, encoding, &pace).context("there is no scale to paint")?;
    print(&if args.json {
        json(&forecast)?
    } else {
        forecast.text()
    })?;
    Ok(Ended::Done)
}

impl Forecast {
    fn new(stylizer: &Stylizer, schedule: &Schedule, encoding: &Encoding, pace: &Pace) -> Option<Forecast> {
        let (finest, way) = schedule.scales.last()?;
        let [least, most] = pace.seconds(schedule);
        let bytes_a_pixel = match encoding.bits {
            Bits::Eight => 3,
            Bits::Sixteen => 6,
        };
        Some(Forecast {
            tiles: way.tiles,
            tile: way.tile,
            memory: schedule.peak().0,
            budget: stylizer.budget().map(|Bytes(bytes)| bytes),
            disk: bytes_a_pixel * u64::from(finest.width) * u64::from(finest.height),
            evaluations: schedule.evaluations(),
            seconds: Seconds { least, most },
            scales: schedule.scales.iter().map(Scale::new).collect(),
        })
    }

    fn text(&self) -> String {
        let mut text: String = self.scales.iter().map(Scale::line).collect();
        let budget = self
            .budget
            .map(|bytes| format!(" of the {} that it may take", rounded(bytes)));
        text += &format!(
            "memory: {} at most{}\n",
            rounded(self.memory),
            budget.unwrap_or_default()
        );
        let Seconds { least, most } = self.seconds;
        text += &format!(
            "time: {} to {} for {} evaluations, by those of a small picture\n",
            HumanDuration(Duration::from_secs_f64(least)),
            HumanDuration(Duration::from_secs_f64(most)),
            self.evaluations
        );
        text + &format!("disk: {} at most for the picture\n", rounded(self.disk))
    }
}

impl Scale {
    /// One of the schedule's.
    pub fn new(&(planned, way): &(Planned, ScalePlan)) -> Scale {
        Scale { planned, way }
    }

    /// Its size, its tiles, its iterations and the parts of its memory, in a line.
    pub fn line(&self) -> String {
        let Scale { planned, way } = self;
        let tiles = in_tiles(way).unwrap_or_else(|| "whole".to_owned());
        let history = way.history.map(|pairs| format!(", a history of {pairs}"));
        let card = (way.card > 0).then(|| format!("; {} of the card's", rounded(way.card)));
        let Memory {
            program,
            network,
            content,
            optimizer,
            history: pairs,
        } = way.memory;
        format!(
            "{}x{} {tiles}, {} iterations{}; {}: program {}, network {}, photo {}, optimizer {}, history {}{}\n",
            planned.width,
            planned.height,
            planned.iterations,
            history.unwrap_or_default(),
            way.memory.total().rounded(),
            rounded(program),
            rounded(network),
            rounded(content),
            rounded(optimizer),
            rounded(pairs),
            card.unwrap_or_default()
        )
    }
}

/// The tiles that a scale is computed in, if it is not whole.
pub fn in_tiles(way: &ScalePlan) -> Option<String> {
    let (width, height) = way.tile;
    (way.tiles > 1).then(|| format!("in {} tiles of {width}x{height}", way.tiles))
}

/// Bytes in a sentence.
fn rounded(bytes: u64) -> String {
    Bytes(bytes).rounded()
}
