//! CPU kernels of the network's layers, forward and backward.
//!
//! All tensors are f32, row-major, one picture: `[channels, height, width]`. The pieces, from the
//! bottom up:
//!
//! - [`Isa`]: vectors of AVX-512, AVX2, NEON or plain Rust, with or without a matrix unit, chosen at run time;
//! - [`Parallel`], [`Workspace`]: threads and scratch memory, lent by the caller;
//! - `gemm`: the matrix products that do the arithmetic of all layers, by vectors or by a matrix unit;
//! - `filter`, `winograd`: the transforms of the 3 x 3 convolution;
//! - `blocks`, `input`, `epilogue`, `winograd_pass`: how a layer is cut into blocks of tiles that stay in cache,
//!   where their input comes from and where their output goes;
//! - [`Conv3x3`]: convolution with bias, ReLU and pooling fused, and its gradient;
//! - [`moments()`], [`MomentsGradient`]: the sums over places that a style term is made of, and what it injects;
//!   [`square_difference`], [`content_gradient`]: the content term; [`relu_gradient`]: a gradient before the ReLU;
//! - [`Guide`]: which places count, and how much;
//! - [`total_variation()`], [`total_variation_gradient`]: how rough a picture is;
//! - [`pool()`], [`pool_gradient`]: pooling by itself, where the values before it are needed;
//! - [`vectorized!`]: plain loops of others, compiled for each instruction set; [`prefer_huge_pages`]: for memory of others.

#![allow(
    clippy::needless_range_loop,
    reason = "loops over register blocks index several arrays, and must unroll"
)]

mod blocks;
mod conv3x3;
mod difference;
mod epilogue;
mod filter;
mod gemm;
mod guide;
mod huge_pages;
mod input;
mod moments;
mod moments_gradient;
mod parallel;
mod plan;
mod pool;
mod relu;
mod scratch;
mod simd;
mod total_variation;
mod winograd;
mod winograd_pass;

pub use conv3x3::Conv3x3;
pub use difference::{content_gradient, square_difference};
pub use guide::Guide;
pub use huge_pages::prefer_huge_pages;
pub use input::Gradient;
pub use moments::moments;
pub use moments_gradient::{Addend, MomentsGradient};
pub use parallel::{Exec, Parallel, Threads};
pub use pool::{pool, pool_gradient};
pub use relu::relu_gradient;
pub use scratch::Workspace;
pub use simd::{Isa, Lanes, run_vectorized};
pub use total_variation::{total_variation, total_variation_gradient};

/// Height and width of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Size {
    /// Values of a channel.
    pub fn area(self) -> usize {
        self.height * self.width
    }

    /// The size after pooling 2 x 2 with stride 2; an odd last row or column is left out.
    #[must_use]
    pub fn pooled(self) -> Self {
        Self {
            height: self.height / 2,
            width: self.width / 2,
        }
    }
}

/// How 2 x 2 values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// The largest; the gradient goes to the first of them in row-major order.
    Max,
    /// The mean.
    Average,
}
