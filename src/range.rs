//! Ranges of whole numbers that flags, settings files and scales have in common.

use std::ops::RangeInclusive;

/// A side of a picture, in pixels.
pub(crate) const SIZE: RangeInclusive<u64> = 1..=32_768;
/// Iterations of a scale.
pub(crate) const ITERATIONS: RangeInclusive<u64> = 0..=1_000_000;

/// A range in words.
pub(crate) fn describe(range: &RangeInclusive<u64>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}
