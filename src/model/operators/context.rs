//! One run of a node: its tensors, and ONNX Runtime's threads.

use ort::operator::ComputeContext;
use ort::value::{DynValue, ValueRef, ValueRefMut};

use super::Kernels;
use impasto_kernels::{Exec, Isa, Parallel, Size};

/// A run of a node.
pub(super) struct Call<'a> {
    pub context: &'a ComputeContext,
    pub kernels: &'a Kernels,
    pub info: SessionInfo,
}

/// What a node knows of its session.
#[derive(Clone, Copy)]
pub(in crate::model) struct SessionInfo {
    pub threads: usize,
    /// Whether its pictures are tiles, in whose halo gradients fade.
    pub tiles: bool,
}

impl Call<'_> {
    pub(super) fn isa(&self) -> Isa {
        self.kernels.isa
    }

    /// What a kernel runs with.
    pub(super) fn exec(&self) -> Exec<'_> {
        Exec {
            parallel: self,
            workspace: &self.kernels.workspace,
            flushes_tiny_gradients: self.info.tiles,
        }
    }

    /// An input that must be there.
    pub(super) fn input(&self, index: usize) -> ort::Result<ValueRef<'_>> {
        let input = self.context.input(index)?;
        input.ok_or_else(|| ort::Error::new(format!("input {index} is missing")))
    }

    /// An output of that shape.
    pub(super) fn output(&self, index: usize, shape: &[usize]) -> ort::Result<ValueRefMut<'_>> {
        let shape: Vec<i64> = shape.iter().map(|&extent| extent as i64).collect();
        let output = self.context.output(index, shape)?;
        output.ok_or_else(|| ort::Error::new(format!("output {index} is missing")))
    }
}

// SAFETY: ONNX Runtime's pool takes each number once; if it refuses, it has called none.
unsafe impl Parallel for Call<'_> {
    fn threads(&self) -> usize {
        self.info.threads
    }

    fn par_for(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        // Batches of one: whoever is done takes the next.
        let done = self.context.par_for(tasks, tasks, task);
        if done.is_err() {
            (0..tasks).for_each(task);
        }
    }
}

/// A tensor f32[1, channels, height, width].
pub(super) struct Picture<'a> {
    pub values: &'a [f32],
    pub channels: usize,
    pub size: Size,
}

impl<'a> Picture<'a> {
    pub(super) fn of(value: &'a DynValue) -> ort::Result<Picture<'a>> {
        let (shape, values) = value.try_extract_tensor::<f32>()?;
        let &[1, channels, height, width] = &shape[..] else {
            return Err(ort::Error::new(format!("a picture cannot have shape {shape:?}")));
        };
        // The kernels would panic.
        if values.is_empty() {
            return Err(ort::Error::new(format!(
                "a picture of shape {shape:?} has no pixels"
            )));
        }
        Ok(Picture {
            values,
            channels: channels as usize,
            size: Size {
                height: height as usize,
                width: width as usize,
            },
        })
    }

    pub(super) fn shape(&self) -> [usize; 4] {
        shape(self.channels, self.size)
    }
}

/// The shape of a picture's tensor.
pub(super) fn shape(channels: usize, size: Size) -> [usize; 4] {
    [1, channels, size.height, size.width]
}

/// An error unless sizes fit: the kernels would panic.
pub(super) fn check(fits: bool, what: &str) -> ort::Result<()> {
    if fits {
        return Ok(());
    }
    Err(ort::Error::new(format!("the sizes of {what} do not fit")))
}
