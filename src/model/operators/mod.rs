//! The program's own operators for the processor: ONNX Runtime runs the graph, the crate [`impasto_kernels`] computes.
//!
//! `onnx/README.md` says what each operator computes; `scripts/exporter/operators.py` has their signatures. Every
//! session of a preset shares one [`Kernels`]: the weights of a layer are transformed once, for both directions.

mod context;
mod layers;
mod operator;
mod set;
mod terms;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ort::operator::OperatorDomain;

pub(super) use context::SessionInfo;
use impasto_kernels::{Conv3x3, Isa, Workspace};
use operator::{NONE, Own};
pub use set::{KernelSet, UnusableKernels};

/// The domain of the operators.
const DOMAIN: &str = "impasto";

/// What the sessions of a preset share: the transformed weights, scratch memory, the instruction set.
pub(crate) struct Kernels {
    isa: Isa,
    workspace: Workspace,
    layers: Mutex<HashMap<String, Arc<Conv3x3>>>,
}

impl fmt::Debug for Kernels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Kernels")
            .field("isa", &self.isa)
            .finish_non_exhaustive()
    }
}

impl Kernels {
    /// What the sessions of a preset share; `None` if they run on ONNX Runtime's kernels.
    pub(super) fn choose(set: KernelSet) -> Option<Arc<Kernels>> {
        let isa = set.isa()?;
        Some(Arc::new(Kernels {
            isa,
            workspace: Workspace::new(),
            layers: Mutex::default(),
        }))
    }

    /// The kernels, by name.
    pub(super) fn set(&self) -> KernelSet {
        KernelSet::Own(self.isa)
    }

    /// The operators of a session.
    pub(super) fn domain(self: &Arc<Self>, info: SessionInfo) -> ort::Result<OperatorDomain> {
        let domain = layers::OPERATORS
            .iter()
            .chain(terms::OPERATORS)
            .try_fold(OperatorDomain::new(DOMAIN)?, |domain, operator| {
                domain.add(Own::<NONE>::new(operator, self.clone(), info))
            })?;
        let adding = &terms::MOMENTS_GRADIENT;
        domain.add(Own::<{ terms::ADD }>::new(adding, self.clone(), info))
    }

    /// The weights of a layer; made at the first call.
    fn layer_or(
        &self,
        name: String,
        make: impl FnOnce() -> ort::Result<Conv3x3>,
    ) -> ort::Result<Arc<Conv3x3>> {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layer) = layers.get(&name) {
            return Ok(layer.clone());
        }
        let layer = Arc::new(make()?);
        layers.insert(name, layer.clone());
        Ok(layer)
    }

    /// The weights of a layer that a forward operator has made.
    fn layer(&self, name: &str) -> ort::Result<Arc<Conv3x3>> {
        let layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        layers
            .get(name)
            .cloned()
            .ok_or_else(|| ort::Error::new(format!("no layer {name} comes before its gradient")))
    }
}
