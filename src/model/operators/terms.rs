//! The sums that the terms of the loss are made of, and the gradients that they inject.

use ort::value::DynValue;

use super::context::{Call, Picture, check};
use super::operator::{Port, Signature};
use impasto_kernels::{
    Addend, Guide, MomentsGradient, content_gradient, moments, relu_gradient, square_difference,
    total_variation, total_variation_gradient,
};

/// What a style term injects, which is added in place: it works on the largest tensors of the presets.
pub(super) const MOMENTS_GRADIENT: Signature = Signature {
    name: "MomentsGradient",
    inputs: &[Port::Real, Port::Real, Port::Real, Port::Optional, Port::Optional],
    outputs: &[Port::Real],
    make: |_, _| Ok(Box::new(style_gradient)),
};

/// The input `add` of what a style term injects.
pub(super) const ADD: u32 = 4;

/// The other operators of this module.
pub(super) const OPERATORS: &[Signature] = &[
    Signature {
        name: "Moments",
        inputs: &[Port::Real, Port::Real],
        outputs: &[Port::Real, Port::Optional],
        make: |_, _| Ok(Box::new(sums)),
    },
    Signature {
        name: "SquareDifference",
        inputs: &[Port::Real, Port::Real, Port::Real],
        outputs: &[Port::Real],
        make: |_, _| Ok(Box::new(difference)),
    },
    Signature {
        name: "ContentGradient",
        inputs: &[Port::Real, Port::Real, Port::Real, Port::Real, Port::Optional],
        outputs: &[Port::Real],
        make: |_, _| Ok(Box::new(features_gradient)),
    },
    Signature {
        name: "TotalVariation",
        inputs: &[Port::Real, Port::Real],
        outputs: &[Port::Real],
        make: |_, _| Ok(Box::new(variation)),
    },
    Signature {
        name: "TotalVariationGradient",
        inputs: &[Port::Real, Port::Real, Port::Real, Port::Optional],
        outputs: &[Port::Real],
        make: |_, _| Ok(Box::new(variation_gradient)),
    },
];

/// The weights of the places of `picture` by region, from f32[regions, 1, height, width].
fn guides<'a>(value: &'a DynValue, picture: &Picture<'_>) -> ort::Result<Vec<&'a [f32]>> {
    let (shape, weights) = value.try_extract_tensor::<f32>()?;
    let places = picture.size.area();
    let fits = matches!(shape[..], [_, 1, height, width]
        if (height as usize, width as usize) == (picture.size.height, picture.size.width));
    check(fits && !weights.is_empty(), "the guide")?;
    Ok(weights.chunks_exact(places).collect())
}

/// The weights of the places of `picture`, where there is one region.
fn guide<'a>(value: &'a DynValue, picture: &Picture<'_>) -> ort::Result<&'a [f32]> {
    let guides = guides(value, picture)?;
    check(guides.len() == 1, "the guide")?;
    Ok(guides[0])
}

/// F, guide → sum(w F Fᵀ) by region, and sum(w F)
fn sums(call: &Call<'_>) -> ort::Result<()> {
    let (f, guide) = (call.input(0)?, call.input(1)?);
    let f = Picture::of(&f)?;
    let (guides, channels) = (guides(&guide, &f)?, f.channels);
    let mut products = call.output(0, &[guides.len(), channels, channels])?;
    let (_, products) = products.try_extract_tensor_mut()?;
    let mut sums = call.context.output(1, [guides.len() as i64, channels as i64])?;
    let mut sums = match &mut sums {
        Some(sums) => Some(sums.try_extract_tensor_mut()?.1),
        None => None,
    };
    let regions = guides.iter().zip(products.chunks_exact_mut(channels * channels));
    for (region, (guide, products)) in regions.enumerate() {
        let place = region * channels..(region + 1) * channels;
        let sums = sums.as_deref_mut().map(|sums| &mut sums[place]);
        moments(
            f.values,
            Guide::of(guide),
            products,
            sums,
            call.isa(),
            call.exec(),
        );
    }
    Ok(())
}

