//! What an evaluator of pictures needs of the stylizer.

use std::path::Path;

use super::{Error, Stylizer};
use crate::evaluate::Evaluator;
use crate::picture::Picture;

impl Stylizer {
    /// An evaluator of pictures that show `content` in the style of `styles`, which keep their size unless the settings
    /// name a style size or scale.
    ///
    /// It sees the layers of the loss as the settings' preset and pooling do, and held-out layers through the graph
    /// [`JUDGE`](crate::evaluate::JUDGE), which pools by maximum; both pad with zeros.
    ///
    /// # Errors
    /// A style image too small for the network, a blend for another number of styles, or a graph that cannot be used.
    /// That there is no graph with held-out layers is no error: they are left out.
    pub fn evaluator<'a>(&'a self, content: &'a Picture, styles: &[Picture]) -> Result<Evaluator<'a>, Error> {
        self.check_blend(styles)?;
        let (layout, regions) = (
            self.masks.layout(content.size()),
            self.masks.regions(styles.len()),
        );
        let see = |(index, style): (usize, &Picture)| -> Result<Picture, Error> {
            let style = self.style_at_own_size(style)?;
            Ok(match &layout {
                Some(layout) => self
                    .colored_in(layout, index, &style, content, &regions)
                    .into_owned(),
                None => self.colored(&style, content).into_owned(),
            })
        };
        let seen = styles
            .iter()
            .enumerate()
            .map(see)
            .collect::<Result<Vec<Picture>, Error>>()?;
        let blend: Vec<(Picture, f64)> = seen.into_iter().zip(self.shares(styles)).collect();
        let folder = self.metadata().path.parent().unwrap_or(Path::new(""));
        let name = self.settings.graph_name();
        let how = (self.settings.kernels, self.settings.tile);
        Ok(Evaluator::new(
            &self.engine,
            (folder, &name),
            how,
            (content, &self.masks),
            &blend,
        )?)
    }
}
