//! The 3 x 3 convolution, stride 1, padding 1, with frozen weights, and its gradient.

use super::epilogue::{Epilogue, Pooled, Rectified, Stored};
use super::filter::Filter;
use super::gemm::{AnyGemm, Gemm as _, Orientation};
use super::input::{Framed, Gradient, InputReader, Masked, Replicated, Spread, Whole};
use super::parallel::Exec;
use super::scratch::Output;
use super::simd::Isa;
use super::winograd_pass::WinogradPass;
use super::{Pool, Size};

/// A convolution with frozen weights: transformed once, used in both directions.
pub struct Conv3x3 {
    filter: Filter,
    bias: Vec<f32>,
    isa: Isa,
}

impl Conv3x3 {
    /// Prepares `weights`, `f32[outputs, inputs, 3, 3]`, and `bias`, `f32[outputs]`.
    ///
    /// # Panics
    ///
    /// When the lengths do not fit, or there are no channels.
    pub fn new(weights: &[f32], bias: &[f32], inputs: usize, isa: Isa) -> Self {
        let outputs = bias.len();
        assert!(inputs > 0 && outputs > 0, "a convolution needs channels");
        assert_eq!(weights.len(), outputs * inputs * 9, "weights do not fit");
        let filter = Filter::new(weights, outputs, inputs, isa);
        Self {
            filter,
            bias: bias.to_vec(),
            isa,
        }
    }

