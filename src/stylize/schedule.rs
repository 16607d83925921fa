//! What a run takes of memory, and how each of its scales is computed so that it takes no more than it may.

use serde::Serialize;

use super::stages::{Size, area};
use super::{Error, Stylizer};
use crate::init::Init;
use crate::memory::Bytes;
use crate::model::KernelSet;
use crate::observe::Planned;
use crate::optimize::Method;
use crate::picture::{BYTES_A_PIXEL, Picture};
use crate::scales::Scale;

/// The largest and the smallest side of the tiles' windows that a scale may be computed in, in pixels, and their step.
const LARGEST: u32 = 2048;
const SMALLEST: u32 = 64;
const STEP: usize = 64;

/// What is given up where memory is short, one after the other: at least so many pairs are remembered, in windows of at
/// least such a side. With 40 pairs the loss is 2 % higher than with 80, with 10 pairs 9 % (see [`Method::Lbfgs`]); a halo
/// makes windows of 1024 pixels 1.3 times as much work as a whole picture, those of 256 pixels 2.6 times.
const CONCESSIONS: [(usize, u32); 5] = [
    (usize::MAX, 1024),
    (40, 1024),
    (10, 1024),
    (10, SMALLEST),
    (1, SMALLEST),
];

// What a run takes, measured as the peak of its resident memory with the graphs of preset gatys, AVX-512, two threads; what is
// reckoned from it was within 3 % of the peak of runs at 512, 768, 1024, 1536, 2048 and 4096 pixels, whole and in tiles.

/// Bytes of the program, ONNX Runtime, the graphs and their weights, and of what tiles need beside them.
const PROGRAM: u64 = 306_000_000;
const TILED: u64 = 34_000_000;
/// Bytes a pixel of a tile or a whole picture that the network takes: its activations, their gradients, and what ONNX
/// Runtime's arena cannot use between them. With the program's own kernels, and with ONNX Runtime's.
const OWN: u64 = 940;
const PORTABLE: u64 = 2130;
/// What judging takes, whose graph looks at twice as many layers: so many bytes, and a pixel of the largest picture's tile. With
/// the program's own kernels, and with ONNX Runtime's.
const JUDGE_OWN: [u64; 2] = [800_000_000, 1180];
const JUDGE_PORTABLE: [u64; 2] = [370_000_000, 2250];
/// The same while it computes targets: style images of 1024, 1280 and 2048 pixels.
const TARGETS_OWN: u64 = 700;
const TARGETS_PORTABLE: u64 = 1000;
/// What sessions take at most that wait for further runs.
const WAITING: u64 = 600_000_000;
/// Bytes a pixel of L-BFGS's points and gradients, of Adam's with its moments, and of smoothed changes.
const LBFGS: u64 = 60;
const ADAM: u64 = 84;
const PRECONDITIONER: u64 = 72;
/// Bytes a pixel of the last frame of a film, moved, its mask, and the session that compares an image with it: reckoned.
const LAST_FRAME: u64 = 64;
/// Bytes a pixel of a pair of the history.
const PAIR: u64 = 6;
/// The part of what a run may take that is planned with: what is reckoned may be a little too low.
const CERTAIN: f64 = 0.97;

/// Bytes that a run takes, by what takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The program, ONNX Runtime, the graphs and their weights.
    pub program: u64,
    /// The network's activations and their gradients, of a tile or of the whole picture, and of the coarser scales whose
    /// losses are in this one's.
    pub network: u64,
    /// The photo at the painted size, and its features; the last frame of a film.
    pub content: u64,
    /// The optimiser's points and gradients.
    pub optimizer: u64,
    /// The pairs that L-BFGS remembers.
    pub history: u64,
}

/// How a scale is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    /// Some side of the tiles' windows in pixels; 0: whole.
    #[serde(skip)]
    pub(super) side: u32,
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
}

/// What a run is to do, scale by scale.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The scales from coarse to fine, each with how it is computed.
    pub scales: Vec<(Planned, Way)>,
    /// What the run may take, if it is computed in another way than with any amount of memory.
    pub budget: Option<Bytes>,
    /// Whether the loss of a finer scale has those of the coarser ones beside its own.
    pub is_pyramid: bool,
}

impl Memory {
    /// All together.
    pub fn total(&self) -> Bytes {
        Bytes(self.program + self.network + self.content + self.optimizer + self.history)
    }
}

impl Schedule {
    /// The sizes and iterations of the scales.
    pub fn planned(&self) -> Vec<Planned> {
        self.scales.iter().map(|(planned, _)| *planned).collect()
    }

    /// The coarser scales whose losses are in that of a scale.
    pub(super) fn beside(&self, scale: usize) -> &[(Planned, Way)] {
        &self.scales[..if self.is_pyramid { scale } else { 0 }]
    }

