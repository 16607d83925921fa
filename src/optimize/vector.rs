//! The optimiser's vectors: pictures and gradients with fused, parallel, deterministic arithmetic.
//!
//! L-BFGS spends its time in `q = q - alpha * y` followed by `s . q`, twice for every pair of its history.
//! A [`Vector`] therefore holds `a * x + b * y` unevaluated, and evaluates it in the pass that first reads it:
//! the sum and the product are one sweep over memory, in place where nobody else holds the buffer. A clone, a
//! multiple and a sum cost nothing. Buffers that are no longer needed are used again.
//!
//! Products accumulate in f64, chunk by chunk in a fixed order, so that a result does not depend on how many
//! threads computed it.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::{Rc, Weak};

use argmin_math::{
    ArgminAdd, ArgminDot, ArgminL1Norm, ArgminL2Norm, ArgminMinMax, ArgminMul, ArgminScaledAdd, ArgminSignum,
    ArgminSub, ArgminZeroLike,
};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use super::kernels;

/// Floats that one task works on: small enough for the first cache, large enough to hide what a task costs.
pub(super) const CHUNK: usize = 8192;

/// What all vectors of one optimisation share: their length, the threads, the buffers to use again.
#[derive(Debug)]
pub(crate) struct Space {
    len: usize,
    /// None where a single thread does all the work: then it is the caller's.
    threads: Option<ThreadPool>,
    free: RefCell<Vec<Vec<f32>>>,
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
            free: RefCell::default(),
        }))
    }

    /// A buffer with whatever its last user left in it.
    pub(crate) fn buffer(&self) -> Vec<f32> {
        self.free
            .borrow_mut()
            .pop()
            .unwrap_or_else(|| vec![0.0; self.len])
    }

    /// How many buffers there are once none is on loan.
    #[cfg(test)]
    pub(crate) fn allocated(&self) -> usize {
        self.free.borrow().len()
    }

    /// Runs `kernel` on every task, in parallel, and adds up what it returns in the order of the tasks.
    pub(crate) fn sum<T: Send>(
        &self,
        tasks: impl Iterator<Item = T>,
        kernel: impl Fn(T) -> f64 + Sync + Send,
    ) -> f64 {
        let Some(threads) = &self.threads else {
            return tasks.map(kernel).sum();
        };
        let tasks: Vec<T> = tasks.collect();
        let sums: Vec<f64> = threads.install(|| tasks.into_par_iter().map(kernel).collect());
        sums.into_iter().sum()
    }

    fn dot(&self, a: &[f32], b: &[f32]) -> f64 {
        self.sum(a.chunks(CHUNK).zip(b.chunks(CHUNK)), |(a, b)| kernels::dot(a, b))
    }

    /// `target += factor * other`; returns `target . with` where it is asked for, 0 otherwise.
    fn add_scaled(&self, target: &mut [f32], factor: f32, other: &[f32], with: Option<&[f32]>) -> f64 {
        let sums = target.chunks_mut(CHUNK).zip(other.chunks(CHUNK));
        match with {
            Some(with) => self.sum(sums.zip(with.chunks(CHUNK)), |((target, other), with)| {
                kernels::add_scaled_dot(target, factor, other, with)
            }),
            None => self.sum(sums, |(target, other)| {
                kernels::add_scaled(target, factor, other);
                0.0
            }),
        }
    }
}

/// The numbers of one vector, on loan from the space.
#[derive(Debug)]
struct Buffer {
    space: Rc<Space>,
    data: Vec<f32>,
    /// The product with one other buffer, for as long as that lives unchanged. L-BFGS asks for `y . s` of every
    /// pair in every iteration, and the pairs do not change.
    product: RefCell<Option<(Weak<Buffer>, f64)>>,
}

impl Buffer {
    fn new(space: Rc<Space>, data: Vec<f32>) -> Self {
        Self {
            space,
            data,
            product: RefCell::default(),
        }
    }

    /// The buffer to write to: a copy if someone else holds it too.
    ///
    /// No product is remembered of it any more, neither here nor, since weak references end too, by its partners.
    fn make_mut(this: &mut Rc<Self>) -> &mut Self {
        let buffer = Rc::make_mut(this);
        buffer.product.take();
        buffer
    }

