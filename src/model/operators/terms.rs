//! Gram matrices, the terms of the loss, and their gradients.

use super::context::{Call, Picture, check};
use super::operator::{Port, Signature};
use crate::kernels::{GramGradient, content_gradient, gram, mean_square_difference};

/// The operators of this module.
pub(super) const OPERATORS: &[Signature] = &[
    Signature {
        name: "Gram",
        inputs: &[Port::Real],
        outputs: &[Port::Real],
        make: |_, _| Ok(Box::new(gram_matrix)),
    },
    Signature {
        name: "MeanSquare",
        inputs: &[Port::Real, Port::Real],
        outputs: &[Port::Real],
        make: |_, _| Ok(Box::new(mean_square)),
    },
    Signature {
        name: "GramGradient",
        inputs: &[Port::Real, Port::Real, Port::Real, Port::Real, Port::Optional],
        outputs: &[Port::Real],
        make: |_, _| Ok(Box::new(style_gradient)),
    },
    Signature {
        name: "ContentGradient",
        inputs: &[Port::Real, Port::Real, Port::Real, Port::Optional],
        outputs: &[Port::Real],
        make: |_, _| Ok(Box::new(features_gradient)),
    },
];

/// F → F Fᵀ / pixels
fn gram_matrix(call: &Call<'_>) -> ort::Result<()> {
    let f = call.input(0)?;
    let f = Picture::of(&f)?;
    let mut matrix = call.output(0, &[f.channels, f.channels])?;
    let (_, matrix) = matrix.try_extract_tensor_mut()?;
    gram(f.values, matrix, call.isa(), call.exec());
    Ok(())
}

/// A, B → mean((A - B)²)
fn mean_square(call: &Call<'_>) -> ort::Result<()> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let (a, b) = (a.try_extract_tensor::<f32>()?.1, b.try_extract_tensor::<f32>()?.1);
    check(a.len() == b.len() && !a.is_empty(), "A and B")?;
    let mean = mean_square_difference(a, b, call.isa(), call.exec());
    let mut output = call.output(0, &[1])?;
    output.try_extract_tensor_mut()?.1.copy_from_slice(&[mean as f32]);
    Ok(())
}

/// F, G, target, weight, add → the gradient of weight · mean((G - target)²) in terms of F, plus add; both matrices
/// are symmetric.
fn style_gradient(call: &Call<'_>) -> ort::Result<()> {
    let (f, matrix, target) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let add = call.context.input(4)?;
    let (f, add) = (Picture::of(&f)?, add.as_deref().map(Picture::of).transpose()?);
    let (matrix, target) = (
        matrix.try_extract_tensor::<f32>()?.1,
        target.try_extract_tensor::<f32>()?.1,
    );
    let elements = f.channels * f.channels;
    check(
        matrix.len() == elements && target.len() == elements,
        "the Gram matrix and its target",
    )?;
    check(add.as_ref().is_none_or(|add| add.shape() == f.shape()), "add")?;
    let gradient = GramGradient {
        f: f.values,
        gram: matrix,
        target,
        coefficient: (4.0 * weight(call, 3)? / (elements * f.size.area()) as f64) as f32,
        add: add.map(|add| add.values),
        relu: false,
    };
    let mut df = call.output(0, &f.shape())?;
    gradient.run(df.try_extract_tensor_mut()?.1, call.isa(), call.exec());
    Ok(())
}

/// F, target, weight, add → the gradient of weight · mean((F - target)²) in terms of F, plus add
fn features_gradient(call: &Call<'_>) -> ort::Result<()> {
    let (f, target, add) = (call.input(0)?, call.input(1)?, call.context.input(3)?);
    let (f, target) = (Picture::of(&f)?, Picture::of(&target)?);
    let add = add.as_deref().map(Picture::of).transpose()?;
    check(f.shape() == target.shape(), "F and its target")?;
    check(add.as_ref().is_none_or(|add| add.shape() == f.shape()), "add")?;
    let coefficient = (2.0 * weight(call, 2)? / f.values.len() as f64) as f32;
    let mut df = call.output(0, &f.shape())?;
    let (_, df) = df.try_extract_tensor_mut()?;
    let add = add.map(|add| add.values);
    content_gradient(
        f.values,
        target.values,
        coefficient,
        add,
        df,
        call.isa(),
        call.exec(),
    );
    Ok(())
}

/// An input that holds one number.
fn weight(call: &Call<'_>, index: usize) -> ort::Result<f64> {
    let value = call.input(index)?;
    let &[weight] = value.try_extract_tensor::<f32>()?.1 else {
        return Err(ort::Error::new("the weight is not one number"));
    };
    Ok(f64::from(weight))
}
