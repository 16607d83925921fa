//! The 3 x 3 convolution, stride 1, padding 1, with frozen weights, and its gradient.

use super::filter::Filter;
use super::parallel::Exec;
use super::pass::Pass;
use super::product::Orientation;
use super::scratch::Output;
use super::simd::Isa;
use super::sink::{Biased, Pooled, Sink, Stored};
use super::source::{Framed, Gated, Gradient, Replicated, Source, Spread, Whole};
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

    /// `y = conv(x) + bias`, `f32[outputs, height, width]`, with `relu` the larger of that and 0.
    ///
    /// `x`: `f32[inputs, height, width]`.
    ///
    /// # Panics
    ///
    /// When a length does not fit.
    pub fn forward(&self, x: &[f32], size: Size, relu: bool, y: &mut [f32], exec: Exec<'_>) {
        assert_eq!(y.len(), self.outputs() * size.area(), "y does not fit");
        let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
        let stored = Stored {
            y: Output::new(y),
            size,
        };
        let sink = Biased {
            stored,
            bias: &self.bias,
            floor,
        };
        self.forward_to(x, size, sink, exec);
    }

    /// `y = relu(conv(x) + bias)`, where the convolution sees the picture's edge around it, not zeros.
    ///
    /// Lengths and panics are those of [`Conv3x3::forward`].
    pub fn forward_replicated(&self, x: &[f32], size: Size, y: &mut [f32], exec: Exec<'_>) {
        assert_eq!(y.len(), self.outputs() * size.area(), "y does not fit");
        assert_eq!(x.len(), self.inputs() * size.area(), "x does not fit");
        let stored = Stored {
            y: Output::new(y),
            size,
        };
        let sink = Biased {
            stored,
            bias: &self.bias,
            floor: 0.0,
        };
        let source = Replicated(Whole { data: x, size });
        self.pass(Orientation::Plain, source, sink, size, exec);
    }

    /// `y = pool(relu(conv(x) + bias))`, `f32[outputs, height / 2, width / 2]`, an odd last row or
    /// column left out, and `gate`, u8 of the same size: the values of the window that get the
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
        gate: &mut [u8],
        exec: Exec<'_>,
    ) {
        let len = self.outputs() * size.pooled().area();
        assert!(y.len() == len && gate.len() == len, "y or gate does not fit");
        let (y, gate) = (Output::new(y), Output::new(gate));
        let sink = Pooled {
            y,
            gate,
            size: size.pooled(),
            bias: &self.bias,
            pool,
        };
        self.forward_to(x, size, sink, exec);
    }

    fn forward_to(&self, x: &[f32], size: Size, sink: impl Sink, exec: Exec<'_>) {
        assert_eq!(x.len(), self.inputs() * size.area(), "x does not fit");
        self.pass(Orientation::Plain, Whole { data: x, size }, sink, size, exec);
    }

    /// The gradient of the input, `f32[inputs, height, width]`; `size` is the input's.
    ///
    /// # Panics
    ///
    /// When a length does not fit.
    pub fn backward(&self, dy: Gradient<'_>, size: Size, dx: &mut [f32], exec: Exec<'_>) {
        assert_eq!(dx.len(), self.inputs() * size.area(), "dx does not fit");
        let fits = |len: usize, size: Size| assert_eq!(len, self.outputs() * size.area(), "dy does not fit");
        let sink = Stored {
            y: Output::new(dx),
            size,
        };
        let orientation = Orientation::Transposed;
        match dy {
            Gradient::Whole(dy) => {
                fits(dy.len(), size);
                self.pass(orientation, Whole { data: dy, size }, sink, size, exec);
            }
            Gradient::Gated { dy, y } => {
                fits(dy.len(), size);
                fits(y.len(), size);
                self.pass(
                    orientation,
                    Gated {
                        data: dy,
                        gate: y,
                        size,
                    },
                    sink,
                    size,
                    exec,
                );
            }
            Gradient::Pooled { dy, gate, pool } => {
                fits(dy.len(), size.pooled());
                fits(gate.len(), size.pooled());
                let scale = match pool {
                    Pool::Max => 1.0,
                    Pool::Average => 0.25,
                };
                let source = Spread {
                    data: dy,
                    gate,
                    size: size.pooled(),
                    scale,
                };
                self.pass(orientation, source, sink, size, exec);
            }
        }
    }

    /// The gradient of the input of [`Conv3x3::forward_replicated`], `f32[inputs, height, width]`, from that of its
    /// output, `dy`, and its output `y`, both `f32[outputs, height, width]`; `size` is the input's.
    ///
    /// What the convolution gives back to the frame around the picture goes to the edge that was repeated there.
    ///
    /// # Panics
    ///
    /// When a length does not fit.
    pub fn backward_replicated(&self, dy: &[f32], y: &[f32], size: Size, dx: &mut [f32], exec: Exec<'_>) {
        assert_eq!(dx.len(), self.inputs() * size.area(), "dx does not fit");
        let len = self.outputs() * size.area();
        assert!(dy.len() == len && y.len() == len, "dy or y does not fit");
        let framed = Size {
            height: size.height + 2,
            width: size.width + 2,
        };
        let len = self.inputs() * framed.area();
        let mut buffer = exec.workspace.take(len);
        let sink = Stored {
            y: Output::new(&mut buffer[..len]),
            size: framed,
        };
        let source = Framed(Gated {
            data: dy,
            gate: y,
            size,
        });
        self.pass(Orientation::Transposed, source, sink, framed, exec);
        let planes = dx.chunks_exact_mut(size.area());
        planes
            .zip(buffer.chunks_exact(framed.area()))
            .for_each(|(dx, framed)| fold_frame(framed, size, dx));
    }

    fn pass(
        &self,
        orientation: Orientation,
        source: impl Source,
        sink: impl Sink,
        size: Size,
        exec: Exec<'_>,
    ) {
        Pass {
            filter: &self.filter,
            orientation,
            source,
            sink,
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
