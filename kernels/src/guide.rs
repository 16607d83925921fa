//! The weights of a layer's places.

use std::ops::Range;

/// The weights `w >= 0` of the places of a layer, row-major: a region's mask, a tile's own places, or their product.
#[derive(Clone, Copy, Debug)]
pub enum Guide<'a> {
    /// All are 1.
    Whole,
    /// One for each place.
    Weights(&'a [f32]),
}

impl<'a> Guide<'a> {
    /// [`Guide::Whole`], the fast path, where all weights are 1.
    pub fn of(weights: &'a [f32]) -> Self {
        match weights.iter().all(|&weight| weight == 1.0) {
            true => Self::Whole,
            false => Self::Weights(weights),
        }
    }

    /// That of some places.
    pub(crate) fn part(self, places: &Range<usize>) -> Self {
        match self {
            Self::Whole => Self::Whole,
            Self::Weights(weights) => Self::Weights(&weights[places.clone()]),
        }
    }

    /// Whether no place counts.
    pub(crate) fn is_zero(self) -> bool {
        matches!(self, Self::Weights(weights) if weights.iter().all(|&weight| weight == 0.0))
    }

    /// The parts of `places` that count, in whole groups of so many places from the first on; all of them, where all
    /// weights are 1.
    pub(crate) fn counting(self, places: &Range<usize>, group: usize) -> Vec<Range<usize>> {
        if matches!(self, Self::Whole) {
            return vec![places.clone()];
        }
        let groups = places.clone().step_by(group);
        let groups = groups.map(|first| first..(first + group).min(places.end));
        let mut counting: Vec<Range<usize>> = Vec::new();
        for group in groups.filter(|group| !self.part(group).is_zero()) {
            match counting.last_mut().filter(|last| last.end == group.start) {
                Some(last) => last.end = group.end,
                None => counting.push(group),
            }
        }
        counting
    }

    /// Whether there is a weight for each of so many places.
    pub(crate) fn fits(self, places: usize) -> bool {
        match self {
            Self::Whole => true,
            Self::Weights(weights) => weights.len() == places,
        }
    }
}
