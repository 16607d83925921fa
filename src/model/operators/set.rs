//! The choice of kernels.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use impasto_kernels::Isa;

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

/// Kernels that are not known, or that this machine cannot run.
#[derive(Debug, thiserror::Error)]
#[error("kernels {name:?} cannot be used; on this machine there are: {usable}")]
pub struct UnusableKernels {
    name: String,
    usable: String,
}

impl UnusableKernels {
    fn new(name: &str) -> UnusableKernels {
        let usable = KernelSet::all().filter(|set| set.is_usable());
        UnusableKernels {
            name: name.to_owned(),
            usable: usable.map(KernelSet::name).collect::<Vec<_>>().join(", "),
        }
    }
}

impl KernelSet {
    /// One for each name, also those that this machine cannot run.
    fn all() -> impl Iterator<Item = KernelSet> {
        let others = [KernelSet::Auto, KernelSet::OnnxRuntime];
        others.into_iter().chain(Isa::named().map(KernelSet::Own))
    }

    /// The name on the command line.
    fn name(self) -> &'static str {
        match self {
            KernelSet::Auto => "auto",
            KernelSet::OnnxRuntime => "onnxruntime",
            KernelSet::Own(isa) => isa.name(),
        }
    }

    /// The set by its own name; in place of `auto`, the one that it means on this machine.
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
        KernelSet::all()
            .find(|set| set.name() == name && set.is_usable())
            .ok_or_else(|| UnusableKernels::new(name))
    }
}

/// Reads any name that is known; [`KernelSet::check`] tells whether this machine can run it.
impl<'de> Deserialize<'de> for KernelSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<KernelSet, D::Error> {
        let name = String::deserialize(deserializer)?;
        KernelSet::all()
            .find(|set| set.name() == name)
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
        f.write_str(self.name())
    }
}