    /// What the run takes at its peak.
    pub fn peak(&self) -> Bytes {
        let scales = self.scales.iter().map(|(_, way)| way.peak());
        scales.max().unwrap_or(Bytes(0))
    }
}

impl Way {
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

/// What a way is made of.
#[derive(Clone, Copy)]
struct Wish {
    side: u32,
    pairs: usize,
    preconditioned: bool,
}

impl Stylizer {
    /// The scales that [`Stylizer::stylize`] paints these pictures at, and how it computes each.
    ///
    /// # Errors
    /// A picture too small for the network, a blend for another number of styles, or [`Error::Memory`].
    pub fn schedule(&self, content: &Picture, styles: &[Picture]) -> Result<Schedule, Error> {
        let of_settings = self.scales(content, styles)?;
        let finest = self.sizes(content, styles, self.settings.side()).0;
        self.check_regions(content.size(), styles, finest)?;
        self.last
            .as_ref()
            .map_or(Ok(()), |last| last.check(content.size()))?;
        let mut scales = Vec::new();
        let mut is_limited = false;
        for scale in of_settings {
            let task = self.task(content, styles, scale, self.beside(&scales));
            let unlimited = self.unlimited(scales.is_empty());
            let way = self
                .way(&task, unlimited)
                .ok_or_else(|| self.refusal(content, styles, &task.beside))?;
            if way.tiles > 1 {
                self.network.graphs.check_tiles(&self.network.engine)?;
            }
            is_limited |= way != self.way_of(&task, unlimited);
            scales.push((task.planned, way));
        }
        Ok(Schedule {
            budget: self.budget.filter(|_| is_limited),
            is_pyramid: self.settings.is_pyramid(),
            scales,
        })
    }

