//! The transformed filters of a layer, laid out for the products of an instruction set.

use super::gemm::amx::{AmxGemm, DEPTH, Parts, SplitMatrices};
use super::gemm::vector::{BLOCK, BLOCK_LEN, Packed, VectorGemm};
use super::gemm::{AnyGemm, Orientation};
use super::simd::Isa;
use super::winograd::{self, PLANES};

/// Filters in the Winograd domain, for both directions.
pub(crate) enum Filter {
    /// For vectors: one copy.
    Packed(Packed),
    /// For the matrix unit: a copy for each direction, since it wants the terms of a sum in pairs.
    Split {
        /// `[outputs, inputs]`
        plain: SplitMatrices,
        /// `[inputs, outputs]`, of filters turned by 180 degrees.
        transposed: SplitMatrices,
    },
}

impl Filter {
    /// Transforms `weights`, `f32[outputs, inputs, 3, 3]`.
    pub(crate) fn new(weights: &[f32], outputs: usize, inputs: usize, isa: Isa) -> Self {
        match isa {
            // With fewer inputs, the unit would mostly multiply zeros.
            Isa::Amx | Isa::EmulatedAmx if inputs >= DEPTH => split(weights, outputs, inputs),
            _ => Self::Packed(packed(weights, outputs, inputs)),
        }
    }

    /// The products of a pass, from the channels that it reads to those that it writes.
    pub(crate) fn gemm(&self, orientation: Orientation, isa: Isa) -> AnyGemm<'_> {
        match (self, orientation) {
            (Self::Packed(filter), Orientation::Plain) => {
                AnyGemm::Vector(VectorGemm::new(filter, orientation, |plane| plane, isa))
            }
            (Self::Packed(filter), Orientation::Transposed) => {
                AnyGemm::Vector(VectorGemm::new(filter, orientation, winograd::turned, isa))
            }
            (Self::Split { plain, .. }, Orientation::Plain) => AnyGemm::Amx(AmxGemm::new(plain, isa)),
            (Self::Split { transposed, .. }, Orientation::Transposed) => {
                AnyGemm::Amx(AmxGemm::new(transposed, isa))
            }
        }
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Packed(packed) => packed.bytes(),
            Self::Split { plain, transposed } => plain.bytes() + transposed.bytes(),
        }
    }
}

fn packed(weights: &[f32], outputs: usize, inputs: usize) -> Packed {
    let mut filter = Packed::zeros(PLANES, outputs, inputs);
    for row in 0..outputs.div_ceil(BLOCK) {
        for col in 0..inputs.div_ceil(BLOCK) {
            set_block(&mut filter, weights, inputs, row, col);
        }
    }
    filter
}

/// Transforms the filters of 8 outputs and 8 inputs, or as many as there are.
fn set_block(filter: &mut Packed, weights: &[f32], inputs: usize, row: usize, col: usize) {
    let mut blocks = [[0.0; BLOCK_LEN]; PLANES];
    for (k, weights) in weights
        .chunks_exact(inputs * 9)
        .skip(row * BLOCK)
        .take(BLOCK)
        .enumerate()
    {
        for (c, g) in weights.chunks_exact(9).skip(col * BLOCK).take(BLOCK).enumerate() {
            for (block, value) in blocks.iter_mut().zip(winograd::filter(g)) {
                block[c * BLOCK + k] = value;
            }
        }
    }
    for (plane, block) in blocks.iter().enumerate() {
        filter.set_block(plane, row, col, block);
    }
}

/// From so many outputs on, a layer is one of the last, and two parts are enough forward too: what they round has
/// few layers left to grow in. On VGG19, from 4_1 on, the gradient's error stays the same; from 3_1 on, it is
/// 6 times as large.
const DEEP: usize = 512;

fn split(weights: &[f32], outputs: usize, inputs: usize) -> Filter {
    let parts = if outputs < DEEP { Parts::Three } else { Parts::Two };
    let mut plain = SplitMatrices::zeros(PLANES, outputs, inputs, parts);
    let mut transposed = SplitMatrices::zeros(PLANES, inputs, outputs, Parts::Two);
    for (k, weights) in weights.chunks_exact(inputs * 9).enumerate() {
        for (c, g) in weights.chunks_exact(9).enumerate() {
            for (plane, value) in winograd::filter(g).into_iter().enumerate() {
                plain.set(plane, k, c, value);
                transposed.set(winograd::turned(plane), c, k, value);
            }
        }
    }
    Filter::Split { plain, transposed }
}
