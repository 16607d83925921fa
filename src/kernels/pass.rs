//! One pass of a convolution over a layer, forward or backward: block by block of tiles, to the
//! Winograd domain, products, and back, without leaving the cache.

use super::Size;
use super::blocks::{Grid, Run, Strip, even_parts, panels};
use super::parallel::Exec;
use super::product::{BLOCK, BlockRow, Orientation, Packed, Panel};
use super::simd::{Isa, Job, Simd};
use super::sink::Sink;
use super::source::Source;
use super::winograd::{self, PLANES, POINTS, TILE};
use std::ops::Range;

/// A convolution of `source` to `sink`.
pub(super) struct Pass<'a, I, O> {
    pub filter: &'a Packed,
    pub orientation: Orientation,
    pub source: I,
    pub sink: O,
    pub isa: Isa,
}

impl<I: Source, O: Sink> Pass<'_, I, O> {
    /// Runs the pass for a layer of this size.
    pub(super) fn run(&self, size: Size, exec: Exec<'_>) {
        let (depth, outputs) = (
            self.filter.depth(self.orientation),
            self.filter.outputs(self.orientation),
        );
        assert!(size.area() > 0, "a layer has pixels");
        let plan = Plan::new(size, depth, outputs, self.isa, exec.parallel.threads().max(1));
        exec.parallel.par_for(plan.tasks(), &|task| {
            let mut scratch = exec.workspace.take(plan.scratch());
            let scratch = scratch.as_mut_ptr();
            let (strip, tiles, outputs) = plan.task(task);
            for start in tiles.clone().step_by(plan.block()) {
                let tiles = start..(start + plan.block()).min(tiles.end);
                let block = Block {
                    pass: self,
                    plan: &plan,
                    strip,
                    tiles,
                    scratch,
                };
                self.isa.run(TransformInput(&block));
                for start in outputs.clone().step_by(plan.chunk) {
                    let chunk = start..(start + plan.chunk).min(outputs.end);
                    self.isa.run(Multiply(&block, chunk.clone()));
                    self.isa.run(TransformOutput(&block, chunk));
                }
            }
        });
    }
}

/// How the work of a pass is cut, and the sizes of a task's scratch memory, all in values.
///
/// No cut changes an output's terms or their order, so results do not depend on it.
#[derive(Clone, Copy, Debug)]
struct Plan {
    grid: Grid,
    lanes: usize,
    /// Most vectors of a panel.
    panel: usize,
    depth: usize,
    outputs: usize,
    /// Vectors of tiles in a block.
    vectors: usize,
    /// Tiles in a task, some blocks.
    tiles: usize,
    /// Output channels in a task.
    part: usize,
    /// Output channels that are in the making at the same time.
    chunk: usize,
    /// Distance of rows in the staged input.
    stage_stride: usize,
    /// Distance of planes in the transformed input.
    plane_stride: usize,
}

/// Most vectors of tiles in a block.
const MOST_VECTORS: usize = 6;
/// Tasks that are enough to keep threads busy.
const TASKS: usize = 32;

impl Plan {
    fn new(size: Size, depth: usize, outputs: usize, isa: Isa, threads: usize) -> Self {
        let lanes = isa.lanes();
        // With AVX-512, the transformed input and the products of a block take 147 KB each for
        // 64 channels: as many channels of products as leave the rest of a cache of 2 MB to the
        // input, or to one plane of it if it is too long.
        let (most, chunk) = match (isa, depth) {
            (Isa::Avx512, 0..256) => (4, 64),
            (Isa::Avx512, _) => (4, 128),
            (Isa::Avx2, _) => (4, 64),
            (Isa::Neon | Isa::Portable, _) => (MOST_VECTORS, 64),
        };
        let grid = Grid::new(size, most * lanes, lanes);
        let strip = grid.strip(0).tiles();
        let vectors = even_parts(strip.div_ceil(lanes), most);
        let blocks = strip.div_ceil(vectors * lanes);
        let blocks_in_task = (blocks * grid.strips() / TASKS).clamp(1, blocks);
        let tasks = blocks.div_ceil(blocks_in_task) * grid.strips();
        let part = outputs
            .div_ceil(parts(tasks, outputs, threads))
            .next_multiple_of(BLOCK);
        Self {
            grid,
            lanes,
            panel: isa.panel(),
            depth,
            outputs,
            vectors,
            tiles: blocks_in_task * vectors * lanes,
            part,
            chunk: part.min(chunk),
            stage_stride: (vectors + 2) * TILE * lanes,
            plane_stride: (vectors * depth + panels(vectors, isa.panel()).count()) * lanes,
        }
    }

