//! Distances of a picture's features from the targets.

use std::path::{Path, PathBuf};

use ndarray::{Array, Array2, Array4, Axis, Dimension};

use super::{Distance, JUDGE, Metrics, RegionMetrics, ssim, total_variation};
use crate::files::shown;
use crate::model::metadata::{Kind, Operators};
use crate::model::{Enlarge, FeatureGraph, Features, KernelSet, ModelError, Window, check_size};
use crate::picture::Picture;
use crate::regions::{Layout, Masks};
use crate::runtime::Engine;
use crate::tensor::to_tensor;

/// Evaluates pictures of one content in one style, which it has looked at once.
#[derive(Debug)]
pub struct Evaluator<'a> {
    engine: &'a Engine,
    /// The windows of the tiles that pictures are seen in.
    window: Window,
    folder: PathBuf,
    content: Option<&'a Picture>,
    masks: &'a Masks,
    objective: FeatureExtractor,
    /// Sees the layers that are not in the loss, too.
    held_out: Option<FeatureExtractor>,
}

/// A network that looks at pictures, and the Gram matrices that it finds in the style.
#[derive(Debug)]
struct FeatureExtractor {
    graph: FeatureGraph,
    style: Grams,
    /// The Gram matrices of the styles of each region, by its name.
    regions: Vec<(String, Grams)>,
}

/// Gram matrices by layer.
type Grams = Vec<(String, Array2<f32>)>;

impl<'a> Evaluator<'a> {
    /// For pictures of `content`, if there is one, in the style of `styles`, taken at their own size; each comes with its share
    /// of the blend. The loss's layers are those of the graphs called `name` in `folder`. Pictures are seen whole, or in tiles with
    /// such windows; what `masks` cut out of content and styles, too.
    ///
    /// # Errors
    /// A graph that cannot be used, or a session that fails.
    pub fn new(
        engine: &'a Engine,
        (folder, name): (&Path, &str),
        (kernels, window): (KernelSet, Window),
        (content, masks): (Option<&'a Picture>, &'a Masks),
        styles: &[(Picture, f64)],
    ) -> Result<Evaluator<'a>, ModelError> {
        let open = |name: &str| FeatureGraph::open(folder, name, kernels);
        let extractor = |graph: FeatureGraph| -> Result<FeatureExtractor, ModelError> {
            let see = |(index, (style, _)): (usize, &(Picture, f64))| {
                let layout = masks.style_layout(index, style.size());
                let guides = layout.map(|layout| guides(&layout, &graph));
                Ok(see(engine, &graph, window, style, guides.as_deref())?
                    .grams
                    .remove(0))
            };
            let seen = styles
                .iter()
                .enumerate()
                .map(see)
                .collect::<Result<Vec<_>, ModelError>>()?;
            let shares: Vec<f64> = styles.iter().map(|(_, share)| *share).collect();
            let regions = masks.regions(styles.len()).into_iter().map(|region| {
                let of_region = region
                    .styles
                    .iter()
                    .map(|&style| &seen[style])
                    .zip(region.shares(&shares));
                (region.name.clone(), blend(of_region))
            });
            Ok(FeatureExtractor {
                style: blend(seen.iter().zip(shares.iter().copied())),
                regions: regions.collect(),
                graph,
            })
        };
        let sees_all = |graph: &FeatureGraph| styles.iter().all(|(style, _)| is_large_enough(style, graph));
        let held_out = match has_judge(folder) {
            true => Some(open(JUDGE)?).filter(sees_all),
            false => None,
        };
        Ok(Evaluator {
            engine,
            window,
            folder: folder.to_path_buf(),
            content,
            masks,
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
        let resized = |content: &Picture| content.resize(image.width(), image.height());
        let content = self.content.map(resized);
        let see = |picture: &Picture| see(self.engine, graph, self.window, picture, None);
        let seen = see(image)?;
        let aim = content.as_ref().map(see).transpose()?;
        Ok(Metrics {
            style_distance: distances(&seen.grams[0], &self.objective.style),
            held_out_style_distance: self.held_out_distances(image)?,
            content_distance: aim.map(|aim| distances(&seen.contents, &aim.contents)),
            total_variation: total_variation(image),
            ssim: content.and_then(|content| ssim(image, &content)),
            regions: self.regions(image)?,
        })
    }

    /// The figures of each region, if there are masks.
    fn regions(&self, image: &Picture) -> Result<Vec<RegionMetrics>, ModelError> {
        let Some(layout) = self.masks.layout(image.size()) else {
            return Ok(Vec::new());
        };
        let FeatureExtractor { graph, regions, .. } = &self.objective;
        let guides = guides(&layout, graph);
        let seen = see(self.engine, graph, self.window, image, Some(&guides))?.grams;
        let of_region = |index: usize| {
            let from = |style: &Grams| {
                let distances = distances(&seen[index], style).into_iter().zip(&guides);
                let has_places = |guide: &Array4<f32>| {
                    guide
                        .index_axis(Axis(0), index)
                        .iter()
                        .any(|&weight| weight > 0.0)
                };
                distances
                    .filter(|(_, guide)| has_places(guide))
                    .map(|(distance, _)| distance)
                    .collect()
            };
            let others = regions.iter().enumerate().filter(|(other, _)| *other != index);
            RegionMetrics {
                region: regions[index].0.clone(),
                share: layout.share(index),
                style_distance: from(&regions[index].1),
                other_style_distance: others
                    .map(|(_, (name, style))| (name.clone(), from(style)))
                    .collect(),
            }
        };
        Ok((0..regions.len()).map(of_region).collect())
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
        let found = see(self.engine, &extractor.graph, self.window, image, None)?.grams;
        let mut distances = distances(&found[0], &extractor.style);
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

fn see(
    engine: &Engine,
    graph: &FeatureGraph,
    window: Window,
    picture: &Picture,
    guides: Option<&[Array4<f32>]>,
) -> Result<Features, ModelError> {
    graph.run(engine, to_tensor(picture).view(), guides, window)
}

/// The guides of all style layers of a graph.
fn guides(layout: &Layout, graph: &FeatureGraph) -> Vec<Array4<f32>> {
    let layers = graph.metadata().style_layers.iter();
    layers.map(|layer| layout.guides(layer)).collect()
}

/// The Gram matrices of styles by layer, each times its share, added up.
fn blend<'a>(styles: impl IntoIterator<Item = (&'a Grams, f64)>) -> Grams {
    let mut sum = Grams::new();
    for (grams, share) in styles {
        if sum.is_empty() {
            let nothing = |(layer, gram): &(String, Array2<f32>)| (layer.clone(), Array2::zeros(gram.dim()));
            sum = grams.iter().map(nothing).collect();
        }
        for ((_, sum), (_, gram)) in sum.iter_mut().zip(grams) {
            sum.scaled_add(share as f32, gram);
        }
    }
    sum
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
