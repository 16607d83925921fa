//! An operator, as `ort` wants it.

use std::sync::Arc;

use ort::operator::{
    BoxedKernel, ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput,
};
use ort::value::TensorElementType;

use super::Kernels;
use super::context::{Call, SessionInfo};

/// What a node does at every run.
pub(super) type Compute = Box<dyn Fn(&Call<'_>) -> ort::Result<()> + Send>;

/// An operator's signature, and how a node of it is made.
pub(super) struct Signature {
    pub name: &'static str,
    pub inputs: &'static [Port],
    pub outputs: &'static [Port],
    /// Reads attributes and constant inputs.
    pub make: fn(&Kernels, &KernelContext<'_>) -> ort::Result<Compute>,
}

/// What an input or output holds.
#[derive(Clone, Copy)]
pub(super) enum Port {
    /// f32
    Real,
    /// f32, may be left out
    Optional,
    /// u8
    Mask,
    /// u8, may be left out
    OptionalMask,
    /// i64
    Size,
    /// One tensor f32, or indices u8 and a codebook f32; the last input.
    Weights,
}

/// An operator with what its nodes share; its output may take the memory of input `REUSED`.
pub(super) struct Own<const REUSED: u32> {
    signature: &'static Signature,
    kernels: Arc<Kernels>,
    info: SessionInfo,
}

/// No operator has so many inputs.
pub(super) const NONE: u32 = u32::MAX;

impl<const REUSED: u32> Own<REUSED> {
    pub(super) fn new(signature: &'static Signature, kernels: Arc<Kernels>, info: SessionInfo) -> Self {
        Self {
            signature,
            kernels,
            info,
        }
    }
}

impl<const REUSED: u32> Operator for Own<REUSED> {
    type Kernel<'attr> = BoxedKernel<'attr>;

    const INPLACES: &[(u32, u32)] = if REUSED == NONE { &[] } else { &[(REUSED, 0)] };

    fn name(&self) -> &str {
        self.signature.name
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        self.signature.inputs.iter().map(|port| match port {
            Port::Real => OperatorInput::required(TensorElementType::Float32),
            Port::Optional => OperatorInput::optional(TensorElementType::Float32),
            Port::Mask => OperatorInput::required(TensorElementType::Uint8),
            Port::OptionalMask => OperatorInput::optional(TensorElementType::Uint8),
            Port::Size => OperatorInput::required(TensorElementType::Int64),
            Port::Weights => OperatorInput::variadic(1),
        })
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        self.signature.outputs.iter().map(|port| match port {
            Port::Mask => OperatorOutput::required(TensorElementType::Uint8),
            Port::Size => OperatorOutput::required(TensorElementType::Int64),
            Port::Optional => OperatorOutput::optional(TensorElementType::Float32),
            _ => OperatorOutput::required(TensorElementType::Float32),
        })
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Self::Kernel<'attr>> {
        Ok(Box::new(Node {
            compute: (self.signature.make)(&self.kernels, context)?,
            kernels: self.kernels.clone(),
            info: self.info,
        }))
    }
}

/// A node of a session.
struct Node {
    compute: Compute,
    kernels: Arc<Kernels>,
    info: SessionInfo,
}

impl Kernel for Node {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        (self.compute)(&Call {
            context,
            kernels: &self.kernels,
            info: self.info,
        })
    }
}
