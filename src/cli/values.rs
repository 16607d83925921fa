//! Parsers of flags' values whose errors name the range.

use std::ops::RangeInclusive;

use impasto::config::range::describe;

/// A parser of whole numbers whose error names the range.
pub fn whole<T: TryFrom<u64>>(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let value = text.parse().ok().filter(|value| range.contains(value));
        let value = value.and_then(|value: u64| T::try_from(value).ok());
        value.ok_or_else(|| format!("must be {}", describe(&range)))
    }
}

/// A finite number; its range is checked where all settings are.
pub fn number(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err("must be a number".to_owned()),
    }
}

/// A weight: 0 or more.
pub fn weight(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("must be a number, 0 or more".to_owned()),
    }
}
