//! How long a run takes, by how fast the network looks at a small picture here.

use std::time::Instant;

use super::schedule::ScalePlan;
use super::sizes::area;
use super::{Error, Schedule, Stylizer};
use crate::model::Window;
use crate::observe::Planned;
use crate::optimize::OptimizeError;
use crate::picture::Picture;
use crate::tensor::to_tensor;

/// The side of the picture that is looked at, in pixels, and how often.
const SIDE: u32 = 256;
const RUNS: usize = 6;

/// Evaluations for each iteration, since some line searches take two: three photos at 192 pixels took 31 to 33 for 30, a
/// cat at 256 175 for 160 and 215 for 200.
const LINE_SEARCH: f64 = 1.06;
/// What a pixel of a tile costs beside one of a whole picture, since it is seen once more, without the gradient: 1.33 at 1024
/// pixels in 3 tiles, 1.32 and 1.40 at 4096 in 12.
const IN_TILES: f64 = 1.35;
/// What a pair of the history costs, as a part of an evaluation: in two noisy runs at 256 pixels between 0.0003 and 0.003.
const PAIR: f64 = 0.0012;

/// How long an evaluation takes here, in seconds for a pixel.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// In the fastest of some runs.
    pub least: f64,
    /// In the slowest.
    pub most: f64,
}

impl Stylizer {
    /// Evaluates the loss of a small picture a few times.
    ///
    /// # Errors
    /// A session fails.
    pub fn pace(&self, content: &Picture, styles: &[Picture]) -> Result<Pace, Error> {
        let side = self.settings.side().min(SIDE.max(self.metadata().min_size));
        let (size, of_styles) = self.sizes(content, styles, side);
        let content = content.resize(size.0, size.1);
        let styles = styles.iter().zip(of_styles);
        let styles: Vec<Picture> = styles.map(|(style, size)| style.resize(size.0, size.1)).collect();
        let layout = self.masks.layout(size);
        let mut features = self.feature_session()?;
        let (targets, _) = self.targets(&mut features, &content, &styles, layout.as_ref())?;
        let (mut loss, _) = self.loss_gradient(&targets, self.weights.clone(), Window::WHOLE)?;
        let image = to_tensor(&content).into_raw_vec_and_offset().0;
        let mut gradient = vec![0.0; image.len()];
        let mut seconds = Vec::new();
        for evaluation in 0..=RUNS as u64 {
            let begin = Instant::now();
            loss.evaluate(&image, &mut gradient, &mut |_| {})
                .map_err(|source| OptimizeError::Objective {
                    evaluation,
                    source,
                    best: None,
                })?;
            seconds.push(begin.elapsed().as_secs_f64() / area(self.network.graphs.seen(size)));
        }
        // The first one still asks for memory.
        let seconds = &seconds[1..];
        Ok(Pace {
            least: seconds.iter().copied().fold(f64::INFINITY, f64::min),
            most: seconds.iter().copied().fold(0.0, f64::max),
        })
    }
}

impl Pace {
    /// The seconds that a run takes, at least and at most, if it goes through all its iterations.
    pub fn seconds(&self, schedule: &Schedule) -> [f64; 2] {
        let scales = schedule.scales.iter().enumerate();
        let work: f64 = scales.map(|(scale, own)| work(own, schedule.beside(scale))).sum();
        [self.least * work, self.most * work]
    }
}

impl Schedule {
    /// How often the loss is evaluated if a run goes through all its iterations, by what others took.
    pub fn evaluations(&self) -> u64 {
        self.scales
            .iter()
            .map(|scale| evaluations(scale).round() as u64)
            .sum()
    }
}

/// The work of a scale, in pixels evaluated as a whole picture, with that of the scales `beside` it in its loss.
fn work(own: &(Planned, ScalePlan), beside: &[(Planned, ScalePlan)]) -> f64 {
    let (planned, way) = own;
    let seen: f64 = beside.iter().chain([own]).map(seen).sum();
    let pairs = way.history.unwrap_or(0).min(planned.iterations as usize) as f64;
    // The targets take about as long as one evaluation.
    (evaluations(own) + 1.0) * (seen + PAIR * pairs * area((planned.width, planned.height)))
}

/// The evaluations of a scale if it goes through all its iterations, with that of the start.
fn evaluations((planned, way): &(Planned, ScalePlan)) -> f64 {
    let iterations = planned.iterations as f64;
    match way.history {
        // The first line search takes two more often than not.
        Some(_) => LINE_SEARCH * iterations + 2.0,
        None => iterations + 1.0,
    }
}

/// The pixels that an evaluation at a scale looks at.
fn seen((_, way): &(Planned, ScalePlan)) -> f64 {
    match way.tiles {
        1 => area(way.tile),
        tiles => IN_TILES * tiles as f64 * area(way.tile),
    }
}
