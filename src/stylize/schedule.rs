//! The memory plan of a run: in which tiles each scale is computed, and how many pairs its history has.

use serde::Serialize;

use super::footprint::{
    ADAM, CARD, LAST_FRAME, LBFGS, Memory, OWN, PAIR, PORTABLE, PRECONDITIONER, PROGRAM, TARGETS_OWN,
    TARGETS_PORTABLE, TILED, WAITING, fits_in, planned_with, with_reserve,
};
use super::sizes::{Size, area};
use super::{Error, Stylizer};
use crate::init::Init;
use crate::memory::Bytes;
use crate::model::{KernelSet, Window};
use crate::observe::Planned;
use crate::optimize::Method;
use crate::picture::{BYTES_A_PIXEL, Picture};
use crate::scales::Scale;

/// The longest side of the tiles' windows that a scale may be computed in, the shortest, and their step, in pixels.
const LARGEST: u32 = 2048;
const SMALLEST: u32 = 64;
const STEP: usize = 64;

/// Fallbacks where memory is short, tried in this order: the least pairs of the history, and the least side of the windows. With 40 pairs the loss is 2 % higher than with 80, with 10 pairs 9 % (see [`Method::Lbfgs`]); a halo
/// makes windows of 1024 pixels 1.3 times as much work as a whole picture, those of 256 pixels 2.6 times.
const CONCESSIONS: [(usize, u32); 5] = [
    (usize::MAX, 1024),
    (40, 1024),
    (10, 1024),
    (10, SMALLEST),
    (1, SMALLEST),
];

/// How a scale is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ScalePlan {
    /// The tiles' windows.
    #[serde(skip)]
    pub(super) window: Window,
    /// The number of tiles; 1: the whole picture.
    pub tiles: usize,
    /// A tile's width and height in pixels, its halo included.
    pub tile: Size,
    /// The pairs that L-BFGS remembers at most; none with Adam.
    pub history: Option<usize>,
    /// Whether the variables are smoothed changes, where nothing is painted yet.
    #[serde(skip)]
    pub(super) preconditioned: bool,
    /// What painting takes, in bytes.
    pub memory: Memory,
    /// What computing the targets before takes.
    #[serde(skip)]
    pub(super) preparing: Bytes,
    /// What the graphs take of a card's memory, in bytes; 0 on the processor, and where nothing is known of the card.
    #[serde(skip_serializing_if = "is_zero")]
    pub card: u64,
}

/// What a run is to do, scale by scale.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The scales from coarse to fine, each with how it is computed.
    pub scales: Vec<(Planned, ScalePlan)>,
    /// What the run may take, where that has changed the plan.
    pub budget: Option<Bytes>,
    /// Whether the loss of a finer scale has those of the coarser ones beside its own.
    pub is_pyramid: bool,
}

impl Schedule {
    /// The sizes and iterations of the scales.
    pub fn planned(&self) -> Vec<Planned> {
        self.scales.iter().map(|(planned, _)| *planned).collect()
    }

    /// The coarser scales whose losses are in that of a scale.
    pub(super) fn beside(&self, scale: usize) -> &[(Planned, ScalePlan)] {
        &self.scales[..if self.is_pyramid { scale } else { 0 }]
    }

    /// What the run takes at its peak.
    pub fn peak(&self) -> Bytes {
        let scales = self.scales.iter().map(|(_, way)| way.peak());
        scales.max().unwrap_or(Bytes(0))
    }

    /// What the network takes at most at once, in bytes.
    pub(super) fn network(&self) -> u64 {
        let scales = self.scales.iter().map(|(_, way)| way.memory.network);
        scales.max().unwrap_or(0)
    }

    /// The peak without what all runs of a process share: the program, the graphs and their weights.
    pub fn own(&self) -> Bytes {
        Bytes(self.peak().0.saturating_sub(PROGRAM))
    }
}

impl ScalePlan {
    /// What the scale takes at its peak.
    fn peak(&self) -> Bytes {
        self.memory.total().max(self.preparing)
    }

    /// The optimiser, with the history that has room.
    pub(super) fn method(&self, method: &Method) -> Method {
        match (method, self.history) {
            (Method::Lbfgs { .. }, Some(history)) => Method::Lbfgs { history },
            (method, _) => method.clone(),
        }
    }
}

/// A scale, and the pictures that its targets are made of.
struct Task {
    planned: Planned,
    /// The style images' sizes at the scale.
    styles: Vec<Size>,
    /// The pixels of all pictures as they were read.
    read: u64,
    /// The sizes of the coarser scales whose losses are in its own.
    beside: Vec<Size>,
}

impl Task {
    fn painted(&self) -> Size {
        (self.planned.width, self.planned.height)
    }

    /// The sizes of all that targets are computed of.
    fn pictures(&self) -> impl Iterator<Item = Size> {
        self.styles.iter().copied().chain([self.painted()])
    }
}

