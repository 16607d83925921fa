//! The masks of a run, as their files have them.

use std::path::{Path, PathBuf};

use ndarray::Array2;

use super::mask::colors_of;
use super::{Layout, Mask, MaskError, MaskSource, RegionOptions};
use crate::files::shown;
use crate::picture::{Fit, Picture, fit};

/// The masks of a run, at their own sizes.
#[derive(Clone, Debug, Default)]
pub struct Masks {
    regions: Vec<Region>,
    /// The mask of each style image; empty if there are none.
    styles: Vec<Option<Named>>,
    keep: Option<Named>,
}

/// A part of the content image, and the style images that it is painted like.
#[derive(Clone, Debug)]
pub struct Region {
    /// Its mask, as it was named.
    pub name: String,
    /// The places of its style images in their order.
    pub styles: Vec<usize>,
    /// None: what the other regions leave.
    mask: Option<Mask>,
}

impl Region {
    /// The shares of its styles in its own blend, from those in the blend of all; they add up to 1.
    pub fn shares(&self, blend: &[f64]) -> Vec<f64> {
        let parts = self.styles.iter().map(|&style| blend[style]);
        let total: f64 = parts.clone().sum();
        match total > 0.0 {
            true => parts.map(|part| part / total).collect(),
            false => vec![1.0 / self.styles.len() as f64; self.styles.len()],
        }
    }
}

/// A mask, and how it was named.
#[derive(Clone, Debug)]
struct Named {
    name: String,
    mask: Mask,
}

