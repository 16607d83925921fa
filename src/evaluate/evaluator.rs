//! Distances of a picture's features from the targets.

use std::path::{Path, PathBuf};

use ndarray::{Array, Array2, Dimension};

use super::{Distance, JUDGE, Metrics, ssim, total_variation};
use crate::files::shown;
use crate::model::metadata::{Kind, Operators};
use crate::model::{Enlarge, FeatureGraph, Features, KernelSet, ModelError, check_size};
use crate::picture::Picture;
use crate::runtime::Engine;
use crate::tensor::to_tensor;

/// Evaluates pictures of one content in one style, which it has looked at once.
#[derive(Debug)]
pub struct Evaluator<'a> {
    engine: &'a Engine,
    /// Of the windows of the tiles that pictures are seen in; 0: whole.
    tile: u32,
    folder: PathBuf,
    content: &'a Picture,
    objective: FeatureExtractor,
    /// SessionInfo the layers that are not in the loss, too.
    held_out: Option<FeatureExtractor>,
}

/// A network that looks at pictures, and the Gram matrices that it finds in the style.
#[derive(Debug)]
struct FeatureExtractor {
    graph: FeatureGraph,
    style: Vec<(String, Array2<f32>)>,
}

impl<'a> Evaluator<'a> {
    /// For pictures of `content` in the style of `styles`, taken at their own size; each comes with its share of the
    /// blend. The loss's layers are those of the graphs called `name` in `folder`. Pictures are seen whole, or in tiles whose
    /// windows have some `tile` pixels.
    ///
    /// # Errors
    /// A graph that cannot be used, or a session that fails.
    pub fn new(
        engine: &'a Engine,
        (folder, name): (&Path, &str),
        (kernels, tile): (KernelSet, u32),
        content: &'a Picture,
        styles: &[(Picture, f64)],
    ) -> Result<Evaluator<'a>, ModelError> {
        let open = |name: &str| FeatureGraph::open(folder, name, kernels);
        let extractor = |graph: FeatureGraph| -> Result<FeatureExtractor, ModelError> {
            let style = blend(engine, &graph, tile, styles)?;
            Ok(FeatureExtractor { graph, style })
        };
        let sees_all = |graph: &FeatureGraph| styles.iter().all(|(style, _)| is_large_enough(style, graph));
        let held_out = match has_judge(folder) {
            true => Some(open(JUDGE)?).filter(sees_all),
            false => None,
        };
        Ok(Evaluator {
            engine,
            tile,
            folder: folder.to_path_buf(),
            content,
            objective: extractor(open(name)?)?,
            held_out: held_out.map(extractor).transpose()?,
        })
    }

    /// The figures of `image`, at its own size; the content is resized to it.
    ///
    /// # Errors
    /// A picture too small for the network, or a session that fails.
    pub fn evaluate(&self, image: &Picture) -> Result<Metrics, ModelError> {
        let graph = &self.objective.graph;
        check_size(graph.metadata(), image.size(), "image", Enlarge::Picture)?;
        let content = self.content.resize(image.width(), image.height());
        let seen = see(self.engine, graph, self.tile, image)?;
        let aim = see(self.engine, graph, self.tile, &content)?;
        Ok(Metrics {
            style_distance: distances(&seen.grams, &self.objective.style),
            held_out_style_distance: self.held_out_distances(image)?,
            content_distance: distances(&seen.contents, &aim.contents),
            total_variation: total_variation(image),
            ssim: ssim(image, &content),
        })
    }

    /// Why the held-out layers are not seen, if they are not.
    pub fn blind_to_held_out_layers(&self) -> Option<String> {
        match &self.held_out {
            Some(_) => None,
            None if has_judge(&self.folder) => Some("a style image is too small for them".to_owned()),
            None => Some(format!(
                "{} has no {JUDGE}.forward.onnx; export it with `make setup`",
                shown(&self.folder)
            )),
        }
    }

    fn held_out_distances(&self, image: &Picture) -> Result<Option<Vec<Distance>>, ModelError> {
        let held_out = self.held_out.as_ref();
        let Some(extractor) = held_out.filter(|extractor| is_large_enough(image, &extractor.graph)) else {
            return Ok(None);
        };
        let optimised = &self.objective.graph.metadata().style_layers;
        let found = see(self.engine, &extractor.graph, self.tile, image)?.grams;
        let mut distances = distances(&found, &extractor.style);
        distances.retain(|distance| !optimised.contains(&distance.layer));
        Ok(Some(distances))
    }
}

/// Whether the graphs' folder has the graph with the held-out layers.
fn has_judge(folder: &Path) -> bool {
    Operators::Portable.file(folder, JUDGE, Kind::Forward).exists()
}

fn is_large_enough(picture: &Picture, graph: &FeatureGraph) -> bool {
    picture.width().min(picture.height()) >= graph.metadata().min_size
}

fn see(engine: &Engine, graph: &FeatureGraph, tile: u32, picture: &Picture) -> Result<Features, ModelError> {
    graph.run(engine, to_tensor(picture).view(), tile)
}

/// The Gram matrices of all styles by layer, each times its share, added up.
fn blend(
    engine: &Engine,
    graph: &FeatureGraph,
    tile: u32,
    styles: &[(Picture, f64)],
) -> Result<Vec<(String, Array2<f32>)>, ModelError> {
    let mut sum: Vec<(String, Array2<f32>)> = Vec::new();
    for (style, share) in styles {
        let grams = see(engine, graph, tile, style)?.grams;
        if sum.is_empty() {
            let nothing = |(layer, gram): &(String, Array2<f32>)| (layer.clone(), Array2::zeros(gram.dim()));
            sum = grams.iter().map(nothing).collect();
        }
        for ((_, sum), (_, gram)) in sum.iter_mut().zip(&grams) {
            sum.scaled_add(*share as f32, gram);
        }
    }
    Ok(sum)
}

/// The distance at each layer; both have the same layers.
fn distances<D: Dimension>(
    found: &[(String, Array<f32, D>)],
    target: &[(String, Array<f32, D>)],
) -> Vec<Distance> {
    let pairs = found.iter().zip(target);
    pairs
        .map(|((layer, found), (_, target))| Distance {
            layer: layer.clone(),
            value: relative_distance(found, target),
        })
        .collect()
}

/// `‖found − target‖ / ‖target‖`, all values taken as one vector; how far from nothing, when the target is nothing.
fn relative_distance<D: Dimension>(found: &Array<f32, D>, target: &Array<f32, D>) -> f64 {
    let difference = found
        .iter()
        .zip(target)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    let norm = target.iter().map(|value| f64::from(*value).powi(2));
    let (difference, norm): (f64, f64) = (difference.sum(), norm.sum());
    match norm {
        0.0 => difference.sqrt(),
        _ => (difference / norm).sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_distance_is_that_of_the_vectors_over_the_targets_length() {
        let target = array![[3.0, 0.0], [0.0, 4.0]];
        assert_eq!(relative_distance(&target, &target), 0.0);
        assert_eq!(relative_distance(&array![[0.0, 0.0], [0.0, 0.0]], &target), 1.0);
        assert_eq!(relative_distance(&array![[3.0, 6.0], [8.0, 4.0]], &target), 2.0);
    }

    #[test]
    fn a_target_of_nothing_leaves_the_plain_distance() {
        let nothing = array![[0.0, 0.0]];
        assert_eq!(relative_distance(&nothing, &nothing), 0.0);
        assert_eq!(relative_distance(&array![[3.0, 4.0]], &nothing), 5.0);
    }
}