/// F, guide, A, b, add → the sum over regions of w (A F + b), plus add, through the ReLU whose output F is
fn style_gradient(call: &Call<'_>) -> ort::Result<()> {
    let (f, guide, matrices) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let (vectors, add) = (call.context.input(3)?, call.context.input(ADD as usize)?);
    let (f, add) = (Picture::of(&f)?, add.as_deref().map(Picture::of).transpose()?);
    let (guides, channels) = (guides(&guide, &f)?, f.channels);
    let matrices = matrices.try_extract_tensor::<f32>()?.1;
    let vectors = vectors
        .as_deref()
        .map(|vectors| vectors.try_extract_tensor::<f32>())
        .transpose()?
        .map(|(_, vectors)| vectors);
    check(matrices.len() == guides.len() * channels * channels, "A")?;
    check(
        vectors.is_none_or(|vectors| vectors.len() == guides.len() * channels),
        "b",
    )?;
    check(add.as_ref().is_none_or(|add| add.shape() == f.shape()), "add")?;
    let add = add.map(|add| add.values);
    let place = add.map(<[f32]>::as_ptr);
    let mut df = call.output(0, &f.shape())?;
    let (_, df) = df.try_extract_tensor_mut::<f32>()?;
    let mut add = match add {
        None => Addend::Zero,
        // ONNX Runtime has put the output where `add` was, which must not be read from now on.
        Some(_) if place == Some(df.as_ptr()) => {
            #[cfg(test)]
            tests::ADDED_IN_PLACE.set(tests::ADDED_IN_PLACE.get() + 1);
            Addend::Output
        }
        Some(add) => Addend::Tensor(add),
    };
    for (region, guide) in guides.iter().enumerate() {
        let gradient = MomentsGradient {
            f: f.values,
            guide: Guide::of(guide),
            matrix: &matrices[region * channels * channels..(region + 1) * channels * channels],
            vector: vectors.map(|vectors| &vectors[region * channels..(region + 1) * channels]),
            add,
        };
        gradient.run(df, call.isa(), call.exec());
        add = Addend::Regions;
    }
    Ok(())
}

/// F, target, guide → sum(w |F - target|²)
fn difference(call: &Call<'_>) -> ort::Result<()> {
    let (f, target, weights) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let (f, target) = (Picture::of(&f)?, Picture::of(&target)?);
    check(f.shape() == target.shape(), "F and its target")?;
    let guide = guide(&weights, &f)?;
    let value = square_difference(f.values, target.values, guide, call.isa(), call.exec());
    write_number(call, value)
}

/// F, target, guide, coefficient, add → coefficient w (F - target), plus add, through the ReLU whose output F is
fn features_gradient(call: &Call<'_>) -> ort::Result<()> {
    let (f, target, weights) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let add = call.context.input(4)?;
    let (f, target) = (Picture::of(&f)?, Picture::of(&target)?);
    let add = add.as_deref().map(Picture::of).transpose()?;
    check(f.shape() == target.shape(), "F and its target")?;
    check(add.as_ref().is_none_or(|add| add.shape() == f.shape()), "add")?;
    let (guide, coefficient) = (guide(&weights, &f)?, number(call, 3)?);
    let mut df = call.output(0, &f.shape())?;
    let (_, df) = df.try_extract_tensor_mut()?;
    let (add, isa) = (add.map(|add| add.values), call.isa());
    content_gradient(
        f.values,
        target.values,
        guide,
        coefficient,
        add,
        df,
        isa,
        call.exec(),
    );
    relu_gradient(f.values, df, isa, call.exec());
    Ok(())
}

/// X, guide → its total variation
fn variation(call: &Call<'_>) -> ort::Result<()> {
    let (x, weights) = (call.input(0)?, call.input(1)?);
    let x = Picture::of(&x)?;
    let guide = guide(&weights, &x)?;
    let value = total_variation(x.values, guide, x.size, call.isa(), call.exec());
    write_number(call, value)
}

