//! Winograd's F(4x4, 3x3): 36 products for 16 outputs instead of 144.
//!
//! Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016):
//! `Y = transpose(A) [(G g transpose(G)) * (transpose(B) d B)] A`, `d` a 6 x 6 tile of the input,
//! `g` the 3 x 3 filter, `Y` a 4 x 4 tile of the output.
//!
//! The interpolation points are 0, a, -a, 1/a, -1/a and infinity, a set closed under inversion, and
//! the rows of `G` are scaled to be `(1/p, 1, p)` but for a common factor. Turning a filter by 180
//! degrees then only swaps the points p and 1/p, so that one transformed filter serves the
//! convolution and its gradient ([`turned`]). With a = 3/2 the error is half that of the usual
//! points 0, 1, -1, 2, -2 and infinity (Barabasz et al., "Error Analysis and Improving the Accuracy
//! of Winograd Convolution for Deep Neural Networks", 2020, on choosing points); measured with 512
//! channels, relative L2 error 1.3e-6 instead of 2.8e-6.

use super::simd::Simd;

/// Rows and columns of an output tile.
pub(crate) const TILE: usize = 4;
/// Rows and columns of an input tile, and interpolation points.
pub(crate) const POINTS: usize = 6;
/// Products of a tile.
pub(crate) const PLANES: usize = POINTS * POINTS;

/// The point a and its inverse.
const A: f64 = 1.5;
const B: f64 = 1.0 / A;

/// The place of 1/p for the point p, in the order 0, a, -a, 1/a, -1/a, infinity.
const INVERSE: [usize; POINTS] = [5, 3, 4, 1, 2, 0];

/// The plane that takes the part of `plane` when filters are turned by 180 degrees.
pub(crate) fn turned(plane: usize) -> usize {
    INVERSE[plane / POINTS] * POINTS + INVERSE[plane % POINTS]
}

/// `G g transpose(G)` for a filter of 3 x 3 values in row-major order.
pub(crate) fn filter(g: &[f32]) -> [f32; PLANES] {
    const GAMMA: f64 = 1.0 / (2.0 * (A * A - B * B));
    const G: [[f64; 3]; POINTS] = [
        [1.0, 0.0, 0.0],
        [B * GAMMA, GAMMA, A * GAMMA],
        [B * GAMMA, -GAMMA, A * GAMMA],
        [A * GAMMA, GAMMA, B * GAMMA],
        [A * GAMMA, -GAMMA, B * GAMMA],
        [0.0, 0.0, 1.0],
    ];
    let rows: [[f64; 3]; POINTS] = std::array::from_fn(|i| {
        std::array::from_fn(|col| (0..3).map(|row| G[i][row] * f64::from(g[row * 3 + col])).sum())
    });
    std::array::from_fn(|plane| {
        let (row, col) = (rows[plane / POINTS], G[plane % POINTS]);
        (row[0] * col[0] + row[1] * col[1] + row[2] * col[2]) as f32
    })
}

/// One dimension of the input transform, `transpose(B) d`.
#[inline(always)]
fn input_1d<S: Simd>(simd: S, d: [S::V; POINTS]) -> [S::V; POINTS] {
    const A2: f32 = (A * A) as f32;
    const B2: f32 = (B * B) as f32;
    const SUM: f32 = (A * A + B * B) as f32;
    let even_a = simd.mul_add(simd.splat(-B2), d[2], d[4]);
    let odd_a = simd.mul_add(simd.splat(-B2), d[1], d[3]);
    let even_b = simd.mul_add(simd.splat(-A2), d[2], d[4]);
    let odd_b = simd.mul_add(simd.splat(-A2), d[1], d[3]);
    [
        simd.mul_add(simd.splat(-SUM), d[2], simd.add(d[0], d[4])),
        simd.mul_add(simd.splat(B as f32), even_a, odd_a),
        simd.mul_sub(simd.splat(B as f32), even_a, odd_a),
        simd.mul_add(simd.splat(A as f32), even_b, odd_b),
        simd.mul_sub(simd.splat(A as f32), even_b, odd_b),
        simd.mul_add(simd.splat(-SUM), d[3], simd.add(d[1], d[5])),
    ]
}

