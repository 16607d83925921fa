//! The temporal term: how far an image is from the last frame, moved, where that says something of it. A graph without a
//! network computes it and its gradient, whatever the loss is that it is added to.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ndarray::Array4;
use ort::session::Session;
use ort::value::{Tensor, TensorRef};

use super::loss_gradient::scalar;
use super::metadata::{check_contract, properties};
use super::{Advance, Evaluation, LossGradient, ModelError, ObjectiveError};
use crate::runtime::{Engine, Purpose};

/// The graph's name, that of the term, and what a record calls the graph.
pub(crate) const TEMPORAL: &str = "temporal";

/// The graph of the temporal term, its contract checked.
#[derive(Clone, Debug)]
pub struct TemporalGraph {
    /// `temporal.onnx`
    pub path: PathBuf,
    /// The sha256 of the file.
    pub sha256: String,
}

/// A loss, and the temporal term beside it.
pub(crate) struct Temporal<'a> {
    loss: Box<dyn LossGradient + 'a>,
    graph: &'a TemporalGraph,
    session: Session,
    /// f32 `[1, 3, height, width]`
    moved: Tensor<f32>,
    /// f32 `[1, 1, height, width]`
    mask: Tensor<f32>,
    weight: Tensor<f32>,
    term_names: Vec<String>,
}

impl TemporalGraph {
    /// Opens the graph in the folder of the others.
    ///
    /// # Errors
    /// It is missing, cut, or of another contract.
    pub fn open(folder: &Path) -> Result<TemporalGraph, ModelError> {
        let path = folder.join(format!("{TEMPORAL}.onnx"));
        let (said, sha256): (HashMap<String, String>, String) = properties(&path)?;
        check_contract(&path, &said, TEMPORAL)?;
        Ok(TemporalGraph { path, sha256 })
    }

    /// A loss with the temporal term of a weight beside it, for images of the size of the last frame, `moved`, f32
    /// `[1, 3, height, width]`. The `mask`, f32 `[1, 1, height, width]`, says what it says something of: 0 to 1.
    ///
    /// # Errors
    /// The session cannot be built.
    pub(crate) fn beside<'a>(
        &'a self,
        loss: Box<dyn LossGradient + 'a>,
        engine: &Engine,
        (moved, mask): (Array4<f32>, Array4<f32>),
        weight: f64,
    ) -> Result<Temporal<'a>, ModelError> {
        let (_, _, height, width) = moved.dim();
        let session = self.session(engine, (width as u32, height as u32))?;
        let tensors = || -> ort::Result<_> {
            let mask = Tensor::from_array(mask)?;
            Ok((Tensor::from_array(moved)?, mask, scalar(weight as f32)?))
        };
        let (moved, mask, weight) = tensors().map_err(|cause| ModelError::session(&self.path, cause))?;
        let names = loss.term_names().iter().cloned();
        Ok(Temporal {
            term_names: names.chain([TEMPORAL.to_owned()]).collect(),
            graph: self,
            loss,
            session,
            moved,
            mask,
            weight,
        })
    }

    fn session(&self, engine: &Engine, (width, height): (u32, u32)) -> Result<Session, ModelError> {
        let builder = engine.builder(Purpose::FewRuns)?;
        let build = || -> ort::Result<Session> {
            builder
                .with_dimension_override("width", width.into())?
                .with_dimension_override("height", height.into())?
                .commit_from_file(&self.path)
        };
        build().map_err(|cause| ModelError::session(&self.path, cause))
    }
}

impl Temporal<'_> {
    /// The term; its gradient is added.
    fn add(&mut self, image: &[f32], gradient: &mut [f32]) -> ort::Result<f64> {
        let shape = self.moved.shape().to_vec();
        let outputs = self.session.run(ort::inputs![
            "image" => TensorRef::from_array_view((shape, image))?,
            "moved" => self.moved.view(),
            "mask" => self.mask.view(),
            "temporal_weight" => self.weight.view(),
        ])?;
        let slopes = outputs["gradient"].try_extract_tensor::<f32>()?.1;
        gradient
            .iter_mut()
            .zip(slopes)
            .for_each(|(sum, slope)| *sum += slope);
        let term = outputs["temporal_loss"].try_extract_tensor::<f32>()?.1;
        Ok(term.iter().copied().map(f64::from).sum())
    }
}

