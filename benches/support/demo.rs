//! The objective that benches evaluate: preset `gatys` on the demo's pictures.

use std::error::Error;
use std::path::Path;

use impasto::config::Options;
use impasto::model::{Graphs, KernelSet, OnnxLossGradient, default_folder};
use impasto::picture::Picture;
use impasto::runtime::{Engine, LibraryQuery, Provider, ProviderChoice, Runtime};
use impasto::tensor::to_tensor;
use ndarray::Array4;

/// The demo's photo and painting as the network's input, f32 `[1, 3, size, size]`.
pub struct Demo {
    content: Array4<f32>,
    style: Array4<f32>,
}

impl Demo {
    /// Loads both as squares of `size` pixels a side.
    ///
    /// # Errors
    /// `make setup` has not fetched them.
    pub fn load(size: u32) -> Result<Demo, Box<dyn Error>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("runtime/demo");
        let load =
            |name| Picture::load(folder.join(name)).map(|picture| to_tensor(&picture.resize(size, size)));
        Ok(Demo {
            content: load("cat.png")?,
            style: load("painting.png")?,
        })
    }

    /// The image half way between photo and painting.
    pub fn half_way(&self) -> Vec<f32> {
        ((&self.content + &self.style) / 2.0).into_raw_vec_and_offset().0
    }

    /// The loss on the processor, and the kernels that were taken for it.
    ///
    /// # Errors
    /// The graphs or ONNX Runtime are not there or fail, or the processor does not have these kernels.
    pub fn loss(
        &self,
        kernels: KernelSet,
        threads: usize,
    ) -> Result<(OnnxLossGradient, KernelSet), Box<dyn Error>> {
        let options = Options {
            kernels: Some(kernels),
            threads: Some(threads),
            provider: Some(ProviderChoice::Named(Provider::cpu())),
            ..Options::default()
        };
        let settings = options.resolve()?;
        settings.kernels.check()?;
        let name = settings.graph_name();
        let graphs = Graphs::open(&default_folder(&name)?, &name, &settings.graph_options())?;
        let runtime = Runtime::load(&LibraryQuery {
            provider: settings.provider.provider,
            ..LibraryQuery::default()
        })?;
        let engine = Engine::start(&runtime, &settings.provider, settings.threads)?;
        let targets = graphs
            .features(&engine)?
            .targets(self.content.view(), &[(self.style.view(), 1.0)])?;
        let weights = settings.weights(&graphs.loss_gradient)?;
        let kernels = graphs.kernels(&engine);
        Ok((
            graphs.loss_gradient(&engine, &targets, weights)?,
            kernels.ok_or("the processor's provider has kernels")?,
        ))
    }
}