/// One dimension of the output transform, `transpose(A) m`.
#[inline(always)]
fn output_1d<S: Simd>(simd: S, m: [S::V; POINTS]) -> [S::V; TILE] {
    const A2: f32 = (A * A) as f32;
    const A3: f32 = (A * A * A) as f32;
    const B2: f32 = (B * B) as f32;
    const B3: f32 = (B * B * B) as f32;
    let (sum_a, difference_a) = (simd.add(m[1], m[2]), simd.sub(m[1], m[2]));
    let (sum_b, difference_b) = (simd.add(m[3], m[4]), simd.sub(m[3], m[4]));
    let last = simd.mul_add(simd.splat(-B3), difference_b, m[5]);
    [
        simd.add(m[0], simd.sub(sum_a, sum_b)),
        simd.mul_sub(
            simd.splat(A as f32),
            difference_a,
            simd.mul(simd.splat(B as f32), difference_b),
        ),
        simd.mul_sub(simd.splat(A2), sum_a, simd.mul(simd.splat(B2), sum_b)),
        simd.mul_add(simd.splat(A3), difference_a, last),
    ]
}

/// Transforms [`Simd::LANES`] input tiles that follow one another in a row of tiles.
///
/// `d`: 6 rows at distance `stride`. `v`: the result's
/// planes at distance `plane_stride`, each `LANES` values.
///
/// # Safety
///
/// `d` must be good for `4 LANES + 4` values in each row.
#[inline(always)]
pub(crate) unsafe fn input<S: Simd>(simd: S, d: *const f32, stride: usize, v: *mut f32, plane_stride: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut rows = [[simd.splat(0.0); POINTS]; POINTS];
        for i in 0..POINTS {
            let [d0, d1, d2, d3] = columns(simd, d.add(i * stride));
            let [d4, d5, _, _] = columns(simd, d.add(i * stride + TILE));
            rows[i] = input_1d(simd, [d0, d1, d2, d3, d4, d5]);
        }
        for j in 0..POINTS {
            let column = input_1d(
                simd,
                [
                    rows[0][j], rows[1][j], rows[2][j], rows[3][j], rows[4][j], rows[5][j],
                ],
            );
            for i in 0..POINTS {
                simd.store(v.add((i * POINTS + j) * plane_stride), column[i]);
            }
        }
    }
}

/// Reads 4 columns of `LANES` tiles.
#[inline(always)]
unsafe fn columns<S: Simd>(simd: S, d: *const f32) -> [S::V; TILE] {
    // SAFETY: the caller's promise.
    unsafe {
        let (a, b) = (simd.load(d), simd.load(d.add(S::LANES)));
        let (c, d) = (simd.load(d.add(2 * S::LANES)), simd.load(d.add(3 * S::LANES)));
        simd.deinterleave([a, b, c, d])
    }
}

/// Transforms the products of [`Simd::LANES`] tiles, 36 consecutive vectors, to `4 x 4` outputs.
///
/// # Safety
///
/// `m` must be good for `36 LANES` values.
#[inline(always)]
pub(crate) unsafe fn output<S: Simd>(simd: S, m: *const f32) -> [[S::V; TILE]; TILE] {
    // SAFETY: the caller's promise.
    unsafe {
        let zero = simd.splat(0.0);
        let mut rows = [[zero; TILE]; POINTS];
        for i in 0..POINTS {
            let mut row = [zero; POINTS];
            for j in 0..POINTS {
                row[j] = simd.load(m.add((i * POINTS + j) * S::LANES));
            }
            rows[i] = output_1d(simd, row);
        }
        let mut y = [[zero; TILE]; TILE];
        for j in 0..TILE {
            let column = output_1d(
                simd,
                [
                    rows[0][j], rows[1][j], rows[2][j], rows[3][j], rows[4][j], rows[5][j],
                ],
            );
            for i in 0..TILE {
                y[i][j] = column[i];
            }
        }
        y
    }
}