impl Masks {
    /// Reads the masks that `options` name; `read` reads a picture, each file once.
    ///
    /// # Errors
    /// A picture that cannot be read, a mask that covers nothing, a colour that is not in its map.
    pub fn load<E: From<MaskError>>(
        options: &RegionOptions,
        read: impl FnMut(&Path) -> Result<Picture, E>,
    ) -> Result<Masks, E> {
        let mut files = Files {
            read,
            known: Vec::new(),
        };
        let mut regions: Vec<(&MaskSource, Region)> = Vec::new();
        for (style, source) in options.mask.iter().enumerate() {
            match regions.iter_mut().find(|(known, _)| *known == source) {
                Some((_, region)) => region.styles.push(style),
                None => {
                    let region = Region {
                        name: source.to_string(),
                        styles: vec![style],
                        mask: files.mask(source)?.map(|named| named.mask),
                    };
                    regions.push((source, region));
                }
            }
        }
        let styles = options.style_mask.iter().map(|source| files.mask(source));
        let styles = styles.collect::<Result<_, E>>()?;
        let keep = options.keep.as_ref().map(|source| files.mask(source));
        Ok(Masks {
            regions: regions.into_iter().map(|(_, region)| region).collect(),
            styles,
            keep: keep.transpose()?.flatten(),
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.regions.is_empty() && self.styles.is_empty() && self.keep.is_none()
    }

    /// The regions in the order of their first styles; without masks one, of everything, for so many styles.
    pub fn regions(&self, styles: usize) -> Vec<Region> {
        if !self.regions.is_empty() {
            return self.regions.clone();
        }
        vec![Region {
            name: MaskSource::Rest.to_string(),
            styles: (0..styles).collect(),
            mask: None,
        }]
    }

    /// Checks the masks against the sizes (width, height) of the content image and the style images at which they are given,
    /// and that every region has a place in a picture of the size that is `painted`.
    ///
    /// # Errors
    /// Other proportions, a region without a place, nothing to paint.
    pub fn check(
        &self,
        content: (u32, u32),
        styles: &[(u32, u32)],
        painted: (u32, u32),
    ) -> Result<(), MaskError> {
        let of_regions = self.regions.iter();
        let of_regions = of_regions.filter_map(|region| Some((&region.name, region.mask.as_ref()?)));
        let of_content = of_regions.chain(self.keep.iter().map(|keep| (&keep.name, &keep.mask)));
        for (name, mask) in of_content {
            check_shape(name, mask, "content image", content)?;
        }
        for (mask, &style) in self.styles.iter().zip(styles) {
            if let Some(Named { name, mask }) = mask {
                check_shape(name, mask, "style image", style)?;
            }
        }
        let Some(layout) = self.layout(painted) else {
            return Ok(());
        };
        if let Some(keep) = self.keep.as_ref().filter(|_| layout.keeps_all()) {
            return Err(MaskError::KeepsAll {
                name: keep.name.clone(),
            });
        }
        let mut regions = self.regions.iter().enumerate();
        match regions.find(|(region, _)| layout.pixels(*region) == 0) {
            None => Ok(()),
            Some((_, region)) => Err(MaskError::NoPlace {
                name: region.name.clone(),
                size: painted,
            }),
        }
    }

    /// What the regions come to in a picture of `size` (width, height); none without masks.
    pub fn layout(&self, size: (u32, u32)) -> Option<Layout> {
        if self.is_empty() {
            return None;
        }
        let whole = || Array2::ones((size.1 as usize, size.0 as usize));
        let mut rest = whole();
        let named: Vec<Option<Array2<f32>>> = self
            .regions
            .iter()
            .map(|region| region.mask.as_ref().map(|mask| mask.at(size)))
            .collect();
        named.iter().flatten().for_each(|mask| rest -= mask);
        rest.mapv_inplace(|left| left.max(0.0));
        let mut masks: Vec<Array2<f32>> = named
            .into_iter()
            .map(|mask| mask.unwrap_or_else(|| rest.clone()))
            .collect();
        if masks.is_empty() {
            masks.push(whole());
        }
        Some(Layout::new(
            masks,
            self.keep.as_ref().map(|keep| keep.mask.at(size)),
        ))
    }

    /// What part of a style image, by its place in their order, is taken when it has `size`; none: all of it.
    pub fn style_layout(&self, style: usize, size: (u32, u32)) -> Option<Layout> {
        let named = self.styles.get(style)?.as_ref()?;
        Some(Layout::new(vec![named.mask.at(size)], None))
    }
}

/// Pictures that are read once, however often they are named.
struct Files<R> {
    read: R,
    known: Vec<(PathBuf, Picture)>,
}

impl<R> Files<R> {
    /// The mask of a source; none, if that is no file.
    fn mask<E: From<MaskError>>(&mut self, source: &MaskSource) -> Result<Option<Named>, E>
    where
        R: FnMut(&Path) -> Result<Picture, E>,
    {
        let MaskSource::File { path, color } = source else {
            return Ok(None);
        };
        let place = match self.known.iter().position(|(known, _)| known == path) {
            Some(place) => place,
            None => {
                self.known.push((path.clone(), (self.read)(path)?));
                self.known.len() - 1
            }
        };
        let picture = &self.known[place].1;
        let name = source.to_string();
        let mask = match *color {
            None => Mask::of(picture),
            Some(color) => Mask::of_color(picture, color).ok_or_else(|| MaskError::NoSuchColor {
                name: shown(path).to_string(),
                color,
                found: colors_of(picture),
            })?,
        };
        if mask.is_empty() {
            return Err(MaskError::Empty { name }.into());
        }
        Ok(Some(Named { name, mask }))
    }
}

/// Whether one of two sizes is the other one in another scale, but for rounding.
fn check_shape(name: &str, mask: &Mask, of: &'static str, wanted: (u32, u32)) -> Result<(), MaskError> {
    let is_like = |one: (u32, u32), other: (u32, u32)| {
        let fitted = fit(one, other.0.max(other.1), Fit::Long);
        fitted.0.abs_diff(other.0) <= 1 && fitted.1.abs_diff(other.1) <= 1
    };
    let size = mask.size();
    if is_like(size, wanted) || is_like(wanted, size) {
        return Ok(());
    }
    Err(MaskError::Shape {
        name: name.to_owned(),
        size,
        of,
        wanted,
    })
}
