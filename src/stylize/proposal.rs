//! A proposal of regions, by what the network sees.

use std::path::Path;

use ndarray::Axis;

use super::{Error, Stylizer};
use crate::model::{Enlarge, FeatureGraph, JUDGE, check_size};
use crate::picture::{Picture, fit};
use crate::regions::propose;
use crate::tensor::to_tensor;

impl Stylizer {
    /// A map of `count` regions of a picture, as large as it, from the features of relu4_2, which the graph
    /// [`JUDGE`] has, at the settings' size; the settings' seed makes another one.
    ///
    /// # Errors
    /// A picture too small for the network, no such graph, or a session that fails.
    ///
    /// # Panics
    /// When `count` is 0 or more than there are [`COLORS`](crate::regions::COLORS).
    pub fn propose_regions(&self, picture: &Picture, count: usize) -> Result<Picture, Error> {
        let settings = &self.settings;
        let folder = self.metadata().path.parent().unwrap_or(Path::new(""));
        let graph = FeatureGraph::open(folder, JUDGE, settings.kernels)?;
        settings.check_proportions(picture.size())?;
        let (width, height) = fit(picture.size(), settings.side(), settings.fit);
        check_size(graph.metadata(), (width, height), "picture", Enlarge::Size)?;
        let image = to_tensor(&picture.resize(width, height));
        let features = graph.run(
            &self.network.engine,
            image.view(),
            None,
            settings.tile.unwrap_or(0),
        )?;
        let (_, features) = &features.contents[0];
        Ok(propose(
            picture,
            features.index_axis(Axis(0), 0),
            count,
            settings.seed,
        ))
    }
}
