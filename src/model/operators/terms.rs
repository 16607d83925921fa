//! Gram matrices, the terms of the loss, and their gradients.

use super::context::{Call, Picture, check};
use super::operator::{Port, Signature};
use crate::kernels::{
    Addend, GramGradient, content_gradient, gram, mean_square_difference, normalize, relu_gradient,
    total_variation, total_variation_gradient,
};

const STYLE_GRADIENT: &[Port] = &[Port::Real, Port::Real, Port::Real, Port::Real, Port::Optional];
const CONTENT_GRADIENT: &[Port] = &[Port::Real, Port::Real, Port::Real, Port::Optional];

/// The style gradient, which adds in place: it works on the largest tensors of the presets.
pub(super) const GRAM_GRADIENT: Signature = Signature {
    name: "GramGradient",
    inputs: STYLE_GRADIENT,
    outputs: &[Port::Real],
    make: |_, _| Ok(Box::new(|call| style_gradient(call, Scale::Weight))),
};

/// The input `add` of a style gradient.
pub(super) const ADD: u32 = 4;

/// The other operators of this module.
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
        name: "NormalizedGramGradient",
        inputs: STYLE_GRADIENT,
        outputs: &[Port::Real],
        make: |_, _| Ok(Box::new(|call| style_gradient(call, Scale::Norm))),
    },
    Signature {
        name: "ContentGradient",
        inputs: CONTENT_GRADIENT,
        outputs: &[Port::Real],
        make: |_, _| Ok(Box::new(|call| features_gradient(call, Scale::Weight))),
    },
    Signature {
        name: "NormalizedContentGradient",
        inputs: CONTENT_GRADIENT,
        outputs: &[Port::Real],
        make: |_, _| Ok(Box::new(|call| features_gradient(call, Scale::Norm))),
    },
    Signature {
        name: "TotalVariation",
        inputs: &[Port::Real],
        outputs: &[Port::Real],
        make: |_, _| Ok(Box::new(variation)),
    },
    Signature {
        name: "TotalVariationGradient",
        inputs: &[Port::Real, Port::Real, Port::Optional],
        outputs: &[Port::Real],
        make: |_, _| Ok(Box::new(variation_gradient)),
    },
];

/// What a term's weight makes of its gradient.
#[derive(Clone, Copy)]
enum Scale {
    /// It multiplies it.
    Weight,
    /// It becomes its L1 norm: [`normalize`].
    Norm,
}

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

/// F, G, target, weight, add → the gradient of weight · mean((G - target)²) in terms of F, plus add, through the ReLU
/// whose output F is; both matrices are symmetric.
///
/// neural-style, from which normalised gradients are, divides Gram matrices by the channels C too: its loss is 1/C²
/// of this one, its weight C² times as large.
fn style_gradient(call: &Call<'_>, scale: Scale) -> ort::Result<()> {
    let (f, matrix, target) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let add = call.context.input(ADD as usize)?;
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
    let (weight, add, squared) = (weight(call, 3)?, add.map(|add| add.values), elements as f64);
    let place = add.map(<[f32]>::as_ptr);
    let mut df = call.output(0, &f.shape())?;
    let (_, df) = df.try_extract_tensor_mut::<f32>()?;
    let gradient = |factor: f64| GramGradient {
        f: f.values,
        gram: matrix,
        target,
        coefficient: (4.0 * factor / (squared * f.size.area() as f64)) as f32,
        add: Addend::Zero,
        relu: false,
    };
    let (isa, exec) = (call.isa(), call.exec());
    match scale {
        Scale::Weight => {
            let add = match add {
                None => Addend::Zero,
                // ONNX Runtime has put the output where `add` was, which must not be read from now on.
                Some(_) if place == Some(df.as_ptr()) => {
                    #[cfg(test)]
                    tests::ADDED_IN_PLACE.set(tests::ADDED_IN_PLACE.get() + 1);
                    Addend::Output
                }
                Some(add) => Addend::Tensor(add),
            };
            let relu = true;
            GramGradient {
                add,
                relu,
                ..gradient(weight)
            }
            .run(df, isa, exec);
        }
        Scale::Norm => {
            gradient(1.0 / squared).run(df, isa, exec);
            normalize(df, weight * squared, add, f.values, isa, exec);
        }
    }
    Ok(())
}

