//! Which region has which part of a picture of a size, and the guides of its layers.

use ndarray::{Array2, Array4, Axis, s};

use super::guide::{at_places, count, inside, owners};
use crate::model::{ContentGuide, layer_size, reach};
use crate::picture::Picture;

/// The regions of a picture of one size.
#[derive(Clone, Debug)]
pub struct Layout {
    /// How much each pixel belongs to each region, `[height, width]`, 0 to 1.
    masks: Vec<Array2<f32>>,
    /// How much each pixel stays the content's.
    keep: Option<Array2<f32>>,
    owners: Array2<Option<usize>>,
}

impl Layout {
    /// From the masks of the regions, `[height, width]`, 0 to 1, and of what is kept, which no region has.
    pub(super) fn new(mut masks: Vec<Array2<f32>>, keep: Option<Array2<f32>>) -> Layout {
        if let Some(keep) = &keep {
            let free = keep.mapv(|keep| 1.0 - keep);
            masks.iter_mut().for_each(|mask| *mask *= &free);
        }
        Layout {
            owners: owners(&masks),
            masks,
            keep,
        }
    }

    /// The pixels' part that a region has, each as far as its mask says: 0 to 1.
    pub fn share(&self, region: usize) -> f64 {
        let pixels = self.masks[region].indexed_iter();
        let own = pixels.filter(|(place, _)| self.owners[*place] == Some(region));
        own.map(|(_, &mask)| f64::from(mask)).sum::<f64>() / self.owners.len() as f64
    }

    /// The part of the pixels that no region has, though they are not kept.
    pub fn uncovered(&self) -> f64 {
        let keep = |place| self.keep.as_ref().map_or(0.0, |keep| keep[place]);
        let pixels = self.owners.indexed_iter();
        let free = pixels.filter(|&(place, owner)| owner.is_none() && keep(place) < 1.0);
        free.count() as f64 / self.owners.len() as f64
    }

    /// The part of the pixels that two regions have half of, or more.
    pub fn overlap(&self) -> f64 {
        let has = |mask: &Array2<f32>, place| mask[place] > 0.5;
        let pixels = self.owners.indexed_iter().map(|(place, _)| place);
        let both = pixels.filter(|&place| self.masks.iter().filter(|mask| has(mask, place)).count() > 1);
        both.count() as f64 / self.owners.len() as f64
    }

    /// Whether all pixels are kept.
    pub(super) fn keeps_all(&self) -> bool {
        let keep = self.keep.as_ref();
        keep.is_some_and(|keep| keep.iter().all(|&keep| keep == 1.0))
    }

    /// How much each pixel stays the content's, row by row, 0 to 1; none: none does.
    pub fn keep(&self) -> Option<&[f32]> {
        self.keep.as_ref()?.as_slice()
    }

    /// The region's mask as a picture's alpha: row by row, 0 to 255.
    pub fn alpha(&self, region: usize) -> Vec<f32> {
        self.masks[region].iter().map(|mask| mask * 255.0).collect()
    }

    /// The weights of a style layer's places by region, f32 `[regions, 1, h, w]`: the squares of the masks at the places
    /// that count.
    pub fn guides(&self, layer: &str) -> Array4<f32> {
        let (masks, owners) = self.at(layer);
        let (height, width) = owners.dim();
        let reach = (reach(layer) as usize).div_ceil(1 << pools(layer));
        let mut guides = Array4::zeros((masks.len(), 1, height, width));
        for (region, mask) in masks.iter().enumerate() {
            let own = owners.mapv(|owner| owner == Some(region));
            let mut guide = guides.slice_mut(s![region, 0, .., ..]);
            for (place, _) in inside(&own, reach).indexed_iter().filter(|(_, counts)| **counts) {
                guide[place] = mask[place].powi(2);
            }
        }
        guides
    }

    /// The guides of a style layer as pictures of the regions, white where a place counts wholly: each place as large as
    /// the pixels that it stands for.
    pub fn guide_pictures(&self, layer: &str) -> Vec<Picture> {
        let guides = self.guides(layer);
        let (_, _, rows, columns) = guides.dim();
        let (height, width) = self.owners.dim();
        let pools = pools(layer);
        let picture = |region: usize| {
            let weight = |((y, x), _): ((usize, usize), &Option<usize>)| {
                let place = [
                    region,
                    0,
                    (y >> pools).min(rows - 1),
                    (x >> pools).min(columns - 1),
                ];
                [255.0 * guides[place]; 3]
            };
            let rgb = self.owners.indexed_iter().flat_map(weight).collect();
            Picture::from_rgb(width as u32, height as u32, rgb)
        };
        (0..self.masks.len()).map(picture).collect()
    }

    /// Where the content counts by so much in each region, and by 1 elsewhere, at a content layer.
    pub fn content_guide(&self, layer: &str, factors: &[f64]) -> ContentGuide {
        let owners = self.at(layer).1;
        let factor = |owner: &Option<usize>| owner.map_or(1.0, |region| factors[region] as f32);
        ContentGuide::new(owners.map(factor).insert_axis(Axis(0)).insert_axis(Axis(0)))
    }

    /// A value of each region for each pixel, row by row: mixed as the masks say, `elsewhere` where they leave some.
    pub fn mixed(&self, of_regions: &[f32], elsewhere: f32) -> Vec<f32> {
        let mix = |(place, _): ((usize, usize), &Option<usize>)| {
            let masks = self.masks.iter().map(|mask| mask[place]);
            let total: f32 = masks.clone().sum();
            let sum: f32 = masks.zip(of_regions).map(|(mask, value)| mask * value).sum();
            (sum + (1.0 - total).max(0.0) * elsewhere) / total.max(1.0)
        };
        self.owners.indexed_iter().map(mix).collect()
    }

    /// How many pixels a region has.
    pub(super) fn pixels(&self, region: usize) -> usize {
        count(&self.owners.mapv(|owner| owner == Some(region)))
    }

    /// The masks at a layer's places, and whose those are.
    fn at(&self, layer: &str) -> (Vec<Array2<f32>>, Array2<Option<usize>>) {
        let (height, width) = self.owners.dim();
        let size = layer_size(layer, (width as u32, height as u32));
        let places = self
            .masks
            .iter()
            .map(|mask| at_places(mask.view(), size, pools(layer)));
        let places: Vec<Array2<f32>> = places.collect();
        let owners = owners(&places);
        (places, owners)
    }
}

/// The pools before a layer.
fn pools(layer: &str) -> u32 {
    let one = 1 << 16;
    (one / layer_size(layer, (one, one)).0).ilog2()
}
