//! The regions of a picture that is painted: whose styles they have, and how much they count.

use std::borrow::Cow;

use ndarray::Array4;

use super::sizes::Size;
use super::{Error, Stylizer};
use crate::color::{ColorMode, match_colors};
use crate::config::ConfigError;
use crate::model::{FeatureSession, Guides, StyleImage, Targets};
use crate::picture::Picture;
use crate::postprocess::Postprocess;
use crate::regions::{Layout, Region, RegionNote};
use crate::tensor::to_tensor;

/// The guides of a style image, by style layer; none: all of it counts.
type StyleGuides = Option<Vec<Array4<f32>>>;

impl Stylizer {
    /// Checks that there is a mask for each style image, and that the masks fit a content image and style images of these
    /// sizes and leave something to paint.
    pub(super) fn check_regions(
        &self,
        content: Size,
        styles: &[Picture],
        painted: Size,
    ) -> Result<(), Error> {
        let options = &self.settings.regions;
        let counts = [
            ("mask", "masks", options.mask.len()),
            ("style-mask", "masks", options.style_mask.len()),
            (
                "mask-content-weights",
                "numbers",
                options.mask_content_weights.len(),
            ),
            ("mask-colors", "modes", options.mask_colors.len()),
        ];
        let mut others = counts
            .into_iter()
            .filter(|(.., count)| *count > 0 && *count != styles.len());
        if let Some((option, what, count)) = others.next() {
            let value = format!("{count} {what} for {} style images", styles.len());
            return Err(
                ConfigError::new(option, value, "as many as there are style images, in their order").into(),
            );
        }
        self.check_shared(
            &options.mask_content_weights,
            "mask-content-weights",
            styles.len(),
        )?;
        self.check_shared(&options.mask_colors, "mask-colors", styles.len())?;
        let sizes: Vec<Size> = styles.iter().map(Picture::size).collect();
        Ok(self.masks.check(content, &sizes, painted)?)
    }

    /// Checks that styles that share a mask have the same of what is said for each.
    fn check_shared<T: PartialEq>(
        &self,
        values: &[T],
        option: &'static str,
        styles: usize,
    ) -> Result<(), ConfigError> {
        let differ = |region: &Region| {
            region
                .styles
                .iter()
                .any(|&style| values[style] != values[region.styles[0]])
        };
        let region = self
            .masks
            .regions(styles)
            .into_iter()
            .find(|region| !values.is_empty() && differ(region));
        match region {
            None => Ok(()),
            Some(region) => Err(ConfigError::new(
                option,
                format!("not the same for the styles that share the mask {}", region.name),
                "the same for all styles of a mask",
            )),
        }
    }

    /// The targets of pictures at the sizes that the network is to see them, and what is to be told of their regions.
    pub(super) fn targets_in(
        &self,
        layout: &Layout,
        features: &mut FeatureSession<'_>,
        content: &Picture,
        styles: &[Picture],
    ) -> Result<(Targets, Vec<RegionNote>), Error> {
        let regions = self.masks.regions(styles.len());
        let tensors: Vec<Array4<f32>> = styles
            .iter()
            .enumerate()
            .map(|(index, style)| to_tensor(&self.colored_in(layout, index, style, content, &regions)))
            .collect();
        let style_guides: Vec<StyleGuides> = styles
            .iter()
            .enumerate()
            .map(|(index, style)| self.style_guides(index, style.size()))
            .collect();
        let blend = self.shares(styles);
        let images: Vec<Vec<StyleImage<'_>>> = regions
            .iter()
            .map(|region| {
                let shares = region.shares(&blend);
                let images = region
                    .styles
                    .iter()
                    .zip(shares)
                    .map(|(&style, share)| StyleImage {
                        image: tensors[style].view(),
                        share,
                        guides: style_guides[style].as_deref(),
                    });
                images.collect()
            })
            .collect();
        let guides = self.guides(layout, &regions, &blend, &style_guides);
        let notes = self.skipped(&guides, &regions, content.size());
        let targets = features.region_targets(to_tensor(content).view(), &images, Some(guides))?;
        Ok((targets, notes))
    }

    /// The guides of all layers, and the regions' factors: their parts of the picture, as large as the blend makes them.
    fn guides(
        &self,
        layout: &Layout,
        regions: &[Region],
        blend: &[f64],
        style_guides: &[StyleGuides],
    ) -> Guides {
        let metadata = self.metadata();
        let layers = &metadata.style_layers;
        let style: Vec<Array4<f32>> = layers.iter().map(|layer| layout.guides(layer)).collect();
        let factors = regions.iter().enumerate().map(|(index, region)| {
            let all: f64 = region.styles.iter().map(|&style| blend[style]).sum();
            let part = all / region.styles.len() as f64 * blend.len() as f64;
            let share = layout.share(index) * part;
            let factor = |layer: usize| {
                let has_places = has_places(&style[layer], index)
                    && region.styles.iter().all(|&style| match &style_guides[style] {
                        Some(guides) => has_places(&guides[layer], 0),
                        None => true,
                    });
                if has_places { share } else { 0.0 }
            };
            (0..layers.len()).map(factor).collect()
        });
        let content = self.content_factors(regions).map(|factors| {
            let layers = metadata.content_layers.iter();
            layers
                .map(|layer| layout.content_guide(layer, &factors))
                .collect()
        });
        Guides {
            factors: factors.collect(),
            style,
            content,
            variation: None,
        }
    }

