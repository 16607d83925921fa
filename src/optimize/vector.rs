//! The optimiser's vectors: pictures, gradients and all that L-BFGS makes of them, as sums not yet evaluated.
//!
//! L-BFGS would spend its time in `q = q - alpha * y` followed by `s . q`, twice for every pair of its history. But
//! `q` is a sum of multiples of one gradient and the pairs, so that `s . q` is a sum of multiples of products of
//! those, and they do not change: W. Chen, Z. Wang and J. Zhou, "Large-scale L-BFGS using MapReduce", NIPS 2014. A
//! [`Vector`] therefore is such a sum, [`Buffer::dot`] remembers the products, and the numbers are computed where
//! the objective asks for them: once an iteration, for the next point. Clones, multiples and sums cost nothing, and
//! memory is read twice an iteration, for the point and for the products of its gradient; those of the difference of two
//! gradients are the differences of theirs.
//!
//! The pairs, differences of two points or of two gradients, are in 8 bits, a quarter of the memory of whole ones.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;

use argmin_math::{ArgminDot, ArgminScaledAdd};

use super::space::{Buffer, Space};

/// `factor * buffer`.
#[derive(Debug, Clone)]
struct Term {
    factor: f64,
    buffer: Rc<Buffer>,
}

/// A point, a gradient or a direction: one number for each element of the picture.
///
/// Clones and multiples share one sum, so that it is evaluated once for all of them.
#[derive(Debug, Clone)]
pub(crate) struct Vector {
    factor: f64,
    /// One term at least.
    sum: Rc<RefCell<Vec<Term>>>,
}

impl Vector {
    /// Takes over `data`, whose length is that of the space.
    pub(crate) fn new(space: &Rc<Space>, data: Vec<f32>) -> Self {
        Self::of(vec![Term {
            factor: 1.0,
            buffer: Buffer::new(space, data),
        }])
    }

    fn of(terms: Vec<Term>) -> Self {
        Self {
            factor: 1.0,
            sum: Rc::new(RefCell::new(terms)),
        }
    }

    pub(crate) fn space(&self) -> Rc<Space> {
        Rc::clone(self.sum.borrow()[0].buffer.space())
    }

    /// The numbers themselves.
    pub(crate) fn values(&self) -> Values {
        let (factor, values) = self.whole().unwrap_or_else(|| self.evaluate());
        if factor == 1.0 {
            values
        } else {
            Values(Buffer::sum(&self.space(), &[(factor, &values.0)]))
        }
    }

    /// Makes one buffer of the sum.
    fn evaluate(&self) -> (f64, Values) {
        let mut sum = self.sum.borrow_mut();
        let terms: Vec<_> = sum.iter().map(|term| (term.factor, &*term.buffer)).collect();
        let buffer = Buffer::sum(sum[0].buffer.space(), &terms);
        *sum = vec![Term {
            factor: 1.0,
            buffer: Rc::clone(&buffer),
        }];
        (self.factor, Values(buffer))
    }

    /// A factor and the numbers it multiplies, if the sum is a single buffer that is not rounded.
    fn whole(&self) -> Option<(f64, Values)> {
        match &self.sum.borrow()[..] {
            [term] if term.buffer.full().is_some() => {
                Some((self.factor * term.factor, Values(Rc::clone(&term.buffer))))
            }
            _ => None,
        }
    }

    fn terms(&self) -> Vec<Term> {
        let times = |term: &Term| Term {
            factor: self.factor * term.factor,
            buffer: Rc::clone(&term.buffer),
        };
        self.sum.borrow().iter().map(times).collect()
    }

    /// Whether both are the same point because one is a clone of the other. Never true of different points.
    pub(crate) fn is_clone_of(&self, other: &Self) -> bool {
        self.factor == other.factor && Rc::ptr_eq(&self.sum, &other.sum)
    }

    /// The square root of the mean square of the elements.
    pub(crate) fn rms(&self) -> f64 {
        (self.dot(self) / self.space().len() as f64).sqrt()
    }

    /// `factor * self`.
    pub(super) fn times(&self, factor: f64) -> Self {
        Self {
            factor: factor * self.factor,
            sum: Rc::clone(&self.sum),
        }
    }

    /// `self - other`, in 8 bits.
    pub(super) fn rounded_difference(&self, other: &Self) -> Self {
        let (a, b) = (self.values(), other.values());
        Self::of(vec![Term {
            factor: 1.0,
            buffer: Buffer::rounded_difference(&self.space(), &a.0, &b.0),
        }])
    }
}

/// A vector's numbers, shared with it. They are never rounded ones.
#[derive(Debug)]
pub(crate) struct Values(Rc<Buffer>);