/// What a way is made of.
#[derive(Clone, Copy)]
struct PlanRequest {
    window: Window,
    pairs: usize,
    preconditioned: bool,
}

impl Stylizer {
    /// The scales that [`Stylizer::stylize`] paints these pictures at, and how it computes each.
    ///
    /// # Errors
    /// A picture too small for the network, a blend for another number of styles, or [`Error::Memory`].
    pub fn schedule(&self, content: &Picture, styles: &[Picture]) -> Result<Schedule, Error> {
        let mut of_settings = self.scales(content, styles)?;
        let passed = self.first_scale(of_settings.len());
        of_settings[..passed]
            .iter_mut()
            .for_each(|scale| scale.iterations = 0);
        let finest = self.sizes(content, styles, self.settings.side()).0;
        self.check_regions(content.size(), styles, finest)?;
        self.last
            .as_ref()
            .map_or(Ok(()), |last| last.check(content.size()))?;
        let sizes: Vec<Size> = of_settings
            .iter()
            .map(|scale| self.sizes(content, styles, scale.size).0)
            .collect();
        let mut scales = Vec::new();
        let mut is_limited = false;
        let mut most = f64::INFINITY;
        for (place, scale) in of_settings.into_iter().enumerate().rev() {
            let coarser = if self.settings.is_pyramid() { place } else { 0 };
            let task = self.task(content, styles, scale, sizes[..coarser].to_vec());
            let unlimited = self.unlimited(place == 0);
            let way = self
                .plan_scale(&task, unlimited, most)
                .ok_or_else(|| self.refusal(content, styles, &task.beside))?;
            if way.tiles > 1 {
                self.network.graphs.check_tiles(&self.network.engine)?;
            }
            is_limited |= way != self.plan_of(&task, unlimited);
            most = most.min(area(way.tile));
            scales.push((task.planned, way));
        }
        scales.reverse();
        Ok(Schedule {
            budget: self.budget.filter(|_| is_limited),
            is_pyramid: self.settings.is_pyramid(),
            scales,
        })
    }

    fn task(&self, content: &Picture, styles: &[Picture], scale: Scale, beside: Vec<Size>) -> Task {
        let ((width, height), at_scale) = self.sizes(content, styles, scale.size);
        let read = styles
            .iter()
            .chain([content])
            .map(|picture| area(picture.size()) as u64);
        Task {
            planned: Planned {
                width,
                height,
                iterations: scale.iterations,
            },
            styles: at_scale,
            read: read.sum(),
            beside,
        }
    }

    /// Whether sessions that wait for further runs have room beside this one.
    pub(super) fn keeps_idle_sessions(&self, schedule: &Schedule) -> bool {
        self.has_room_beside(schedule, Bytes(0))
    }

    /// Whether a run has room, with sessions that wait for further ones, where runs are under way in this process that take
    /// so much of their [own](Schedule::own).
    pub fn has_room_beside(&self, schedule: &Schedule, others: Bytes) -> bool {
        let needed = schedule.peak().0 + others.0 + WAITING;
        fits_in(needed, self.budget)
    }

    /// What is asked for where memory is no matter.
    fn unlimited(&self, is_first: bool) -> PlanRequest {
        let pairs = match self.settings.method {
            Method::Lbfgs { history } => history,
            Method::Adam(_) => 0,
        };
        PlanRequest {
            window: self.settings.window(),
            pairs,
            preconditioned: is_first
                && pairs > 0
                && !matches!(self.settings.init, Init::File(_) | Init::Previous),
        }
    }

    /// Whether a scale has room so, in the machine's memory and in a card's.
    fn has_room(&self, way: &ScalePlan) -> bool {
        fits_in(way.peak().0, self.budget) && fits_in(way.card, self.card_budget)
    }

    /// The best way to compute a scale in the memory that there is, if there is one. The network looks at no more pixels
    /// at once than at the next finer scale, `most`: what it takes it keeps.
    fn plan_scale(&self, task: &Task, unlimited: PlanRequest, most: f64) -> Option<ScalePlan> {
        let has_room = |way: &ScalePlan| area(way.tile) <= most && self.has_room(way);
        let all = self.plan_of(task, unlimited);
        if has_room(&all) {
            return Some(all);
        }
        let room = self.budget.map_or(u64::MAX, planned_with);
        let windows = self.windows(task.painted());
        CONCESSIONS.into_iter().find_map(|(least, smallest)| {
            let in_windows = |&window: &Window| {
                let wish = PlanRequest {
                    window,
                    pairs: 0,
                    preconditioned: unlimited.preconditioned && least == usize::MAX,
                };
                let without = self.plan_of(task, wish).memory.total();
                let pairs = pairs_in(room.checked_sub(without.0)?, &task.planned).min(unlimited.pairs);
                let way = self.plan_of(task, PlanRequest { pairs, ..wish });
                (pairs >= least.min(unlimited.pairs) && has_room(&way)).then_some(way)
            };
            let is_small = |side: u32| (1..smallest).contains(&side) && self.settings.tile.is_none();
            let mut allowed = windows
                .iter()
                .filter(|window| !is_small(window.width) && !is_small(window.height));
            allowed.find_map(in_windows)
        })
    }

