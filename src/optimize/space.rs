//! Where the optimiser's vectors live: their buffers, used again and again, and the threads that work on them.
//!
//! Products accumulate in f64, chunk by chunk in a fixed order, so that a result does not depend on how many
//! threads computed it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use super::kernels::{self, STREAMS};
use super::numbers::{CHUNK, Chunk, Numbers, Rounded};

/// What all vectors of one optimisation share: their length, the threads, the buffers to use again.
#[derive(Debug)]
pub(crate) struct Space {
    len: usize,
    /// None where a single thread does all the work: then it is the caller's.
    threads: Option<ThreadPool>,
    /// Counts the buffers there ever were.
    ids: Cell<u64>,
    /// The rounded buffers on loan, oldest first.
    rounded: RefCell<Vec<Weak<Buffer>>>,
    free: RefCell<Vec<Vec<f32>>>,
    free_rounded: RefCell<Vec<Rounded>>,
}

impl Space {
    /// A space of `len` dimensions whose operations run on `threads` threads of its own (on the caller's if 1).
    pub(crate) fn new(len: usize, threads: usize) -> Result<Rc<Self>, ThreadPoolBuildError> {
        let threads = match threads {
            0 | 1 => None,
            n => Some(ThreadPoolBuilder::new().num_threads(n).build()?),
        };
        Ok(Rc::new(Self {
            len,
            threads,
            ids: Cell::default(),
            rounded: RefCell::default(),
            free: RefCell::default(),
            free_rounded: RefCell::default(),
        }))
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Numbers with whatever their last user left in them.
    pub(crate) fn buffer(&self) -> Vec<f32> {
        let free = self.free.borrow_mut().pop();
        free.unwrap_or_else(|| vec![0.0; self.len])
    }

    /// How many full and how many rounded buffers there are once none is on loan.
    #[cfg(test)]
    pub(crate) fn allocated(&self) -> (usize, usize) {
        (self.free.borrow().len(), self.free_rounded.borrow().len())
    }

    /// The rounded buffers on loan, oldest first.
    fn rounded(&self) -> Vec<Rc<Buffer>> {
        let mut rounded = self.rounded.borrow_mut();
        rounded.retain(|buffer| buffer.strong_count() > 0);
        rounded.iter().filter_map(Weak::upgrade).collect()
    }

    /// Runs `kernel` on every task, in parallel, and returns what it returns in the order of the tasks.
    pub(super) fn map<T: Send, R: Send>(
        &self,
        tasks: impl Iterator<Item = T>,
        kernel: impl Fn(T) -> R + Sync + Send,
    ) -> Vec<R> {
        let Some(threads) = &self.threads else {
            return tasks.map(kernel).collect();
        };
        let tasks: Vec<T> = tasks.collect();
        threads.install(|| tasks.into_par_iter().map(kernel).collect())
    }

    /// The products of `left` with all `rights`, in one pass over memory.
    fn products(&self, left: &Numbers, rights: &[&Numbers]) -> Vec<f64> {
        let chunks = self.map(0..self.len.div_ceil(CHUNK), |index| -> Vec<_> {
            let left = left.chunk(index);
            let rights: Vec<_> = rights.iter().map(|right| right.chunk(index)).collect();
            rights
                .chunks(STREAMS)
                .flat_map(|rights| left.dots(rights))
                .collect()
        });
        let mut sums = vec![0.0; rights.len()];
        for chunk in chunks {
            sums.iter_mut()
                .zip(chunk)
                .for_each(|(sum, product)| *sum += product);
        }
        sums
    }
}

/// The numbers of one vector, on loan from the space. They do not change.
#[derive(Debug)]
pub(super) struct Buffer {
    space: Rc<Space>,
    numbers: Numbers,
    /// Greater than that of every older buffer.
    id: u64,
    /// The products, as far as they are known, with itself and with older buffers, by their ids.
    products: RefCell<HashMap<u64, f64>>,
}

impl Buffer {
    /// Takes over `data`, whose length is that of the space.
    pub(super) fn new(space: &Rc<Space>, data: Vec<f32>) -> Rc<Self> {
        debug_assert_eq!(space.len, data.len());
        Rc::new(Self::of(space, Numbers::Full(data)))
    }

