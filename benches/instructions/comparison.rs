//! The program's own kernels against ONNX Runtime's plain graph, in this process.

use std::error::Error;
use std::time::Instant;

use impasto::model::{KernelSet, LossGradient, OnnxLossGradient};

use super::demo::Demo;

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
        let demo = Demo::load(plan.size)?;
        let image = demo.half_way();
        let mut both =
            [kernels, KernelSet::OnnxRuntime].map(|kernels| Evaluator::open(&demo, kernels, plan.threads));
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

/// The loss with one kind of kernels.
struct Evaluator {
    loss: OnnxLossGradient,
    kernels: KernelSet,
}

impl Evaluator {
    fn open(demo: &Demo, kernels: KernelSet, threads: usize) -> Result<Evaluator, Box<dyn Error>> {
        let (loss, kernels) = demo.loss(kernels, threads)?;
        Ok(Evaluator { loss, kernels })
    }

    /// Seconds, and the gradient.
    fn evaluate(&mut self, image: &[f32]) -> Result<(f64, Vec<f32>), Box<dyn Error>> {
        let mut gradient = vec![0.0; image.len()];
        let start = Instant::now();
        self.loss
            .evaluate(image, &mut gradient, &mut |_| {})
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