    /// The windows that a picture of `size` may be cut into, in the order of the work that they are: the pixels of all their
    /// tiles. Some that are asked for are the only ones.
    pub(super) fn windows(&self, size: Size) -> Vec<Window> {
        if self.settings.tile.is_some() {
            return vec![self.settings.window()];
        }
        let sides = || [0].into_iter().chain((SMALLEST..=LARGEST).rev().step_by(STEP));
        let windows = sides().flat_map(|width| sides().map(move |height| Window { width, height }));
        let mut windows: Vec<Window> = windows.collect();
        windows.sort_by_cached_key(|&window| {
            let (tiles, tile) = self.network.graphs.tiles(self.network.graphs.seen(size), window);
            tiles as u64 * area(tile) as u64
        });
        windows
    }

    /// The one with which a picture takes the least memory.
    pub(super) fn smallest_window(&self) -> Window {
        Window::square(self.settings.tile.unwrap_or(SMALLEST))
    }

    fn plan_of(&self, task: &Task, wish: PlanRequest) -> ScalePlan {
        let planned = &task.planned;
        let size = task.painted();
        let pixels = area(size) as u64;
        let graphs = &self.network.graphs;
        let seen = graphs.seen(size);
        let (tiles, tile) = graphs.tiles(seen, wish.window);
        let seen_at_once = area(tile) as u64;
        // Losses are computed one after the other, in memory that the processor's sessions share; on a card each has its own.
        let tile_of = |&size: &Size| area(graphs.tiles(graphs.seen(size), wish.window).1) as u64;
        let seen_on_card: u64 = task.beside.iter().chain([&size]).map(tile_of).sum();
        let beside = task
            .beside
            .iter()
            .map(|&size| self.metadata().content_bytes(size) + 2 * BYTES_A_PIXEL * area(size) as u64);
        let prepared = self.prepared_at_once(task, wish.window);
        // With its margins a seamless picture is held once more, and its gradient.
        let surrounded = if seen == size {
            0
        } else {
            2 * BYTES_A_PIXEL * area(seen) as u64
        };
        let points = match self.settings.method {
            Method::Lbfgs { .. } => LBFGS,
            Method::Adam(_) => ADAM,
        };
        let last_frame = self.settings.frame.weight().map_or(0, |_| LAST_FRAME);
        let preconditioner = if wish.preconditioned { PRECONDITIONER } else { 0 };
        let remembered = (wish.pairs as u64).min(planned.iterations);
        ScalePlan {
            window: wish.window,
            tiles,
            tile,
            history: (wish.pairs > 0).then_some(wish.pairs),
            preconditioned: wish.preconditioned,
            memory: Memory {
                program: if tiles == 1 { PROGRAM } else { PROGRAM + TILED },
                network: self
                    .network(seen_at_once, [OWN, PORTABLE])
                    .max(self.network(prepared, [TARGETS_OWN, TARGETS_PORTABLE])),
                content: pixels * (BYTES_A_PIXEL + last_frame)
                    + self.metadata().content_bytes(seen)
                    + beside.sum::<u64>(),
                optimizer: pixels * (points + preconditioner) + surrounded,
                history: pixels * PAIR * remembered,
            },
            preparing: self.preparing(task, prepared),
            card: self.card_budget.map_or(0, |_| {
                CARD + (PORTABLE * seen_on_card).max(TARGETS_PORTABLE * prepared)
            }),
        }
    }

    /// What computing the targets takes: the pictures as they were read, at the scale and as the network's input, and the
    /// network that looks at so many pixels of one of them at a time.
    fn preparing(&self, task: &Task, at_once: u64) -> Bytes {
        let pixels: u64 = task.pictures().map(|size| area(size) as u64).sum();
        let network = self.network(at_once, [TARGETS_OWN, TARGETS_PORTABLE]);
        let contents = self.metadata().content_bytes(task.painted());
        Bytes(PROGRAM + (task.read + 2 * pixels) * BYTES_A_PIXEL + network + contents)
    }

    /// The pixels of the largest tile that targets are computed of.
    fn prepared_at_once(&self, task: &Task, window: Window) -> u64 {
        let of_tile = |size| area(self.network.graphs.tiles(size, window).1) as u64;
        task.pictures().map(of_tile).max().unwrap_or(0)
    }

