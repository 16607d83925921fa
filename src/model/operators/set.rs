//! The choice of kernels.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::kernels::Isa;

/// Which kernels the CPU provider runs the network on; other providers have their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KernelSet {
    /// The program's own, on the fastest vectors of the machine.
    #[default]
    Auto,
    /// ONNX Runtime's: slower, and closer to exact arithmetic, since they convolve directly.
    OnnxRuntime,
    /// The program's own, on vectors of one instruction set.
    Own(Isa),
}

/// The names on the command line.
const NAMES: [(&str, KernelSet); 7] = [
    ("auto", KernelSet::Auto),
    ("onnxruntime", KernelSet::OnnxRuntime),
    ("portable", KernelSet::Own(Isa::Portable)),
    ("neon", KernelSet::Own(Isa::Neon)),
    ("avx2", KernelSet::Own(Isa::Avx2)),
    ("avx512", KernelSet::Own(Isa::Avx512)),
    ("amx", KernelSet::Own(Isa::Amx)),
];

/// Kernels that are not known, or that this machine cannot run.
#[derive(Debug, thiserror::Error)]
#[error("kernels {name:?} cannot be used; on this machine there are: {usable}")]
pub struct UnusableKernels {
    name: String,
    usable: String,
}

impl UnusableKernels {
    fn new(name: &str) -> UnusableKernels {
        let usable = NAMES.into_iter().filter(|(_, set)| set.is_usable());
        UnusableKernels {
            name: name.to_owned(),
            usable: usable.map(|(known, _)| known).collect::<Vec<_>>().join(", "),
        }
    }
}

impl KernelSet {
    /// The same kernels by their own name: those that `auto` means on this machine.
    #[must_use]
    pub fn resolved(self) -> KernelSet {
        self.isa().map_or(KernelSet::OnnxRuntime, KernelSet::Own)
    }

    /// Checks that this machine can run them.
    ///
    /// # Errors
    /// It has not the instructions; the error names those that it can run.
    pub fn check(self) -> Result<(), UnusableKernels> {
        if self.is_usable() {
            Ok(())
        } else {
            Err(UnusableKernels::new(&self.to_string()))
        }
    }

    fn is_usable(self) -> bool {
        match self {
            KernelSet::Own(isa) => isa.is_available(),
            KernelSet::Auto | KernelSet::OnnxRuntime => true,
        }
    }

    /// The instruction set of the program's own kernels; `None` for ONNX Runtime's.
    pub(super) fn isa(self) -> Option<Isa> {
        match self {
            KernelSet::Auto => Some(Isa::detect()),
            KernelSet::OnnxRuntime => None,
            KernelSet::Own(isa) => Some(isa),
        }
    }
}

impl FromStr for KernelSet {
    type Err = UnusableKernels;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = NAMES
            .into_iter()
            .find(|(known, set)| *known == name && set.is_usable());
        found
            .map(|(_, set)| set)
            .ok_or_else(|| UnusableKernels::new(name))
    }
}

/// Reads any name that is known; [`KernelSet::check`] tells whether this machine can run it.
impl<'de> Deserialize<'de> for KernelSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<KernelSet, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = NAMES.into_iter().find(|(known, _)| *known == name);
        known
            .map(|(_, set)| set)
            .ok_or_else(|| D::Error::custom(UnusableKernels::new(&name)))
    }
}

impl Serialize for KernelSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for KernelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES
            .into_iter()
            .find(|(_, set)| set == self)
            .map_or("auto", |(name, _)| name);
        f.write_str(name)
    }
}
