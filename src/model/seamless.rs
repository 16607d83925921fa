//! The loss of a seamless picture.
//!
//! It is padded circularly, by margins as wide as the receptive field of the deepest layer: its own opposite ends. Only the
//! places of the middle count, by their guides, and none of them sees the larger picture's edge: whatever the network does at
//! edges, there it wraps, as the total variation does. What changes in the margins is the pixels that they show, so their
//! gradient is added to those.

use ndarray::{Array4, ArrayView4, CowArray, Ix4, s};

use super::layers::layer_size;
use super::{
    Advance, ContentGuide, Evaluation, GraphMetadata, Graphs, Guides, LossGradient, ObjectiveError, Targets,
};
use crate::picture::surrounded;

type Size = (u32, u32);

impl Graphs {
    /// The margins that a picture has when it is looked at, in pixels: across and down; none if it is not seamless.
    pub(super) fn margins(&self) -> Size {
        let halo = self.forward.halo();
        self.seamless
            .map_or((0, 0), |seamless| seamless.along((halo, halo)))
    }

    /// The size of what the network looks at to see a picture of `size` that is painted (width, height in pixels): that, or
    /// more if it is seamless.
    pub fn seen(&self, size: Size) -> Size {
        with_margins(size, self.margins())
    }
}

pub(super) fn with_margins(size: Size, margins: Size) -> Size {
    (size.0 + 2 * margins.0, size.1 + 2 * margins.1)
}

/// An image, f32 `[1, 3, height, width]`, with margins of its opposite ends.
pub(super) fn with_opposite_ends(image: ArrayView4<'_, f32>, margins: Size) -> CowArray<'_, f32, Ix4> {
    if margins == (0, 0) {
        return image.into();
    }
    let (_, _, height, width) = image.dim();
    let size = (width as u32, height as u32);
    let (seen_width, seen_height) = with_margins(size, margins);
    let image = image.as_standard_layout();
    let values = planes(image.as_slice().expect("in standard layout"), size, margins);
    let shape = (1, 3, seen_height as usize, seen_width as usize);
    let seen = Array4::from_shape_vec(shape, values.collect());
    seen.expect("a value for each pixel").into()
}

/// The values of an image of `size`, plane by plane, with margins of its opposite ends.
fn planes(image: &[f32], size: Size, margins: Size) -> impl Iterator<Item = f32> {
    let area = size.0 as usize * size.1 as usize;
    let planes = image.chunks_exact(area);
    planes.flat_map(move |plane| surrounded(size, margins).map(|pixel| plane[pixel]))
}

impl Guides {
    /// The guides of a picture of `size` that is the middle of a larger one, whose margins do not count; none: all of it counts.
    pub(super) fn of_middle(
        guides: Option<Guides>,
        graph: &GraphMetadata,
        size: Size,
        margins: Size,
    ) -> Guides {
        let ones = |layer: Option<&str>| {
            let (width, height) = layer.map_or(size, |layer| layer_size(layer, size));
            Array4::ones((1, 1, height as usize, width as usize))
        };
        let in_middle = |layer: Option<&str>, own: Array4<f32>| {
            let at = |size: Size| layer.map_or(size, |layer| layer_size(layer, size));
            let ((width, height), (left, top)) = (at(with_margins(size, margins)), at(margins));
            let (regions, _, rows, columns) = own.dim();
            let mut guide = Array4::zeros((regions, 1, height as usize, width as usize));
            let (top, left) = (top as usize, left as usize);
            guide
                .slice_mut(s![.., .., top..top + rows, left..left + columns])
                .assign(&own);
            guide
        };
        let everywhere = || Guides {
            style: graph.style_layers.iter().map(|layer| ones(Some(layer))).collect(),
            factors: vec![vec![1.0; graph.style_layers.len()]],
            content: None,
            variation: None,
        };
        let own = guides.unwrap_or_else(everywhere);
        let content = own.content.unwrap_or_else(|| {
            let layers = graph.content_layers.iter();
            layers
                .map(|layer| ContentGuide {
                    guide: ones(Some(layer)),
                    factor: 1.0,
                })
                .collect()
        });
        let style = graph.style_layers.iter().zip(own.style);
        let content = graph.content_layers.iter().zip(content);
        let content = content.map(|(layer, own)| ContentGuide {
            guide: in_middle(Some(layer), own.guide),
            ..own
        });
        Guides {
            style: style.map(|(layer, own)| in_middle(Some(layer), own)).collect(),
            factors: own.factors,
            content: Some(content.collect()),
            variation: Some(in_middle(None, own.variation.unwrap_or_else(|| ones(None)))),
        }
    }
}

impl Targets {
    /// The loss of the picture that is painted, from that of what the network looks at.
    pub fn of_painted<'a>(&self, loss: Box<dyn LossGradient + 'a>) -> Box<dyn LossGradient + 'a> {
        match self.margins {
            (0, 0) => loss,
            margins => Box::new(Surrounded {
                loss,
                size: (self.size.0 - 2 * margins.0, self.size.1 - 2 * margins.1),
                margins,
                image: Vec::new(),
                gradient: Vec::new(),
            }),
        }
    }
}

