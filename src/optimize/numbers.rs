//! How a vector's numbers are stored: in full, or rounded to 8 bits.

use std::array;

use super::kernels::{self, STREAMS};

/// Numbers that share a step when rounded, and that one task works on: few enough to be of one size, enough to hide
/// what a task costs.
pub(super) const CHUNK: usize = 2048;

/// The numbers of a vector.
#[derive(Debug)]
pub(super) enum Numbers {
    Full(Vec<f32>),
    Rounded(Rounded),
}

/// Numbers in 8 bits, off by at most half a step each: every chunk's largest magnitude over 127.
///
/// Of a chunk that has a number that is not finite, none is. Of a step of the real network's L-BFGS or of its change of
/// the gradient 0.9 to 1.6 % of the norm is lost (0.7 to 1 % with a step for every 256 numbers, 1 to 2 % for every 8192).
/// The path is none the worse, even with 8192: the loss after 240 evaluations was 16.186e5 with a history of 80 in 8 bits,
/// 16.189e5 in 16.
#[derive(Debug)]
pub(super) struct Rounded {
    /// In steps of their chunk.
    integers: Vec<i8>,
    /// One for each chunk.
    steps: Vec<f32>,
}

impl Rounded {
    /// Zeros.
    pub(super) fn new(len: usize) -> Self {
        Self {
            integers: vec![0; len],
            steps: vec![0.0; len.div_ceil(CHUNK)],
        }
    }

    /// The chunks to write to, with their steps.
    pub(super) fn chunks_mut(&mut self) -> impl Iterator<Item = (&mut [i8], &mut f32)> {
        self.integers.chunks_mut(CHUNK).zip(&mut self.steps)
    }
}

impl Default for Numbers {
    fn default() -> Self {
        Self::Full(Vec::new())
    }
}

impl Numbers {
    /// The numbers from `CHUNK * index` on.
    pub(super) fn chunk(&self, index: usize) -> Chunk<'_> {
        fn part<T>(all: &[T], index: usize) -> &[T] {
            &all[CHUNK * index..all.len().min(CHUNK * (index + 1))]
        }
        match self {
            Self::Full(numbers) => Chunk::Full(part(numbers, index)),
            Self::Rounded(Rounded { integers, steps }) => Chunk::Rounded(part(integers, index), steps[index]),
        }
    }
}

