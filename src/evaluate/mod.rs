//! How well a picture does what was asked of it, in figures that can be compared from picture to picture.
//!
//! The loss depends on weights, and its terms on the size of the features. The distances here are relative to the
//! targets instead: 0 for features that are the same, 1 for features that are as far away as nothing at all. Beside
//! the layers that the optimiser saw there are held-out ones, which it did not: a picture that is near the painting
//! there as well has its style, rather than a trick that pleases five layers.

mod evaluator;
mod seam;
#[cfg(feature = "charts")]
mod sheet;
mod ssim;
mod variation;

use serde::{Serialize, Serializer};

pub use evaluator::Evaluator;
pub use seam::{Seam, Seams, repeated};
#[cfg(feature = "charts")]
pub use sheet::Sheet;
pub use ssim::{SSIM_WINDOW, ssim};
pub use variation::total_variation;

pub use crate::model::JUDGE;

/// The figures of a picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// `‖G − A‖ / ‖A‖` (Frobenius) with G the picture's Gram matrix, A the style image's: the layers of the loss.
    #[serde(serialize_with = "by_layer")]
    pub style_distance: Vec<Distance>,
    /// The distance from the style on layers that are not in the loss; none when the graphs' folder has no [`JUDGE`].
    #[serde(serialize_with = "by_layer_if_any")]
    pub held_out_style_distance: Option<Vec<Distance>>,
    /// `‖F − P‖ / ‖P‖` with F the picture's features, P the content image's: the content layers of the loss; none without a
    /// content image.
    #[serde(serialize_with = "by_layer_if_any")]
    pub content_distance: Option<Vec<Distance>>,
    /// See [`total_variation`].
    pub total_variation: f64,
    /// See [`ssim`]: against the content image; none without one, or when the picture is too small for it.
    pub ssim: Option<f64>,
    /// The figures of its regions, if there are masks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<RegionMetrics>,
}

/// The figures of a region of a picture, on the layers of the loss at which it has a place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegionMetrics {
    /// Its mask, as it was named.
    pub region: String,
    /// Its part of the picture: 0 to 1.
    pub share: f64,
    /// The distance from its own style, as [`Metrics::style_distance`].
    #[serde(serialize_with = "by_layer")]
    pub style_distance: Vec<Distance>,
    /// The distance from the styles of other regions, by the regions' names: where one is small, that style leaks.
    #[serde(serialize_with = "by_region")]
    pub other_style_distance: Vec<(String, Vec<Distance>)>,
}

/// A distance from the target at one layer, relative to the target's norm: 0 or more.
#[derive(Clone, Debug, PartialEq)]
pub struct Distance {
    /// `relu1_1`, …
    pub layer: String,
    /// The distance.
    pub value: f64,
}

/// A map from layers to distances, in the network's order.
fn by_layer<S: Serializer>(distances: &[Distance], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(distances.iter().map(|distance| (&distance.layer, distance.value)))
}

/// A map from regions to maps from layers to distances.
fn by_region<S: Serializer>(regions: &[(String, Vec<Distance>)], serializer: S) -> Result<S::Ok, S::Error> {
    let of_layers = |distances: &[Distance]| -> serde_json::Map<String, serde_json::Value> {
        let all = distances.iter();
        all.map(|distance| (distance.layer.clone(), distance.value.into()))
            .collect()
    };
    serializer.collect_map(
        regions
            .iter()
            .map(|(name, distances)| (name, of_layers(distances))),
    )
}

fn by_layer_if_any<S: Serializer>(
    distances: &Option<Vec<Distance>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match distances {
        Some(distances) => by_layer(distances, serializer),
        None => serializer.serialize_none(),
    }
}
