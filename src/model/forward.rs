//! Running `forward`: the statistics of each layer, sums over its places.

use ndarray::{Array, Array1, Array2, Array3, Array4, ArrayView4, Axis, Dimension, Ix4, s};
use ort::session::{Session, SessionInputValue, SessionOutputs};
use ort::value::{DynValue, Tensor, TensorRef};

use super::layers::layer_size;
use super::tiles::{Tile, Tiling, Window};
use super::{Advance, GraphMetadata, ModelError, Padding};

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

    /// From the sums over the places of a region; zeros, if it has none.
    fn of(sums: &Sums, region: usize) -> Means {
        let count = match sums.count[region] {
            0.0 => 1.0,
            count => count,
        };
        Means {
            layer: sums.layer.clone(),
            gram: &sums.products.index_axis(Axis(0), region) / count,
            mean: &sums.sums.index_axis(Axis(0), region) / count,
        }
    }
}

/// Sums over the places of a layer by region, by the layer's name.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    pub layer: String,
    /// Sums of the products of the features, `[regions, C, C]`.
    pub products: Array3<f64>,
    /// Sums of the features, `[regions, C]`.
    pub sums: Array2<f64>,
    /// Sums of the guide, `[regions]`.
    pub count: Array1<f64>,
}

impl Sums {
    fn read(outputs: &SessionOutputs<'_>, metadata: &GraphMetadata, layer: &str) -> Result<Sums, ModelError> {
        Ok(Sums {
            layer: layer.to_owned(),
            products: extract(outputs, metadata, &format!("products/{layer}"))?,
            sums: extract(outputs, metadata, &format!("sums/{layer}"))?,
            count: extract(outputs, metadata, &format!("count/{layer}"))?,
        })
    }

    /// Adds the sums of a tile to those of all layers, which are none before the first.
    fn add(totals: &mut Vec<Sums>, part: Vec<Sums>) {
        if totals.is_empty() {
            *totals = part;
            return;
        }
        for (total, part) in totals.iter_mut().zip(part) {
            total.products += &part.products;
            total.sums += &part.sums;
            total.count += &part.count;
        }
    }

    /// As inputs of graphs.
    pub(super) fn inputs(&self) -> ort::Result<[(String, SessionInputValue<'static>); 3]> {
        let Sums { layer, .. } = self;
        let products = self.products.mapv(|value| value as f32);
        let sums = self.sums.mapv(|value| value as f32);
        let count = self.count.mapv(|value| value as f32);
        Ok([
            (format!("products/{layer}"), Tensor::from_array(products)?.into()),
            (format!("sums/{layer}"), Tensor::from_array(sums)?.into()),
            (format!("count/{layer}"), Tensor::from_array(count)?.into()),
        ])
    }
}

/// An output in f64.
fn extract<D: Dimension>(
    outputs: &SessionOutputs<'_>,
    metadata: &GraphMetadata,
    name: &str,
) -> Result<Array<f64, D>, ModelError> {
    let value = outputs.get(name).ok_or_else(|| wrong(metadata, name, None))?;
    let array = value.try_extract_array::<f32>().ok();
    let array = array.and_then(|array| array.mapv(f64::from).into_dimensionality().ok());
    array.ok_or_else(|| wrong(metadata, name, Some(value)))
}

/// What `forward` sees in a picture.
pub(super) struct Seen {
    /// Sums over the places of each style layer.
    pub sums: Vec<Sums>,
    /// The activations of the content layers, f32 `[1, C, h, w]`, by their outputs' names.
    pub contents: Vec<(String, DynValue)>,
}

impl Seen {
    /// The means of the style layers in a region.
    pub(super) fn means(&self, region: usize) -> Vec<Means> {
        self.sums.iter().map(|sums| Means::of(sums, region)).collect()
    }
}

/// What to run `forward` on.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    /// f32 `[1, 3, height, width]`
    pub image: ArrayView4<'a, f32>,
    pub padding: Padding,
    /// The guides of the style layers, f32 `[regions, 1, h, w]`; none: ones, of one region.
    pub guides: Option<&'a [Array4<f32>]>,
}

