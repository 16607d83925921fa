//! How to get an ONNX Runtime that has a provider.

use std::fmt;

use serde::{Serialize, Serializer};

use super::library;
use super::provider::Provider;

/// How to get an ONNX Runtime that has a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The runtime of this name has it, and lies ready.
    Ready(String),
    /// This build has it.
    Build(&'static str),
}

impl Remedy {
    pub(super) fn of(provider: &'static Provider) -> Remedy {
        library::runtime_with(provider).map_or(Remedy::Build(provider.remedy), Remedy::Ready)
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remedy::Ready(runtime) => write!(f, "the runtime {runtime}, which lies ready"),
            Remedy::Build(build) => f.write_str(build),
        }
    }
}

impl Serialize for Remedy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
