//! Running `forward`: what a layer is in sums over its places.

use ndarray::{Array1, Array2, Array4, ArrayView4};
use ort::session::{Session, SessionInputValue, SessionOutputs};
use ort::value::{DynValue, Tensor, TensorRef};

use super::metadata::layer_size;
use super::{GraphMetadata, ModelError, Padding};

/// The mean over the places of a layer, by the layer's name.
#[derive(Clone, Debug)]
pub(super) struct Means {
    pub layer: String,
    /// The Gram matrix, `[C, C]`.
    pub gram: Array2<f64>,
    /// The mean features, `[C]`.
    pub mean: Array1<f64>,
}

impl Means {
    /// Means of pictures, each with its share; the shares add up to 1.
    pub(super) fn blended(parts: &[(Vec<Means>, f64)]) -> Vec<Means> {
        let mut parts = parts.iter();
        let scaled = |(means, share): &(Vec<Means>, f64)| -> Vec<Means> {
            let scale = |means: &Means| Means {
                layer: means.layer.clone(),
                gram: &means.gram * *share,
                mean: &means.mean * *share,
            };
            means.iter().map(scale).collect()
        };
        let mut sum = parts.next().map(scaled).unwrap_or_default();
        for part in parts {
            for (sum, part) in sum.iter_mut().zip(scaled(part)) {
                sum.gram += &part.gram;
                sum.mean += &part.mean;
            }
        }
        sum
    }

    /// From the sums over the places.
    fn of(outputs: &SessionOutputs<'_>, metadata: &GraphMetadata, layer: &str) -> Result<Means, ModelError> {
        let read = |name: &str| {
            let name = format!("{name}/{layer}");
            let value = outputs.get(&name).ok_or_else(|| wrong(metadata, &name, None))?;
            let array = value.try_extract_array::<f32>();
            let array = array.map_err(|_| wrong(metadata, &name, Some(value)))?;
            Ok::<_, ModelError>(array.mapv(f64::from))
        };
        let shapes = |name: &str| wrong(metadata, &format!("{name}/{layer}"), None);
        let count: f64 = read("count")?.iter().sum();
        let (products, sums) = (read("products")?, read("sums")?);
        let channels = sums.len();
        Ok(Means {
            layer: layer.to_owned(),
            gram: products
                .into_shape_with_order((channels, channels))
                .map_err(|_| shapes("products"))?
                / count,
            mean: sums.into_shape_with_order(channels).map_err(|_| shapes("sums"))? / count,
        })
    }
}

/// What `forward` sees in a picture.
pub(super) struct Seen {
    /// Of the style layers.
    pub means: Vec<Means>,
    /// The activations of the content layers, f32 `[1, C, h, w]`, by their outputs' names.
    pub contents: Vec<(String, DynValue)>,
}

/// Runs `forward` on the whole of `image`, f32 `[1, 3, height, width]`.
pub(super) fn see(
    session: &mut Session,
    metadata: &GraphMetadata,
    image: ArrayView4<'_, f32>,
    padding: Padding,
) -> Result<Seen, ModelError> {
    let failed = |cause| ModelError::run(&metadata.path, cause);
    let mut outputs = run(session, metadata, image, padding).map_err(failed)?;
    let means = metadata.style_layers.iter();
    let means = means
        .map(|layer| Means::of(&outputs, metadata, layer))
        .collect::<Result<_, _>>()?;
    let contents = metadata.content_layers.iter().map(|layer| {
        let name = format!("content/{layer}");
        let value = outputs
            .remove(&name)
            .ok_or_else(|| wrong(metadata, &name, None))?;
        Ok((name, value))
    });
    let contents = contents.collect::<Result<_, ModelError>>()?;
    Ok(Seen { means, contents })
}

fn run<'s>(
    session: &'s mut Session,
    metadata: &GraphMetadata,
    image: ArrayView4<'_, f32>,
    padding: Padding,
) -> ort::Result<SessionOutputs<'s>> {
    let (_, _, height, width) = image.dim();
    let image: Array4<f32> = image.as_standard_layout().into_owned();
    let mut inputs: Vec<(String, SessionInputValue<'_>)> = vec![
        ("image".to_owned(), TensorRef::from_array_view(&image)?.into()),
        ("padding".to_owned(), padding.tensor()?.into()),
    ];
    for layer in &metadata.style_layers {
        let guide = whole(layer_size(layer, (width as u32, height as u32)))?;
        inputs.push((format!("guide/style/{layer}"), guide.into()));
    }
    session.run(inputs)
}

/// The guide of a whole picture at a layer of this size (width, height): ones.
pub(super) fn whole((width, height): (u32, u32)) -> ort::Result<Tensor<f32>> {
    Tensor::from_array(Array4::from_elem((1, 1, height as usize, width as usize), 1.0))
}

/// That an output is not what the contract says.
pub(super) fn wrong(metadata: &GraphMetadata, output: &str, value: Option<&DynValue>) -> ModelError {
    ModelError::WrongOutput {
        path: metadata.path.clone(),
        output: output.to_owned(),
        shape: value.map(|value| value.shape().to_vec()).unwrap_or_default(),
    }
}
