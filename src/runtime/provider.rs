//! Execution providers: what runs the graph.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// An execution provider of ONNX Runtime, or `auto`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provider {
    /// The best provider that works on this machine: for now the CPU.
    #[default]
    Auto,
    /// The processor.
    Cpu,
}

impl Provider {
    /// All providers, in the order in which they are listed.
    pub const ALL: [Provider; 2] = [Provider::Auto, Provider::Cpu];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Auto => "auto",
            Provider::Cpu => "cpu",
        }
    }
}

/// A provider that this program does not know.
#[derive(Debug, thiserror::Error)]
#[error("execution provider {name:?} is not known; usable are: auto, cpu")]
pub struct UnknownProvider {
    name: String,
}

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Provider::ALL.into_iter().find(|provider| provider.name() == name);
        known.ok_or_else(|| UnknownProvider {
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Provider {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
