//! The 3 x 3 convolution, stride 1, padding 1, with frozen weights, and its gradient.

use super::Size;
use super::blocks::{Grid, Run, Strip, even_parts, panels};
use super::edges::{Biased, Gated, Gradient, Sink, Source, Stored, Whole};
use super::parallel::Exec;
use super::product::{BLOCK, Orientation, Packed, Panel, block_row};
use super::scratch::Output;
use super::simd::{Isa, Job, Simd};
use super::winograd::{self, PLANES, POINTS, TILE};
use std::ops::Range;

/// A convolution with frozen weights: transformed once, used in both directions.
pub struct Conv3x3 {
    filter: Packed,
    bias: Vec<f32>,
    isa: Isa,
}

impl Conv3x3 {
    /// Prepares `weights`, f32[outputs, inputs, 3, 3], and `bias`, f32[outputs].
    ///
    /// # Panics
    ///
    /// When the lengths do not fit, or there are no channels.
    pub fn new(weights: &[f32], bias: &[f32], inputs: usize, isa: Isa) -> Self {
        let outputs = bias.len();
        assert!(inputs > 0 && outputs > 0, "a convolution needs channels");
        assert_eq!(weights.len(), outputs * inputs * 9, "weights do not fit");
        let mut filter = Packed::zeros(PLANES, outputs, inputs);
        for (i, g) in weights.chunks_exact(9).enumerate() {
            filter.set(i / inputs, i % inputs, &winograd::filter(g));
        }
        Self { filter, bias: bias.to_vec(), isa }
    }

    /// Input channels.
    pub fn inputs(&self) -> usize {
        self.filter.outputs(Orientation::Transposed)
    }

    /// Output channels.
    pub fn outputs(&self) -> usize {
        self.filter.outputs(Orientation::Plain)
    }

    /// Bytes of the transformed weights.
    pub fn bytes(&self) -> usize {
        self.filter.bytes()
    }

    /// `y = conv(x) + bias`, f32[outputs, height, width], with `relu` the larger of that and 0.
    ///
    /// `x`: f32[inputs, height, width].
    ///
    /// # Panics
    ///
    /// When a length does not fit.
    pub fn forward(&self, x: &[f32], size: Size, relu: bool, y: &mut [f32], exec: Exec<'_>) {
        assert_eq!(x.len(), self.inputs() * size.area(), "x does not fit");
        assert_eq!(y.len(), self.outputs() * size.area(), "y does not fit");
        let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
        let stream = y.len() * 4 >= tune("STREAM", 1 << 24);
        let sink = Biased { y: Output::new(y), size, stream, bias: &self.bias, floor };
        self.pass(Orientation::Plain, Whole { data: x, size }, sink, size, exec);
    }

    /// The gradient of the input, f32[inputs, height, width].
    ///
    /// # Panics
    ///
    /// When a length does not fit.
    pub fn backward(&self, dy: Gradient<'_>, size: Size, dx: &mut [f32], exec: Exec<'_>) {
        assert_eq!(dx.len(), self.inputs() * size.area(), "dx does not fit");
        let len = self.outputs() * size.area();
        let stream = dx.len() * 4 >= tune("STREAM", 1 << 24);
        let sink = Stored { y: Output::new(dx), size, stream };
        match dy {
            Gradient::Whole(dy) => {
                assert_eq!(dy.len(), len, "dy does not fit");
                self.pass(Orientation::Transposed, Whole { data: dy, size }, sink, size, exec);
            }
            Gradient::Gated { dy, y } => {
                assert!(dy.len() == len && y.len() == len, "dy or y does not fit");
                let source = Gated { data: dy, gate: y, size };
                self.pass(Orientation::Transposed, source, sink, size, exec);
            }
        }
    }

    fn pass(
        &self,
        orientation: Orientation,
        source: impl Source,
        sink: impl Sink,
        size: Size,
        exec: Exec<'_>,
    ) {
        let (depth, outputs) = (self.filter.depth(orientation), self.filter.outputs(orientation));
        let plan = Plan::new(size, depth, outputs, self.isa.lanes());
        exec.parallel.par_for(plan.tasks(), &|task| {
            let (strip, tiles, outputs) = plan.task(task);
            let mut scratch = exec.workspace.take(plan.scratch());
            let scratch = scratch.as_mut_ptr();
            let filter = &self.filter;
            let block = plan.vectors * plan.lanes;
            let end = tiles.end;
            for start in tiles.clone().step_by(block) {
                let tiles = start..(start + block).min(tiles.end);
                let task = Task { plan, filter, orientation, source, sink, strip, tiles, scratch };
                let t0 = cpu();
                self.isa.run(TransformInput(&task));
                add(0, t0);
                for start in outputs.clone().step_by(plan.chunk) {
                    let chunk = start..(start + plan.chunk).min(outputs.end);
                    let t0 = cpu();
                    self.isa.run(Multiply(&task, chunk.clone()));
                    add(1, t0);
                    let t0 = cpu();
                    self.isa.run(TransformOutput(&task, chunk));
                    add(2, t0);
                }
            }
        });
    }
}