/// Runs `forward`, on the whole or in tiles with such windows; of tiles the activations are put together only if they are
/// `wanted`, and `advance` is told of each.
pub(super) fn see(
    session: &mut Session,
    metadata: &GraphMetadata,
    view: View<'_>,
    window: Window,
    wanted: bool,
    advance: Advance<'_>,
) -> Result<Seen, ModelError> {
    let (_, _, height, width) = view.image.dim();
    let size = (width as u32, height as u32);
    let tiling = metadata.tiling(size, window);
    let mut see = |tile: &Tile| see_tile(session, metadata, view, (&tiling, tile));
    if tiling.is_whole() {
        return see(&tiling.tiles[0]);
    }
    let (mut sums, mut contents) = (Vec::new(), Vec::new());
    for (index, tile) in tiling.tiles.iter().enumerate() {
        let seen = see(tile)?;
        Sums::add(&mut sums, seen.sums);
        if wanted {
            put(&mut contents, seen.contents, metadata, size, (&tiling, tile))?;
        }
        advance((index + 1) as f64 / tiling.tiles.len() as f64);
    }
    let failed = |cause| ModelError::run(&metadata.path, cause);
    let contents = contents.into_iter().map(|(name, array): (_, Array4<f32>)| {
        let value = Tensor::from_array(array).map_err(failed)?;
        Ok((name, value.into_dyn()))
    });
    let contents = contents.collect::<Result<_, ModelError>>()?;
    Ok(Seen { sums, contents })
}

/// Puts a tile's activations where they belong in those of a picture of `size`.
fn put(
    wholes: &mut Vec<(String, Array4<f32>)>,
    parts: Vec<(String, DynValue)>,
    metadata: &GraphMetadata,
    size: (u32, u32),
    (tiling, tile): (&Tiling, &Tile),
) -> Result<(), ModelError> {
    for (index, (layer, (name, value))) in metadata.content_layers.iter().zip(parts).enumerate() {
        let part = value.try_extract_array::<f32>().ok();
        let part = part.and_then(|part| part.into_dimensionality::<Ix4>().ok());
        let part = part.ok_or_else(|| wrong(metadata, &name, Some(&value)))?;
        if wholes.len() == index {
            let (width, height) = layer_size(layer, size);
            let shape = (1, part.dim().1, height as usize, width as usize);
            wholes.push((name.clone(), Array4::zeros(shape)));
        }
        let ([rows, columns], [own_rows, own_columns]) =
            (tiling.place(tile, Some(layer)), tile.window(Some(layer)));
        let mut place = wholes[index].1.slice_mut(s![.., .., rows, columns]);
        let mut place = place.slice_mut(s![.., .., own_rows.clone(), own_columns.clone()]);
        place.assign(&part.slice(s![.., .., own_rows, own_columns]));
    }
    Ok(())
}

/// Runs `forward` on a tile.
fn see_tile(
    session: &mut Session,
    metadata: &GraphMetadata,
    view: View<'_>,
    place: (&Tiling, &Tile),
) -> Result<Seen, ModelError> {
    let outputs = run(session, metadata, view, place);
    let mut outputs = outputs.map_err(|cause| ModelError::run(&metadata.path, cause))?;
    let sums = metadata.style_layers.iter();
    let sums = sums.map(|layer| Sums::read(&outputs, metadata, layer));
    let sums = sums.collect::<Result<_, _>>()?;
    let contents = metadata.content_layers.iter().map(|layer| {
        let name = format!("content/{layer}");
        let value = outputs.remove(&name);
        let value = value.ok_or_else(|| wrong(metadata, &name, None))?;
        Ok((name, value))
    });
    let contents = contents.collect::<Result<_, ModelError>>()?;
    Ok(Seen { sums, contents })
}

fn run<'s>(
    session: &'s mut Session,
    metadata: &GraphMetadata,
    view: View<'_>,
    (tiling, tile): (&Tiling, &Tile),
) -> ort::Result<SessionOutputs<'s>> {
    let [rows, columns] = tiling.place(tile, None);
    let part = view.image.slice(s![.., .., rows, columns]);
    let part: Array4<f32> = part.as_standard_layout().into_owned();
    let mut inputs: Vec<(String, SessionInputValue<'_>)> = vec![
        ("image".to_owned(), TensorRef::from_array_view(&part)?.into()),
        ("padding".to_owned(), view.padding.tensor()?.into()),
    ];
    for (index, layer) in metadata.style_layers.iter().enumerate() {
        let whole = view.guides.map(|guides| &guides[index]);
        let guide = tiling.guide(tile, Some(layer), whole);
        inputs.push((format!("guide/style/{layer}"), Tensor::from_array(guide)?.into()));
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
