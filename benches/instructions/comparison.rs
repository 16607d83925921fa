//! The program's own kernels against ONNX Runtime's plain graph, in this process.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use impasto::config::Options;
use impasto::model::{Graphs, KernelSet, LossGradient, OnnxLossGradient, default_folder};
use impasto::picture::Picture;
use impasto::runtime::{Choice, Engine, Provider, Runtime, Sought};
use impasto::tensor::to_tensor;
use ndarray::Array4;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The pictures' sides in pixels.
    pub size: u32,
    /// Pairs of evaluations.
    pub pairs: usize,
    /// Threads of ONNX Runtime.
    pub threads: usize,
}

/// What came of it.
pub struct Comparison {
    /// The kernels that were taken.
    pub kernels: KernelSet,
    /// Seconds of the evaluations with them, and of those with the plain graph, pair by pair.
    pub seconds: [Vec<f64>; 2],
    /// How far their gradient is from the plain graph's, relative L2.
    pub distance: f64,
}

impl Comparison {
    /// Evaluates loss and gradient of preset `gatys` by turns with `kernels` and with the plain graph, on the demo's
    /// pictures, half way between photo and painting, after one evaluation of each that is not timed.
    ///
    /// # Errors
    /// The pictures, the graphs or ONNX Runtime are not there or fail.
    pub fn measure(kernels: KernelSet, plan: Plan) -> Result<Comparison, Box<dyn Error>> {
        let [content, style] = ["cat.png", "painting.png"].map(|name| demo_picture(name, plan.size));
        let (content, style) = (content?, style?);
        let image = ((&content + &style) / 2.0).into_raw_vec_and_offset().0;
        let mut both = [kernels, KernelSet::OnnxRuntime]
            .map(|kernels| Evaluator::open(kernels, plan.threads, &content, &style));
        let [Ok(ours), Ok(plain)] = &mut both else {
            let error = both.into_iter().find_map(Result::err);
            return Err(error.expect("one of them failed"));
        };
        let distance = distance(&ours.evaluate(&image)?.1, &plain.evaluate(&image)?.1);
        let mut seconds = [Vec::new(), Vec::new()];
        for _ in 0..plan.pairs {
            seconds[0].push(ours.evaluate(&image)?.0);
            seconds[1].push(plain.evaluate(&image)?.0);
        }
        Ok(Comparison {
            kernels: ours.kernels,
            seconds,
            distance,
        })
    }
}

/// One of the demo's pictures as the network's input, f32 `[1, 3, size, size]`.
fn demo_picture(name: &str, size: u32) -> Result<Array4<f32>, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("runtime/demo");
    Ok(to_tensor(&Picture::load(folder.join(name))?.resize(size, size)))
}

/// The loss with one kind of kernels.
struct Evaluator {
    loss: OnnxLossGradient,
    kernels: KernelSet,
}

impl Evaluator {
    fn open(
        kernels: KernelSet,
        threads: usize,
        content: &Array4<f32>,
        style: &Array4<f32>,
    ) -> Result<Evaluator, Box<dyn Error>> {
        let options = Options {
            kernels: Some(kernels),
            threads: Some(threads),
            provider: Some(Choice::Named(Provider::cpu())),
            ..Options::default()
        };
        let settings = options.resolve()?;
        settings.kernels.check()?;
        let name = settings.graph_name();
        let graphs = Graphs::open(&default_folder(&name)?, &name, settings.graph_options())?;
        let runtime = Runtime::load(&Sought {
            provider: settings.provider.provider,
            ..Sought::default()
        })?;
        let engine = Engine::start(&runtime, &settings.provider, settings.threads)?;
        let targets = graphs
            .features(&engine)?
            .targets(content.view(), &[(style.view(), 1.0)])?;
        let weights = settings.weights(&graphs.loss_gradient)?;
        Ok(Evaluator {
            loss: graphs.loss_gradient(&engine, &targets, weights)?,
            kernels: graphs
                .kernels(&engine)
                .ok_or("the processor's provider has kernels")?,
        })
    }

    /// Seconds, and the gradient.
    fn evaluate(&mut self, image: &[f32]) -> Result<(f64, Vec<f32>), Box<dyn Error>> {
        let mut gradient = vec![0.0; image.len()];
        let start = Instant::now();
        self.loss
            .evaluate(image, &mut gradient)
            .map_err(|error| error.to_string())?;
        Ok((start.elapsed().as_secs_f64(), gradient))
    }
}

/// ‖a − b‖ / ‖b‖.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let mut differences = a.iter().zip(b).map(|(&a, &b)| f64::from(a) - f64::from(b));
    norm(&mut differences) / norm(&mut b.iter().map(|&b| f64::from(b)))
}