/// X, guide, weight, add → the gradient of weight · total variation in terms of X, plus add
fn variation_gradient(call: &Call<'_>) -> ort::Result<()> {
    let (x, weights, add) = (call.input(0)?, call.input(1)?, call.context.input(3)?);
    let (x, add) = (Picture::of(&x)?, add.as_deref().map(Picture::of).transpose()?);
    check(add.as_ref().is_none_or(|add| add.shape() == x.shape()), "add")?;
    let (guide, weight) = (guide(&weights, &x)?, number(call, 2)?);
    let mut dx = call.output(0, &x.shape())?;
    let (_, dx) = dx.try_extract_tensor_mut()?;
    let add = add.map(|add| add.values);
    total_variation_gradient(x.values, guide, x.size, weight, add, dx, call.isa(), call.exec());
    Ok(())
}

/// The only output, [1].
fn write_number(call: &Call<'_>, value: f64) -> ort::Result<()> {
    let mut output = call.output(0, &[1])?;
    output
        .try_extract_tensor_mut()?
        .1
        .copy_from_slice(&[value as f32]);
    Ok(())
}

/// An input that holds one number.
fn number(call: &Call<'_>, index: usize) -> ort::Result<f32> {
    let value = call.input(index)?;
    match value.try_extract_tensor::<f32>()?.1 {
        &[number] => Ok(number),
        other => Err(ort::Error::new(format!(
            "input {index} has {} numbers, not one",
            other.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::Path;

    use ndarray::Array4;
    use ort::session::SessionInputValue;
    use ort::value::Tensor;

    use crate::model::operators::{Kernels, SessionInfo};
    use crate::model::{GraphOptions, Graphs, KernelSet, LossGradient, Weights};
    use crate::runtime::{Engine, LibraryQuery, Purpose, Request, Runtime};

    thread_local! {
        /// How many gradients of a Gram matrix this thread has added in place.
        pub(super) static ADDED_IN_PLACE: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn onnx_runtime_lends_the_memory_that_a_style_gradient_is_added_to() {
        let runtime = Runtime::load(&LibraryQuery::default()).unwrap();
        let engine = Engine::start(&runtime, &Request::default(), 1).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        let graphs = Graphs::open(&folder, "gatys", &GraphOptions::default()).unwrap();
        let image = Array4::from_shape_fn((1, 3, 37, 29), |(_, channel, y, x)| {
            ((x * 37 + y * 101 + channel * 53) % 251) as f32 - 120.0
        });
        let mut features = graphs.features(&engine).unwrap();
        let targets = features.targets(image.view(), &[(image.view(), 1.0)]).unwrap();
        let weights = Weights::uniform(&graphs.loss_gradient, 1e3, 1.0, 0.0);
        let mut loss_gradient = graphs.loss_gradient(&engine, &targets, weights).unwrap();
        let image = image.into_raw_vec_and_offset().0;
        loss_gradient
            .evaluate(&image, &mut vec![0.0; image.len()], &mut |_| {})
            .unwrap();
        // All style layers but the deepest, to which nothing comes from deeper ones.
        assert_eq!(ADDED_IN_PLACE.get(), 4);
    }

    const REGIONS: usize = 2;
    /// Height and width.
    const SIZE: (usize, usize) = (37, 29);

    /// Values between -1 and 1.
    fn noise(shape: &[usize], seed: usize) -> Tensor<f32> {
        let value = |i: usize| ((i * 7919 + seed * 104_729) % 8191) as f32 / 4095.0 - 1.0;
        let values: Vec<f32> = (0..shape.iter().product()).map(value).collect();
        Tensor::from_array((shape.to_vec(), values)).unwrap()
    }

    /// Guides with places that do not count.
    fn guides(regions: usize, pools: usize, seed: usize) -> Tensor<f32> {
        let mut guides = noise(&[regions, 1, SIZE.0 >> pools, SIZE.1 >> pools], seed);
        for weight in guides.extract_tensor_mut().1 {
            *weight = weight.max(0.0);
        }
        guides
    }

    /// What `gatys.GRAPH` makes of seeded inputs, by the names of its outputs.
    fn outputs(engine: &Engine, graph: &str, own: bool) -> Vec<(String, Vec<f32>)> {
        let mut image = noise(&[1, 3, SIZE.0, SIZE.1], 1);
        for value in image.extract_tensor_mut().1 {
            *value *= 100.0;
        }
        let mut inputs: Vec<(String, SessionInputValue<'_>)> = vec![
            ("image".to_owned(), image.into()),
            (
                "padding".to_owned(),
                Tensor::from_array(([0_usize; 0], vec![1.0_f32])).unwrap().into(),
            ),
        ];
        for (pools, channels) in [4, 8, 16, 32, 32].into_iter().enumerate() {
            let layer = format!("relu{}_1", pools + 1);
            inputs.push((
                format!("guide/style/{layer}"),
                guides(REGIONS, pools, pools).into(),
            ));
            if graph == "backward" {
                let (matrix, vector) = ([REGIONS, channels, channels], [REGIONS, channels]);
                inputs.push((format!("matrix/{layer}"), noise(&matrix, 7 + pools).into()));
                inputs.push((format!("vector/{layer}"), noise(&vector, 13 + pools).into()));
            }
        }
        if graph == "backward" {
            let content = [1, 32, SIZE.0 >> 3, SIZE.1 >> 3];
            inputs.push(("guide/content/relu4_2".to_owned(), guides(1, 3, 20).into()));
            inputs.push(("guide/tv".to_owned(), guides(1, 0, 21).into()));
            inputs.push(("content/relu4_2".to_owned(), noise(&content, 22).into()));
            inputs.push(("count/content/relu4_2".to_owned(), noise(&[1], 23).into()));
            inputs.push(("content_weight".to_owned(), noise(&[1], 24).into()));
            inputs.push(("tv_weight".to_owned(), noise(&[], 25).into()));
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        let mut builder = engine.builder(Purpose::FewRuns).unwrap();
        let flavour = if own { ".cpu" } else { "" };
        if own {
            let kernels = Kernels::choose(KernelSet::Auto).unwrap();
            let info = SessionInfo {
                threads: 1,
                tiles: false,
            };
            builder = builder.with_operators(kernels.domain(info).unwrap()).unwrap();
        }
        let file = folder.join(format!("gatys.{graph}{flavour}.onnx"));
        let mut session = builder.commit_from_file(file).unwrap();
        let outputs = session.run(inputs).unwrap();
        let values = |value: &super::DynValue| value.try_extract_tensor::<f32>().unwrap().1.to_vec();
        outputs
            .iter()
            .map(|(name, value)| (name.to_owned(), values(&value)))
            .collect()
    }

    #[test]
    fn two_regions_count_alike_in_our_operators_and_in_onnx() {
        let runtime = Runtime::load(&LibraryQuery::default()).unwrap();
        let engine = Engine::start(&runtime, &Request::default(), 1).unwrap();
        for graph in ["forward", "backward"] {
            let [own, reference] = [true, false].map(|own| outputs(&engine, graph, own));
            assert_eq!(own.len(), reference.len());
            for ((name, own), (_, reference)) in own.iter().zip(&reference) {
                let norm = |values: &[f32]| values.iter().map(|v| f64::from(v * v)).sum::<f64>().sqrt();
                let apart: Vec<f32> = own.iter().zip(reference).map(|(a, b)| a - b).collect();
                let (error, size) = (norm(&apart), norm(reference));
                // The deepest layer is dead here.
                assert!(size > 0.0 || name.ends_with("relu5_1"), "{graph} {name}");
                assert!(error <= 1e-4 * size, "{graph} {name}: {error:e} of {size:e}");
            }
        }
    }
}