/// How the work of a pass is cut, and the sizes of a task's scratch memory, all in values.
#[derive(Clone, Copy, Debug)]
struct Plan {
    grid: Grid,
    lanes: usize,
    depth: usize,
    outputs: usize,
    /// Vectors of tiles in a block.
    vectors: usize,
    /// Tiles in a task, some blocks.
    tiles: usize,
    /// Output channels in a task.
    part: usize,
    /// Distance of rows in the staged input.
    stage_stride: usize,
    /// Distance of planes in the transformed input.
    plane_stride: usize,
    /// Output channels that are in the making at the same time.
    chunk: usize,
}

/// Vectors of a block in one plane of the transformed input, over all its channels: 36 times 64
/// bytes times this is the memory that they take with AVX-512.
const PLANE_VECTORS: usize = 2048;
/// Fewest and most vectors of tiles in a block.
const VECTORS: (usize, usize) = (4, 8);
/// Most output channels in a task.
const PART: usize = 256;
/// Output channels that are in the making at the same time.
const CHUNK: usize = 64;
/// Tasks that are enough to keep threads busy.
const TASKS: usize = 32;

fn tune(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |v| v.parse().unwrap())
}

impl Plan {
    fn new(size: Size, depth: usize, outputs: usize, lanes: usize) -> Self {
        let most = tune("VB", (PLANE_VECTORS / depth).clamp(VECTORS.0, VECTORS.1));
        let grid = Grid::new(size, most * lanes, lanes);
        let strip = grid.strip(0).tiles();
        let vectors = even_parts(strip.div_ceil(lanes), most);
        let blocks = strip.div_ceil(vectors * lanes);
        let blocks_in_task = (blocks * grid.strips() / tune("TASKS", TASKS)).clamp(1, blocks);
        let part = even_parts(outputs.div_ceil(BLOCK), tune("PART", PART) / BLOCK) * BLOCK;
        Self {
            grid,
            lanes,
            depth,
            outputs,
            vectors,
            tiles: blocks_in_task * vectors * lanes,
            part,
            stage_stride: (vectors + 2) * TILE * lanes,
            plane_stride: (vectors * depth + panels(vectors).count()) * lanes,
            chunk: part.min(tune("CHUNK", CHUNK)),
        }
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
        let cut = |part: usize, index: usize, end: usize| {
            (index * part).min(end)..((index + 1) * part).min(end)
        };
        (strip, cut(self.tiles, along, strip.tiles()), cut(self.part, part, self.outputs))
    }

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

/// One task: some tiles, some of the output channels.
struct Task<'a, I, O> {
    plan: Plan,
    filter: &'a Packed,
    orientation: Orientation,
    source: I,
    sink: O,
    strip: Strip,
    tiles: Range<usize>,
    scratch: *mut f32,
}

struct TransformInput<'a, T>(&'a T);
struct Multiply<'a, T>(&'a T, Range<usize>);
struct TransformOutput<'a, T>(&'a T, Range<usize>);

impl<I: Source, O: Sink> Job for TransformInput<'_, Task<'_, I, O>> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        unsafe { self.0.transform_input::<S>() }
    }
}
impl<I: Source, O: Sink> Job for Multiply<'_, Task<'_, I, O>> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        unsafe { self.0.multiply::<S>(self.1) }
    }
}
impl<I: Source, O: Sink> Job for TransformOutput<'_, Task<'_, I, O>> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        unsafe { self.0.transform_output::<S>(self.1) }
    }
}