    fn scale(this: &mut Rc<Self>, factor: f64) {
        let factor = factor as f32;
        Self::make_mut(this)
            .data
            .iter_mut()
            .for_each(|value| *value *= factor);
    }

    /// Adds `factor * other`; returns the new product with `with`, or 0 if there is none.
    fn add_scaled(this: &mut Rc<Self>, factor: f64, other: &Self, with: Option<&Self>) -> f64 {
        let this = Self::make_mut(this);
        let with = with.map(|with| &with.data[..]);
        this.space
            .add_scaled(&mut this.data, factor as f32, &other.data, with)
    }

    /// The product with `other`, remembered if it is the first.
    fn dot(self: &Rc<Self>, other: &Rc<Self>) -> f64 {
        let mut remembered = self.product.borrow_mut();
        let partner = remembered
            .as_ref()
            .and_then(|(partner, product)| Some((partner.upgrade()?, *product)));
        match partner {
            Some((partner, product)) if Rc::ptr_eq(&partner, other) => product,
            partner => {
                let product = self.space.dot(&self.data, &other.data);
                if partner.is_none() && !Rc::ptr_eq(self, other) {
                    *remembered = Some((Rc::downgrade(other), product));
                }
                product
            }
        }
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut data = self.space.buffer();
        data.copy_from_slice(&self.data);
        Self::new(Rc::clone(&self.space), data)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.space.free.borrow_mut().push(std::mem::take(&mut self.data));
    }
}

/// `factor * buffer`.
#[derive(Debug)]
struct Term {
    factor: f64,
    buffer: Rc<Buffer>,
}

impl Term {
    fn times(&self, factor: f64) -> Self {
        Self {
            factor: factor * self.factor,
            buffer: Rc::clone(&self.buffer),
        }
    }
}

/// One term, or two that nobody has read yet.
#[derive(Debug)]
struct Sum {
    first: Term,
    second: Option<Term>,
}

impl Sum {
    /// Makes one term of two, in the pass that multiplies the result's buffer with `with` where that is given.
    fn settle(&mut self, with: Option<&Buffer>) -> Option<f64> {
        let mut second = self.second.take()?;
        let first = &mut self.first;
        if Rc::strong_count(&first.buffer) > 1 && Rc::strong_count(&second.buffer) == 1 {
            std::mem::swap(first, &mut second);
        }
        let factor = second.factor / first.factor;
        Some(Buffer::add_scaled(
            &mut first.buffer,
            factor,
            &second.buffer,
            with,
        ))
    }
}

/// A point or a gradient: one number for each element of the picture.
///
/// Clones and multiples share one sum, so that it is evaluated once for all of them.
#[derive(Debug, Clone)]
pub(crate) struct Vector {
    factor: f64,
    sum: Rc<RefCell<Sum>>,
}

impl Vector {
    /// Takes over `data`, whose length is that of the space.
    pub(crate) fn new(space: &Rc<Space>, data: Vec<f32>) -> Self {
        debug_assert_eq!(space.len, data.len());
        let buffer = Rc::new(Buffer::new(Rc::clone(space), data));
        Self::of(Term { factor: 1.0, buffer }, None)
    }

    fn of(first: Term, second: Option<Term>) -> Self {
        Self {
            factor: 1.0,
            sum: Rc::new(RefCell::new(Sum { first, second })),
        }
    }

    pub(crate) fn space(&self) -> Rc<Space> {
        Rc::clone(&self.sum.borrow().first.buffer.space)
    }

    /// The numbers themselves.
    pub(crate) fn values(&self) -> Values {
        let Term { factor, mut buffer } = self.settled();
        if factor != 1.0 {
            Buffer::scale(&mut buffer, factor);
        }
        Values(buffer)
    }

    /// Whether both are the same point because one is a clone of the other. Never true of different points.
    pub(crate) fn is_clone_of(&self, other: &Self) -> bool {
        self.factor == other.factor && Rc::ptr_eq(&self.sum, &other.sum)
    }

