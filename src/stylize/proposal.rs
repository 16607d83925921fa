//! A proposal of regions, by what the network sees.

use std::path::Path;

use ndarray::{Array4, Axis};

use super::{Error, Stylizer};
use crate::model::{Enlarge, FeatureGraph, JUDGE, ModelError, check_size};
use crate::picture::{Fit, Picture, fit};
use crate::regions::{Seen, propose};
use crate::tensor::to_tensor;

impl Stylizer {
    /// A map of `count` regions of a picture, as large as it, from the features of relu4_2, which the graph
    /// [`JUDGE`] has, at the settings' size; the settings' seed makes another one. With a style image also a map of that, in
    /// which a colour means what it does in the first.
    ///
    /// # Errors
    /// A picture too small for the network, no such graph, or a session that fails.
    ///
    /// # Panics
    /// When `count` is 0 or more than there are [`COLORS`](crate::regions::COLORS).
    pub fn propose_regions(
        &self,
        picture: &Picture,
        style: Option<&Picture>,
        count: usize,
    ) -> Result<Vec<Picture>, Error> {
        let settings = &self.settings;
        let folder = self.metadata().path.parent().unwrap_or(Path::new(""));
        let graph = FeatureGraph::open(folder, JUDGE, settings.kernels)?;
        settings.check_proportions(picture.size())?;
        let size = fit(picture.size(), settings.side(), settings.fit);
        let mut features = vec![self.features(&graph, picture, size, "picture")?];
        if let Some(style) = style {
            let side = self.style_side(style.size(), size.0.max(size.1));
            let size = fit(style.size(), side, Fit::Long);
            features.push(self.features(&graph, style, size, "style image")?);
        }
        let pictures = [picture].into_iter().chain(style).zip(&features);
        let seen = pictures.map(|(picture, features)| Seen {
            picture,
            features: features.index_axis(Axis(0), 0),
        });
        Ok(propose(&seen.collect::<Vec<_>>(), count, settings.seed))
    }

    /// The features of a picture of which the network sees so many pixels.
    fn features(
        &self,
        graph: &FeatureGraph,
        picture: &Picture,
        size: (u32, u32),
        what: &'static str,
    ) -> Result<Array4<f32>, ModelError> {
        check_size(graph.metadata(), size, what, Enlarge::Size)?;
        let image = to_tensor(&picture.resize(size.0, size.1));
        let window = self.settings.window();
        let mut seen = graph.run(&self.network.engine, image.view(), None, window)?;
        Ok(seen.contents.remove(0).1)
    }
}
