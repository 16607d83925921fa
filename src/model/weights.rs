//! How much each term of the loss counts.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{GraphMetadata, ModelError};

/// The weights of the terms of a graph's loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// The style weight W of each style layer, in the graph's order: what it multiplies is the style loss's. With Gram
    /// matrices the term of a layer with C channels is `W / C²` times their mean squared difference (Gatys et al. 2016,
    /// equations 4 and 5, with the weights of the authors' own code).
    pub style: Vec<f64>,
    /// The factor of the mean squared difference of the content features, for each content layer in the graph's order.
    pub content: Vec<f64>,
    /// The factor of the total variation, `sum((x - right)² + (x - below)²) / 2` over all pixels but those of the last
    /// row and column, BGR in grey levels: that of J. Johnson's neural-style (2015), `-tv_weight`.
    pub tv: f64,
}

impl Weights {
    /// The same weight for all style layers, and for all content layers.
    pub fn uniform(metadata: &GraphMetadata, style: f64, content: f64, tv: f64) -> Weights {
        Weights {
            style: vec![style; metadata.style_layers.len()],
            content: vec![content; metadata.content_layers.len()],
            tv,
        }
    }

    /// Whether the loss looks at the content.
    pub fn has_content(&self) -> bool {
        self.content.iter().any(|&weight| weight > 0.0)
    }

    /// These weights, those of the layers that are named multiplied.
    ///
    /// # Errors
    /// The graph's loss does not look at a layer that is named, or no layer has a weight left.
    pub fn with_factors(
        mut self,
        metadata: &GraphMetadata,
        style: &LayerFactors,
        content: &LayerFactors,
    ) -> Result<Weights, ModelError> {
        multiply(
            &mut self.style,
            style,
            metadata,
            ("style", &metadata.style_layers),
        )?;
        multiply(
            &mut self.content,
            content,
            metadata,
            ("content", &metadata.content_layers),
        )?;
        if self
            .style
            .iter()
            .chain(&self.content)
            .all(|&weight| weight == 0.0)
        {
            return Err(ModelError::NoWeight);
        }
        Ok(self)
    }

    /// The weight that the others are measured in: the largest of a style layer, or else of a content layer.
    pub fn unit(&self) -> f64 {
        let largest = |weights: &[f64]| weights.iter().copied().fold(0.0, f64::max);
        [largest(&self.style), largest(&self.content), self.tv]
            .into_iter()
            .find(|&weight| weight > 0.0)
            .unwrap_or(1.0)
    }

    /// The weights in that unit. The graph rounds weights to f32; these it rounds alike whatever the unit, so
    /// that weights of another scale lead to the same picture.
    pub fn relative(&self) -> Weights {
        let unit = self.unit();
        let relative = |weights: &[f64]| weights.iter().map(|weight| weight / unit).collect();
        Weights {
            style: relative(&self.style),
            content: relative(&self.content),
            tv: self.tv / unit,
        }
    }

    /// The weights with the content layers' multiplied by `factor`.
    pub fn with_content_times(mut self, factor: f64) -> Weights {
        self.content.iter_mut().for_each(|weight| *weight *= factor);
        self
    }
}

fn multiply(
    weights: &mut [f64],
    factors: &LayerFactors,
    metadata: &GraphMetadata,
    (kind, layers): (&'static str, &[String]),
) -> Result<(), ModelError> {
    for (layer, factor) in &factors.0 {
        let place = layers.iter().position(|known| known == layer);
        let place = place.ok_or_else(|| ModelError::UnknownLayer {
            kind,
            layer: layer.clone(),
            graph: metadata.preset.clone(),
            layers: layers.join(", "),
        })?;
        weights[place] *= factor;
    }
    Ok(())
}

/// Factors of single layers' weights, as in `relu1_1=2,relu5_1=0.5`; a layer that is not named keeps its weight.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub struct LayerFactors(pub Vec<(String, f64)>);

/// A text that is no list of layers and factors.
#[derive(Debug, thiserror::Error)]
#[error("{part:?} {problem}; write LAYER=FACTOR,…, as in relu1_1=2,relu5_1=0.5")]
pub struct NoLayerFactors {
    part: String,
    problem: &'static str,
}

/// What a settings file has: the text, or a table of layers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Table(BTreeMap<String, f64>),
}

