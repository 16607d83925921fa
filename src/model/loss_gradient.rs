//! The loss graph: image, targets and weights to loss, terms and gradient.

use std::time::{Duration, Instant};

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session};
use ort::value::{Tensor, TensorValueType};

use super::forward::whole;
use super::layers::layer_size;
use super::metadata::{Kind, Term, TermKind};
use super::reuse::{Held, Pictures};
use super::{
    Advance, Evaluation, GraphMetadata, Graphs, Guides, LossGradient, ModelError, ObjectiveError, Padding,
    Targets, Weights, session,
};
use crate::runtime::{DeviceMemory, Engine, Placement};

/// A session of the loss graph with its targets and weights bound; one run is one evaluation.
///
/// All inputs but the image are handed over once; loss, terms and gradient come back into the same buffers each time.
pub struct OnnxLossGradient {
    session: Held,
    binding: IoBinding,
    image: Tensor<f32>,
    resident: Option<Resident>,
    metadata: GraphMetadata,
    term_names: Vec<String>,
    placement: Option<Placement>,
    graph_time: Duration,
}

impl Graphs {
    /// Builds the loss for images of the size of the targets' content image.
    ///
    /// # Errors
    /// The session cannot be built, or the targets do not fit it.
    pub fn loss_gradient(
        &self,
        engine: &Engine,
        targets: &Targets,
        weights: Weights,
    ) -> Result<OnnxLossGradient, ModelError> {
        let (metadata, kernels) = self.choose(engine, Kind::LossGradient);
        let pictures = Pictures::Whole(targets.size);
        let graph = (metadata, kernels);
        let session = session::take(engine, &self.reuse, graph, pictures, targets.regions())?;
        let given = (&metadata.terms[..], &weights, self.padding);
        let bound = bind(&session, targets, given, engine.memory());
        let Bound {
            binding,
            image,
            resident,
            is_pageable,
        } = bound.map_err(|cause| ModelError::session(&metadata.path, cause))?;
        let placement = engine.placement(&session).map(|placement| Placement {
            is_pageable,
            ..placement
        });
        let names = metadata.terms.iter().map(|term| term.name.clone());
        let (metadata, term_names) = (metadata.clone(), names.collect());
        Ok(OnnxLossGradient {
            session,
            binding,
            image,
            resident,
            metadata,
            term_names,
            placement,
            graph_time: Duration::ZERO,
        })
    }
}

/// What a run of the session takes and where it leaves what it makes.
struct Bound {
    binding: IoBinding,
    /// The image on the host.
    image: Tensor<f32>,
    resident: Option<Resident>,
    /// Whether the image lies in pageable memory of the host because pinned memory was refused.
    is_pageable: bool,
}

/// What stays where it is on the device, since runs are recorded and replayed.
struct Resident {
    image: Tensor<f32>,
    /// Where outputs come to on the host, by name.
    brought: Vec<(String, Tensor<f32>)>,
}

/// Binds all inputs but the image, and all outputs.
fn bind(
    session: &Session,
    targets: &Targets,
    (terms, weights, padding): (&[Term], &Weights, Padding),
    memory: Option<DeviceMemory>,
) -> ort::Result<Bound> {
    let mut binding = session.create_binding()?;
    for (name, value) in targets.styles.iter().chain(&targets.contents) {
        binding.bind_input(name, value)?;
    }
    bind_guides(&mut binding, terms, targets)?;
    let weights = TermWeights::of(terms, weights, targets.guides.as_ref());
    for weights in &weights {
        binding.bind_input(&weights.input, &weights.tensor()?)?;
    }
    binding.bind_input("padding", &padding.tensor()?)?;

    let (width, height) = targets.size;
    let image_shape = [1, 3, height as usize, width as usize];
    let pinned = memory
        .as_ref()
        .map(|memory| (&memory.pinned, memory.id, MemoryType::CPUOutput));
    // Pinned memory is faster, not needed.
    let pinned = allocator(session, pinned);
    let is_pageable = pinned.is_err();
    let host = pinned.unwrap_or_default();
    let replayed = memory.filter(|memory| memory.replay);
    let place = replayed
        .as_ref()
        .map(|memory| (&memory.device, memory.id, MemoryType::Default));
    let device = allocator(session, place)?;
    let of_device = if replayed.is_some() { &device } else { &host };
    let mut outputs = vec![("gradient".to_owned(), image_shape.to_vec())];
    outputs.extend(weights.into_iter().map(|weights| (weights.output, weights.shape)));
    binding.bind_output("loss", Tensor::<f32>::new(of_device, [0_usize; 0])?)?;
    for (name, shape) in &outputs {
        binding.bind_output(name, Tensor::<f32>::new(of_device, shape.clone())?)?;
    }
    let resident = match replayed {
        Some(_) => {
            let image = Tensor::<f32>::new(&device, image_shape)?;
            binding.bind_input("image", &image)?;
            let on_host = |(name, shape)| Ok((name, Tensor::<f32>::new(&host, shape)?));
            let brought = outputs.into_iter().map(on_host).collect::<ort::Result<_>>()?;
            Some(Resident { image, brought })
        }
        None => None,
    };
    Ok(Bound {
        binding,
        image: Tensor::<f32>::new(&host, image_shape)?,
        resident,
        is_pageable,
    })
}

