//! Convolutions and pools, forward and backward.

use std::sync::Arc;

use ort::operator::KernelContext;
use ort::value::DynTensorValueType;

use super::Kernels;
use super::context::{Call, Picture, check, shape};
use super::operator::{Port, Signature};
use impasto_kernels::{Conv3x3, Gradient, Pool, Size, pool, pool_gradient};

/// The operators of this module.
pub(super) const OPERATORS: &[Signature] = &[
    Signature {
        name: "ConvRelu",
        inputs: &[Port::Real, Port::Optional, Port::Real, Port::Weights],
        outputs: &[Port::Real],
        make: |kernels, context| {
            let layer = weights(kernels, context, 2)?;
            Ok(Box::new(move |call| conv_relu(&layer, false, call)))
        },
    },
    Signature {
        name: "ConvReluMask",
        inputs: &[Port::Real, Port::Optional, Port::Real, Port::Weights],
        outputs: &[Port::Real, Port::Mask],
        make: |kernels, context| {
            let layer = weights(kernels, context, 2)?;
            Ok(Box::new(move |call| conv_relu(&layer, true, call)))
        },
    },
    Signature {
        name: "ConvReluPool",
        inputs: &[Port::Real, Port::Real, Port::Weights],
        outputs: &[Port::Real, Port::Mask, Port::Size],
        make: |kernels, context| {
            let (layer, kind) = (weights(kernels, context, 1)?, pooling(context)?);
            Ok(Box::new(move |call| conv_relu_pool(&layer, kind, call)))
        },
    },
    Signature {
        name: "ConvGradient",
        inputs: &[Port::Real, Port::OptionalMask, Port::Optional],
        outputs: &[Port::Real],
        make: |_, context| {
            let layer = attribute(context, "layer")?;
            Ok(Box::new(move |call| conv_gradient(&layer, call)))
        },
    },
    Signature {
        name: "ConvReluPoolGradient",
        inputs: &[Port::Real, Port::Mask, Port::Size],
        outputs: &[Port::Real],
        make: |_, context| {
            let (layer, kind) = (attribute(context, "layer")?, pooling(context)?);
            Ok(Box::new(move |call| conv_relu_pool_gradient(&layer, kind, call)))
        },
    },
    Signature {
        name: "Pool",
        inputs: &[Port::Real],
        outputs: &[Port::Real],
        make: |_, context| {
            let kind = pooling(context)?;
            Ok(Box::new(move |call| pooled(kind, call)))
        },
    },
    Signature {
        name: "PoolGradient",
        inputs: &[Port::Real, Port::Real],
        outputs: &[Port::Real],
        make: |_, context| {
            let kind = pooling(context)?;
            Ok(Box::new(move |call| pooled_gradient(kind, call)))
        },
    },
];

fn attribute(context: &KernelContext<'_>, name: &str) -> ort::Result<String> {
    let value = context.get(name);
    value.ok_or_else(|| ort::Error::new(format!("attribute {name} is missing")))
}

fn pooling(context: &KernelContext<'_>) -> ort::Result<Pool> {
    match attribute(context, "pool")?.as_str() {
        "max" => Ok(Pool::Max),
        "avg" => Ok(Pool::Average),
        other => Err(ort::Error::new(format!("there is no pooling {other}"))),
    }
}

/// The layer of a forward operator, whose constant inputs are a bias, `first` of them, then weights.
fn weights(kernels: &Kernels, context: &KernelContext<'_>, first: usize) -> ort::Result<Arc<Conv3x3>> {
    kernels.layer_or(attribute(context, "layer")?, || {
        let bias = context.constant_input::<DynTensorValueType>(first)?;
        let (_, bias) = bias.try_extract_tensor::<f32>()?;
        let values = constant_weights(context, first + 1)?;
        let inputs = values.len() / (9 * bias.len()).max(1);
        check(
            inputs > 0 && values.len() == 9 * inputs * bias.len(),
            "weights and bias",
        )?;
        Ok(Conv3x3::new(&values, bias, inputs, kernels.isa))
    })
}

/// Weights f32[outputs, inputs, 3, 3], given as they are, or as indices and a codebook.
fn constant_weights(context: &KernelContext<'_>, first: usize) -> ort::Result<Vec<f32>> {
    let weights = context.constant_input::<DynTensorValueType>(first)?;
    if let Ok((_, values)) = weights.try_extract_tensor::<f32>() {
        return Ok(values.to_vec());
    }
    let codebook = context.constant_input::<DynTensorValueType>(first + 1)?;
    let (_, codebook) = codebook.try_extract_tensor::<f32>()?;
    let (_, indices) = weights.try_extract_tensor::<u8>()?;
    check(codebook.len() == 256, "the codebook")?;
    Ok(indices
        .iter()
        .map(|&index| codebook[usize::from(index)])
        .collect())
}

