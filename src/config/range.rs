//! The ranges of the options that are whole numbers, for flags, settings files and traces alike.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::ConfigError;

/// A side of a picture, in pixels.
pub const SIZE: RangeInclusive<u64> = 1..=32_768;
/// Seeds of noise.
pub const SEED: RangeInclusive<u64> = 0..=u64::MAX;
/// Iterations of a scale.
pub const ITERATIONS: RangeInclusive<u64> = 0..=1_000_000;
/// Pairs that L-BFGS remembers.
pub const HISTORY: RangeInclusive<u64> = 1..=1000;
/// Qualities of a JPEG file.
pub const JPEG_QUALITY: RangeInclusive<u64> = 1..=100;
/// Threads.
pub const THREADS: RangeInclusive<u64> = 1..=1024;
/// Numbers of a provider's device.
pub const DEVICE_ID: RangeInclusive<u64> = 0..=65_535;

/// The range of the option called so, if it is a whole number.
fn of(option: &str) -> Option<RangeInclusive<u64>> {
    Some(match option {
        "size" | "style-size" => SIZE,
        "seed" => SEED,
        "iterations" => ITERATIONS,
        "history" => HISTORY,
        "jpeg-quality" => JPEG_QUALITY,
        "threads" => THREADS,
        "device-id" => DEVICE_ID,
        _ => return None,
    })
}

/// A range in words.
pub fn describe(range: &RangeInclusive<u64>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}

/// The value, if it is in the range of its option.
pub(super) fn whole<T>(option: &'static str, value: T) -> Result<T, ConfigError>
where
    T: Copy + Display + TryInto<u64>,
{
    match (of(option), value.try_into()) {
        (Some(range), Ok(number)) if !range.contains(&number) => Err(ConfigError {
            option,
            value: value.to_string(),
            expected: describe(&range).into(),
        }),
        _ => Ok(value),
    }
}

/// What is wrong with a value as it is written in a file, which `cause` found to be of no use for the option.
pub(super) fn unusable(option: &str, written: &str, cause: &str) -> String {
    match of(option) {
        Some(range) => format!("{option} is {written}, but must be {}", describe(&range)),
        None => format!("{option}: {cause}"),
    }
}