/// F, target, weight, add → the gradient of weight · mean((F - target)²) in terms of F, plus add, through the ReLU
/// whose output F is
fn features_gradient(call: &Call<'_>, scale: Scale) -> ort::Result<()> {
    let (f, target, add) = (call.input(0)?, call.input(1)?, call.context.input(3)?);
    let (f, target) = (Picture::of(&f)?, Picture::of(&target)?);
    let add = add.as_deref().map(Picture::of).transpose()?;
    check(f.shape() == target.shape(), "F and its target")?;
    check(add.as_ref().is_none_or(|add| add.shape() == f.shape()), "add")?;
    let (weight, add) = (weight(call, 2)?, add.map(|add| add.values));
    let (factor, fused) = match scale {
        Scale::Weight => (weight, add),
        Scale::Norm => (1.0, None),
    };
    let coefficient = (2.0 * factor / f.values.len() as f64) as f32;
    let mut df = call.output(0, &f.shape())?;
    let (_, df) = df.try_extract_tensor_mut()?;
    let (f, target, isa) = (f.values, target.values, call.isa());
    content_gradient(f, target, coefficient, fused, df, isa, call.exec());
    match scale {
        Scale::Weight => relu_gradient(f, df, isa, call.exec()),
        Scale::Norm => normalize(df, weight, add, f, isa, call.exec()),
    }
    Ok(())
}

/// X → its total variation
fn variation(call: &Call<'_>) -> ort::Result<()> {
    let x = call.input(0)?;
    let x = Picture::of(&x)?;
    let value = total_variation(x.values, x.size, call.isa(), call.exec());
    let mut output = call.output(0, &[1])?;
    output
        .try_extract_tensor_mut()?
        .1
        .copy_from_slice(&[value as f32]);
    Ok(())
}

/// X, weight, add → the gradient of weight · total variation in terms of X, plus add
fn variation_gradient(call: &Call<'_>) -> ort::Result<()> {
    let (x, add) = (call.input(0)?, call.context.input(2)?);
    let (x, add) = (Picture::of(&x)?, add.as_deref().map(Picture::of).transpose()?);
    check(add.as_ref().is_none_or(|add| add.shape() == x.shape()), "add")?;
    let mut dx = call.output(0, &x.shape())?;
    let (_, dx) = dx.try_extract_tensor_mut()?;
    let (weight, add) = (weight(call, 1)? as f32, add.map(|add| add.values));
    total_variation_gradient(x.values, x.size, weight, add, dx, call.isa(), call.exec());
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::Path;

    use ndarray::Array4;

    use crate::model::{GraphOptions, Graphs, LossGradient, Weights};
    use crate::runtime::{Engine, Request, Runtime, Sought};

    thread_local! {
        /// How many gradients of a Gram matrix this thread has added in place.
        pub(super) static ADDED_IN_PLACE: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn onnx_runtime_lends_the_memory_that_a_style_gradient_is_added_to() {
        let runtime = Runtime::load(&Sought::default()).unwrap();
        let engine = Engine::start(&runtime, &Request::default(), 1).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        let graphs = Graphs::open(&folder, "gatys", GraphOptions::default()).unwrap();
        let image = Array4::from_shape_fn((1, 3, 37, 29), |(_, channel, y, x)| {
            ((x * 37 + y * 101 + channel * 53) % 251) as f32 - 120.0
        });
        let mut features = graphs.features(&engine).unwrap();
        let targets = features.targets(image.view(), &[(image.view(), 1.0)]).unwrap();
        let weights = Weights::uniform(&graphs.loss_gradient, 1e3, 1.0, 0.0);
        let mut loss_gradient = graphs.loss_gradient(&engine, &targets, weights).unwrap();
        let image = image.into_raw_vec_and_offset().0;
        loss_gradient
            .evaluate(&image, &mut vec![0.0; image.len()])
            .unwrap();
        // All style layers but the deepest, to which nothing comes from deeper ones.
        assert_eq!(ADDED_IN_PLACE.get(), 4);
    }
}
