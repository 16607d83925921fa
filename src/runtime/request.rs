//! What the caller asks of execution providers, checked before anything is loaded.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::provider::{OptionPairs, Precision, Provider, ProviderChoice};
use crate::files::shown;

/// A provider and its options.
///
/// Its serialised form has the names of the flags.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Request {
    /// The provider (default auto).
    pub provider: ProviderChoice,
    /// The number of the provider's device (default its first).
    #[serde(rename = "device-id")]
    pub device: Option<u32>,
    /// Options of the provider, keys and values; they win over what the program sets by itself.
    #[serde(rename = "provider-option", serialize_with = "map")]
    pub options: OptionPairs,
    /// The library of a provider that comes as a plugin; it is the one that runs.
    #[serde(rename = "provider-library")]
    pub library: Option<PathBuf>,
    /// What the provider computes in (default f32).
    pub precision: Option<Precision>,
}

/// A request that no machine could fulfil.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Something that only makes sense for a provider that is named.
    #[error("{option} belongs to one provider, and none is named")]
    NoProvider {
        /// The option.
        option: &'static str,
    },
    /// A plugin and a provider at once.
    #[error("a provider library brings its own provider, and {provider} is named too")]
    TwoProviders {
        /// The provider named.
        provider: &'static str,
    },
    /// The provider has only one device.
    #[error("provider {provider} has no devices to choose from")]
    NoDevices {
        /// The provider.
        provider: &'static str,
    },
    /// The provider does not know an option.
    #[error("provider {provider} has no option {key:?}; {known}")]
    UnknownOption {
        /// The provider.
        provider: &'static str,
        /// The option.
        key: String,
        /// The options that it has, in words.
        known: String,
    },
    /// A value that no provider could be told.
    #[error("provider {provider}: the value of option {key:?} has a NUL in it; leave it out")]
    NulInOption {
        /// The provider.
        provider: &'static str,
        /// The option.
        key: String,
    },
    /// The provider does not compute in this precision.
    #[error("provider {provider} does not compute in {precision}, only in {known}")]
    Precision {
        /// The provider.
        provider: &'static str,
        /// The precision asked for.
        precision: &'static str,
        /// The precisions that it has.
        known: String,
    },
    /// The plugin does not exist.
    #[error("the provider library {path} does not exist", path = shown(path))]
    NoLibrary {
        /// The file.
        path: PathBuf,
    },
}

impl Request {
    /// Checks the request against what the provider knows.
    ///
    /// # Errors
    /// The first thing that the provider does not know.
    pub fn check(&self) -> Result<(), RequestError> {
        match (&self.library, self.provider) {
            (Some(path), ProviderChoice::Auto) if path.is_file() => Ok(()),
            (Some(path), ProviderChoice::Auto) => Err(RequestError::NoLibrary { path: path.clone() }),
            (Some(_), ProviderChoice::Named(provider)) => Err(RequestError::TwoProviders {
                provider: provider.name,
            }),
            (None, ProviderChoice::Named(provider)) => self.check_against(provider),
            (None, ProviderChoice::Auto) => self.check_without(),
        }
    }

    fn check_without(&self) -> Result<(), RequestError> {
        let set = [
            ("device-id", self.device.is_some()),
            ("provider-option", !self.options.is_empty()),
            (
                "precision",
                self.precision
                    .is_some_and(|precision| precision != Precision::F32),
            ),
        ];
        match set.into_iter().find(|(_, set)| *set) {
            Some((option, _)) => Err(RequestError::NoProvider { option }),
            None => Ok(()),
        }
    }

    fn check_against(&self, provider: &'static Provider) -> Result<(), RequestError> {
        let name = provider.name;
        if self.device.is_some() && provider.device.is_none() {
            return Err(RequestError::NoDevices { provider: name });
        }
        let is_unknown = |key: &&String| !provider.options.contains(&key.as_str());
        if let Some(key) = self.options.iter().map(|(key, _)| key).find(is_unknown) {
            return Err(RequestError::UnknownOption {
                provider: name,
                key: key.clone(),
                known: known_options(provider),
            });
        }
        // `ort` hands values on as strings that end with the first NUL, and panics where that is not the last.
        if let Some((key, _)) = self.options.iter().find(|(_, value)| value.contains('\0')) {
            return Err(RequestError::NulInOption {
                provider: name,
                key: key.clone(),
            });
        }
        match self.precision {
            Some(precision) if !provider.precisions.iter().any(|(known, _)| *known == precision) => {
                let known: Vec<&str> = provider
                    .precisions
                    .iter()
                    .map(|(known, _)| known.name())
                    .collect();
                Err(RequestError::Precision {
                    provider: name,
                    precision: precision.name(),
                    known: known.join(", "),
                })
            }
            _ => Ok(()),
        }
    }
}

fn map<S: Serializer>(values: &OptionPairs, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(values.iter().map(|(key, value)| (key, value)))
}

fn known_options(provider: &Provider) -> String {
    if provider.options.is_empty() {
        "it has none".to_owned()
    } else {
        format!("it has {}", provider.options.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(request: &Request) -> String {
        request.check().unwrap_err().to_string()
    }

    fn of(provider: &str) -> Request {
        Request {
            provider: provider.parse().unwrap(),
            ..Request::default()
        }
    }

    #[test]
    fn what_a_provider_does_not_know_is_refused_by_name() {
        let mut request = of("cuda");
        request.options = vec![("use_tf23".into(), "1".into())];
        let message = refused(&request);
        assert!(
            message.contains("use_tf23") && message.contains("use_tf32"),
            "{message}"
        );

        request.options = vec![("use_tf32".into(), "1\0".into())];
        assert!(refused(&request).contains("NUL"));

        request = of("cpu");
        request.device = Some(1);
        assert!(refused(&request).contains("no devices"));

        request = of("tensorrt");
        request.precision = Some(Precision::F32);
        assert!(refused(&request).contains("only in tf32"));
    }

    #[test]
    fn options_without_a_provider_are_refused() {
        let device = Request {
            device: Some(0),
            ..Request::default()
        };
        assert!(refused(&device).contains("device-id belongs to one provider"));
        let options = Request {
            options: vec![("a".into(), "b".into())],
            ..Request::default()
        };
        assert!(refused(&options).contains("provider-option belongs to one provider"));
        assert!(Request::default().check().is_ok());
    }

    #[test]
    fn a_plugin_excludes_a_named_provider_and_must_exist() {
        let library = Some(PathBuf::from("no/such/plugin.so"));
        let both = Request {
            library: library.clone(),
            ..of("cuda")
        };
        assert!(refused(&both).contains("cuda is named too"));
        let gone = Request {
            library,
            ..Request::default()
        };
        assert!(refused(&gone).contains("does not exist"));
    }
}