/// Binds the guides of all terms; of ones, one tensor for all of a size.
fn bind_guides(binding: &mut IoBinding, terms: &[Term], targets: &Targets) -> ort::Result<()> {
    let mut made: Vec<((u32, u32), Tensor<f32>)> = Vec::new();
    for term in terms {
        if let Some(guide) = targets.guide(term) {
            binding.bind_input(
                format!("guide/{}", term.name),
                &Tensor::from_array(guide.clone())?,
            )?;
            continue;
        }
        let size = term
            .layer
            .as_deref()
            .map_or(targets.size, |layer| layer_size(layer, targets.size));
        let place = match made.iter().position(|(known, _)| *known == size) {
            Some(place) => place,
            None => {
                made.push((size, whole(size)?));
                made.len() - 1
            }
        };
        binding.bind_input(format!("guide/{}", term.name), &made[place].1)?;
    }
    Ok(())
}

/// The weights of the terms of a kind: an input, and the output that has the terms' values.
#[derive(Clone, Debug)]
pub(super) struct TermWeights {
    pub kind: TermKind,
    pub input: String,
    pub output: String,
    /// The shape of the input, and of the output.
    pub shape: Vec<usize>,
    values: Vec<f32>,
}

impl TermWeights {
    /// The weights of each kind of which there are terms.
    pub(super) fn of(terms: &[Term], weights: &Weights, guides: Option<&Guides>) -> Vec<TermWeights> {
        let regions = guides.map_or(1, Guides::regions);
        let kinds = [
            (TermKind::Style, &weights.style[..]),
            (TermKind::Content, &weights.content),
            (TermKind::Tv, &[weights.tv]),
        ];
        let of_kind = kinds.into_iter().filter_map(|(kind, weights)| {
            let terms: Vec<&Term> = terms.iter().filter(|term| term.kind == kind).collect();
            let first = terms.first()?;
            // A style term has a weight and a value for each region.
            let (shape, rows) = match kind {
                TermKind::Style => (vec![regions, terms.len()], regions),
                TermKind::Content => (vec![terms.len()], 1),
                TermKind::Tv => (Vec::new(), 1),
            };
            let value = |row: usize, term: &Term, weight: f64| {
                let factor = guides.map_or(1.0, |guides| guides.factor(term, row));
                (term.unit * weight * factor) as f32
            };
            let values = (0..rows).flat_map(|row| {
                let terms = terms.iter().zip(weights);
                terms.map(move |(term, weight)| value(row, term, *weight))
            });
            Some(TermWeights {
                kind,
                input: first.weight.clone(),
                output: first.loss.clone(),
                shape,
                values: values.collect(),
            })
        });
        of_kind.collect()
    }

    pub(super) fn tensor(&self) -> ort::Result<Tensor<f32>> {
        Tensor::from_array((self.shape.clone(), self.values.clone()))
    }
}

/// The values of an output's terms, from `[regions, terms]` or `[terms]`: each that of all regions.
pub(super) fn over_regions(output: &[f32], terms: usize) -> Vec<f64> {
    let of_term = |index: usize| output.iter().skip(index).step_by(terms).copied().map(f64::from);
    (0..terms).map(|index| of_term(index).sum()).collect()
}

/// A tensor of one number, without dimensions.
pub(super) fn scalar(number: f32) -> ort::Result<Tensor<f32>> {
    Tensor::from_array(([0_usize; 0], vec![number]))
}