    fn of(space: &Rc<Space>, numbers: Numbers) -> Self {
        let id = space.ids.get();
        space.ids.set(id + 1);
        Self {
            space: Rc::clone(space),
            numbers,
            id,
            products: RefCell::default(),
        }
    }

    pub(super) fn space(&self) -> &Rc<Space> {
        &self.space
    }

    /// The numbers, unless they are rounded.
    pub(super) fn full(&self) -> Option<&[f32]> {
        match &self.numbers {
            Numbers::Full(numbers) => Some(numbers),
            Numbers::Rounded(_) => None,
        }
    }

    /// The sum of the buffers times their factors, added up in their order, in one pass over memory.
    pub(super) fn sum(space: &Rc<Space>, terms: &[(f64, &Self)]) -> Rc<Self> {
        let terms: Vec<_> = terms
            .iter()
            .map(|(factor, buffer)| (*factor, &buffer.numbers))
            .collect();
        let mut sum = space.buffer();
        space.map(sum.chunks_mut(CHUNK).enumerate(), |(index, sum)| {
            let terms: Vec<_> = terms
                .iter()
                .map(|(factor, numbers)| (*factor, numbers.chunk(index)))
                .collect();
            sum.fill(0.0);
            Chunk::add(sum, &terms);
        });
        Self::new(space, sum)
    }

    /// `a - b`, rounded to 8 bits; neither of the two must be so already.
    ///
    /// Where the products of both with an older rounded buffer are known, so is that of their difference: what rounding
    /// adds to it is as good as noise, which a product with a whole vector averages out.
    pub(super) fn rounded_difference(space: &Rc<Space>, a: &Rc<Self>, b: &Rc<Self>) -> Rc<Self> {
        let [a_numbers, b_numbers] = [a, b].map(|buffer| buffer.full().unwrap_or_default());
        let free = space.free_rounded.borrow_mut().pop();
        let mut rounded = free.unwrap_or_else(|| Rounded::new(space.len));
        let operands = a_numbers.chunks(CHUNK).zip(b_numbers.chunks(CHUNK));
        space.map(rounded.chunks_mut().zip(operands), |((rounded, step), (a, b))| {
            *step = kernels::round_difference(rounded, a, b);
        });
        let buffer = Self::of(space, Numbers::Rounded(rounded));
        let products = space.rounded().into_iter().filter_map(|other| {
            let product = a.known_product(&other)? - b.known_product(&other)?;
            Some((other.id, product))
        });
        buffer.products.borrow_mut().extend(products);
        let buffer = Rc::new(buffer);
        space.rounded.borrow_mut().push(Rc::downgrade(&buffer));
        buffer
    }

    /// The product with `other`.
    pub(super) fn dot(self: &Rc<Self>, other: &Rc<Self>) -> f64 {
        self.known_product(other).unwrap_or_else(|| {
            let (older, younger) = by_age(self, other);
            Self::multiply(older, younger);
            younger.products.borrow()[&older.id]
        })
    }

    fn known_product(self: &Rc<Self>, other: &Rc<Self>) -> Option<f64> {
        let (older, younger) = by_age(self, other);
        younger.products.borrow().get(&older.id).copied()
    }