    /// The sizes of the coarser `scales` whose losses are in that of the next one.
    fn beside(&self, scales: &[(Planned, Way)]) -> Vec<Size> {
        let coarser = scales.iter().filter(|_| self.settings.is_pyramid());
        coarser
            .map(|(planned, _)| (planned.width, planned.height))
            .collect()
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

    /// Some side of the windows in which pictures can be judged; 0: whole.
    ///
    /// # Errors
    /// [`Error::Memory`]
    pub(super) fn side_to_judge(&self, image: &Picture, styles: &[Picture]) -> Result<u32, Error> {
        let [program, a_pixel] = match self.network.graphs.kernels(&self.network.engine) {
            Some(KernelSet::OnnxRuntime) => JUDGE_PORTABLE,
            Some(_) => JUDGE_OWN,
            None => [PROGRAM, 0],
        };
        let sizes = || styles.iter().chain([image]).map(Picture::size);
        let needed = |side: u32| {
            let tiles = sizes().map(|size| area(self.network.graphs.tiles(size, side).1) as u64);
            program + a_pixel * tiles.max().unwrap_or(0)
        };
        let fits = |side: &u32| self.room().is_none_or(|room| needed(*side) <= room);
        self.sides(SMALLEST)
            .into_iter()
            .find(fits)
            .ok_or_else(|| Error::Memory {
                size: image.size(),
                is_for_targets: false,
                needed: with_reserve(needed(self.settings.tile.unwrap_or(SMALLEST))),
                budget: self.budget.unwrap_or(Bytes(0)),
                largest: None,
            })
    }

    /// Whether sessions that wait for further runs have room beside this one.
    pub(super) fn others_may_wait(&self, schedule: &Schedule) -> bool {
        let needed = schedule.peak().0 + WAITING;
        self.room().is_none_or(|room| needed <= room)
    }

    /// What is asked for where memory is no matter.
    fn unlimited(&self, is_first: bool) -> Wish {
        let pairs = match self.settings.method {
            Method::Lbfgs { history } => history,
            Method::Adam(_) => 0,
        };
        Wish {
            side: self.settings.tile.unwrap_or(0),
            pairs,
            preconditioned: is_first
                && pairs > 0
                && !matches!(self.settings.init, Init::File(_) | Init::Previous),
        }
    }

    /// The bytes that are planned with; none where nothing limits them.
    fn room(&self) -> Option<u64> {
        self.budget.map(|Bytes(bytes)| (CERTAIN * bytes as f64) as u64)
    }

    /// The best way to compute a scale in the memory that there is, if there is one.
    fn way(&self, task: &Task, unlimited: Wish) -> Option<Way> {
        let all = self.way_of(task, unlimited);
        let Some(budget) = self.room().filter(|room| all.peak().0 > *room) else {
            return Some(all);
        };
        CONCESSIONS.into_iter().find_map(|(least, smallest)| {
            let of_side = |side| {
                let wish = Wish {
                    side,
                    pairs: 0,
                    preconditioned: unlimited.preconditioned && least == usize::MAX,
                };
                let without = self.way_of(task, wish).memory.total();
                let pairs = pairs_in(budget.checked_sub(without.0)?, &task.planned).min(unlimited.pairs);
                let way = self.way_of(task, Wish { pairs, ..wish });
                (pairs >= least.min(unlimited.pairs) && way.peak().0 <= budget).then_some(way)
            };
            let ways = self.sides(smallest).into_iter().filter_map(of_side);
            ways.min_by_key(|way| way.tiles as u64 * area(way.tile) as u64)
        })
    }

    /// The sides of windows that may be taken, no smaller than `smallest`, larger ones first and the whole picture, 0, before
    /// them; one that is asked for is the only one.
    fn sides(&self, smallest: u32) -> Vec<u32> {
        match self.settings.tile {
            Some(side) => vec![side],
            None => {
                let windows = (smallest..=LARGEST).rev().step_by(STEP);
                [0].into_iter().chain(windows).collect()
            }
        }
    }

    fn way_of(&self, task: &Task, wish: Wish) -> Way {
        let planned = &task.planned;
        let size = (planned.width, planned.height);
        let pixels = area(size) as u64;
        let seen = self.network.graphs.seen(size);
        let (tiles, tile) = self.network.graphs.tiles(seen, wish.side);
        let networks = task.beside.iter().chain([&size]).map(|&size| {
            let (_, tile) = self
                .network
                .graphs
                .tiles(self.network.graphs.seen(size), wish.side);
            self.network(tile, [OWN, PORTABLE])
        });
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
        Way {
            side: wish.side,
            tiles,
            tile,
            history: (wish.pairs > 0).then_some(wish.pairs),
            preconditioned: wish.preconditioned,
            memory: Memory {
                program: if tiles == 1 { PROGRAM } else { PROGRAM + TILED },
                network: networks.sum(),
                content: pixels * (BYTES_A_PIXEL + last_frame) + self.metadata().content_bytes(seen),
                optimizer: pixels * (points + preconditioner) + surrounded,
                history: pixels * PAIR * remembered,
            },
            preparing: self.preparing(task, wish.side),
        }
    }

    /// What computing the targets takes in windows of some `side` pixels: the pictures as they were read, at the scale and as
    /// the network's input, and the network that looks at one of them at a time.
    fn preparing(&self, task: &Task, side: u32) -> Bytes {
        let painted = (task.planned.width, task.planned.height);
        let sizes = || task.styles.iter().copied().chain([painted]);
        let pixels: u64 = sizes().map(|size| area(size) as u64).sum();
        let of_tile = |size| {
            self.network(
                self.network.graphs.tiles(size, side).1,
                [TARGETS_OWN, TARGETS_PORTABLE],
            )
        };
        let network = sizes().map(of_tile).max().unwrap_or(0);
        let contents = self.metadata().content_bytes(painted);
        Bytes(PROGRAM + (task.read + 2 * pixels) * BYTES_A_PIXEL + network + contents)
    }

    /// What the network takes that looks at a tile, of so many bytes a pixel: with the program's own kernels, and with ONNX
    /// Runtime's.
    fn network(&self, tile: Size, [own, portable]: [u64; 2]) -> u64 {
        let a_pixel = match self.network.graphs.kernels(&self.network.engine) {
            Some(KernelSet::OnnxRuntime) => portable,
            Some(_) => own,
            None => return 0,
        };
        area(tile) as u64 * a_pixel
    }

    /// That a run has no room, and what would have.
    fn refusal(&self, content: &Picture, styles: &[Picture], beside: &[Size]) -> Error {
        let least = |size| {
            let iterations = self.settings.iterations;
            let task = self.task(content, styles, Scale { size, iterations }, beside.to_vec());
            let wish = Wish {
                side: self.settings.tile.unwrap_or(SMALLEST),
                pairs: self.unlimited(false).pairs.min(1),
                preconditioned: false,
            };
            self.way_of(&task, wish)
        };
        let fits = |size: &u32| self.room().is_none_or(|room| least(*size).peak().0 <= room);
        let sizes: Vec<u32> = (1..=self.settings.side() / 16)
            .map(|sixteenth| 16 * sixteenth)
            .collect();
        let largest = sizes.partition_point(fits).checked_sub(1);
        let way = least(self.settings.side());
        Error::Memory {
            size: self.sizes(content, styles, self.settings.side()).0,
            is_for_targets: way.preparing > way.memory.total(),
            needed: with_reserve(way.peak().0),
            budget: self.budget.unwrap_or(Bytes(0)),
            largest: largest.map(|index| sizes[index]),
        }
    }
}

/// What a run must be allowed that takes so many bytes.
fn with_reserve(bytes: u64) -> Bytes {
    Bytes((bytes as f64 / CERTAIN) as u64 + 1)
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