/// An allocator of the memory that is asked for, or of the processor's.
fn allocator(
    session: &Session,
    memory: Option<(&AllocationDevice<'static>, i32, MemoryType)>,
) -> ort::Result<Allocator> {
    match memory {
        None => Ok(Allocator::default()),
        Some((device, id, kind)) => Allocator::new(
            session,
            MemoryInfo::new(device.clone(), id, AllocatorType::Device, kind)?,
        ),
    }
}

impl OnnxLossGradient {
    /// Where the nodes of the graph run, when not all of them on the processor.
    pub fn placement(&self) -> Option<&Placement> {
        self.placement.as_ref()
    }

    /// How long the graph itself ran in the last evaluation: without the copies of the image to it and of the gradient
    /// from it, but for those that the provider makes on its own.
    pub fn graph_time(&self) -> Duration {
        self.graph_time
    }

    fn run(&mut self, image: &[f32], gradient: &mut [f32]) -> ort::Result<Vec<f64>> {
        self.image.extract_tensor_mut().1.copy_from_slice(image);
        match &mut self.resident {
            Some(resident) => self.image.copy_into(&mut resident.image)?,
            None => self.binding.bind_input("image", &self.image)?,
        }
        let start = Instant::now();
        let outputs = self.session.run_binding(&self.binding)?;
        self.graph_time = start.elapsed();
        let mut terms = vec![0.0; self.metadata.terms.len()];
        let mut take = |name: &str, values: &[f32]| {
            if name == "gradient" {
                gradient.copy_from_slice(values);
                return;
            }
            let all = terms.iter_mut().zip(&self.metadata.terms);
            let mut of_output: Vec<_> = all.filter(|(_, term)| term.loss == name).collect();
            let values = over_regions(values, of_output.len());
            for (value, term) in &mut of_output {
                **value = values[term.index];
            }
        };
        match &mut self.resident {
            Some(resident) => {
                for (name, host) in &mut resident.brought {
                    let output = outputs[name.as_str()].view();
                    output.downcast::<TensorValueType<f32>>()?.copy_into(&mut *host)?;
                    take(name, host.extract_tensor().1);
                }
            }
            None => {
                for (name, output) in &outputs {
                    take(name, output.try_extract_tensor::<f32>()?.1);
                }
            }
        }
        Ok(terms)
    }
}

impl LossGradient for OnnxLossGradient {
    fn term_names(&self) -> &[String] {
        &self.term_names
    }

    fn evaluate(
        &mut self,
        image: &[f32],
        gradient: &mut [f32],
        _: Advance<'_>,
    ) -> Result<Evaluation, ObjectiveError> {
        let terms = self
            .run(image, gradient)
            .map_err(|cause| ModelError::run(&self.metadata.path, cause))?;
        // Summed here in double precision: the optimiser compares losses that differ in their last digits.
        Ok(Evaluation {
            loss: terms.iter().sum(),
            terms,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ndarray::Array4;

    use super::*;
    use crate::model::{GraphOptions, KernelSet};
    use crate::runtime::{LibraryQuery, Request, Runtime};

    /// The processor's own memory in the part of a card's.
    fn stand_in() -> DeviceMemory {
        DeviceMemory {
            device: AllocationDevice::CPU,
            pinned: AllocationDevice::CPU,
            id: 0,
            replay: true,
        }
    }

    fn noise(height: usize, width: usize, seed: usize) -> Array4<f32> {
        Array4::from_shape_fn((1, 3, height, width), |(_, channel, y, x)| {
            ((x * 37 + y * 101 + channel * 53 + seed * 17) % 251) as f32 - 120.0
        })
    }

    #[test]
    fn an_image_that_stays_on_the_device_gives_the_same_loss_and_gradient() {
        let runtime = Runtime::load(&LibraryQuery::default()).unwrap();
        let engine = Engine::start(&runtime, &Request::default(), 1).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        let options = GraphOptions {
            kernels: KernelSet::OnnxRuntime,
            ..GraphOptions::default()
        };
        let graphs = Graphs::open(&folder, "gatys", &options).unwrap();
        let (content, style) = (noise(24, 32, 1), noise(20, 28, 2));
        let mut features = graphs.features(&engine).unwrap();
        let targets = features.targets(content.view(), &[(style.view(), 1.0)]).unwrap();
        let weights = Weights::uniform(&graphs.loss_gradient, 1e3, 1.0, 1e-3);
        let mut plain = graphs.loss_gradient(&engine, &targets, weights.clone()).unwrap();
        let mut resident = graphs.loss_gradient(&engine, &targets, weights.clone()).unwrap();
        let given = (&graphs.loss_gradient.terms[..], &weights, Padding::Zero);
        let bound = bind(&resident.session, &targets, given, Some(stand_in())).unwrap();
        assert!(!bound.is_pageable);
        (resident.binding, resident.image, resident.resident) = (bound.binding, bound.image, bound.resident);
        assert!(resident.resident.is_some());

        // Pinned memory of a card that is not there.
        let no_card = DeviceMemory {
            pinned: AllocationDevice::CUDA_PINNED,
            replay: false,
            ..stand_in()
        };
        let bound = bind(&plain.session, &targets, given, Some(no_card)).unwrap();
        assert!(bound.is_pageable);
        (plain.binding, plain.image) = (bound.binding, bound.image);

        for seed in 3..5 {
            let image = noise(24, 32, seed).into_raw_vec_and_offset().0;
            let (mut expected, mut gradient) = (vec![0.0; image.len()], vec![0.0; image.len()]);
            let loss = plain.evaluate(&image, &mut expected, &mut |_| {}).unwrap();
            assert_eq!(
                resident.evaluate(&image, &mut gradient, &mut |_| {}).unwrap(),
                loss
            );
            assert_eq!(gradient, expected);
            assert!(expected.iter().any(|&value| value != 0.0));
        }
    }
}