    fn gemm(&self, orientation: Orientation) -> AnyGemm<'_> {
        self.filter.gemm(orientation, self.isa)
    }

    /// Input channels.
    pub fn inputs(&self) -> usize {
        self.gemm(Orientation::Transposed).rows()
    }

    /// Output channels.
    pub fn outputs(&self) -> usize {
        self.gemm(Orientation::Plain).rows()
    }

    /// Bytes of the transformed weights.
    pub fn bytes(&self) -> usize {
        self.filter.bytes()
    }

    /// `y = relu(conv(x) + bias)`, `f32[outputs, height, width]`, and, if asked, `mask`, u8 of the same size: 1 where the
    /// gradient of `y` goes on, else 0.
    ///
    /// `x`: `f32[inputs, height, width]`.
    ///
    /// # Panics
    ///
    /// When a length does not fit.
    pub fn forward(&self, x: &[f32], size: Size, y: &mut [f32], mask: Option<&mut [u8]>, exec: Exec<'_>) {
        self.forward_to(x, size, self.rectified(size, y, mask), exec);
    }

    /// As [`Conv3x3::forward`], where the convolution sees the picture's edge around it, not zeros.
    pub fn forward_replicated(
        &self,
        x: &[f32],
        size: Size,
        y: &mut [f32],
        mask: Option<&mut [u8]>,
        exec: Exec<'_>,
    ) {
        assert_eq!(x.len(), self.inputs() * size.area(), "x does not fit");
        let epilogue = self.rectified(size, y, mask);
        let input = Replicated(Whole { data: x, size });
        self.pass(Orientation::Plain, input, epilogue, size, exec);
    }

    fn rectified<'a>(&'a self, size: Size, y: &'a mut [f32], mask: Option<&'a mut [u8]>) -> Rectified<'a> {
        let len = self.outputs() * size.area();
        assert_eq!(y.len(), len, "y does not fit");
        assert!(
            mask.as_ref().is_none_or(|mask| mask.len() == len),
            "mask does not fit"
        );
        Rectified {
            stored: Stored {
                y: Output::new(y),
                size,
                flushes_tiny_gradients: false,
            },
            mask: mask.map(Output::new),
            bias: &self.bias,
        }
    }

    /// `y = pool(relu(conv(x) + bias))`, `f32[outputs, height / 2, width / 2]`, an odd last row or
    /// column left out, and `mask`, u8 of the same size: the values of the window that get the
    /// gradient of `y`, a bit for each in row-major order.
    ///
    /// `x`: `f32[inputs, height, width]`.
    ///
    /// # Panics
    ///
    /// When a length does not fit.
    pub fn forward_pooled(
        &self,
        x: &[f32],
        size: Size,
        pool: Pool,
        y: &mut [f32],
        mask: &mut [u8],
        exec: Exec<'_>,
    ) {
        let len = self.outputs() * size.pooled().area();
        assert!(y.len() == len && mask.len() == len, "y or mask does not fit");
        let (y, mask) = (Output::new(y), Output::new(mask));
        let epilogue = Pooled {
            y,
            mask,
            size: size.pooled(),
            bias: &self.bias,
            pool,
        };
        self.forward_to(x, size, epilogue, exec);
    }

    fn forward_to(&self, x: &[f32], size: Size, epilogue: impl Epilogue, exec: Exec<'_>) {
        assert_eq!(x.len(), self.inputs() * size.area(), "x does not fit");
        self.pass(Orientation::Plain, Whole { data: x, size }, epilogue, size, exec);
    }

    /// The gradient of the input, `f32[inputs, height, width]`; `size` is the input's.
    ///
    /// # Panics
    ///
    /// When a length does not fit.
    pub fn backward(&self, dy: Gradient<'_>, size: Size, dx: &mut [f32], exec: Exec<'_>) {
        assert_eq!(dx.len(), self.inputs() * size.area(), "dx does not fit");
        let fits = |len: usize, size: Size| assert_eq!(len, self.outputs() * size.area(), "dy does not fit");
        let epilogue = Stored {
            y: Output::new(dx),
            size,
            flushes_tiny_gradients: exec.flushes_tiny_gradients,
        };
        let orientation = Orientation::Transposed;
        match dy {
            Gradient::Whole(dy) => {
                fits(dy.len(), size);
                self.pass(orientation, Whole { data: dy, size }, epilogue, size, exec);
            }
            Gradient::Masked { dy, mask } => {
                fits(dy.len(), size);
                fits(mask.len(), size);
                let input = Masked { data: dy, mask, size };
                self.pass(orientation, input, epilogue, size, exec);
            }
            Gradient::Pooled { dy, mask, pool } => {
                fits(dy.len(), size.pooled());
                fits(mask.len(), size.pooled());
                let scale = match pool {
                    Pool::Max => 1.0,
                    Pool::Average => 0.25,
                };
                let input = Spread {
                    data: dy,
                    mask,
                    size: size.pooled(),
                    scale,
                };
                self.pass(orientation, input, epilogue, size, exec);
            }
        }
    }

    /// The gradient of the input of [`Conv3x3::forward_replicated`], `f32[inputs, height, width]`; `size` is the input's.
    ///
    /// What the convolution gives back to the frame around the picture goes to the edge that was repeated there.
    ///
    /// # Panics
    ///
    /// When a length does not fit, or `dy` is of a pooled output.
    pub fn backward_replicated(&self, dy: Gradient<'_>, size: Size, dx: &mut [f32], exec: Exec<'_>) {
        assert_eq!(dx.len(), self.inputs() * size.area(), "dx does not fit");
        let fits = |len: usize| assert_eq!(len, self.outputs() * size.area(), "dy does not fit");
        let framed = Size {
            height: size.height + 2,
            width: size.width + 2,
        };
        let len = self.inputs() * framed.area();
        let mut buffer = exec.workspace.take(len);
        let epilogue = Stored {
            y: Output::new(&mut buffer[..len]),
            size: framed,
            flushes_tiny_gradients: exec.flushes_tiny_gradients,
        };
        let orientation = Orientation::Transposed;
        match dy {
            Gradient::Whole(dy) => {
                fits(dy.len());
                let input = Framed(Whole { data: dy, size });
                self.pass(orientation, input, epilogue, framed, exec);
            }
            Gradient::Masked { dy, mask } => {
                fits(dy.len());
                fits(mask.len());
                let input = Framed(Masked { data: dy, mask, size });
                self.pass(orientation, input, epilogue, framed, exec);
            }
            Gradient::Pooled { .. } => panic!("a pooled layer sees no frame"),
        }
        let planes = dx.chunks_exact_mut(size.area());
        planes
            .zip(buffer.chunks_exact(framed.area()))
            .for_each(|(dx, framed)| fold_frame(framed, size, dx));
    }

    fn pass(
        &self,
        orientation: Orientation,
        input: impl InputReader,
        epilogue: impl Epilogue,
        size: Size,
        exec: Exec<'_>,
    ) {
        WinogradPass {
            gemm: self.gemm(orientation),
            input,
            epilogue,
            isa: self.isa,
        }
        .run(size, exec);
    }
}

/// Adds a plane in a frame one pixel wide up to one without: what is in the frame goes to the nearest pixel.
fn fold_frame(framed: &[f32], size: Size, plane: &mut [f32]) {
    let Size { height, width } = size;
    plane.fill(0.0);
    for (row, framed) in framed.chunks_exact(width + 2).enumerate() {
        let line = &mut plane[row.saturating_sub(1).min(height - 1) * width..][..width];
        for (x, framed) in line.iter_mut().zip(&framed[1..]) {
            *x += framed;
        }
        line[0] += framed[0];
        line[width - 1] += framed[width + 1];
    }
}