    /// Computes the product of the two, and if the older one is rounded, those of the younger one with all that
    /// are: L-BFGS asks for them next.
    fn multiply(older: &Rc<Self>, younger: &Self) {
        let mut others = if older.full().is_some() {
            vec![Rc::clone(older)]
        } else {
            older.space.rounded()
        };
        let mut products = younger.products.borrow_mut();
        others.retain(|other| !products.contains_key(&other.id));
        let numbers: Vec<_> = others.iter().map(|other| &other.numbers).collect();
        let computed = older.space.products(&younger.numbers, &numbers);
        products.extend(others.iter().map(|other| other.id).zip(computed));
    }
}

/// The older one of the two, and the younger one.
fn by_age<'a>(a: &'a Rc<Buffer>, b: &'a Rc<Buffer>) -> (&'a Rc<Buffer>, &'a Rc<Buffer>) {
    if a.id < b.id { (a, b) } else { (b, a) }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        match std::mem::take(&mut self.numbers) {
            Numbers::Full(numbers) => self.space.free.borrow_mut().push(numbers),
            Numbers::Rounded(rounded) => self.space.free_rounded.borrow_mut().push(rounded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Several chunks, the last one short and odd.
    const LEN: usize = 3 * CHUNK + 13;

    fn buffer(space: &Rc<Space>, seed: usize) -> Rc<Buffer> {
        let number = |i| ((i * 31 + seed * 17) % 101) as f32 / 7.0 - 7.0;
        Buffer::new(space, (0..LEN).map(number).collect())
    }

    fn rounded(space: &Rc<Space>, seed: usize) -> Rc<Buffer> {
        let (a, b) = (buffer(space, seed), buffer(space, seed + 1));
        Buffer::rounded_difference(space, &a, &b)
    }

    #[test]
    fn sums_and_products_do_not_depend_on_the_number_of_threads() {
        let results = |threads| {
            let space = Space::new(LEN, threads).unwrap();
            let pairs: Vec<_> = (0..6).map(|seed| rounded(&space, seed)).collect();
            let gradient = buffer(&space, 9);
            let terms: Vec<_> = pairs
                .iter()
                .chain([&gradient])
                .map(|buffer| (0.3, &**buffer))
                .collect();
            let sum = Buffer::sum(&space, &terms);
            let products: Vec<_> = pairs
                .iter()
                .flat_map(|pair| [pair.dot(&gradient), pair.dot(&pairs[3]), sum.dot(&gradient)])
                .collect();
            (sum.full().unwrap().to_vec(), products)
        };
        assert_eq!(results(2), results(1));
        assert_eq!(results(5), results(1));
    }

    #[test]
    fn a_product_is_the_same_whoever_asks_and_whatever_was_asked_before() {
        let space = Space::new(LEN, 2).unwrap();
        let plain = |a: &Rc<Buffer>, b: &Rc<Buffer>| -> f64 {
            let [a, b] = [a, b].map(|buffer| Buffer::sum(&space, &[(1.0, &**buffer)]));
            let products = a.full().unwrap().iter().zip(b.full().unwrap());
            products.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
        };
        let mut buffers = vec![buffer(&space, 0)];
        for seed in 1..7 {
            buffers.extend([
                rounded(&space, seed),
                rounded(&space, 2 * seed),
                buffer(&space, seed),
            ]);
            // A buffer that went may have left its memory to a new one, but not its products.
            buffers.remove(1);
            for a in &buffers {
                for b in &buffers {
                    assert_eq!(a.dot(b), b.dot(a));
                    assert!(
                        (a.dot(b) - plain(a, b)).abs() < 1e-2,
                        "{} instead of {}",
                        a.dot(b),
                        plain(a, b)
                    );
                }
            }
        }
    }

    #[test]
    fn a_difference_knows_its_products_from_those_of_its_operands() {
        let space = Space::new(LEN, 1).unwrap();
        let (pair, a, b) = (rounded(&space, 1), buffer(&space, 2), buffer(&space, 5));
        let expected = a.dot(&pair) - b.dot(&pair);
        let younger = rounded(&space, 3);
        let difference = Buffer::rounded_difference(&space, &a, &b);
        assert_eq!(difference.known_product(&pair), Some(expected));
        assert_eq!(difference.known_product(&younger), None);
        // The one that was not known is computed, and leaves the other as it was.
        let values = |buffer: &Buffer| Buffer::sum(&space, &[(1.0, buffer)]).full().unwrap().to_vec();
        let plain = |other: &Buffer| -> f64 {
            let products = values(&difference).into_iter().zip(values(other));
            products.map(|(a, b)| f64::from(a) * f64::from(b)).sum()
        };
        assert!((difference.dot(&younger) - plain(&younger)).abs() < 1e-2);
        assert_eq!(difference.dot(&pair), expected);
        let norms = (difference.dot(&difference) * pair.dot(&pair)).sqrt();
        assert!(
            (expected - plain(&pair)).abs() < 1e-3 * norms,
            "{expected} instead of {}, norms {norms}",
            plain(&pair)
        );
    }
}
