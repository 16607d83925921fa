//! The stages of a painting, one a scale: its pictures at that size, and the targets that they make.

use std::borrow::Cow;

use ndarray::Array4;

use super::schedule::{ScalePlan, Schedule};
use super::sizes::{Size, area};
use super::{Error, Stylizer};
use crate::color::{ColorMode, match_colors};
use crate::config::ConfigError;
use crate::frames::Moved;
use crate::grey::is_grey;
use crate::model::{FeatureSession, ModelError, Targets};
use crate::observe::Planned;
use crate::picture::Picture;
use crate::postprocess::Postprocess;
use crate::regions::{Layout, RegionNote};
use crate::scales::Scale;
use crate::tensor::to_tensor;

/// What one scale paints.
pub(super) struct Stage {
    pub(super) targets: Targets,
    pub(super) iterations: u64,
    pub(super) way: ScalePlan,
    /// How many times as many pixels the finest scale has.
    pub(super) coarseness: f64,
    /// Has the content image at the painted size.
    pub(super) postprocess: Postprocess,
    /// The last frame of a film at the painted size.
    pub(super) moved: Option<Moved>,
    /// What is to be told of its regions.
    pub(super) notes: Vec<RegionNote>,
}

impl Stage {
    pub(super) fn size(&self) -> Size {
        self.postprocess.content().size()
    }
}

impl Stylizer {
    /// What computes targets.
    pub(super) fn feature_session(&self) -> Result<FeatureSession<'_>, ModelError> {
        let mut features = self.network.graphs.features(&self.network.engine)?;
        features.see_content(self.weights.has_content());
        Ok(features)
    }

    /// The stages of a schedule from the one called `first` on. One session computes the targets of all of them.
    pub(super) fn stages(
        &self,
        content: &Picture,
        styles: &[Picture],
        schedule: &Schedule,
        first: usize,
    ) -> Result<Vec<Stage>, Error> {
        let scales = self.scales(content, styles)?;
        let mut features = self.feature_session()?;
        let finest = self.painted_size(content, self.settings.side());
        let moved = self.last.as_ref().map(|last| last.moved(finest));
        let scales = scales.iter().zip(&schedule.scales).skip(first);
        let stage = |(scale, (_, way)): (&Scale, &(Planned, ScalePlan))| -> Result<Stage, Error> {
            let mut stage = self.stage(&mut features, content, styles, (scale, *way))?;
            stage.moved = moved.as_ref().map(|moved| moved.at(stage.size()));
            Ok(stage)
        };
        scales.map(stage).collect()
    }

    fn stage(
        &self,
        features: &mut FeatureSession<'_>,
        content: &Picture,
        styles: &[Picture],
        (scale, way): (&Scale, ScalePlan),
    ) -> Result<Stage, Error> {
        let (painted, sizes) = self.sizes(content, styles, scale.size);
        let (finest, _) = self.sizes(content, styles, self.settings.side());
        let content = content.resize(painted.0, painted.1);
        let styles = styles.iter().zip(sizes);
        let styles: Vec<Picture> = styles.map(|(style, size)| style.resize(size.0, size.1)).collect();
        let is_grey = is_grey(&content) && self.are_grey(&styles);
        let layout = self.masks.layout(painted);
        features.see_in_tiles(way.window);
        let (targets, mut notes) = self.targets(features, &content, &styles, layout.as_ref())?;
        let mut postprocess = Postprocess::new(content, self.settings.color, is_grey);
        if let Some(layout) = &layout {
            postprocess = self.postprocess_in(layout, postprocess);
            if painted == finest {
                notes.extend(Stylizer::notes_of(layout));
            }
        }
        Ok(Stage {
            targets,
            iterations: scale.iterations,
            way,
            coarseness: area(finest) / area(painted),
            postprocess,
            moved: None,
            notes,
        })
    }

    /// Whether no style brings colours; matched to a grey content they do not.
    fn are_grey(&self, styles: &[Picture]) -> bool {
        let brings_none = |(index, style)| self.color_of(index) == ColorMode::Match || is_grey(style);
        styles.iter().enumerate().all(brings_none)
    }

    /// The targets of pictures at the sizes that the network is to see them, by regions if there are any, and what is to
    /// be told of those.
    pub(super) fn targets(
        &self,
        features: &mut FeatureSession<'_>,
        content: &Picture,
        styles: &[Picture],
        layout: Option<&Layout>,
    ) -> Result<(Targets, Vec<RegionNote>), Error> {
        if let Some(layout) = layout {
            return self.targets_in(layout, features, content, styles);
        }
        let tensors: Vec<Array4<f32>> = styles
            .iter()
            .map(|style| to_tensor(&self.colored(style, content)))
            .collect();
        let blend: Vec<_> = tensors
            .iter()
            .map(|tensor| tensor.view())
            .zip(self.shares(styles))
            .collect();
        let targets = features.targets(to_tensor(content).view(), &blend)?;
        Ok((targets, Vec::new()))
    }

    /// Each style image's share of the blend; they add up to 1.
    pub(super) fn shares(&self, styles: &[Picture]) -> Vec<f64> {
        let blend = &self.settings.style_blend;
        let total: f64 = blend.iter().sum();
        match blend.is_empty() {
            true => vec![1.0 / styles.len() as f64; styles.len()],
            false => blend.iter().map(|part| part / total).collect(),
        }
    }

    pub(super) fn check_blend(&self, styles: &[Picture]) -> Result<(), ConfigError> {
        let parts = self.settings.style_blend.len();
        if styles.is_empty() || (parts > 0 && parts != styles.len()) {
            return Err(ConfigError::new(
                "style-blend",
                format!("{parts} numbers for {} style images", styles.len()),
                "one number for each style image, of which there is at least one",
            ));
        }
        Ok(())
    }

    /// The style image as the network sees it: in colours like the content's, if the settings say so.
    pub(super) fn colored<'a>(&self, style: &'a Picture, content: &Picture) -> Cow<'a, Picture> {
        match self.settings.color {
            ColorMode::Match => Cow::Owned(match_colors(style, content)),
            ColorMode::Style | ColorMode::Original => Cow::Borrowed(style),
        }
    }
}
