//! How flags are read, and the help that lists what there is.

use std::ffi::OsStr;
use std::marker::PhantomData;

use clap::builder::TypedValueParser;
use clap::{Arg, Command, Error};

use super::{PRESETS, range_of};
use crate::range::describe;
use crate::runtime::PROVIDERS;

/// A whole number in the range of its option.
#[derive(Clone)]
pub(super) struct Whole<T>(PhantomData<T>);

impl<T> Whole<T> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: TryFrom<u64> + Clone + Send + Sync + 'static> TypedValueParser for Whole<T> {
    type Value = T;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, Error> {
        let range = arg
            .and_then(Arg::get_long)
            .and_then(range_of)
            .unwrap_or(0..=u64::MAX);
        let parse = move |text: &str| {
            let number = text.parse().ok().filter(|number| range.contains(number));
            let number = number.and_then(|number: u64| T::try_from(number).ok());
            number.ok_or_else(|| format!("must be {}", describe(&range)))
        };
        parse.parse_ref(command, arg, value)
    }
}

/// A finite number; its range is checked where all settings are.
pub(super) fn number(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err("must be a number".to_owned()),
    }
}

pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("must be KEY=VALUE".to_owned()),
    }
}

pub(super) fn presets_help() -> String {
    let rows = PRESETS
        .iter()
        .map(|preset| format!("\n  {:<13} {}", preset.name, preset.summary));
    let table: String = rows.collect();
    format!(
        "The set of layers and weights [default: impasto], or the name of graphs of your own. An explicit flag always wins \
         over its preset; --presets prints them in full. `make graphs` makes graphs of other layers, which take the weights of gatys.\n{table}"
    )
}

pub(super) fn providers_help() -> String {
    let rows: String = PROVIDERS
        .iter()
        .map(|provider| format!("\n  {:<13} {}", provider.name, provider.runs_on))
        .collect();
    format!(
        "What runs the graphs [default: auto]. auto takes the first of cuda, migraphx, directml, openvino and cpu that \
         works, and says why the others do not; one that is named runs or is an error. `impasto providers` lists what \
         works here.\n{rows}"
    )
}