/// A loss that looks at a picture with margins of its opposite ends.
struct Surrounded<'a> {
    loss: Box<dyn LossGradient + 'a>,
    /// Width and height of the picture, without them.
    size: Size,
    margins: Size,
    image: Vec<f32>,
    gradient: Vec<f32>,
}

impl LossGradient for Surrounded<'_> {
    fn term_names(&self) -> &[String] {
        self.loss.term_names()
    }

    fn evaluate(
        &mut self,
        image: &[f32],
        gradient: &mut [f32],
        advance: Advance<'_>,
    ) -> Result<Evaluation, ObjectiveError> {
        let Surrounded { size, margins, .. } = *self;
        self.image.clear();
        self.image.extend(planes(image, size, margins));
        self.gradient.resize(self.image.len(), 0.0);
        let evaluation = self.loss.evaluate(&self.image, &mut self.gradient, advance)?;
        gradient.fill(0.0);
        let planes = self.gradient.chunks_exact(self.image.len() / 3);
        for (seen, own) in planes.zip(gradient.chunks_exact_mut(image.len() / 3)) {
            for (slope, pixel) in seen.iter().zip(surrounded(size, margins)) {
                own[pixel] += slope;
            }
        }
        Ok(evaluation)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::{GraphOptions, KernelSet, StyleImage, Weights, Window};
    use crate::picture::Seamless;
    use crate::runtime::{Engine, LibraryQuery, Request, Runtime};

    /// Terms and gradient.
    type Found = (Vec<f64>, Array4<f32>);

    struct Case {
        engine: Engine,
        name: &'static str,
        loss: &'static str,
        kernels: KernelSet,
    }

    fn noise(height: usize, width: usize, seed: usize) -> Array4<f32> {
        Array4::from_shape_fn((1, 3, height, width), |(_, channel, y, x)| {
            ((x * 37 + y * 101 + channel * 53 + seed * 17 + x * y % 7) % 251) as f32 - 120.0
        })
    }

    /// The pixel at a place is the one that was so far to the right and below.
    fn rolled(image: &Array4<f32>, (right, below): (usize, usize)) -> Array4<f32> {
        let (_, _, height, width) = image.dim();
        Array4::from_shape_fn(image.dim(), |(_, channel, y, x)| {
            image[[0, channel, (y + below) % height, (x + right) % width]]
        })
    }

    /// Nine of an image, three by three.
    fn nine(image: &Array4<f32>) -> Array4<f32> {
        let (_, channels, height, width) = image.dim();
        Array4::from_shape_fn((1, channels, 3 * height, 3 * width), |(_, channel, y, x)| {
            image[[0, channel, y % height, x % width]]
        })
    }

    impl Case {
        fn all() -> Vec<Case> {
            let runtime = Runtime::load(&LibraryQuery::default()).unwrap();
            let case = |(name, loss, kernels)| Case {
                engine: Engine::start(&runtime, &Request::default(), 2).unwrap(),
                name,
                loss,
                kernels,
            };
            let cases = [
                ("gatys-avg", "gram", KernelSet::OnnxRuntime),
                ("gatys-avg", "gram", KernelSet::Auto),
                ("gatys", "moments", KernelSet::Auto),
            ];
            cases.into_iter().map(case).collect()
        }

        /// How far gradients may be from each other, relative to their length: a maximum may be another place's.
        fn bound(&self) -> f64 {
            if self.name == "gatys-avg" { 1e-5 } else { 1e-3 }
        }

        /// The loss of `image` with its own features as content, in tiles whose windows have some `side` pixels; 0: whole.
        fn evaluate(
            &self,
            image: &Array4<f32>,
            seamless: Option<Seamless>,
            guides: Option<fn(&GraphMetadata) -> Guides>,
            side: u32,
        ) -> Found {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
            let options = GraphOptions {
                kernels: self.kernels,
                seamless,
                style_loss: self.loss.to_owned(),
                ..GraphOptions::default()
            };
            let graphs = Graphs::open(&folder, self.name, &options).unwrap();
            let style = noise(120, 130, 2) * 0.5;
            let mut features = graphs.features(&self.engine).unwrap();
            features.see_in_tiles(Window::square(side));
            let styles = vec![StyleImage {
                image: style.view(),
                share: 1.0,
                guides: None,
            }];
            let guides = guides.map(|guides| guides(&graphs.forward));
            let content = image.mapv(|value| 0.7 * value.abs());
            let targets = features
                .region_targets(content.view(), &[styles], guides)
                .unwrap();
            let weights = Weights::uniform(&graphs.loss_gradient, 1e3, 1.0, 1e-3);
            let loss: Box<dyn LossGradient> = match side {
                0 => Box::new(graphs.loss_gradient(&self.engine, &targets, weights).unwrap()),
                side => {
                    let tiled =
                        graphs.tiled_loss_gradient(&self.engine, &targets, &weights, Window::square(side));
                    Box::new(tiled.unwrap().unwrap())
                }
            };
            let mut gradient = Array4::zeros(image.raw_dim());
            let image = image.as_standard_layout();
            let values = image.as_slice().unwrap();
            let evaluation =
                targets
                    .of_painted(loss)
                    .evaluate(values, gradient.as_slice_mut().unwrap(), &mut |_| {});
            (evaluation.unwrap().terms, gradient)
        }

        fn check(&self, (terms, gradient): &Found, (expected, slope): &Found, what: &str) {
            for (term, expected) in terms.iter().zip(expected) {
                assert!(*expected > 0.0, "{what}: {expected}");
                assert!(
                    (term / expected - 1.0).abs() < 3e-6,
                    "{} {what}: {terms:?}, not {expected:?}",
                    self.name
                );
            }
            let square = |values: Array4<f32>| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
            let error = (square(gradient - slope) / square(slope.clone())).sqrt();
            assert!(
                error < self.bound(),
                "{} {:?} {what}: {error:e}",
                self.name,
                self.kernels
            );
        }
    }

    #[test]
    fn a_seamless_picture_has_no_edge() {
        for case in Case::all() {
            // Narrower than the margins, so that they show it more than once.
            let image = noise(96, 48, 3);
            let (terms, gradient) = case.evaluate(&image, Some(Seamless::Both), None, 0);
            for way in [(16, 0), (0, 48), (32, 80)] {
                let found = case.evaluate(&rolled(&image, way), Some(Seamless::Both), None, 0);
                case.check(&found, &(terms.clone(), rolled(&gradient, way)), "rolled");
            }
            // Along one axis: the ends of the other are edges.
            let (terms, gradient) = case.evaluate(&image, Some(Seamless::X), None, 0);
            let found = case.evaluate(&rolled(&image, (16, 0)), Some(Seamless::X), None, 0);
            case.check(
                &found,
                &(terms.clone(), rolled(&gradient, (16, 0))),
                "rolled along x",
            );
            let other = case.evaluate(&rolled(&image, (0, 16)), Some(Seamless::X), None, 0);
            assert!(
                (other.0[0] / terms[0] - 1.0).abs() > 1e-4,
                "{:?}, {terms:?}",
                other.0
            );
        }
    }

    /// What counts of a picture of nine is the one in the middle.
    fn middle_of_nine(graph: &GraphMetadata) -> Guides {
        let guide = |layer: &str| {
            let (width, height) = layer_size(layer, (144, 96));
            let (width, height) = (width as usize, height as usize);
            let is_own = |place: usize, length: usize| (length..2 * length).contains(&place);
            Array4::from_shape_fn((1, 1, 3 * height, 3 * width), |(_, _, y, x)| {
                f32::from(u8::from(is_own(y, height) && is_own(x, width)))
            })
        };
        let content = graph.content_layers.iter().map(|layer| ContentGuide {
            guide: guide(layer),
            factor: 1.0,
        });
        Guides {
            style: graph.style_layers.iter().map(|layer| guide(layer)).collect(),
            factors: vec![vec![1.0; graph.style_layers.len()]],
            content: Some(content.collect()),
            variation: Some(guide("relu1_1")),
        }
    }

    #[test]
    fn a_seamless_picture_is_one_of_many_side_by_side() {
        for case in Case::all() {
            let image = noise(96, 144, 3);
            let (terms, of_nine) = case.evaluate(&nine(&image), None, Some(middle_of_nine), 0);
            let mut gradient = Array4::zeros(image.raw_dim());
            for copy in 0..9 {
                let (top, left) = (copy / 3 * 96, copy % 3 * 144);
                gradient += &of_nine.slice(s![.., .., top..top + 96, left..left + 144]);
            }
            for side in [0, 64] {
                let found = case.evaluate(&image, Some(Seamless::Both), None, side);
                case.check(&found, &(terms.clone(), gradient.clone()), "beside nine");
            }
        }
    }
}
