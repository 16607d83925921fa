//! The matrix unit in plain Rust: for tests on machines without one, and where there can be none.

use super::{DEPTH, Operands, Pair, Parts, SIDE, SQUARE, take_part};

/// What computes as the unit does.
pub(super) struct Unit;

impl Unit {
    /// As the unit's; nothing is configured.
    ///
    /// # Safety
    ///
    /// None is needed.
    pub(super) unsafe fn configure() -> Self {
        Self
    }

    /// Computes a block of two by two squares of the product.
    ///
    /// # Safety
    ///
    /// The operands' pointers must be good for what they say, but for `ahead`.
    pub(super) unsafe fn multiply(&self, parts: Parts, operands: Operands) {
        let Operands {
            left,
            right,
            steps,
            out,
            row_stride,
            square_stride,
            ..
        } = operands;
        // Of the left matrix, of the right one.
        let products: &[(usize, usize)] = match parts {
            Parts::Two => &[(0, 0), (1, 0), (0, 1)],
            Parts::Three => &[(0, 0), (1, 0), (2, 0), (1, 1), (0, 1), (0, 2)],
        };
        let value = |start: *const f32, place: usize| {
            // SAFETY: the caller's promise.
            let half = unsafe { start.cast::<u16>().add(place).read() };
            f32::from_bits(u32::from(half) << 16)
        };
        for (row, col) in (0..2 * SIDE).flat_map(|row| (0..2 * SIDE).map(move |col| (row, col))) {
            let mut sum = 0.0;
            for step in 0..steps {
                for &(of_left, of_right) in products {
                    let square = |part: usize, index: usize| {
                        step * parts.step() + part * 2 * SQUARE + index / SIDE * SQUARE
                    };
                    // SAFETY: the caller's promise.
                    let (a, b) =
                        unsafe { (left.add(square(of_left, row)), right.add(square(of_right, col))) };
                    for term in 0..DEPTH {
                        let pair = term / 2 * 2 * SIDE + col % SIDE * 2 + term % 2;
                        sum += value(a, row % SIDE * DEPTH + term) * value(b, pair);
                    }
                }
            }
            let place = row * row_stride + col / SIDE * square_stride + col % SIDE;
            // SAFETY: the caller's promise.
            unsafe { out.add(place).write(sum) }
        }
    }
}

/// Cuts two terms of all columns and planes, and writes them where [`Unit::multiply`] reads them.
///
/// # Safety
///
/// The pointers must be good for what [`Pair`] says.
pub(super) unsafe fn split(pair: Pair) {
    for (plane, square) in
        (0..pair.planes).flat_map(|plane| (0..pair.squares).map(move |square| (plane, square)))
    {
        let to = plane * pair.to_stride + square / 2 * pair.edge_stride + square % 2 * SQUARE;
        for col in 0..SIDE {
            for (term, from) in pair.from.iter().enumerate() {
                let place = plane * pair.from_stride + square * SIDE + col;
                // SAFETY: the caller's promise.
                let mut value = from.map_or(0.0, |from| unsafe { from.add(place).read() });
                for part in 0..pair.parts as usize {
                    let half = take_part(&mut value);
                    // SAFETY: the caller's promise.
                    unsafe {
                        let to = pair.to.add(to + part * 2 * SQUARE).cast::<u16>();
                        to.add(2 * col + term).write(half);
                    }
                }
            }
        }
    }
}
