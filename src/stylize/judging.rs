//! What a judge of pictures needs of the stylizer.

use std::path::Path;

use super::Stylizer;
use crate::error::Error;
use crate::judge::Judge;
use crate::model::ModelError;
use crate::picture::Picture;

impl Stylizer {
    /// A judge of pictures that show `content` in the style of `styles`, which keep their size unless the settings name
    /// a style size or scale.
    ///
    /// It sees the layers of the loss as the settings' preset and pooling do, and held-out layers through the graph
    /// [`JUDGE`](crate::judge::JUDGE), which pools by maximum; both pad with zeros.
    ///
    /// # Errors
    /// A style image too small for the network, a blend for another number of styles, or a graph that cannot be used.
    /// That there is no graph with held-out layers is no error: they are left out.
    pub fn judge<'a>(&'a self, content: &'a Picture, styles: &[Picture]) -> Result<Judge<'a>, Error> {
        self.check_blend(styles)?;
        let seen = styles
            .iter()
            .map(|style| {
                Ok(self
                    .colored(&self.style_at_own_size(style)?, content)
                    .into_owned())
            })
            .collect::<Result<Vec<Picture>, Error>>()?;
        let blend: Vec<(Picture, f64)> = seen.into_iter().zip(self.shares(styles)).collect();
        Judge::new(self, content, &blend)
    }

    /// The folder with the graphs.
    pub(crate) fn folder(&self) -> &Path {
        self.contract().path.parent().unwrap_or(Path::new(""))
    }

    /// Checks that a picture to judge is large enough.
    pub(crate) fn check_judged(&self, image: &Picture) -> Result<(), ModelError> {
        self.graphs.check_size(image.size(), "image", "picture")
    }
}
