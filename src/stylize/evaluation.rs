//! Judging pictures: their loss, and what an evaluator needs of the stylizer.

use std::path::Path;

use ndarray::Array4;

use super::footprint::{CARD, JUDGE_OWN, JUDGE_PORTABLE, JUDGED, PROGRAM, fits_in, with_reserve};
use super::sizes::area;
use super::{Error, Stylizer};
use crate::evaluate::Evaluator;
use crate::memory::Bytes;
use crate::model::{Enlarge, Evaluation, KernelSet, Window};
use crate::optimize::OptimizeError;
use crate::picture::{Fit, Picture, fit};
use crate::regions::RegionNote;
use crate::runtime::Placement;
use crate::tensor::to_tensor;

/// The loss of a given picture.
#[derive(Debug)]
pub struct Judged {
    /// The names of the terms, in the graph's order.
    pub term_names: Vec<String>,
    /// The loss and its terms.
    pub evaluation: Evaluation,
    /// The gradient with respect to the image, f32 `[1, 3, height, width]`, BGR, loss per grey level.
    pub gradient: Array4<f32>,
    /// Where the nodes of the graph ran, when not all of them on the processor.
    pub placement: Option<Placement>,
    /// The tiles that it was computed in: how many, and their width and height in pixels.
    pub tiles: (usize, (u32, u32)),
    /// What is to be told of its regions.
    pub notes: Vec<RegionNote>,
}

impl Stylizer {
    /// The loss of `image`, with its terms and its gradient; nothing is optimised.
    ///
    /// `image` is taken at its own size; `content` is resized to it; `styles` keep their size unless the settings
    /// name a style size or scale.
    ///
    /// # Errors
    /// A picture too small for the network, or a session that fails.
    pub fn evaluate(&self, image: &Picture, content: &Picture, styles: &[Picture]) -> Result<Judged, Error> {
        self.check_blend(styles)?;
        let given = styles;
        let (width, height) = image.size();
        self.network
            .graphs
            .check_size(image.size(), "image", Enlarge::Picture)?;
        let styles = styles
            .iter()
            .map(|style| self.style_at_own_size(style))
            .collect::<Result<Vec<Picture>, Error>>()?;
        self.check_regions(content.size(), given, image.size())?;
        let mut features = self.feature_session()?;
        let window = self.window_to_judge(image, &styles)?;
        features.see_in_tiles(window);
        let layout = self.masks.layout(image.size());
        let content = content.resize(width, height);
        let (targets, mut notes) = self.targets(&mut features, &content, &styles, layout.as_ref())?;
        notes.extend(layout.iter().flat_map(Stylizer::notes_of));
        drop(features);
        let unit = self.content_unit(&targets).unwrap_or(1.0);
        let weights = self.weights.clone().with_content_times(unit);
        let (mut loss, placement) = self.loss_gradient(&targets, weights, window)?;
        let image = to_tensor(image).into_raw_vec_and_offset().0;
        let mut gradient = Array4::zeros((1, 3, height as usize, width as usize));
        let evaluation = loss
            .evaluate(&image, gradient.as_slice_mut().unwrap_or_default(), &mut |_| {})
            .map_err(|source| OptimizeError::Objective {
                evaluation: 1,
                source,
                best: None,
            })?;
        Ok(Judged {
            term_names: loss.term_names().to_vec(),
            evaluation,
            gradient,
            placement,
            tiles: self.network.graphs.tiles((width, height), window),
            notes,
        })
    }

    /// An evaluator of pictures that show `content`, or of textures, in the style of `styles`, which keep their size unless the
    /// settings name a style size or scale.
    ///
    /// It sees the layers of the loss as the settings' preset and pooling do, and held-out layers through the graph
    /// [`JUDGE`](crate::evaluate::JUDGE), which pools by maximum; both pad with zeros.
    ///
    /// # Errors
    /// A style image too small for the network, a blend for another number of styles, or a graph that cannot be used.
    /// That there is no graph with held-out layers is no error: they are left out.
    pub fn evaluator<'a>(
        &'a self,
        content: Option<&'a Picture>,
        styles: &[Picture],
    ) -> Result<Evaluator<'a>, Error> {
        self.check_blend(styles)?;
        let layout = content.and_then(|content| self.masks.layout(content.size()));
        let regions = self.masks.regions(styles.len());
        let see = |(index, style): (usize, &Picture)| -> Result<Picture, Error> {
            let style = self.style_at_own_size(style)?;
            Ok(match (content, &layout) {
                (None, _) => style,
                (Some(content), None) => self.colored(&style, content).into_owned(),
                (Some(content), Some(layout)) => self
                    .colored_in(layout, index, &style, content, &regions)
                    .into_owned(),
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
        let window = self.window_to_judge(content.unwrap_or(&styles[0]), styles)?;
        let how = (self.settings.kernels, window);
        Ok(Evaluator::new(
            &self.network.engine,
            (folder, &name),
            how,
            (content, &self.masks),
            &blend,
        )?)
    }

    /// The windows in which pictures can be judged.
    ///
    /// # Errors
    /// [`Error::Memory`]
    fn window_to_judge(&self, image: &Picture, styles: &[Picture]) -> Result<Window, Error> {
        let [program, a_pixel] = match self.network.graphs.kernels(&self.network.engine) {
            Some(KernelSet::OnnxRuntime) => JUDGE_PORTABLE,
            Some(_) => JUDGE_OWN,
            None => [PROGRAM, 0],
        };
        let sizes = || styles.iter().chain([image]).map(Picture::size);
        let tile = |window| {
            let tiles = sizes().map(|size| area(self.network.graphs.tiles(size, window).1) as u64);
            tiles.max().unwrap_or(0)
        };
        let pictures = JUDGED * area(image.size()) as u64;
        let needed = |window| program + a_pixel * tile(window) + pictures;
        let fits = |window: &Window| {
            let on_card = CARD + JUDGE_PORTABLE[1] * tile(*window);
            fits_in(needed(*window), self.budget) && fits_in(on_card, self.card_budget)
        };
        self.windows(image.size())
            .into_iter()
            .find(fits)
            .ok_or_else(|| Error::Memory {
                size: image.size(),
                is_for_targets: false,
                needed: with_reserve(needed(self.smallest_window())),
                budget: self.budget.unwrap_or(Bytes(0)),
                largest: None,
            })
    }

    fn style_at_own_size(&self, style: &Picture) -> Result<Picture, Error> {
        let side = self.style_side(style.size(), u32::MAX);
        let (width, height) = fit(style.size(), side, Fit::Long);
        self.network
            .graphs
            .check_size((width, height), "style image", Enlarge::StyleSize)?;
        Ok(style.resize(width, height))
    }
}
