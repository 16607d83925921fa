//! One pass of a convolution over a layer, forward or backward: block by block of tiles, to the
//! Winograd domain, products, and back, without leaving the cache.

use super::Size;
use super::blocks::{Run, Strip};
use super::epilogue::Epilogue;
use super::gemm::{AnyGemm, Gemm as _, Out, Rhs};
use super::input::InputReader;
use super::parallel::Exec;
use super::plan::{MOST_VECTORS, Plan};
use super::scratch::Output;
use super::simd::{Isa, Simd, SimdOp};
use super::winograd::{self, PLANES, POINTS, TILE};
use std::ops::Range;

/// A convolution of `input` to `epilogue`.
pub(crate) struct WinogradPass<'a, I, O> {
    pub gemm: AnyGemm<'a>,
    pub input: I,
    pub epilogue: O,
    pub isa: Isa,
}

impl<I: InputReader, O: Epilogue> WinogradPass<'_, I, O> {
    /// Runs the pass for a layer of this size.
    pub(crate) fn run(&self, size: Size, exec: Exec<'_>) {
        assert!(size.area() > 0, "a layer has pixels");
        let plan = Plan::new(size, self.gemm, self.isa, exec.parallel.threads().max(1));
        let mut shared = plan.shares_input().then(|| exec.workspace.take(plan.shared()));
        let shared = Output::new(shared.as_deref_mut().unwrap_or_default());
        let for_each = |blocks: Range<usize>, work: &dyn Fn(&Block<'_, Self>)| {
            let mut scratch = exec.workspace.take(plan.scratch());
            // The transforms also read what lies behind a run; stale bits may be subnormal numbers, which would make them
            // several times slower.
            scratch[..plan.read_behind_runs()].fill(0.0);
            for index in blocks {
                let (strip, tiles) = plan.block(index);
                if tiles.is_empty() {
                    continue;
                }
                work(&Block {
                    pass: self,
                    plan: &plan,
                    strip,
                    tiles,
                    scratch: scratch.as_mut_ptr(),
                    // SAFETY: no two tasks write the same channels of a block, and none reads them before.
                    shared: unsafe { shared.at(index * plan.shared_len(), plan.shared_len()) },
                });
            }
        };
        if plan.shares_input() {
            exec.parallel.par_for(plan.input_tasks(), &|task| {
                let (block, channels) = plan.input_task(task);
                for_each(block..block + 1, &|block| block.transform(channels.clone()));
            });
        }
        exec.parallel.par_for(plan.tasks(), &|task| {
            let (blocks, outputs) = plan.task(task);
            for_each(blocks, &|block| {
                if !plan.shares_input() {
                    block.transform(0..plan.depth);
                }
                block.convolve(outputs.clone());
            });
        });
    }
}

/// A block of tiles.
struct Block<'a, P> {
    pass: &'a P,
    plan: &'a Plan,
    strip: Strip,
    tiles: Range<usize>,
    scratch: *mut f32,
    /// The packed input, if tasks share it.
    shared: *mut f32,
}

struct TransformInput<'a, B>(&'a B, Range<usize>);
struct Multiply<'a, B>(&'a B, Range<usize>);
struct TransformOutput<'a, B>(&'a B, Range<usize>);

impl<I: InputReader, O: Epilogue> SimdOp for TransformInput<'_, Block<'_, WinogradPass<'_, I, O>>> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: this runs inside a [`SimdOp`], and the scratch memory is as long as the plan says.
        unsafe { self.0.transform_input(simd, self.1) }
    }
}

impl<I: InputReader, O: Epilogue> SimdOp for Multiply<'_, Block<'_, WinogradPass<'_, I, O>>> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: as above.
        unsafe { self.0.multiply(simd, self.1) }
    }
}

impl<I: InputReader, O: Epilogue> SimdOp for TransformOutput<'_, Block<'_, WinogradPass<'_, I, O>>> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: as above, and every task has its own tiles and channels.
        unsafe { self.0.transform_output(simd, self.1) }
    }
}

impl<I: InputReader, O: Epilogue> Block<'_, WinogradPass<'_, I, O>> {
    /// Some input channels to the Winograd domain.
    fn transform(&self, channels: Range<usize>) {
        self.pass.isa.run(TransformInput(self, channels));
    }

    /// Some output channels from the input in the Winograd domain.
    fn convolve(&self, outputs: Range<usize>) {
        for start in outputs.clone().step_by(self.plan.chunk) {
            let chunk = start..(start + self.plan.chunk).min(outputs.end);
            self.pass.isa.run(Multiply(self, chunk.clone()));
            self.pass.isa.run(TransformOutput(self, chunk));
        }
    }

    /// Vectors of tiles, as many as are multiplied together.
    fn vectors(&self) -> usize {
        let vectors = self.tiles.len().div_ceil(self.plan.lanes);
        vectors.next_multiple_of(self.plan.edge)
    }