/// A part of a vector's numbers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Chunk<'a> {
    Full(&'a [f32]),
    /// Integers, and the step that they count.
    Rounded(&'a [i8], f32),
}

impl<'a> Chunk<'a> {
    /// The product with each of `others`, [`STREAMS`] at most, with every sum in f64; 0 in place of those missing.
    pub(super) fn dots(self, others: &[Self]) -> [f64; STREAMS] {
        let Some((integers, steps)) = Self::rounded(others) else {
            return array::from_fn(|n| others.get(n).map_or(0.0, |&other| self.dot(other)));
        };
        match self {
            Self::Full(numbers) => {
                let products = kernels::dots_mixed(numbers, integers);
                array::from_fn(|n| steps[n] * products[n])
            }
            Self::Rounded(own, step) => {
                let products = kernels::dots_rounded(own, integers);
                array::from_fn(|n| f64::from(step) * steps[n] * f64::from(products[n]))
            }
        }
    }

    fn dot(self, other: Self) -> f64 {
        match (self, other) {
            (Self::Full(a), Self::Full(b)) => kernels::dot(a, b),
            (_, Self::Rounded(..)) => self.dots(&[other])[0],
            (Self::Rounded(..), _) => other.dots(&[self])[0],
        }
    }

    /// Adds the `terms` to `target`, each times its factor, in their order.
    pub(super) fn add(target: &mut [f32], terms: &[(f64, Self)]) {
        let is_rounded = |term: &(f64, Self)| matches!(term.1, Self::Rounded(..));
        let runs = terms.chunk_by(|a, b| is_rounded(a) && is_rounded(b));
        for group in runs.flat_map(|run| run.chunks(STREAMS)) {
            let (factors, chunks): (Vec<_>, Vec<_>) = group.iter().copied().unzip();
            if let Some((integers, mut steps)) = Self::rounded(&chunks) {
                steps
                    .iter_mut()
                    .zip(factors)
                    .for_each(|(step, factor)| *step *= factor);
                kernels::add_scaled_rounded(target, steps.map(|step| step as f32), integers);
            } else if let [(factor, Self::Full(numbers))] = group {
                kernels::add_scaled(target, *factor as f32, numbers);
            }
        }
    }

    /// The integers and the steps of `chunks` if all are rounded; the last one's, with steps of 0, in place of
    /// those missing.
    fn rounded(chunks: &[Self]) -> Option<([&'a [i8]; STREAMS], [f64; STREAMS])> {
        let last = chunks.len() - 1;
        let (mut integers, mut steps) = ([&[][..]; STREAMS], [0.0; STREAMS]);
        for n in 0..STREAMS {
            let Self::Rounded(numbers, step) = chunks[n.min(last)] else {
                return None;
            };
            integers[n] = numbers;
            steps[n] = if n <= last { step.into() } else { 0.0 };
        }
        Some((integers, steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A whole chunk, and a short one that is no multiple of anything.
    const LEN: usize = CHUNK + 13;

    fn full(seed: usize) -> Vec<f32> {
        (0..LEN)
            .map(|i| ((i * 31 + seed * 17) % 101) as f32 / 7.0 - 7.0)
            .collect()
    }

    /// `a - b`, rounded.
    fn rounded(a: &[f32], b: &[f32]) -> Numbers {
        let mut rounded = Rounded::new(a.len());
        let operands = a.chunks(CHUNK).zip(b.chunks(CHUNK));
        for ((integers, step), (a, b)) in rounded.chunks_mut().zip(operands) {
            *step = kernels::round_difference(integers, a, b);
        }
        Numbers::Rounded(rounded)
    }

    /// The numbers of one chunk.
    fn read(chunk: Chunk<'_>, len: usize) -> Vec<f32> {
        let mut numbers = vec![0.0; len];
        Chunk::add(&mut numbers, &[(1.0, chunk)]);
        numbers
    }

    #[test]
    fn rounding_is_off_by_half_a_step_of_the_own_chunk() {
        let mut a = full(1);
        a[CHUNK..].iter_mut().for_each(|number| *number *= 1e-9);
        for b in [0.0, -0.25] {
            let rounded = rounded(&a, &[b; LEN]);
            for (index, a) in a.chunks(CHUNK).enumerate() {
                let exact: Vec<f32> = a.iter().map(|a| a - b).collect();
                let largest = exact
                    .iter()
                    .fold(0_f32, |largest, number| largest.max(number.abs()));
                assert!(largest > 0.0);
                let found = read(rounded.chunk(index), a.len());
                for (found, exact) in found.iter().zip(exact) {
                    assert!(
                        (found - exact).abs() <= largest / 127.0 * 0.501,
                        "{found} for {exact}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_largest_magnitudes_and_zeros_come_back_as_they_were() {
        let zeros = rounded(&full(1), &full(1));
        assert!(read(zeros.chunk(0), CHUNK).iter().all(|&number| number == 0.0));
        let range = rounded(&[-3.0, 0.0, 3.0], &[0.0; 3]);
        let found = read(range.chunk(0), 3);
        assert!((found[0] + 3.0).abs() < 1e-6 && found[1] == 0.0 && (found[2] - 3.0).abs() < 1e-6);
        let tiny = rounded(&[f32::MIN_POSITIVE, 0.0], &[0.0; 2]);
        assert!(
            read(tiny.chunk(0), 2)
                .iter()
                .all(|number| number.abs() <= f32::MIN_POSITIVE)
        );
    }

    #[test]
    fn nothing_finite_comes_of_a_chunk_with_a_number_that_is_not() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut a = full(1);
            a[CHUNK + 5] = bad;
            let rounded = rounded(&a, &full(2));
            assert!(
                read(rounded.chunk(0), CHUNK)
                    .iter()
                    .all(|number| number.is_finite())
            );
            assert!(
                read(rounded.chunk(1), 13)
                    .iter()
                    .all(|number| !number.is_finite())
            );
            let ones = Chunk::Full(&[1.0; 13]);
            assert!(!ones.dots(&[rounded.chunk(1)])[0].is_finite());
            assert!(!rounded.chunk(1).dots(&[rounded.chunk(1)])[0].is_finite());
        }
    }

    #[test]
    fn products_and_sums_are_those_of_the_numbers_however_they_are_stored() {
        let stored: Vec<Numbers> = (0..12)
            .map(|seed| match seed {
                5 | 11 => Numbers::Full(full(seed)),
                _ => rounded(&full(seed), &full(seed + 1)),
            })
            .collect();
        for (index, len) in [(0, CHUNK), (1, 13)] {
            let chunks: Vec<_> = stored.iter().map(|numbers| numbers.chunk(index)).collect();
            let plain: Vec<_> = chunks.iter().map(|&chunk| read(chunk, len)).collect();
            for (left, plain_left) in chunks.iter().zip(&plain) {
                for (others, plain) in [(0..4, &plain[0..4]), (3..6, &plain[3..6]), (11..12, &plain[11..])] {
                    let found = left.dots(&chunks[others]);
                    for (found, plain) in found.iter().zip(plain) {
                        let products = plain_left.iter().zip(plain);
                        let expected: f64 = products.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                        assert!((found - expected).abs() < 1e-2, "{found} instead of {expected}");
                    }
                }
            }
            let terms: Vec<_> = chunks.iter().map(|&chunk| (-0.75, chunk)).collect();
            let mut sum = vec![1.0; len];
            Chunk::add(&mut sum, &terms);
            for (i, sum) in sum.iter().enumerate() {
                let expected = 1.0 - 0.75 * plain.iter().map(|numbers| numbers[i]).sum::<f32>();
                assert!((sum - expected).abs() < 1e-4, "{sum} instead of {expected}");
            }
        }
    }
}
