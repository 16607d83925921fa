//! One pass of a convolution over a layer, forward or backward: block by block of tiles, to the
//! Winograd domain, products, and back, without leaving the cache.

use super::Size;
use super::amx::{self, DEPTH, EDGE, Operands, Pair, Parts, QUARTERS, SIDE, SplitMatrices, Unit};
use super::blocks::{Run, Strip, panels};
use super::filter::Filter;
use super::parallel::Exec;
use super::plan::{MOST_VECTORS, Plan};
use super::product::{BLOCK, BlockRow, Orientation, Packed, Panel};
use super::scratch::Output;
use super::simd::{Isa, Job, Simd};
use super::sink::Sink;
use super::source::Source;
use super::winograd::{self, PLANES, POINTS, TILE};
use std::ops::Range;

/// A convolution of `source` to `sink`.
pub(super) struct Pass<'a, I, O> {
    pub filter: &'a Filter,
    pub orientation: Orientation,
    pub source: I,
    pub sink: O,
    pub isa: Isa,
}

impl<I: Source, O: Sink> Pass<'_, I, O> {
    /// Runs the pass for a layer of this size.
    pub(super) fn run(&self, size: Size, exec: Exec<'_>) {
        assert!(size.area() > 0, "a layer has pixels");
        let plan = Plan::new(
            size,
            self.filter,
            self.orientation,
            self.isa,
            exec.parallel.threads().max(1),
        );
        let mut shared = plan.shares_input().then(|| exec.workspace.take(plan.shared()));
        let shared = Output::new(shared.as_deref_mut().unwrap_or_default());
        let for_each = |blocks: Range<usize>, work: &dyn Fn(&Block<'_, Self>)| {
            let mut scratch = exec.workspace.take(plan.scratch());
            // The transforms also read what lies behind a run; numbers below the normal ones, of which old bits may
            // be some, would make them several times slower.
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
    /// The input cut into parts, if tasks share it.
    shared: *mut f32,
}

struct TransformInput<'a, B>(&'a B, Range<usize>);
struct Multiply<'a, B>(&'a B, Range<usize>);
struct TransformOutput<'a, B>(&'a B, Range<usize>);

