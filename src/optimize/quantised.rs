//! Vectors in 8 bits, a quarter of the memory of whole ones, and their arithmetic with those.
//!
//! Products accumulate in f64, chunk by chunk in a fixed order, so that a result does not depend on how many threads
//! computed it.

use std::{array, io};

use super::kernels::{self, STREAMS};
use super::workers::Workers;
use crate::files::binary::{Reader, Writer, unfit};

/// Numbers that share a step when quantised, and that one task works on: few enough to be of one size, enough to hide
/// what a task costs.
pub(super) const CHUNK: usize = 2048;

/// Numbers in 8 bits, off by at most half a step each: every chunk's largest magnitude over 127.
///
/// Of a chunk that has a number that is not finite, none is. Of a step of the real network's L-BFGS or of its change of
/// the gradient 0.9 to 1.6 % of the norm is lost (0.7 to 1 % with a step for every 256 numbers, 1 to 2 % for every 8192).
/// The path is none the worse, even with 8192: the loss after 240 evaluations was 16.186e5 with a history of 80 in 8 bits,
/// 16.189e5 in 16.
pub(super) struct Quantised {
    /// In steps of their chunk.
    integers: Vec<i8>,
    /// One for each chunk.
    steps: Vec<f32>,
}

impl Quantised {
    /// `a - b`
    pub(super) fn difference(a: &[f32], b: &[f32], workers: &Workers) -> Self {
        let mut difference = Self {
            integers: vec![0; a.len()],
            steps: vec![0.0; a.len().div_ceil(CHUNK)],
        };
        let chunks = difference.integers.chunks_mut(CHUNK).zip(&mut difference.steps);
        let operands = a.chunks(CHUNK).zip(b.chunks(CHUNK));
        workers.map(chunks.zip(operands), |((integers, step), (a, b))| {
            *step = kernels::quantise_difference(integers, a, b);
        });
        difference
    }

    /// The products with `others`, in one pass over memory.
    pub(super) fn products(&self, others: &[&Self], workers: &Workers) -> Vec<f64> {
        sum_of_chunks(self.integers.len(), others, workers, |index, others| {
            let (integers, step) = self.chunk(index);
            kernels::dots_quantised(integers, others).map(|product| f64::from(step) * f64::from(product))
        })
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) -> io::Result<()> {
        to.numbers(&self.integers)?;
        to.numbers(&self.steps)
    }

    /// One of `len` numbers that was saved.
    pub(super) fn restore(len: usize, from: &mut Reader) -> io::Result<Self> {
        let (integers, steps) = (from.numbers()?, from.numbers()?);
        match (integers.len(), steps.len()) == (len, len.div_ceil(CHUNK)) {
            true => Ok(Self { integers, steps }),
            false => Err(unfit("a pair of the history has not the picture's size")),
        }
    }

    /// The integers from `CHUNK * index` on, and their step.
    fn chunk(&self, index: usize) -> (&[i8], f32) {
        (part(&self.integers, index), self.steps[index])
    }
}

/// The products of `numbers` with `others`, in one pass over memory.
pub(super) fn products(numbers: &[f32], others: &[&Quantised], workers: &Workers) -> Vec<f64> {
    sum_of_chunks(numbers.len(), others, workers, |index, others| {
        kernels::dots_mixed(part(numbers, index), others)
    })
}

/// `a . b`
pub(super) fn dot(a: &[f32], b: &[f32], workers: &Workers) -> f64 {
    let chunks = a.chunks(CHUNK).zip(b.chunks(CHUNK));
    workers.map(chunks, |(a, b)| kernels::dot(a, b)).iter().sum()
}

