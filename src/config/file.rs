//! Settings from a file.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::options::unusable;
use super::{ConfigError, Options};
use crate::files::{self, InputError, shown};

/// The most bytes of a settings file.
const MAX_BYTES: u64 = 1 << 20;

/// A settings file: TOML whose keys are the names of [`Options`] in kebab case, which are those of the flags.
///
/// Paths in it are taken as on the command line: from the working directory.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    path: PathBuf,
    text: String,
    /// The keys of the top level.
    keys: Vec<Key>,
    options: Options,
}

/// A settings file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFileError {
    /// The file cannot be read.
    #[error("the settings file {0}")]
    Unreadable(#[from] InputError),
    /// Its bytes are no text.
    #[error("the settings file {} is no text in UTF-8; name a TOML file", shown(path))]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// It is no TOML, a key is not known, or a value is of the wrong type or out of its range.
    #[error("{}:{line}: {message}", shown(path))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key and what is wrong with it.
        message: String,
    },
}

impl ConfigFile {
    /// Reads a settings file. Ranges are checked when its options, with all others, are resolved.
    ///
    /// # Errors
    /// The file cannot be read, is no TOML, or has a key that is not known or a value of the wrong type.
    pub fn read(path: &Path) -> Result<ConfigFile, ConfigFileError> {
        let bytes = files::read(path, MAX_BYTES)?.into_bytes();
        let text = String::from_utf8(bytes).map_err(|_| ConfigFileError::NotText { path: path.into() })?;
        let mut file = ConfigFile {
            path: path.into(),
            text,
            keys: Vec::new(),
            options: Options::default(),
        };
        file.keys = keys(&file.text).map_err(|error| file.explain(&error))?;
        file.options = toml::from_str(&file.text).map_err(|error| file.explain(&error))?;
        Ok(file)
    }

    /// What the file sets.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The error with its place in the file; none if the file does not set the option.
    pub fn locate(&self, error: &ConfigError) -> Option<ConfigFileError> {
        let (_, place, _) = self.keys.iter().find(|(key, ..)| key == error.option)?;
        Some(self.wrong(place.start, error.to_string()))
    }

    fn explain(&self, error: &toml::de::Error) -> ConfigFileError {
        let start = error.span().map_or(0, |span| span.start);
        let key = self
            .keys
            .iter()
            .find(|(_, key, value)| (key.start..value.end).contains(&start));
        let message = match key {
            Some((key, _, value)) => unusable(key, &self.text[value.clone()], error.message()),
            None => error.message().to_owned(),
        };
        self.wrong(start, message)
    }

    fn wrong(&self, at: usize, message: String) -> ConfigFileError {
        ConfigFileError::Wrong {
            path: self.path.clone(),
            line: 1 + self.text[..at].matches('\n').count(),
            message,
        }
    }
}

/// A key, where it stands, and where its value does.
type Key = (String, Range<usize>, Range<usize>);

fn keys(text: &str) -> Result<Vec<Key>, toml::de::Error> {
    let table = DeTable::parse(text)?;
    let entries = table.get_ref().iter();
    Ok(entries
        .map(|(key, value)| (key.get_ref().to_string(), key.span(), value.span()))
        .collect())
}
