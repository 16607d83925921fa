//! Pooling 2 x 2 with stride 2 by itself, for layers whose values before pooling are needed.

use super::parallel::Exec;
use super::simd::{Isa, Simd, SimdOp};
use super::{Pool, Size};

/// `y`: `f32[channels, height / 2, width / 2]`, an odd last row or column left out, of `x`:
/// `f32[channels, height, width]`.
///
/// # Panics
///
/// When a length does not fit.
pub fn pool(x: &[f32], size: Size, pool: Pool, y: &mut [f32], isa: Isa, exec: Exec<'_>) {
    let channels = channels(x, size);
    let len = size.pooled().area();
    assert_eq!(y.len(), channels * len, "y does not fit");
    exec.par_chunks(y, len, |channel, y| {
        let x = &x[channel * size.area()..][..size.area()];
        isa.run(Forward { x, size, pool, y });
    });
}

/// The gradient of the input, `f32[channels, height, width]`, from `dy`, that of the output,
/// `f32[channels, height / 2, width / 2]`, and `x`, the input.
///
/// # Panics
///
/// When a length does not fit.
pub fn pool_gradient(
    dy: &[f32],
    x: &[f32],
    size: Size,
    pool: Pool,
    dx: &mut [f32],
    isa: Isa,
    exec: Exec<'_>,
) {
    let channels = channels(x, size);
    let len = size.pooled().area();
    assert!(
        dy.len() == channels * len && dx.len() == x.len(),
        "dy or dx does not fit"
    );
    exec.par_chunks(dx, size.area(), |channel, dx| {
        let x = &x[channel * size.area()..][..size.area()];
        let dy = &dy[channel * len..][..len];
        isa.run(Backward {
            dy,
            x,
            size,
            pool,
            dx,
        });
    });
}

fn channels(x: &[f32], size: Size) -> usize {
    assert!(
        size.area() > 0 && x.len().is_multiple_of(size.area()),
        "x does not fit"
    );
    x.len() / size.area()
}

/// One channel.
struct Forward<'a> {
    x: &'a [f32],
    size: Size,
    pool: Pool,
    y: &'a mut [f32],
}

impl SimdOp for Forward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Size { height, width } = self.size.pooled();
        for row in 0..height {
            let (upper, lower) = windows(self.x, self.size.width, row);
            for col in 0..width {
                let ([a, b], [c, d]) = (upper[col], lower[col]);
                self.y[row * width + col] = match self.pool {
                    Pool::Max => a.max(b).max(c.max(d)),
                    Pool::Average => ((a + b) + (c + d)) * 0.25,
                };
            }
        }
    }
}

/// Two rows in pairs of values: a window each.
#[inline(always)]
fn windows(x: &[f32], width: usize, row: usize) -> (&[[f32; 2]], &[[f32; 2]]) {
    let (upper, lower) = x[2 * row * width..][..2 * width].split_at(width);
    (upper.as_chunks().0, lower.as_chunks().0)
}

/// One channel.
struct Backward<'a> {
    dy: &'a [f32],
    x: &'a [f32],
    size: Size,
    pool: Pool,
    dx: &'a mut [f32],
}

impl SimdOp for Backward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let width = self.size.width;
        for row in 0..self.size.pooled().height {
            let (upper, lower) = windows(self.x, width, row);
            let dy = &self.dy[row * (width / 2)..][..width / 2];
            let (up, down) = self.dx[2 * row * width..][..2 * width].split_at_mut(width);
            for rest in [&mut up[width / 2 * 2..], &mut down[width / 2 * 2..]] {
                rest.fill(0.0);
            }
            let (up, down) = (up.as_chunks_mut().0, down.as_chunks_mut().0);
            for col in 0..width / 2 {
                (up[col], down[col]) = match self.pool {
                    Pool::Max => to_first_largest(upper[col], lower[col], dy[col]),
                    Pool::Average => ([dy[col] * 0.25; 2], [dy[col] * 0.25; 2]),
                };
            }
        }
        self.dx[self.size.height / 2 * 2 * width..].fill(0.0);
    }
}

/// The gradient of a window: all of it to the first of the largest values, in row-major order.
#[inline(always)]
fn to_first_largest([a, b]: [f32; 2], [c, d]: [f32; 2], dy: f32) -> ([f32; 2], [f32; 2]) {
    let largest = a.max(b).max(c.max(d));
    let is_a = a == largest;
    let is_b = !is_a & (b == largest);
    let is_c = !is_a & !is_b & (c == largest);
    let is_d = !is_a & !is_b & !is_c;
    let part = |is: bool| if is { dy } else { 0.0 };
    ([part(is_a), part(is_b)], [part(is_c), part(is_d)])
}