impl<I: Source, O: Sink> Job for TransformInput<'_, Block<'_, Pass<'_, I, O>>> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        // SAFETY: this is a job, and the scratch memory is as long as the plan says.
        unsafe { self.0.transform_input::<S>(self.1) }
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

    /// Vectors of tiles; for the matrix unit, whole squares of them by two.
    fn vectors(&self) -> usize {
        let vectors = self.tiles.len().div_ceil(self.plan.lanes);
        if self.plan.parts.is_some() {
            vectors.next_multiple_of(2)
        } else {
            vectors
        }
    }

    /// One of the two stages: rows of the input, with zeros around the picture.
    fn stage(&self, index: usize) -> *mut f32 {
        self.scratch
            .wrapping_add(index % 2 * POINTS * self.plan.stage_stride)
    }

    /// The input in the Winograd domain: `[plane][panel][channel][vector]`, or, of two channels,
    /// `[plane][channel][vector]`.
    fn transformed(&self) -> *mut f32 {
        self.scratch.wrapping_add(self.plan.stage_len())
    }

    /// The input cut into parts: `[plane][edge of vectors]`, then as in [`Operands::right`].
    fn cut(&self) -> *mut f32 {
        if self.plan.shares_input() {
            self.shared
        } else {
            self.transformed().wrapping_add(self.plan.transformed_len())
        }
    }

    /// The products: `[channel][vector][plane]`.
    fn products(&self) -> *mut f32 {
        self.scratch.wrapping_add(self.plan.scratch_before_products())
    }

    /// Where in a plane of the transformed input each vector is for channel 0, and the distance
    /// of channels. After each panel, a vector is free.
    #[inline(always)]
    fn places(&self) -> [(usize, usize); MOST_VECTORS] {
        let (lanes, depth) = (self.plan.lanes, self.plan.depth);
        let mut places = [(0, 0); MOST_VECTORS];
        if self.plan.parts.is_some() {
            return std::array::from_fn(|vector| (vector * lanes, (self.plan.vectors + 1) * lanes));
        }
        for (index, (start, count)) in panels(self.vectors(), self.plan.panel).enumerate() {
            for i in 0..count {
                places[start + i] = ((start * depth + index + i) * lanes, count * lanes);
            }
        }
        places
    }

    /// As [`Self::transform`]; with the unit, from and to whole squares of channels.
    #[inline(always)]
    unsafe fn transform_input<S: Simd>(&self, channels: Range<usize>) {
        let places = self.places();
        let pairs = channels.end.div_ceil(2)..channels.end.next_multiple_of(DEPTH) / 2;
        let mut runs =
            channels.flat_map(|channel| self.strip.runs(self.tiles.clone()).map(move |run| (channel, run)));
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
            let row = if self.plan.parts.is_some() {
                channel % 2
            } else {
                channel
            };
            for part in run.by_vector(S::LANES) {
                let (base, step) = places[part.first / S::LANES];
                let place = base + row * step + part.first % S::LANES;
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
            let ended = next.is_none_or(|(next, _)| next != channel);
            if let Some(parts) = self.plan.parts
                && ended
                && (row == 1 || next.is_none())
            {
                let first = self.transformed().cast_const();
                let second = (row == 1).then(|| first.wrapping_add((self.plan.vectors + 1) * S::LANES));
                self.cut_pair(parts, channel / 2, [Some(first), second]);
            }
        }
        if let Some(parts) = self.plan.parts {
            // Zeros for the channels that are missing in the last squares.
            for pair in pairs {
                self.cut_pair(parts, pair, [None; 2]);
            }
        }
    }

    /// Cuts two channels into parts.
    fn cut_pair(&self, parts: Parts, pair: usize, from: [Option<*const f32>; 2]) {
        let (step, row) = (pair / SIDE, pair % SIDE);
        // SAFETY: addresses are inside of the scratch memory; a plan has parts where there is the unit.
        unsafe {
            amx::split(Pair {
                from,
                from_stride: self.plan.plane_stride,
                to: self.cut().wrapping_add(step * parts.step() + row * SIDE),
                to_stride: self.plan.cut_stride,
                edge_stride: self.steps() * parts.step(),
                planes: PLANES,
                squares: self.vectors(),
                parts,
            });
        }
    }

    /// The depth in steps of the matrix unit.
    fn steps(&self) -> usize {
        self.plan.depth.div_ceil(DEPTH)
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
        // SAFETY: the caller's promise.
        unsafe {
            match (self.pass.filter, self.pass.orientation) {
                (Filter::Packed(filter), _) => self.multiply_vectors::<S>(filter, chunk),
                (Filter::Split { plain, .. }, Orientation::Plain) => self.multiply_parts(plain, chunk),
                (Filter::Split { transposed, .. }, Orientation::Transposed) => {
                    self.multiply_parts(transposed, chunk)
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply_vectors<S: Simd>(&self, filter: &Packed, chunk: Range<usize>) {
        let rows = chunk.start / BLOCK..chunk.end.div_ceil(BLOCK);
        let vector_stride = PLANES * S::LANES;
        let row_stride = self.vectors() * vector_stride;
        let places = self.places();
        for plane in 0..PLANES {
            let v = self.transformed().wrapping_add(plane * self.plan.plane_stride);
            let mut ahead = 0;
            for row in rows.clone() {
                let now = self.filter_row(filter, plane, row);
                let next = match row + 1 < rows.end {
                    true => self.filter_row(filter, plane, row + 1),
                    false => self.filter_row(filter, (plane + 1) % PLANES, rows.start),
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

    /// As above, by the matrix unit.
    unsafe fn multiply_parts(&self, filter: &SplitMatrices, chunk: Range<usize>) {
        let (lanes, steps, step) = (self.plan.lanes, filter.steps(), filter.parts().step());
        let square_stride = PLANES * lanes;
        let row_stride = self.vectors() * square_stride;
        let edges = self.vectors() / 2;
        // SAFETY: a filter is in parts only where there is the unit.
        let unit = unsafe { Unit::configure() };
        for plane in 0..PLANES {
            let cut = self.cut().wrapping_add(plane * self.plan.cut_stride);
            let mut ahead = cut.wrapping_add(self.plan.cut_stride).cast_const();
            for (i, row) in chunk.clone().step_by(EDGE).enumerate() {
                let next = match row + EDGE < chunk.end {
                    true => filter.panel(plane, row + EDGE),
                    false => filter.panel((plane + 1) % PLANES, chunk.start),
                };
                for edge in 0..edges {
                    let out = (i * EDGE * self.vectors() + 2 * edge) * square_stride + plane * lanes;
                    let operands = Operands {
                        left: filter.panel(plane, row),
                        right: cut.wrapping_add(edge * steps * step),
                        steps,
                        out: self.products().wrapping_add(out),
                        row_stride,
                        square_stride,
                        ahead: [next.wrapping_add(edge * steps * step / edges), ahead],
                        shares: edges,
                    };
                    // SAFETY: addresses are inside of the scratch memory, whose products have room for whole squares.
                    unsafe { unit.multiply(filter.parts(), operands) }
                    if i < QUARTERS {
                        ahead = ahead.wrapping_add(steps * step / QUARTERS);
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
    fn filter_row(&self, filter: &Packed, plane: usize, row: usize) -> BlockRow {
        match self.pass.orientation {
            Orientation::Plain => filter.block_row(Orientation::Plain, plane, row),
            Orientation::Transposed => {
                filter.block_row(Orientation::Transposed, winograd::turned(plane), row)
            }
        }
    }
}