    /// Tiles of a block.
    fn block(&self) -> usize {
        self.vectors * self.lanes
    }

    /// Tasks along a strip.
    fn strip_tasks(&self) -> usize {
        self.grid.strip(0).tiles().div_ceil(self.tiles)
    }

    fn tasks(&self) -> usize {
        self.strip_tasks() * self.grid.strips() * self.outputs.div_ceil(self.part)
    }

    /// The strip, its tiles and the output channels of a task.
    fn task(&self, task: usize) -> (Strip, Range<usize>, Range<usize>) {
        let (along, task) = (task % self.strip_tasks(), task / self.strip_tasks());
        let (strip, part) = (task % self.grid.strips(), task / self.grid.strips());
        let strip = self.grid.strip(strip);
        let cut =
            |part: usize, index: usize, end: usize| (index * part).min(end)..((index + 1) * part).min(end);
        (
            strip,
            cut(self.tiles, along, strip.tiles()),
            cut(self.part, part, self.outputs),
        )
    }

    /// Two stages: while one is transformed, the next one is filled.
    fn stage_len(&self) -> usize {
        2 * POINTS * self.stage_stride
    }

    fn transformed_len(&self) -> usize {
        PLANES * self.plane_stride
    }

    fn scratch(&self) -> usize {
        let products = self.chunk * self.vectors * PLANES * self.lanes;
        self.stage_len() + self.transformed_len() + products + self.lanes
    }
}

/// In how many parts to cut the output channels so that all threads have the same work; each part
/// transforms the input anew.
fn parts(tasks: usize, outputs: usize, threads: usize) -> usize {
    let most = outputs.div_ceil(64);
    let even = |&parts: &usize| {
        let tasks = tasks * parts;
        tasks.div_ceil(threads) * threads * 8 <= tasks * 9
    };
    (1..most).find(even).unwrap_or(most)
}

/// A block of tiles.
struct Block<'a, P> {
    pass: &'a P,
    plan: &'a Plan,
    strip: Strip,
    tiles: Range<usize>,
    scratch: *mut f32,
}

struct TransformInput<'a, B>(&'a B);
struct Multiply<'a, B>(&'a B, Range<usize>);
struct TransformOutput<'a, B>(&'a B, Range<usize>);

impl<I: Source, O: Sink> Job for TransformInput<'_, Block<'_, Pass<'_, I, O>>> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        // SAFETY: this is a job, and the scratch memory is as long as the plan says.
        unsafe { self.0.transform_input::<S>() }
    }
}

impl<I: Source, O: Sink> Job for Multiply<'_, Block<'_, Pass<'_, I, O>>> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        // SAFETY: as above.
        unsafe { self.0.multiply::<S>(self.1) }
    }
}

impl<I: Source, O: Sink> Job for TransformOutput<'_, Block<'_, Pass<'_, I, O>>> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        // SAFETY: as above, and every task has its own tiles and channels.
        unsafe { self.0.transform_output::<S>(self.1) }
    }
}

impl<I: Source, O: Sink> Block<'_, Pass<'_, I, O>> {
    /// Vectors of tiles.
    fn vectors(&self) -> usize {
        self.tiles.len().div_ceil(self.plan.lanes)
    }

    /// One of the two stages: rows of the input, with zeros around the picture.
    fn stage(&self, index: usize) -> *mut f32 {
        self.scratch
            .wrapping_add(index % 2 * POINTS * self.plan.stage_stride)
    }

    /// The input in the Winograd domain: `[plane][panel][channel][vector]`.
    fn transformed(&self) -> *mut f32 {
        self.scratch.wrapping_add(self.plan.stage_len())
    }

    /// The products: `[channel][vector][plane]`.
    fn products(&self) -> *mut f32 {
        self.transformed().wrapping_add(self.plan.transformed_len())
    }

    /// Where in a plane of the transformed input each vector is for channel 0, and the distance
    /// of channels. After each panel, a vector is free.
    #[inline(always)]
    fn places(&self) -> [(usize, usize); MOST_VECTORS] {
        let (lanes, depth) = (self.plan.lanes, self.plan.depth);
        let mut places = [(0, 0); MOST_VECTORS];
        for (index, (start, count)) in panels(self.vectors(), self.plan.panel).enumerate() {
            for i in 0..count {
                places[start + i] = ((start * depth + index + i) * lanes, count * lanes);
            }
        }
        places
    }