    /// The guides of a part of a style image at its `size`.
    pub(super) fn style_guides(&self, style: usize, size: Size) -> StyleGuides {
        let layout = self.masks.style_layout(style, size)?;
        let layers = self.metadata().style_layers.iter();
        Some(layers.map(|layer| layout.guides(layer)).collect())
    }

    /// What the loss sees of each region at each style layer of the finest scale, by a file's name; none without masks.
    ///
    /// # Errors
    /// A picture too small for the network, masks that do not fit.
    pub fn guide_pictures(
        &self,
        content: &Picture,
        styles: &[Picture],
    ) -> Result<Vec<(String, Picture)>, Error> {
        let finest = self.schedule(content, styles)?.planned().pop();
        let layout = finest.and_then(|planned| self.masks.layout((planned.width, planned.height)));
        let layers = self.metadata().style_layers.iter();
        let pictures = layers.zip(layout.iter().cycle()).flat_map(|(layer, layout)| {
            let pictures = layout.guide_pictures(layer).into_iter().zip(1..);
            pictures.map(move |(picture, region)| (format!("region{region}-{layer}.png"), picture))
        });
        Ok(pictures.collect())
    }

    /// A factor of the content weight for each region, if any is given.
    fn content_factors(&self, regions: &[Region]) -> Option<Vec<f64>> {
        let given = &self.settings.regions.mask_content_weights;
        let of_regions = regions.iter().map(|region| given[region.styles[0]]);
        (!given.is_empty()).then(|| of_regions.collect())
    }

    /// Where regions with a share have no place.
    fn skipped(&self, guides: &Guides, regions: &[Region], size: Size) -> Vec<RegionNote> {
        let layers = &self.metadata().style_layers;
        let of_region = |(region, factors): (&Region, &Vec<f64>)| {
            let skipped = layers.iter().zip(factors).filter(|(_, factor)| **factor == 0.0);
            let layers: Vec<String> = skipped.map(|(layer, _)| layer.clone()).collect();
            let is_unwanted = region
                .styles
                .iter()
                .all(|&style| self.settings.style_blend.get(style) == Some(&0.0));
            (!layers.is_empty() && !is_unwanted).then(|| RegionNote::Skipped {
                region: region.name.clone(),
                layers,
                size,
            })
        };
        regions
            .iter()
            .zip(&guides.factors)
            .filter_map(of_region)
            .collect()
    }

    /// What is to be told of a layout as a whole.
    pub(super) fn notes_of(layout: &Layout) -> Vec<RegionNote> {
        let notes = [
            RegionNote::Uncovered(layout.uncovered()),
            RegionNote::Overlap(layout.overlap()),
        ];
        let is_any = |note: &RegionNote| match note {
            RegionNote::Uncovered(part) | RegionNote::Overlap(part) => *part > 0.0005,
            RegionNote::Skipped { .. } => true,
        };
        notes.into_iter().filter(is_any).collect()
    }

    /// The style image as the network sees it: in colours like those of its region in the content, if the settings say so.
    pub(super) fn colored_in<'a>(
        &self,
        layout: &Layout,
        index: usize,
        style: &'a Picture,
        content: &Picture,
        regions: &[Region],
    ) -> Cow<'a, Picture> {
        if self.color_of(index) != ColorMode::Match {
            return Cow::Borrowed(style);
        }
        let region = regions.iter().position(|region| region.styles.contains(&index));
        let content = content.clone().with_alpha(layout.alpha(region.unwrap_or(0)));
        let part = self.masks.style_layout(index, style.size());
        let style = match part {
            Some(part) => style.clone().with_alpha(part.alpha(0)),
            None => style.clone(),
        };
        Cow::Owned(match_colors(&style, &content))
    }

    /// Whose colours the part has that a style paints.
    pub(super) fn color_of(&self, style: usize) -> ColorMode {
        let own = self.settings.regions.mask_colors.get(style);
        own.copied().unwrap_or(self.settings.color)
    }

    /// What makes pictures of a stage with these regions.
    pub(super) fn postprocess_in(&self, layout: &Layout, postprocess: Postprocess) -> Postprocess {
        let part = |mode: ColorMode| if mode == ColorMode::Original { 1.0 } else { 0.0 };
        let styles = self.settings.regions.mask_colors.len();
        let regions = self.masks.regions(styles).into_iter();
        let original = (styles > 0).then(|| {
            let of_regions: Vec<f32> = regions
                .map(|region| part(self.color_of(region.styles[0])))
                .collect();
            layout.mixed(&of_regions, part(self.settings.color))
        });
        postprocess.in_regions(original, layout.keep().map(<[f32]>::to_vec))
    }
}

/// Whether a region has a place in guides f32 `[regions, 1, h, w]`.
fn has_places(guides: &Array4<f32>, region: usize) -> bool {
    let places = guides.index_axis(ndarray::Axis(0), region);
    places.iter().any(|&weight| weight > 0.0)
}