/// The sum of `quantised` and `full` vectors times their factors, added up in this order, in one pass over memory.
pub(super) fn sum(quantised: &[(f64, &Quantised)], full: &[(f64, &[f32])], workers: &Workers) -> Vec<f32> {
    let len = full.first().map_or(0, |(_, numbers)| numbers.len());
    let mut sum = vec![0.0; len];
    workers.map(sum.chunks_mut(CHUNK).enumerate(), |(index, sum)| {
        for group in quantised.chunks(STREAMS) {
            let (integers, steps) = streams(group.iter().map(|(_, vector)| *vector), index);
            let factors =
                array::from_fn(|n| group.get(n).map_or(0.0, |(factor, _)| factor * steps[n]) as f32);
            kernels::add_scaled_quantised(sum, factors, integers);
        }
        for (factor, numbers) in full {
            kernels::add_scaled(sum, *factor as f32, part(numbers, index));
        }
    });
    sum
}

/// The sums over all chunks of what `kernel` makes of the integers of `others`, in multiples of their steps.
fn sum_of_chunks(
    len: usize,
    others: &[&Quantised],
    workers: &Workers,
    kernel: impl Fn(usize, [&[i8]; STREAMS]) -> [f64; STREAMS] + Sync + Send,
) -> Vec<f64> {
    let chunks = workers.map(0..len.div_ceil(CHUNK), |index| -> Vec<f64> {
        let groups = others.chunks(STREAMS).flat_map(|group| {
            let (integers, steps) = streams(group.iter().copied(), index);
            let products = kernel(index, integers);
            array::from_fn::<_, STREAMS, _>(|n| steps[n] * products[n])
        });
        groups.collect()
    });
    let mut sums = vec![0.0; others.len()];
    for chunk in chunks {
        sums.iter_mut()
            .zip(chunk)
            .for_each(|(sum, product)| *sum += product);
    }
    sums
}