    /// All input channels to the Winograd domain.
    #[inline(always)]
    unsafe fn transform_input<S: Simd>(&self) {
        let places = self.places();
        let mut runs = (0..self.plan.depth)
            .flat_map(|channel| self.strip.runs(self.tiles.clone()).map(move |run| (channel, run)));
        let mut next = runs.next();
        let mut index = 0;
        if let Some((channel, run)) = next {
            self.fill::<S>(channel, run, index);
        }
        while let Some((channel, run)) = next {
            next = runs.next();
            if let Some((channel, run)) = next {
                self.fill::<S>(channel, run, index + 1);
            }
            for part in run.by_vector(S::LANES) {
                let (base, step) = places[part.first / S::LANES];
                let place = base + channel * step + part.first % S::LANES;
                let from = self.stage(index).wrapping_add((part.col - run.col) * TILE);
                let to = self.transformed().wrapping_add(place);
                // SAFETY: the stage's rows have two vectors of tiles more than the block. Tiles
                // that begin inside of a vector of the block spill over its end; what they spill
                // on is written later, but for the last vector of a panel, after which one is free.
                unsafe {
                    winograd::input::<S>(from, self.plan.stage_stride, to, self.plan.plane_stride);
                }
            }
            index += 1;
        }
    }

    /// Fills a stage with the input of a run.
    #[inline(always)]
    fn fill<S: Simd>(&self, channel: usize, run: Run, index: usize) {
        let (y, x, len) = (run.row * TILE, run.col * TILE, run.count * TILE + 2);
        for i in 0..POINTS {
            let (y, x) = ((y + i) as isize - 1, x as isize - 1);
            let row = self.stage(index).wrapping_add(i * self.plan.stage_stride);
            // SAFETY: a stage's row has room for the tiles of a block and two vectors more.
            let row = unsafe { std::slice::from_raw_parts_mut(row, len) };
            self.pass.source.prefetch::<S>(channel + 2, y, x, len);
            self.pass.source.read(channel, y, x, row);
        }
    }

    /// Multiplies all planes for the output channels in `chunk`.
    #[inline(always)]
    unsafe fn multiply<S: Simd>(&self, chunk: Range<usize>) {
        let rows = chunk.start / BLOCK..chunk.end.div_ceil(BLOCK);
        let vector_stride = PLANES * S::LANES;
        let row_stride = self.vectors() * vector_stride;
        let places = self.places();
        for plane in 0..PLANES {
            let v = self.transformed().wrapping_add(plane * self.plan.plane_stride);
            let mut ahead = 0;
            for row in rows.clone() {
                let now = self.filter_row(plane, row);
                let next = match row + 1 < rows.end {
                    true => self.filter_row(plane, row + 1),
                    false => self.filter_row((plane + 1) % PLANES, rows.start),
                };
                for (start, count) in panels(self.vectors(), self.plan.panel) {
                    let out = (row - rows.start) * BLOCK * row_stride + start * vector_stride;
                    let panel = Panel {
                        v: v.wrapping_add(places[start].0),
                        count,
                        out: self.products().wrapping_add(out + plane * S::LANES),
                        row_stride,
                        vector_stride,
                        ahead: v.wrapping_add(self.plan.plane_stride + ahead),
                    };
                    // SAFETY: addresses are inside of the scratch memory.
                    unsafe { now.multiply::<S>(panel, next) }
                    ahead = (ahead + now.ahead_len()).min(self.plan.plane_stride);
                }
            }
        }
    }

    /// From the Winograd domain to the output.
    #[inline(always)]
    unsafe fn transform_output<S: Simd>(&self, chunk: Range<usize>) {
        let vector_stride = PLANES * S::LANES;
        for channel in chunk.clone() {
            let row = (channel - chunk.start) * self.vectors() * vector_stride;
            let runs = self.strip.runs(self.tiles.clone());
            for part in runs.flat_map(|run| run.by_vector(S::LANES)) {
                let vector = part.first / S::LANES * vector_stride + part.first % S::LANES;
                // SAFETY: addresses are inside of the scratch memory, after which a vector is free;
                // the tiles and channels are this task's own.
                unsafe {
                    let y = winograd::output::<S>(self.products().add(row + vector));
                    self.pass.sink.write::<S>(channel, part, y);
                }
            }
        }
        // SAFETY: always allowed.
        unsafe { S::fence() }
    }

    /// A block row of the filter for a plane of the input.
    #[inline(always)]
    fn filter_row(&self, plane: usize, row: usize) -> BlockRow {
        let Pass {
            filter, orientation, ..
        } = *self.pass;
        match orientation {
            Orientation::Plain => filter.block_row(orientation, plane, row),
            Orientation::Transposed => filter.block_row(orientation, winograd::turned(plane), row),
        }
    }
}