    /// What the network takes that looks at so many pixels at once, of so many bytes each: with the program's own kernels, and
    /// with ONNX Runtime's.
    fn network(&self, at_once: u64, [own, portable]: [u64; 2]) -> u64 {
        let a_pixel = match self.network.graphs.kernels(&self.network.engine) {
            Some(KernelSet::OnnxRuntime) => portable,
            Some(_) => own,
            None => return 0,
        };
        at_once * a_pixel
    }

    /// That a run has no room, and what would have.
    fn refusal(&self, content: &Picture, styles: &[Picture], beside: &[Size]) -> Error {
        let least = |size| {
            let iterations = self.settings.iterations;
            // Its coarser scales are as much smaller.
            let part = f64::from(size) / f64::from(self.settings.side());
            let scaled = |side: u32| (f64::from(side) * part).ceil() as u32;
            let beside = beside
                .iter()
                .map(|&(width, height)| (scaled(width), scaled(height)));
            let task = self.task(content, styles, Scale { size, iterations }, beside.collect());
            let wish = PlanRequest {
                window: self.smallest_window(),
                pairs: self.unlimited(false).pairs.min(1),
                preconditioned: false,
            };
            self.plan_of(&task, wish)
        };
        let fits = |size: &u32| self.has_room(&least(*size));
        let sizes: Vec<u32> = (1..=self.settings.side() / 16)
            .map(|sixteenth| 16 * sixteenth)
            .collect();
        let largest = sizes.partition_point(fits).checked_sub(1);
        let way = least(self.settings.side());
        let (needed, budget) = match fits_in(way.peak().0, self.budget) {
            true => (way.card, self.card_budget),
            false => (way.peak().0, self.budget),
        };
        Error::Memory {
            size: self.sizes(content, styles, self.settings.side()).0,
            is_for_targets: way.preparing > way.memory.total(),
            needed: with_reserve(needed),
            budget: budget.unwrap_or(Bytes(0)),
            largest: largest.map(|index| sizes[index]),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(bytes: &u64) -> bool {
    *bytes == 0
}

/// How many pairs have room in that many bytes.
fn pairs_in(bytes: u64, planned: &Planned) -> usize {
    let pairs = bytes / (PAIR * area((planned.width, planned.height)) as u64);
    match pairs < planned.iterations {
        true => pairs as usize,
        // No more are ever remembered.
        false => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;

    /// One of preset gatys for pictures of this size in so much memory.
    fn stylizer(size: u32, memory: u64) -> Stylizer {
        let graphs = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
        let options = Options {
            graphs: Some(graphs.into()),
            preset: Some("gatys".to_owned()),
            size: Some(size.into()),
            memory: Some(Bytes(memory)),
            ..Options::default()
        };
        Stylizer::new(&options).unwrap()
    }

    #[test]
    fn of_the_windows_that_have_room_those_of_least_work_are_taken() {
        let mut stylizer = stylizer(1500, 900 << 20);
        let (picture, style) = (
            Picture::filled(1500, 1100, [100.0; 3]),
            Picture::filled(64, 64, [9.0; 3]),
        );
        let mut in_tiles = |tile| {
            stylizer.settings.tile = tile;
            let schedule = stylizer.schedule(&picture, std::slice::from_ref(&style)).ok()?;
            Some(schedule.scales.last()?.1)
        };
        let work = |way: ScalePlan| way.tiles as f64 * area(way.tile);
        let found = in_tiles(None).unwrap();
        assert!(found.tiles > 1 && found.tile.0 != found.tile.1, "{found:?}");
        let squares = (1..=32).filter_map(|step| in_tiles(Some(64 * step)));
        let squares: Vec<ScalePlan> = squares.filter(|way| way.history >= found.history).collect();
        assert!(squares.iter().all(|&way| work(way) > work(found)), "{found:?}");
        assert!(squares.len() > 2, "{squares:?}");
    }

    #[test]
    fn a_card_that_is_too_small_leads_to_tiles_in_the_machines_own_memory() {
        let mut stylizer = stylizer(1024, 8 << 30);
        let picture = Picture::filled(1024, 768, [100.0; 3]);
        let mut way = |card| {
            stylizer.card_budget = card;
            let schedule = stylizer.schedule(&picture, std::slice::from_ref(&picture))?;
            Ok::<_, Error>(schedule.scales.last().unwrap().1)
        };
        let whole = way(None).unwrap();
        let tiled = way(Some(Bytes(2 << 30))).unwrap();
        assert_eq!((whole.tiles, whole.card), (1, 0));
        assert!(tiled.tiles > 1 && tiled.card < 2 << 30, "{tiled:?}");
        assert_eq!(tiled.history, whole.history);
        assert!(
            matches!(way(Some(Bytes(1 << 29))), Err(Error::Memory { budget: Bytes(budget), .. }) if budget == 1 << 29)
        );
    }
}
