//! How the work of a pass is cut.

use super::Size;
use super::blocks::{Grid, Strip, even_parts};
use super::gemm::{Blocks, Gemm};
use super::simd::Isa;
use super::winograd::{PLANES, POINTS, TILE};
use std::ops::Range;

/// How the work of a pass is cut, and the sizes of a task's scratch memory, all in values.
///
/// No cut changes an output's terms or their order, so results do not depend on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    grid: Grid,
    pub lanes: usize,
    pub depth: usize,
    outputs: usize,
    /// Vectors of tiles in a block.
    pub vectors: usize,
    /// What they are a multiple of.
    pub edge: usize,
    /// Blocks of a strip, and of a task.
    strip_blocks: usize,
    task_blocks: usize,
    /// Output channels in a task.
    part: usize,
    /// Output channels that are in the making at the same time.
    pub chunk: usize,
    /// Distance of rows in the staged input.
    pub stage_stride: usize,
    /// Distance of planes in the transformed input.
    pub plane_stride: usize,
    /// Distance of planes in what of it is packed; 0 if nothing is.
    pub packed_stride: usize,
    /// Channels that are packed apart from others.
    packed_rows: usize,
}

/// Most vectors of tiles in a block.
pub(crate) const MOST_VECTORS: usize = 8;
/// Most values of transformed input that tasks share, 32 MB.
const MOST_SHARED: usize = 8 << 20;
/// Tasks that are enough to keep threads busy.
const TASKS: usize = 32;

impl Plan {
    pub(crate) fn new(size: Size, gemm: impl Gemm, isa: Isa, threads: usize) -> Self {
        let (depth, outputs, lanes) = (gemm.depth(), gemm.rows(), isa.lanes());
        let Blocks {
            rows,
            vectors: edge,
            cached: (most, chunk),
        } = gemm.blocks();
        let grid = Grid::new(size, most * lanes, lanes);
        let strip = grid.strip(0).tiles();
        let vectors = even_parts(strip.div_ceil(lanes), most).next_multiple_of(edge);
        let strip_blocks = strip.div_ceil(vectors * lanes);
        let task_blocks = (strip_blocks * grid.strips() / TASKS).clamp(1, strip_blocks);
        let tasks = strip_blocks.div_ceil(task_blocks) * grid.strips();
        let part = outputs
            .div_ceil(even_tasks(tasks, outputs, threads))
            .next_multiple_of(rows);
        let packed_len = gemm.packed_len(vectors);
        Self {
            grid,
            lanes,
            depth,
            outputs,
            vectors,
            edge,
            strip_blocks,
            task_blocks,
            part,
            chunk: part.min(chunk),
            stage_stride: (vectors + 2) * TILE * lanes,
            plane_stride: gemm.stage_len(vectors),
            // A cache line more, so that planes do not fall on the same places in the cache.
            packed_stride: if packed_len > 0 { packed_len + lanes } else { 0 },
            packed_rows: gemm.packed_rows(),
        }
    }

    /// Tasks along a strip.
    fn strip_tasks(&self) -> usize {
        self.strip_blocks.div_ceil(self.task_blocks)
    }

    pub(crate) fn tasks(&self) -> usize {
        self.strip_tasks() * self.grid.strips() * self.outputs.div_ceil(self.part)
    }

    /// The blocks and the output channels of a task.
    pub(crate) fn task(&self, task: usize) -> (Range<usize>, Range<usize>) {
        let (along, task) = (task % self.strip_tasks(), task / self.strip_tasks());
        let (strip, part) = (task % self.grid.strips(), task / self.grid.strips());
        let blocks = cut(along, self.task_blocks, self.strip_blocks);
        let first = strip * self.strip_blocks;
        (
            first + blocks.start..first + blocks.end,
            cut(part, self.part, self.outputs),
        )
    }

    /// The strip and the tiles of a block; none at the end of a narrow strip.
    pub(crate) fn block(&self, block: usize) -> (Strip, Range<usize>) {
        let strip = self.grid.strip(block / self.strip_blocks);
        let tiles = cut(
            block % self.strip_blocks,
            self.vectors * self.lanes,
            strip.tiles(),
        );
        (strip, tiles)
    }

    /// Whether tasks share the packed input: several of them, each with its own output channels, need it, and it stays
    /// in a cache.
    pub(crate) fn shares_input(&self) -> bool {
        self.packs() && self.part < self.outputs && self.blocks() * self.packed_len() <= MOST_SHARED
    }

    /// Whether the input is packed once it is transformed.
    fn packs(&self) -> bool {
        self.packed_stride > 0
    }

    /// Tasks that transform the input if it is shared.
    pub(crate) fn input_tasks(&self) -> usize {
        self.blocks() * self.depth.div_ceil(self.packed_rows)
    }

    /// The block and the channels of such a task.
    pub(crate) fn input_task(&self, task: usize) -> (usize, Range<usize>) {
        let (block, step) = (task % self.blocks(), task / self.blocks());
        (block, cut(step, self.packed_rows, self.depth))
    }

    fn blocks(&self) -> usize {
        self.strip_blocks * self.grid.strips()
    }

    /// Two stages: while one is transformed, the next one is filled.
    pub(crate) fn stage_len(&self) -> usize {
        2 * POINTS * self.stage_stride
    }

    pub(crate) fn transformed_len(&self) -> usize {
        PLANES * self.plane_stride
    }

    /// Values at the start of the scratch memory that are read before they are written, to no effect: the stages and,
    /// where they are packed, the transformed channels.
    pub(crate) fn read_behind_runs(&self) -> usize {
        self.stage_len() + if self.packs() { self.transformed_len() } else { 0 }
    }

    fn packed_len(&self) -> usize {
        PLANES * self.packed_stride
    }

    /// Values of a block that tasks share.
    pub(crate) fn shared_len(&self) -> usize {
        if self.shares_input() { self.packed_len() } else { 0 }
    }

    /// Values of all blocks that tasks share.
    pub(crate) fn shared(&self) -> usize {
        self.blocks() * self.shared_len()
    }

    /// Values of the scratch memory in front of the products.
    pub(crate) fn scratch_before_products(&self) -> usize {
        self.stage_len() + self.transformed_len() + self.packed_len() - self.shared_len()
    }

    pub(crate) fn scratch(&self) -> usize {
        let products = self.chunk * self.vectors * PLANES * self.lanes;
        self.scratch_before_products() + products + self.lanes
    }
}

/// Part `index` of `0..end`, in parts of `len`.
fn cut(index: usize, len: usize, end: usize) -> Range<usize> {
    (index * len).min(end)..((index + 1) * len).min(end)
}

/// In how many parts to cut the output channels so that all threads have the same work; each part
/// transforms the input anew, unless they share it.
fn even_tasks(tasks: usize, outputs: usize, threads: usize) -> usize {
    let most = outputs.div_ceil(64);
    let even = |&parts: &usize| {
        let tasks = tasks * parts;
        tasks.div_ceil(threads) * threads * 8 <= tasks * 9
    };
    (1..most).find(even).unwrap_or(most)
}