    /// One of the two stages: rows of the input, with zeros around the picture.
    fn stage(&self, index: usize) -> *mut f32 {
        self.scratch
            .wrapping_add(index % 2 * POINTS * self.plan.stage_stride)
    }

    /// The input in the Winograd domain.
    fn rhs(&self) -> Rhs {
        let transformed = self.scratch.wrapping_add(self.plan.stage_len());
        let packed = match self.plan.shares_input() {
            true => self.shared,
            false => transformed.wrapping_add(self.plan.transformed_len()),
        };
        Rhs {
            vectors: self.vectors(),
            planes: PLANES,
            stage: transformed,
            stage_stride: self.plan.plane_stride,
            packed,
            packed_stride: self.plan.packed_stride,
        }
    }

    /// The products: `[channel][vector][plane]`.
    fn products(&self) -> *mut f32 {
        self.scratch.wrapping_add(self.plan.scratch_before_products())
    }

    /// As [`Self::transform`].
    #[inline(always)]
    unsafe fn transform_input<S: Simd>(&self, simd: S, channels: Range<usize>) {
        let (gemm, rhs) = (self.pass.gemm, self.rhs());
        let staged_rows = gemm.staged_rows();
        let mut places = [(0, 0); MOST_VECTORS];
        gemm.places(&mut places[..rhs.vectors]);
        let end = channels.end;
        let mut runs =
            channels.flat_map(|channel| self.strip.runs(self.tiles.clone()).map(move |run| (channel, run)));
        let mut next = runs.next();
        let mut index = 0;
        if let Some((channel, run)) = next {
            self.fill(simd, channel, run, index);
        }
        while let Some((channel, run)) = next {
            next = runs.next();
            if let Some((channel, run)) = next {
                self.fill(simd, channel, run, index + 1);
            }
            let row = channel % staged_rows;
            for part in run.by_vector(S::LANES) {
                let (base, step) = places[part.first / S::LANES];
                let place = base + row * step + part.first % S::LANES;
                let from = self.stage(index).wrapping_add((part.col - run.col) * TILE);
                let to = rhs.stage.wrapping_add(place);
                // SAFETY: the stage's rows have two vectors of tiles more than the block. Tiles
                // that begin inside of a vector of the block spill over its end; what they spill
                // on is written later, or free.
                unsafe {
                    winograd::input(simd, from, self.plan.stage_stride, to, rhs.stage_stride);
                }
            }
            index += 1;
            if next.is_none_or(|(next, _)| next != channel) {
                // SAFETY: addresses are inside of the scratch memory.
                unsafe { gemm.pack(&rhs, channel, channel + 1 == end) }
            }
        }
    }

    /// Fills a stage with the input of a run.
    #[inline(always)]
    fn fill<S: Simd>(&self, simd: S, channel: usize, run: Run, index: usize) {
        let (y, x, len) = (run.row * TILE, run.col * TILE, run.count * TILE + 2);
        for i in 0..POINTS {
            let (y, x) = ((y + i) as isize - 1, x as isize - 1);
            let row = self.stage(index).wrapping_add(i * self.plan.stage_stride);
            // SAFETY: a stage's row has room for the tiles of a block and two vectors more.
            let row = unsafe { std::slice::from_raw_parts_mut(row, len) };
            self.pass.input.prefetch(simd, channel + 2, y, x, len);
            self.pass.input.read(channel, y, x, row);
        }
    }

    /// Multiplies all planes for the output channels in `chunk`.
    #[inline(always)]
    unsafe fn multiply<S: Simd>(&self, simd: S, chunk: Range<usize>) {
        let vector_stride = PLANES * S::LANES;
        let out = Out {
            start: self.products(),
            plane_stride: S::LANES,
            row_stride: self.vectors() * vector_stride,
            vector_stride,
        };
        // SAFETY: addresses are inside of the scratch memory, whose products have room for whole blocks.
        unsafe { self.pass.gemm.multiply(simd, &self.rhs(), chunk, out) }
    }

    /// From the Winograd domain to the output.
    #[inline(always)]
    unsafe fn transform_output<S: Simd>(&self, simd: S, chunk: Range<usize>) {
        let vector_stride = PLANES * S::LANES;
        for channel in chunk.clone() {
            let row = (channel - chunk.start) * self.vectors() * vector_stride;
            let runs = self.strip.runs(self.tiles.clone());
            for part in runs.flat_map(|run| run.by_vector(S::LANES)) {
                let vector = part.first / S::LANES * vector_stride + part.first % S::LANES;
                // SAFETY: addresses are inside of the scratch memory, after which a vector is free;
                // the tiles and channels are this task's own.
                unsafe {
                    let y = winograd::output(simd, self.products().add(row + vector));
                    self.pass.epilogue.write(simd, channel, part, y);
                }
            }
        }
        simd.fence();
    }
}