    /// The square root of the mean square of the elements.
    pub(crate) fn rms(&self) -> f64 {
        let Term { factor, buffer } = self.settled();
        factor.abs() * (buffer.dot(&buffer) / buffer.data.len() as f64).sqrt()
    }

    /// The vector as one term.
    fn settled(&self) -> Term {
        let mut sum = self.sum.borrow_mut();
        sum.settle(None);
        sum.first.times(self.factor)
    }

    /// `self + factor * other`, to be evaluated later.
    fn plus(&self, factor: f64, other: &Self) -> Self {
        let second = other.mul(&factor);
        if second.factor == 0.0 {
            return self.clone();
        }
        if self.factor == 0.0 {
            return second;
        }
        Self::of(self.settled(), Some(second.settled()))
    }

    /// Element by element; for the operations that L-BFGS needs only with a penalty on the L1 norm.
    fn zip(&self, other: &Self, operation: impl Fn(f32, f32) -> f32) -> Self {
        let (a, b) = (self.values(), other.values());
        Self::new(
            &self.space(),
            a.iter().zip(b.iter()).map(|(&a, &b)| operation(a, b)).collect(),
        )
    }

    fn map(&self, operation: impl Fn(f32) -> f32) -> Self {
        Self::new(
            &self.space(),
            self.values().iter().map(|&value| operation(value)).collect(),
        )
    }
}

/// A vector's numbers, shared with it.
#[derive(Debug)]
pub(crate) struct Values(Rc<Buffer>);

impl Deref for Values {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0.data
    }
}

impl ArgminDot<Self, f64> for Vector {
    fn dot(&self, other: &Self) -> f64 {
        let left = self.settled();
        let mut right = other.sum.borrow_mut();
        let product = right
            .settle(Some(&left.buffer))
            .unwrap_or_else(|| left.buffer.dot(&right.first.buffer));
        left.factor * other.factor * right.first.factor * product
    }
}

impl ArgminAdd<Self, Self> for Vector {
    fn add(&self, other: &Self) -> Self {
        self.plus(1.0, other)
    }
}

impl ArgminSub<Self, Self> for Vector {
    fn sub(&self, other: &Self) -> Self {
        self.plus(-1.0, other)
    }
}

impl ArgminScaledAdd<Self, f64, Self> for Vector {
    fn scaled_add(&self, factor: &f64, other: &Self) -> Self {
        self.plus(*factor, other)
    }
}

impl ArgminMul<f64, Self> for Vector {
    fn mul(&self, factor: &f64) -> Self {
        Self {
            factor: factor * self.factor,
            sum: Rc::clone(&self.sum),
        }
    }
}

impl ArgminL2Norm<f64> for Vector {
    fn l2_norm(&self) -> f64 {
        self.dot(self).sqrt()
    }
}

impl ArgminZeroLike for Vector {
    fn zero_like(&self) -> Self {
        self.mul(&0.0)
    }
}

impl ArgminMul<Self, Self> for Vector {
    fn mul(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
}

impl ArgminAdd<f64, Self> for Vector {
    fn add(&self, other: &f64) -> Self {
        self.map(|value| (f64::from(value) + other) as f32)
    }
}

impl ArgminSub<f64, Self> for Vector {
    fn sub(&self, other: &f64) -> Self {
        self.map(|value| (f64::from(value) - other) as f32)
    }
}

impl ArgminSignum for Vector {
    fn signum(self) -> Self {
        self.map(f32::signum)
    }
}

impl ArgminMinMax for Vector {
    fn min(a: &Self, b: &Self) -> Self {
        a.zip(b, f32::min)
    }

