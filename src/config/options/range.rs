//! Checks of the options that are whole numbers, for flags, settings files and traces alike.

use std::fmt::Display;

use super::{ConfigError, range_of};
use crate::range::describe;

/// The value, if it is in the range of its option.
pub(in crate::config) fn whole<T>(option: &'static str, value: T) -> Result<T, ConfigError>
where
    T: Copy + Display + TryInto<u64>,
{
    match (range_of(option), value.try_into()) {
        (Some(range), Ok(number)) if !range.contains(&number) => {
            Err(ConfigError::new(option, value, describe(&range)))
        }
        _ => Ok(value),
    }
}

/// What is wrong with a value as it is written in a file, which `cause` found to be of no use for the option.
pub(in crate::config) fn unusable(option: &str, written: &str, cause: &str) -> String {
    match range_of(option) {
        Some(range) => format!("{option} is {written}, but must be {}", describe(&range)),
        None => format!("{option}: {cause}"),
    }
}