/// The integers and the steps of [`STREAMS`] vectors at most; the last one's integers in place of those missing.
fn streams<'a>(
    vectors: impl ExactSizeIterator<Item = &'a Quantised> + Clone,
    index: usize,
) -> ([&'a [i8]; STREAMS], [f64; STREAMS]) {
    let (mut integers, mut steps) = ([&[][..]; STREAMS], [0.0; STREAMS]);
    let last = vectors.clone().last();
    for n in 0..STREAMS {
        if let Some(vector) = vectors.clone().nth(n).or(last) {
            let (chunk, step) = vector.chunk(index);
            integers[n] = chunk;
            steps[n] = step.into();
        }
    }
    (integers, steps)
}

/// The numbers from `CHUNK * index` on.
fn part<T>(all: &[T], index: usize) -> &[T] {
    &all[CHUNK * index..all.len().min(CHUNK * (index + 1))]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Several chunks, the last one short and odd.
    const LEN: usize = 3 * CHUNK + 13;

    fn alone() -> Workers {
        Workers::new(1).unwrap()
    }

    fn full(seed: usize) -> Vec<f32> {
        (0..LEN)
            .map(|i| ((i * 31 + seed * 17) % 101) as f32 / 7.0 - 7.0)
            .collect()
    }

    fn quantised(seed: usize) -> Quantised {
        Quantised::difference(&full(seed), &full(seed + 1), &alone())
    }

    /// The numbers that it stands for.
    fn read(vector: &Quantised) -> Vec<f32> {
        sum(
            &[(1.0, vector)],
            &[(0.0, &vec![0.0; vector.integers.len()])],
            &alone(),
        )
    }

    fn plain_dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    }

    fn largest(numbers: &[f32]) -> f32 {
        numbers
            .iter()
            .fold(0.0, |largest, number| number.abs().max(largest))
    }

    #[test]
    fn a_difference_is_off_by_half_a_step_of_its_own_chunk() {
        let mut a = full(1);
        a[3 * CHUNK..].iter_mut().for_each(|number| *number *= 1e-9);
        for b in [0.0, -0.25] {
            let found = read(&Quantised::difference(&a, &[b; LEN], &alone()));
            for (found, a) in found.chunks(CHUNK).zip(a.chunks(CHUNK)) {
                let exact: Vec<f32> = a.iter().map(|a| a - b).collect();
                let half = largest(&exact) / 127.0 * 0.501;
                assert!(half > 0.0);
                for (found, exact) in found.iter().zip(exact) {
                    assert!((found - exact).abs() <= half, "{found} for {exact}");
                }
            }
        }
    }

    #[test]
    fn the_largest_magnitudes_and_zeros_come_back_as_they_were() {
        let zeros = Quantised::difference(&full(1), &full(1), &alone());
        assert_eq!(read(&zeros), [0.0; LEN]);
        let found = read(&Quantised::difference(&[-3.0, 0.0, 3.0], &[0.0; 3], &alone()));
        assert!((found[0] + 3.0).abs() < 1e-6 && found[1] == 0.0 && (found[2] - 3.0).abs() < 1e-6);
        let tiny = Quantised::difference(&[f32::MIN_POSITIVE, 0.0], &[0.0; 2], &alone());
        assert!(largest(&read(&tiny)) <= f32::MIN_POSITIVE);
    }

    #[test]
    fn nothing_finite_comes_of_a_chunk_with_a_number_that_is_not() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut a = full(1);
            a[3 * CHUNK + 5] = bad;
            let vector = Quantised::difference(&a, &full(2), &alone());
            let found = read(&vector);
            assert!(found[..3 * CHUNK].iter().all(|number| number.is_finite()));
            assert!(found[3 * CHUNK..].iter().all(|number| !number.is_finite()));
            assert!(!products(&[1.0; LEN], &[&vector], &alone())[0].is_finite());
            assert!(!vector.products(&[&vector], &alone())[0].is_finite());
        }
    }

    #[test]
    fn products_and_sums_are_those_of_the_numbers() {
        let vectors: Vec<Quantised> = (0..11).map(quantised).collect();
        let plain: Vec<Vec<f32>> = vectors.iter().map(read).collect();
        let whole = full(5);
        for count in [1, 3, 4, 6, 11] {
            let others: Vec<&Quantised> = vectors.iter().take(count).collect();
            let mixed = products(&whole, &others, &alone());
            let both = vectors[7].products(&others, &alone());
            assert_eq!((mixed.len(), both.len()), (count, count));
            for ((mixed, both), plain_other) in mixed.iter().zip(both).zip(&plain) {
                assert!((mixed - plain_dot(&whole, plain_other)).abs() < 1e-2);
                assert!((both - plain_dot(&plain[7], plain_other)).abs() < 1e-2);
            }
            let terms: Vec<_> = others.iter().map(|&vector| (-0.75, vector)).collect();
            let found = sum(&terms, &[(2.0, &whole), (1.0, &[1.0; LEN])], &alone());
            for (i, found) in found.iter().enumerate() {
                let quantised: f32 = plain[..count].iter().map(|numbers| numbers[i]).sum();
                let expected = 1.0 + 2.0 * whole[i] - 0.75 * quantised;
                assert!((found - expected).abs() < 1e-4, "{found} instead of {expected}");
            }
        }
        assert!((dot(&whole, &full(2), &alone()) - plain_dot(&whole, &full(2))).abs() < 1e-2);
    }

    #[test]
    fn the_bytes_do_not_depend_on_the_number_of_threads() {
        let results = |threads| {
            let workers = Workers::new(threads).unwrap();
            let vectors: Vec<Quantised> = (0..6)
                .map(|seed| Quantised::difference(&full(seed), &full(seed + 1), &workers))
                .collect();
            let others: Vec<&Quantised> = vectors.iter().collect();
            let terms: Vec<_> = others.iter().map(|&vector| (0.3, vector)).collect();
            (
                sum(&terms, &[(0.3, &full(9))], &workers),
                products(&full(9), &others, &workers),
                vectors[2].products(&others, &workers),
                dot(&full(8), &full(9), &workers),
            )
        };
        assert_eq!(results(2), results(1));
        assert_eq!(results(5), results(1));
    }
}