    fn max(a: &Self, b: &Self) -> Self {
        a.zip(b, f32::max)
    }
}

impl ArgminL1Norm<f64> for Vector {
    fn l1_norm(&self) -> f64 {
        self.values().iter().map(|&value| f64::from(value.abs())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than a chunk, and no multiple of anything.
    const LEN: usize = CHUNK + 13;

    fn space() -> Rc<Space> {
        Space::new(LEN, 2).unwrap()
    }

    fn vector(space: &Rc<Space>, seed: usize) -> Vector {
        Vector::new(
            space,
            (0..LEN)
                .map(|i| ((i * 31 + seed * 17) % 101) as f32 - 50.0)
                .collect(),
        )
    }

    /// The dot product of the numbers, plainly.
    fn plain_dot(a: &Vector, b: &Vector) -> f64 {
        a.values()
            .iter()
            .zip(b.values().iter())
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum()
    }

    #[test]
    fn a_sum_read_by_a_product_is_the_sum_of_the_numbers() {
        let space = space();
        let (x, y, w) = (vector(&space, 1), vector(&space, 2), vector(&space, 3));
        let sum = x.mul(&0.5).sub(&y.mul(&3.0)).mul(&-2.0);
        let product = w.dot(&sum);
        for (i, ((&x, &y), &sum)) in x
            .values()
            .iter()
            .zip(y.values().iter())
            .zip(sum.values().iter())
            .enumerate()
        {
            assert!((sum - (6.0 * y - x)).abs() < 1e-4, "element {i}");
        }
        assert!(
            (product - plain_dot(&w, &sum)).abs() < 1e-9 * product.abs(),
            "{product}"
        );
    }

    #[test]
    fn a_sum_in_place_leaves_other_holders_of_the_numbers_alone() {
        let space = space();
        let (x, y) = (vector(&space, 1), vector(&space, 2));
        let (kept, before) = (x.clone(), x.values().to_vec());
        let sum = x.add(&y);
        drop(x);
        assert_ne!(&sum.values()[..], &before[..]);
        assert_eq!(&kept.values()[..], &before[..]);
    }

    #[test]
    fn a_remembered_product_is_forgotten_when_a_buffer_changes() {
        let space = space();
        let (y, mut q) = (vector(&space, 1), vector(&space, 2));
        for _ in 0..3 {
            assert_eq!(y.dot(&q), q.dot(&y));
            assert!((y.dot(&q) - plain_dot(&y, &q)).abs() < 1e-6 * plain_dot(&y, &y));
            q = q.sub(&y.mul(&0.25));
        }
    }

    #[test]
    fn a_sum_with_zero_is_the_other_vector_itself() {
        let space = space();
        let (x, d) = (vector(&space, 1), vector(&space, 2));
        assert!(x.scaled_add(&0.0, &d).is_clone_of(&x));
        assert!(x.zero_like().add(&d).is_clone_of(&d));
        assert_eq!(
            &x.zero_like().sub(&d.zero_like()).values()[..],
            &vec![0.0; LEN][..]
        );
    }

    #[test]
    fn buffers_are_used_again() {
        let space = space();
        let (x, y) = (vector(&space, 1), vector(&space, 2));
        for _ in 0..5 {
            x.add(&y).values();
        }
        drop((x, y));
        assert_eq!(space.allocated(), 3);
    }

    #[test]
    fn what_only_a_penalty_on_the_l1_norm_needs_is_right_also_at_zero() {
        let space = Space::new(4, 1).unwrap();
        let x = Vector::new(&space, vec![-2.0, 0.0, -0.0, 3.0]);
        let y = Vector::new(&space, vec![1.0, 1.0, -1.0, 1.0]);
        let values = |vector: Vector| vector.values().to_vec();
        assert_eq!(values(x.add(&f64::MIN_POSITIVE).signum()), [-1.0, 1.0, 1.0, 1.0]);
        assert_eq!(
            values(x.sub(&f64::MIN_POSITIVE).signum()),
            [-1.0, -1.0, -1.0, 1.0]
        );
        assert_eq!(values(x.mul(&y)), [-2.0, 0.0, 0.0, 3.0]);
        assert_eq!(values(Vector::min(&x, &y)), [-2.0, 0.0, -1.0, 1.0]);
        assert_eq!(values(Vector::max(&x, &y)), [1.0, 1.0, -0.0, 3.0]);
        assert_eq!((x.l1_norm(), x.l2_norm()), (5.0, 13f64.sqrt()));
    }
}