impl<I: Source, O: Sink> Task<'_, I, O> {
    fn vectors(&self) -> usize {
        self.tiles.len().div_ceil(self.plan.lanes)
    }

    fn transformed(&self) -> *mut f32 {
        self.scratch.wrapping_add(self.plan.stage_len())
    }

    fn products(&self) -> *mut f32 {
        self.transformed().wrapping_add(self.plan.transformed_len())
    }

    /// All input channels to the Winograd domain: `[plane][panel][channel][vector]`.
    ///
    /// A vector of tiles that begins inside of a vector of the task spills over its end; what it
    /// spills on is written later, but for the last one of a panel, after which a vector is free.
    #[inline(always)]
    unsafe fn transform_input<S: Simd>(&self) {
        let stride = self.plan.stage_stride;
        let places = self.places();
        let mut next = (0..self.plan.depth).flat_map(|channel| {
            self.strip.runs(self.tiles.clone()).map(move |run| (channel, run))
        });
        let mut now = next.next();
        let mut half = 0;
        if let Some((channel, run)) = now {
            self.stage::<S>(channel, run, half);
        }
        while let Some((channel, run)) = now {
            now = next.next();
            if let Some((channel, run)) = now {
                self.stage::<S>(channel, run, 1 - half);
            }
            for part in run.by_vector(S::LANES) {
                let (base, step) = places[part.first / S::LANES];
                // SAFETY: a stage row has room for the tiles of a task and two vectors more, and
                // the address is inside of the transformed input.
                unsafe {
                    let from = self.scratch.add(half * POINTS * stride + (part.col - run.col) * TILE);
                    let to = self.transformed().add(base + channel * step + part.first % S::LANES);
                    winograd::input::<S>(from, stride, to, self.plan.plane_stride);
                }
            }
            half = 1 - half;
        }
    }

    #[inline(always)]
    fn stage<S: Simd>(&self, channel: usize, run: Run, half: usize) {
        let stride = self.plan.stage_stride;
        let (y, x) = ((run.row * TILE) as isize - 1, (run.col * TILE) as isize - 1);
        for i in 0..POINTS {
            self.source.prefetch::<S>(channel + 2, y + i as isize, x, run.count * TILE + 2);
            // SAFETY: a stage row has room for the tiles of a task and two vectors more.
            let row = unsafe {
                let row = self.scratch.add((half * POINTS + i) * stride);
                std::slice::from_raw_parts_mut(row, run.count * TILE + 2)
            };
            self.source.read(channel, y + i as isize, x, row);
        }
    }

    /// Where in a plane of the transformed input the vectors of the task begin, and the distance
    /// of channels.
    #[inline(always)]
    fn places(&self) -> [(usize, usize); VECTORS.1] {
        let (lanes, depth) = (self.plan.lanes, self.plan.depth);
        let mut places = [(0, 0); VECTORS.1];
        for (index, (start, count)) in panels(self.vectors()).enumerate() {
            for i in 0..count {
                places[start + i] = ((start * depth + index + i) * lanes, count * lanes);
            }
        }
        places
    }

    /// Multiplies all planes for the output channels in `chunk`: `[channel][vector][plane]`.
    #[inline(always)]
    unsafe fn multiply<S: Simd>(&self, chunk: Range<usize>) {
        let vector_stride = PLANES * S::LANES;
        let row_stride = self.vectors() * vector_stride;
        let places = self.places();
        for plane in 0..PLANES {
            let matrix = match self.orientation {
                Orientation::Plain => plane,
                Orientation::Transposed => winograd::turned(plane),
            };
            for row in chunk.start / BLOCK..chunk.end.div_ceil(BLOCK) {
                let first = row * BLOCK - chunk.start;
                for (start, count) in panels(self.vectors()) {
                    let v = plane * self.plan.plane_stride + places[start].0;
                    let out = first * row_stride + start * vector_stride + plane * S::LANES;
                    // SAFETY: addresses are inside of the scratch memory.
                    unsafe {
                        let (v, out) = (self.transformed().add(v), self.products().add(out));
                        let panel = Panel { v, count, out, row_stride, vector_stride };
                        block_row::<S>(self.filter, self.orientation, matrix, row, panel);
                    }
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
            for run in self.strip.runs(self.tiles.clone()) {
                for part in run.by_vector(S::LANES) {
                    let vector = part.first / S::LANES * vector_stride + part.first % S::LANES;
                    // SAFETY: addresses are inside of the scratch memory, after which a vector is
                    // free; the tiles and channels are this task's own.
                    unsafe {
                        let y = winograd::output::<S>(self.products().add(row + vector));
                        self.sink.write::<S>(channel, part, y);
                    }
                }
            }
        }
        // SAFETY: always allowed.
        unsafe { S::fence() }
    }
}

/// x
pub static T: [std::sync::atomic::AtomicU64; 3] = [const { std::sync::atomic::AtomicU64::new(0) }; 3];
fn add(i: usize, t0: u64) {
    T[i].fetch_add(cpu() - t0, std::sync::atomic::Ordering::Relaxed);
}
fn cpu() -> u64 {
    #[repr(C)]
    struct Ts {
        s: i64,
        n: i64,
    }
    unsafe extern "C" {
        fn clock_gettime(id: i32, t: *mut Ts) -> i32;
    }
    let mut t = Ts { s: 0, n: 0 };
    unsafe { clock_gettime(3, &mut t) };
    (t.s * 1_000_000_000 + t.n) as u64
}