impl Deref for Values {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.0.full().unwrap_or_default()
    }
}

impl ArgminDot<Self, f64> for Vector {
    fn dot(&self, other: &Self) -> f64 {
        let (left, right) = (self.sum.borrow(), other.sum.borrow());
        let products = left.iter().flat_map(|a| {
            right
                .iter()
                .map(move |b| a.factor * b.factor * a.buffer.dot(&b.buffer))
        });
        self.factor * other.factor * products.sum::<f64>()
    }
}

impl ArgminScaledAdd<Self, f64, Self> for Vector {
    /// `self + factor * other`. The terms of `self` come last: those of a point are the largest, those of a step to
    /// it are better added up first.
    fn scaled_add(&self, factor: &f64, other: &Self) -> Self {
        let other = other.times(*factor);
        if other.factor == 0.0 {
            return self.clone();
        }
        if self.factor == 0.0 {
            return other;
        }
        Self::of([other.terms(), self.terms()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbers::CHUNK;
    use super::*;

    /// Longer than a chunk, and no multiple of anything.
    const LEN: usize = CHUNK + 13;

    fn space() -> Rc<Space> {
        Space::new(LEN, 2).unwrap()
    }

    fn vector(space: &Rc<Space>, seed: usize) -> Vector {
        let number = |i| ((i * 31 + seed * 17) % 101) as f32 - 50.0;
        Vector::new(space, (0..LEN).map(number).collect())
    }

    /// The numbers in f64; the vector stays as it is.
    fn numbers(vector: &Vector) -> Vec<f64> {
        let values = Vector::of(vector.terms()).values();
        values.iter().copied().map(f64::from).collect()
    }

    fn plain_dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    /// `a + factor * b`.
    fn plain_sum(a: &[f64], factor: f64, b: &[f64]) -> Vec<f64> {
        a.iter().zip(b).map(|(a, b)| a + factor * b).collect()
    }

    fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!(
                (found - expected).abs() <= tolerance,
                "element {i}: {found} instead of {expected}"
            );
        }
    }

    #[test]
    fn a_sum_read_by_a_product_is_the_sum_of_the_numbers() {
        let space = space();
        let (x, y, w) = (vector(&space, 1), vector(&space, 2), vector(&space, 3));
        let sum = x.times(0.5).scaled_add(&-3.0, &y).times(-2.0);
        let product = w.dot(&sum);
        let expected = plain_sum(&numbers(&y.times(6.0)), -1.0, &numbers(&x));
        assert_close(&numbers(&sum), &expected, 1e-4);
        assert!((product - plain_dot(&numbers(&w), &expected)).abs() < 1e-9 * product.abs());
    }

    #[test]
    fn a_sum_leaves_its_terms_alone() {
        let space = space();
        let (x, y) = (vector(&space, 1), vector(&space, 2));
        let (kept, before) = (x.clone(), x.values().to_vec());
        let sum = x.scaled_add(&1.0, &y);
        drop(x);
        assert_ne!(&sum.values()[..], &before[..]);
        assert_eq!(&kept.values()[..], &before[..]);
    }

    #[test]
    fn a_rounded_difference_is_off_by_half_a_step() {
        let space = space();
        let (x, y) = (vector(&space, 1).times(0.25), vector(&space, 2).times(0.25));
        let pair = x.rounded_difference(&y);
        let exact = plain_sum(&numbers(&x), -1.0, &numbers(&y));
        let largest = exact
            .iter()
            .fold(0.0, |largest: f64, number| largest.max(number.abs()));
        assert_close(&numbers(&pair), &exact, largest / 127.0 * 0.501);
        assert_ne!(numbers(&pair), exact);
        drop((x, y, pair));
        assert_eq!(space.allocated().1, 1);
    }

    #[test]
    fn a_sum_with_zero_is_the_other_vector_itself() {
        let space = space();
        let (x, d) = (vector(&space, 1), vector(&space, 2));
        assert!(x.scaled_add(&0.0, &d).is_clone_of(&x));
        assert!(x.times(0.0).scaled_add(&1.0, &d).is_clone_of(&d));
        let zero = x.times(0.0).scaled_add(&-1.0, &d.times(0.0));
        assert_eq!(&zero.values()[..], &vec![0.0; LEN][..]);
    }

    #[test]
    fn buffers_are_used_again() {
        let space = space();
        let (x, y) = (vector(&space, 1), vector(&space, 2));
        for _ in 0..5 {
            x.scaled_add(&1.0, &y).values();
            x.rounded_difference(&y);
        }
        drop((x, y));
        assert_eq!(space.allocated(), (3, 1));
    }
}