impl TryFrom<Written> for LayerFactors {
    type Error = NoLayerFactors;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::Text(text) => text.parse(),
            Written::Table(factors) => Ok(LayerFactors(factors.into_iter().collect())),
        }
    }
}

impl From<LayerFactors> for String {
    fn from(factors: LayerFactors) -> String {
        factors.to_string()
    }
}

impl FromStr for LayerFactors {
    type Err = NoLayerFactors;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut factors: Vec<(String, f64)> = Vec::new();
        for part in text.split(',').filter(|_| !text.is_empty()) {
            let wrong = |problem| NoLayerFactors {
                part: part.to_owned(),
                problem,
            };
            let (layer, factor) = part.split_once('=').ok_or_else(|| wrong("has no '='"))?;
            let factor = factor.trim().parse().map_err(|_| wrong("has no number"))?;
            let layer = layer.trim().to_owned();
            if factors.iter().any(|(known, _)| *known == layer) {
                return Err(wrong("names a layer again"));
            }
            factors.push((layer, factor));
        }
        Ok(LayerFactors(factors))
    }
}

impl fmt::Display for LayerFactors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self
            .0
            .iter()
            .map(|(layer, factor)| format!("{layer}={factor}"))
            .collect();
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::metadata::Kind;

    fn metadata() -> GraphMetadata {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        GraphMetadata::read(&folder.join("gatys.forward.onnx"), Kind::Forward).unwrap()
    }

    fn factors(text: &str) -> LayerFactors {
        text.parse().unwrap()
    }

    #[test]
    fn factors_multiply_the_weights_of_the_layers_that_are_named() {
        let metadata = metadata();
        let weights = Weights::uniform(&metadata, 100.0, 5.0, 1e-3);
        let weighted = weights
            .with_factors(
                &metadata,
                &factors("relu5_1=0.5, relu1_1 = 2"),
                &factors("relu4_2=3"),
            )
            .unwrap();
        let expected = Weights {
            style: vec![200.0, 100.0, 100.0, 100.0, 50.0],
            content: vec![15.0],
            tv: 1e-3,
        };
        assert_eq!(weighted, expected);
        assert_eq!(weighted.unit(), 200.0);
        assert_eq!(weighted.relative().style, [1.0, 0.5, 0.5, 0.5, 0.25]);
        assert_eq!(weighted.relative().tv, 1e-3 / 200.0);
    }

    #[test]
    fn a_layer_that_the_graph_does_not_look_at_is_refused_with_those_it_does() {
        let metadata = metadata();
        let refused = |style: &str, content: &str| {
            let weights = Weights::uniform(&metadata, 1.0, 1.0, 0.0);
            let result = weights.with_factors(&metadata, &factors(style), &factors(content));
            result.unwrap_err().to_string()
        };
        let error = refused("relu4_2=2", "");
        assert!(error.contains("relu4_2") && error.contains("relu1_1, relu2_1, relu3_1, relu4_1, relu5_1"));
        let error = refused("", "relu1_1=2");
        assert!(
            error.contains("content layer relu1_1") && error.ends_with("relu4_2"),
            "{error}"
        );
        let nothing = "relu1_1=0,relu2_1=0,relu3_1=0,relu4_1=0,relu5_1=0";
        assert!(refused(nothing, "relu4_2=0").contains("nothing to paint"));
    }

    #[test]
    fn factors_are_read_as_they_are_written() {
        assert_eq!(
            factors("relu1_1=2,relu5_1=0.5").to_string(),
            "relu1_1=2,relu5_1=0.5"
        );
        assert_eq!(factors(""), LayerFactors::default());
        for (text, part) in [
            ("relu1_1", "no '='"),
            ("relu1_1=much", "no number"),
            ("relu1_1=1,relu1_1=2", "again"),
            ("relu1_1=1,", "no '='"),
        ] {
            let error = text.parse::<LayerFactors>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