impl LossGradient for Temporal<'_> {
    fn term_names(&self) -> &[String] {
        &self.term_names
    }

    fn evaluate(
        &mut self,
        image: &[f32],
        gradient: &mut [f32],
        advance: Advance<'_>,
    ) -> Result<Evaluation, ObjectiveError> {
        let Evaluation { loss, mut terms } = self.loss.evaluate(image, gradient, advance)?;
        let term = self.add(image, gradient);
        let term = term.map_err(|cause| ModelError::run(&self.graph.path, cause))?;
        terms.push(term);
        Ok(Evaluation {
            loss: loss + term,
            terms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Picture;
    use crate::runtime::{LibraryQuery, Request, Runtime};
    use crate::tensor::to_tensor;

    /// A loss of 3 whose gradient is 1 everywhere.
    struct Slope(Vec<String>);

    impl LossGradient for Slope {
        fn term_names(&self) -> &[String] {
            &self.0
        }

        fn evaluate(
            &mut self,
            _: &[f32],
            gradient: &mut [f32],
            _: Advance<'_>,
        ) -> Result<Evaluation, ObjectiveError> {
            gradient.fill(1.0);
            Ok(Evaluation {
                loss: 3.0,
                terms: vec![3.0],
            })
        }
    }

    fn picture(seed: u32) -> Picture {
        let values = (0..7 * 5 * 3).map(|index| ((index * 37 + seed * 53) % 251) as f32);
        Picture::from_rgb(7, 5, values.collect())
    }

    #[test]
    fn the_term_and_its_gradient_are_added_to_those_of_any_loss() {
        let runtime = Runtime::load(&LibraryQuery::default()).unwrap();
        let engine = Engine::start(&runtime, &Request::default(), 1).unwrap();
        let graph = TemporalGraph::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")).unwrap();
        let mask: Vec<f32> = (0..35).map(|pixel| (pixel % 5) as f32 / 4.0).collect();
        let moved = to_tensor(&picture(1));
        let tensors = (
            moved.clone(),
            Array4::from_shape_vec((1, 1, 5, 7), mask.clone()).unwrap(),
        );
        let slope = Box::new(Slope(vec!["tv".to_owned()]));
        let mut loss = graph.beside(slope, &engine, tensors, 2.0).unwrap();
        assert_eq!(loss.term_names(), ["tv", "temporal"]);
        let image = to_tensor(&picture(2)).into_raw_vec_and_offset().0;
        let mut gradient = vec![0.0; image.len()];
        let evaluation = loss.evaluate(&image, &mut gradient, &mut |_| {}).unwrap();
        let target = moved.into_raw_vec_and_offset().0;
        let off = |index: usize| f64::from(image[index] - target[index]);
        let weight = |index: usize| 2.0 * f64::from(mask[index % 35]) / image.len() as f64;
        let expected: f64 = (0..image.len()).map(|i| weight(i) * off(i).powi(2)).sum();
        assert!((evaluation.terms[1] / expected - 1.0).abs() < 1e-6);
        assert_eq!(evaluation.loss, 3.0 + evaluation.terms[1]);
        for (index, slope) in gradient.iter().enumerate() {
            let expected = 1.0 + 2.0 * weight(index) * off(index);
            assert!(
                (f64::from(*slope) - expected).abs() < 1e-4,
                "{slope}, not {expected}"
            );
        }
    }

    #[test]
    fn a_graph_that_is_missing_or_another_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = TemporalGraph::open(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("temporal.onnx is missing") && error.contains("make setup"),
            "{error}"
        );
        let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/gatys.head.onnx");
        std::fs::copy(other, folder.path().join("temporal.onnx")).unwrap();
        let error = TemporalGraph::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("impasto.graph is \"head\""), "{error}");
    }
}