/// X, padding, B, W → Y, and its mask if asked: 3x3 convolution, bias, ReLU.
fn conv_relu(layer: &Conv3x3, masked: bool, call: &Call<'_>) -> ort::Result<()> {
    let x = call.input(0)?;
    let x = Picture::of(&x)?;
    check(x.channels == layer.inputs(), "X")?;
    let shape = shape(layer.outputs(), x.size);
    let mut y = call.output(0, &shape)?;
    let mut mask = masked.then(|| call.output(1, &shape)).transpose()?;
    let (_, y) = y.try_extract_tensor_mut()?;
    let mask = mask
        .as_mut()
        .map(|mask| mask.try_extract_tensor_mut())
        .transpose()?;
    let mask = mask.map(|(_, mask)| mask);
    if replicates(call, 1)? {
        layer.forward_replicated(x.values, x.size, y, mask, call.exec());
    } else {
        layer.forward(x.values, x.size, y, mask, call.exec());
    }
    Ok(())
}

/// X, B, W → P, mask, size of X.
fn conv_relu_pool(layer: &Conv3x3, kind: Pool, call: &Call<'_>) -> ort::Result<()> {
    let x = call.input(0)?;
    let x = Picture::of(&x)?;
    check(x.channels == layer.inputs(), "X")?;
    let shape = shape(layer.outputs(), x.size.pooled());
    let (mut y, mut mask, mut size) = (
        call.output(0, &shape)?,
        call.output(1, &shape)?,
        call.output(2, &[2])?,
    );
    let extents = [x.size.height as i64, x.size.width as i64];
    size.try_extract_tensor_mut::<i64>()?.1.copy_from_slice(&extents);
    let (y, mask) = (y.try_extract_tensor_mut()?.1, mask.try_extract_tensor_mut()?.1);
    layer.forward_pooled(x.values, x.size, kind, y, mask, call.exec());
    Ok(())
}

/// dY, mask, padding → dX
fn conv_gradient(layer: &str, call: &Call<'_>) -> ort::Result<()> {
    let layer = call.kernels.layer(layer)?;
    let (dy, mask) = (call.input(0)?, call.context.input(1)?);
    let dy = Picture::of(&dy)?;
    let mask = mask
        .as_deref()
        .map(|mask| mask.try_extract_tensor::<u8>())
        .transpose()?;
    let fits = dy.channels == layer.outputs()
        && mask
            .as_ref()
            .is_none_or(|(_, mask)| mask.len() == dy.values.len());
    check(fits, "dY and its mask")?;
    let (size, dy) = (dy.size, dy.values);
    let gradient = match mask {
        Some((_, mask)) => Gradient::Masked { dy, mask },
        None => Gradient::Whole(dy),
    };
    if replicates(call, 2)? {
        let mut dx = call.output(0, &shape(layer.inputs(), size))?;
        let (_, dx) = dx.try_extract_tensor_mut()?;
        layer.backward_replicated(gradient, size, dx, call.exec());
        return Ok(());
    }
    backward(&layer, gradient, size, call)
}

/// Whether the layer sees the picture's edge around it; without a padding, or with 0, it sees zeros.
fn replicates(call: &Call<'_>, index: usize) -> ort::Result<bool> {
    let Some(padding) = call.context.input(index)? else {
        return Ok(false);
    };
    match padding.try_extract_tensor::<f32>()?.1 {
        [0.0] => Ok(false),
        [1.0] => Ok(true),
        other => Err(ort::Error::new(format!("the padding is {other:?}, not 0 or 1"))),
    }
}

/// dP, mask, size of X → dX
fn conv_relu_pool_gradient(layer: &str, kind: Pool, call: &Call<'_>) -> ort::Result<()> {
    let layer = call.kernels.layer(layer)?;
    let (dy, mask, size) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let (dy, (_, mask)) = (Picture::of(&dy)?, mask.try_extract_tensor::<u8>()?);
    let &[height, width] = size.try_extract_tensor::<i64>()?.1 else {
        return check(false, "the size");
    };
    let size = Size {
        height: height as usize,
        width: width as usize,
    };
    let fits = dy.channels == layer.outputs() && dy.size == size.pooled() && mask.len() == dy.values.len();
    check(fits, "dP and its mask")?;
    let gradient = Gradient::Pooled {
        dy: dy.values,
        mask,
        pool: kind,
    };
    backward(&layer, gradient, size, call)
}

fn backward(layer: &Conv3x3, gradient: Gradient<'_>, size: Size, call: &Call<'_>) -> ort::Result<()> {
    let mut dx = call.output(0, &shape(layer.inputs(), size))?;
    let (_, dx) = dx.try_extract_tensor_mut()?;
    layer.backward(gradient, size, dx, call.exec());
    Ok(())
}

/// X → P
fn pooled(kind: Pool, call: &Call<'_>) -> ort::Result<()> {
    let x = call.input(0)?;
    let x = Picture::of(&x)?;
    let mut y = call.output(0, &shape(x.channels, x.size.pooled()))?;
    let (_, y) = y.try_extract_tensor_mut()?;
    pool(x.values, x.size, kind, y, call.isa(), call.exec());
    Ok(())
}

/// dP, X → dX
fn pooled_gradient(kind: Pool, call: &Call<'_>) -> ort::Result<()> {
    let (dy, x) = (call.input(0)?, call.input(1)?);
    let (dy, x) = (Picture::of(&dy)?, Picture::of(&x)?);
    check(dy.shape() == shape(x.channels, x.size.pooled()), "dP")?;
    let mut dx = call.output(0, &x.shape())?;
    let (_, dx) = dx.try_extract_tensor_mut()?;
    pool_gradient(dy.values, x.values, x.size, kind, dx, call.isa(), call.exec());
    Ok(())
}
