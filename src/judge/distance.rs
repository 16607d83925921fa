//! Distances of a picture's features from the targets.

use std::path::Path;

use ndarray::{Array, Array2, Dimension};

use super::{Distance, JUDGE, Judgement, ssim, total_variation};
use crate::error::Error;
use crate::files::shown;
use crate::model::contract::{Kind, Operators};
use crate::model::{FeatureGraph, Features, ModelError};
use crate::picture::Picture;
use crate::stylize::Stylizer;
use crate::tensor::to_tensor;

/// Judges pictures of one content in one style, which it has looked at once.
#[derive(Debug)]
pub struct Judge<'a> {
    stylizer: &'a Stylizer,
    content: &'a Picture,
    objective: Sight,
    /// Sees the layers that are not in the loss, too.
    beyond: Option<Sight>,
}

/// A network that looks at pictures, and the Gram matrices of the style in its eyes.
#[derive(Debug)]
struct Sight {
    graph: FeatureGraph,
    style: Vec<(String, Array2<f32>)>,
}

impl<'a> Judge<'a> {
    /// A judge of pictures of `content` in the style of `styles`, taken at their own size; each comes with its share of
    /// the blend.
    pub(crate) fn new(
        stylizer: &'a Stylizer,
        content: &'a Picture,
        styles: &[(Picture, f64)],
    ) -> Result<Judge<'a>, Error> {
        let open = |name: &str| FeatureGraph::open(stylizer.folder(), name, stylizer.settings().kernels);
        let sight = |graph: FeatureGraph| -> Result<Sight, ModelError> {
            let style = blend(stylizer, &graph, styles)?;
            Ok(Sight { graph, style })
        };
        let sees_all = |graph: &FeatureGraph| styles.iter().all(|(style, _)| is_large_enough(style, graph));
        let beyond = match has_judge(stylizer.folder()) {
            true => Some(open(JUDGE)?).filter(sees_all),
            false => None,
        };
        Ok(Judge {
            stylizer,
            content,
            objective: sight(open(&stylizer.settings().graph_name())?)?,
            beyond: beyond.map(sight).transpose()?,
        })
    }

    /// The figures of `image`, at its own size; the content is resized to it.
    ///
    /// # Errors
    /// A picture too small for the network, or a session that fails.
    pub fn judge(&self, image: &Picture) -> Result<Judgement, Error> {
        self.stylizer.check_judged(image)?;
        let content = self.content.resize(image.width(), image.height());
        let seen = see(self.stylizer, &self.objective.graph, image)?;
        let aim = see(self.stylizer, &self.objective.graph, &content)?;
        Ok(Judgement {
            style_distance: distances(&seen.grams, &self.objective.style),
            held_out_style_distance: self.held_out(image)?,
            content_distance: distances(&seen.contents, &aim.contents),
            total_variation: total_variation(image),
            ssim: ssim(image, &content),
        })
    }

    /// Why this judge cannot see the held-out layers, if it cannot.
    pub fn blind_to_held_out_layers(&self) -> Option<String> {
        let folder = self.stylizer.folder();
        match &self.beyond {
            Some(_) => None,
            None if has_judge(folder) => Some("a style image is too small for them".to_owned()),
            None => Some(format!(
                "{} has no {JUDGE}.forward.onnx; export it with `make setup`",
                shown(folder)
            )),
        }
    }

    fn held_out(&self, image: &Picture) -> Result<Option<Vec<Distance>>, Error> {
        let Some(sight) = self
            .beyond
            .as_ref()
            .filter(|sight| is_large_enough(image, &sight.graph))
        else {
            return Ok(None);
        };
        let optimised = &self.objective.graph.contract().style_layers;
        let mut distances = distances(&see(self.stylizer, &sight.graph, image)?.grams, &sight.style);
        distances.retain(|distance| !optimised.contains(&distance.layer));
        Ok(Some(distances))
    }
}

/// Whether the graphs' folder has the graph with the held-out layers.
fn has_judge(folder: &Path) -> bool {
    Operators::Portable.file(folder, JUDGE, Kind::Forward).exists()
}

fn is_large_enough(picture: &Picture, graph: &FeatureGraph) -> bool {
    picture.width().min(picture.height()) >= graph.contract().min_size
}

fn see(stylizer: &Stylizer, graph: &FeatureGraph, picture: &Picture) -> Result<Features, ModelError> {
    graph.run(stylizer.engine(), to_tensor(picture).view())
}

/// The Gram matrices of all styles by layer, each times its share, added up.
fn blend(
    stylizer: &Stylizer,
    graph: &FeatureGraph,
    styles: &[(Picture, f64)],
) -> Result<Vec<(String, Array2<f32>)>, ModelError> {
    let mut sum: Vec<(String, Array2<f32>)> = Vec::new();
    for (style, share) in styles {
        let grams = see(stylizer, graph, style)?.grams;
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
