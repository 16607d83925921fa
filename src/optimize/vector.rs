//! The optimiser's vectors: pictures and gradients with fused, parallel, deterministic arithmetic.
//!
//! L-BFGS spends its time in `q = q - alpha * y` followed by `s . q`, twice for every pair of its history.
//! A [`Vector`] therefore holds `a * x + b * y` unevaluated, and evaluates it in the pass that first reads it:
//! the sum and the product are one sweep over memory, in place where nobody else holds the buffer. A clone, a
//! product with a number and a sum cost nothing. Buffers that are no longer needed are used again.
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
const CHUNK: usize = 8192;

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

    /// Adds `factor * other` to the buffer, which is copied first if someone else holds it too.
    fn add_scaled(target: &mut Rc<Self>, factor: f64, other: &Self, with: Option<&Self>) -> f64 {
        // `make_mut` also cuts off the weak references: products remembered elsewhere end here.
        let target = Rc::make_mut(target);
        target.product.take();
        let with = with.map(|with| &with.data[..]);
        target
            .space
            .add_scaled(&mut target.data, factor as f32, &other.data, with)
    }

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
#[derive(Debug, Clone)]
struct Term {
    factor: f64,
    buffer: Rc<Buffer>,
}

/// One term, or two that nobody has read yet.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone)]
pub(crate) struct Vector {
    sum: RefCell<Sum>,
}

impl Vector {
    /// Takes over `data`, whose length is that of the space.
    pub(crate) fn new(space: &Rc<Space>, data: Vec<f32>) -> Self {
        debug_assert_eq!(space.len, data.len());
        let buffer = Rc::new(Buffer::new(Rc::clone(space), data));
        Self::of(Term { factor: 1.0, buffer })
    }

    fn of(first: Term) -> Self {
        Self {
            sum: RefCell::new(Sum { first, second: None }),
        }
    }

    pub(crate) fn space(&self) -> Rc<Space> {
        Rc::clone(&self.sum.borrow().first.buffer.space)
    }

    /// The numbers themselves.
    pub(crate) fn values(&self) -> Values {
        let mut sum = self.sum.borrow_mut();
        sum.settle(None);
        let Term { factor, buffer } = &mut sum.first;
        if *factor != 1.0 {
            let scale = *factor as f32;
            let buffer = Rc::make_mut(buffer);
            buffer.product.take();
            buffer.data.iter_mut().for_each(|value| *value *= scale);
            *factor = 1.0;
        }
        Values(Rc::clone(buffer))
    }

    /// Whether both are the same point because one is a clone of the other. Never true of different points.
    pub(crate) fn is_clone_of(&self, other: &Self) -> bool {
        let (a, b) = (self.settled(), other.settled());
        a.factor == b.factor && Rc::ptr_eq(&a.buffer, &b.buffer)
    }

    /// The square root of the mean square of the elements.
    pub(crate) fn rms(&self) -> f64 {
        let Term { factor, buffer } = self.settled();
        factor.abs() * (buffer.dot(&buffer) / buffer.data.len() as f64).sqrt()
    }

    fn settled(&self) -> Term {
        let mut sum = self.sum.borrow_mut();
        sum.settle(None);
        sum.first.clone()
    }

    fn plus(&self, factor: f64, other: &Self) -> Self {
        let mut terms = [self.settled(), other.mul(&factor).settled()].into_iter();
        let zero = self.zero_like().settled();
        let mut terms = terms.by_ref().filter(|term| term.factor != 0.0);
        let first = terms.next().unwrap_or(zero);
        Self {
            sum: RefCell::new(Sum {
                first,
                second: terms.next(),
            }),
        }
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
        left.factor * right.first.factor * product
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
        let mut sum = self.sum.borrow().clone();
        sum.first.factor *= factor;
        if let Some(second) = &mut sum.second {
            second.factor *= factor;
        }
        Self {
            sum: RefCell::new(sum),
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
