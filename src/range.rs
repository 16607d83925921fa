//! Numbers that flags, settings files and scales have in common: their ranges, and how files write them.

use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::Deserialize;

/// A side of a picture, in pixels.
pub(crate) const SIZE: RangeInclusive<u64> = 1..=65_536;
/// Iterations of a scale.
pub(crate) const ITERATIONS: RangeInclusive<u64> = 0..=1_000_000;

/// What a file has where a text may be a bare number.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum TextOrNumber {
    Text(String),
    Number(u64),
}

impl TextOrNumber {
    /// What it says, as a text.
    pub(crate) fn parse<T: FromStr>(self) -> Result<T, T::Err> {
        match self {
            Self::Text(text) => text.parse(),
            Self::Number(number) => number.to_string().parse(),
        }
    }
}

/// A range in words.
pub(crate) fn describe(range: &RangeInclusive<u64>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}
