//! Regions that a picture falls into by itself, or several by what they have in common, as maps to be edited by hand.
//!
//! The places of a layer are clustered by their features (k-means, begun as D. Arthur and S. Vassilvitskii, "k-means++: The
//! Advantages of Careful Seeding", 2007); the clusters' borders are moved to the picture's edges by a guided filter (K. He,
//! J. Sun, X. Tang, "Guided Image Filtering", 2010).

use ndarray::{Array1, Array2, ArrayView1, ArrayView3, Axis, concatenate};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::source::Rgb;
use crate::color::luma;
use crate::picture::{Picture, resize_plane};

/// The colours of a map's regions: as many as there can be.
pub const COLORS: [Rgb; 12] = [
    Rgb([0xff, 0x00, 0x00]),
    Rgb([0x00, 0x80, 0xff]),
    Rgb([0xff, 0xd0, 0x00]),
    Rgb([0x00, 0xa0, 0x40]),
    Rgb([0xa0, 0x00, 0xc0]),
    Rgb([0xff, 0x80, 0x00]),
    Rgb([0x00, 0xe0, 0xd0]),
    Rgb([0x80, 0x50, 0x20]),
    Rgb([0xff, 0x80, 0xc0]),
    Rgb([0x80, 0xe0, 0x20]),
    Rgb([0x20, 0x20, 0x80]),
    Rgb([0x80, 0x80, 0x80]),
];

/// Rounds of k-means at most.
const ROUNDS: usize = 40;

/// The variance of the luma, from 0 to 1, that counts as an edge.
const EDGE: f32 = 1e-3;

/// A picture, and what the network sees in it: the features of a layer, f32 `[C, h, w]`.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The picture, of any size.
    pub picture: &'a Picture,
    /// Its features.
    pub features: ArrayView3<'a, f32>,
}

/// Maps of `count` regions, each as large as its picture, of [`COLORS`] that mean the same in all: the first is that of the
/// largest region of the first picture. The same for the same `seed`.
///
/// What all places of a picture share, be it a photo or a painting, is taken from each of several: their features are
/// compared by how many standard deviations they are from the picture's means.
///
/// # Panics
/// When there is no picture, `count` is 0 or more than there are colours.
pub fn propose(pictures: &[Seen<'_>], count: usize, seed: u64) -> Vec<Picture> {
    assert!((1..=COLORS.len()).contains(&count), "a colour for each region");
    let is_joint = pictures.len() > 1;
    let places: Vec<Array2<f32>> = pictures
        .iter()
        .map(|seen| directions(seen.features, is_joint))
        .collect();
    let views: Vec<_> = places.iter().map(|places| places.view()).collect();
    let all = concatenate(Axis(0), &views).expect("features of one layer");
    let clusters = clusters(&all, places[0].nrows(), count, seed);
    let mut clusters = &clusters[..];
    let map = |(seen, places): (&Seen<'_>, &Array2<f32>)| {
        let (own, others) = clusters.split_at(places.nrows());
        clusters = others;
        map(seen, own, count)
    };
    pictures.iter().zip(&places).map(map).collect()
}

/// The features of each place, as vectors of length 1, `[places, C]`; if `standard`, each channel's mean is first made 0 and
/// its standard deviation 1.
fn directions(features: ArrayView3<'_, f32>, standard: bool) -> Array2<f32> {
    let (channels, height, width) = features.dim();
    let places = features
        .to_shape((channels, height * width))
        .expect("places in rows");
    let mut places = places.t().to_owned();
    if standard {
        for mut channel in places.columns_mut() {
            let (mean, deviation) = (channel.mean().unwrap_or(0.0), channel.std(0.0));
            channel.mapv_inplace(|value| (value - mean) / deviation.max(f32::MIN_POSITIVE));
        }
    }
    for mut place in places.rows_mut() {
        let length = place.dot(&place).sqrt();
        place.mapv_inplace(|value| value / length.max(f32::MIN_POSITIVE));
    }
    places
}

/// The map of a picture whose places are in these of `count` clusters.
fn map(Seen { picture, features }: &Seen<'_>, clusters: &[usize], count: usize) -> Picture {
    let (_, height, width) = features.dim();
    let guide: Vec<f32> = picture
        .rgb()
        .chunks_exact(3)
        .map(|pixel| luma(pixel) / 255.0)
        .collect();
    let size = picture.size();
    let (pixels_high, pixels_wide) = (size.1 as usize, size.0 as usize);
    // A border is somewhere in a place.
    let place = pixels_wide.div_ceil(width);
    let guide = Array2::from_shape_vec((pixels_high, pixels_wide), guide).expect("a value a pixel");
    let parts = (0..count).map(|cluster| {
        let part: Vec<f32> = clusters
            .iter()
            .map(|&own| if own == cluster { 1.0 } else { 0.0 })
            .collect();
        let part = resize_plane(&part, (width as u32, height as u32), size);
        let part = Array2::from_shape_vec((pixels_high, pixels_wide), part).expect("a value a pixel");
        guided_filter(&guide, &part, place)
    });
    let parts: Vec<Array2<f32>> = parts.collect();
    let color = |pixel: usize| {
        let (row, column) = (pixel / pixels_wide, pixel % pixels_wide);
        let part = |cluster: &usize| parts[*cluster][[row, column]];
        let largest = (0..count).rev().max_by(|a, b| part(a).total_cmp(&part(b)));
        COLORS[largest.unwrap_or(0)].0.map(f32::from)
    };
    let rgb = (0..pixels_high * pixels_wide).flat_map(color).collect();
    Picture::from_rgb(size.0, size.1, rgb)
}

/// The cluster of each row of `places`, `[places, C]`; the first cluster has the most of the `first` rows.
fn clusters(places: &Array2<f32>, first: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut means = first_means(places, count, seed);
    let mut own = Vec::new();
    for _ in 0..ROUNDS {
        let nearest = |place: ArrayView1<'_, f32>| nearest(place, &means).0;
        let next: Vec<usize> = places.rows().into_iter().map(nearest).collect();
        if next == own {
            break;
        }
        own = next;
        for (cluster, mean) in means.iter_mut().enumerate() {
            let members = own.iter().enumerate().filter(|(_, own)| **own == cluster);
            let members: Vec<usize> = members.map(|(place, _)| place).collect();
            if let Some(moved) = places.select(Axis(0), &members).mean_axis(Axis(0)) {
                *mean = moved;
            }
        }
    }
    let size = |cluster: &usize| own[..first].iter().filter(|own| *own == cluster).count();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|cluster| std::cmp::Reverse(size(cluster)));
    let rank = |cluster: usize| order.iter().position(|&other| other == cluster).unwrap_or(0);
    own.iter().map(|&cluster| rank(cluster)).collect()
}

/// k-means++: each mean is a place, drawn as likely as it is far from those before.
fn first_means(places: &Array2<f32>, count: usize, seed: u64) -> Vec<Array1<f32>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = |weights: &[f64]| {
        let total: f64 = weights.iter().sum();
        let mut left = total * (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let found = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        found.unwrap_or(0)
    };
    let mut means = vec![places.row(draw(&vec![1.0; places.nrows()])).to_owned()];
    while means.len() < count {
        let far = places
            .rows()
            .into_iter()
            .map(|place| f64::from(nearest(place, &means).1));
        let far: Vec<f64> = far.collect();
        means.push(places.row(draw(&far)).to_owned());
    }
    means
}

/// The nearest mean, and its squared distance.
fn nearest(place: ArrayView1<'_, f32>, means: &[Array1<f32>]) -> (usize, f32) {
    let distance = |mean: &Array1<f32>| {
        let pairs = place.iter().zip(mean);
        pairs.map(|(a, b)| (a - b).powi(2)).sum::<f32>()
    };
    let distances = means.iter().map(distance).enumerate();
    distances.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0))
}

/// What is nearest to `part` among what is linear in `guide` around each pixel.
fn guided_filter(guide: &Array2<f32>, part: &Array2<f32>, radius: usize) -> Array2<f32> {
    let box_mean = |values: &Array2<f32>| box_mean(values, radius);
    let (mean, of_part) = (box_mean(guide), box_mean(part));
    let variance = box_mean(&(guide * guide)) - &mean * &mean;
    let covariance = box_mean(&(guide * part)) - &mean * &of_part;
    let slope = covariance / (variance + EDGE);
    let offset = of_part - &slope * &mean;
    box_mean(&slope) * guide + box_mean(&offset)
}

/// The means over squares of this radius around each pixel, of what of them is in the picture.
fn box_mean(values: &Array2<f32>, radius: usize) -> Array2<f32> {
    let mut means = values.clone();
    for axis in [Axis(0), Axis(1)] {
        for mut lane in means.lanes_mut(axis) {
            let mut sums = vec![0.0_f64];
            for value in &lane {
                sums.push(sums[sums.len() - 1] + f64::from(*value));
            }
            let length = lane.len();
            for (place, mean) in lane.iter_mut().enumerate() {
                let (start, end) = (place.saturating_sub(radius), (place + radius + 1).min(length));
                *mean = ((sums[end] - sums[start]) / (end - start) as f64) as f32;
            }
        }
    }
    means
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, s};

    use super::*;

    /// Left of a slanted edge one kind of features, right of it another; the places are of eight pixels.
    fn divided() -> (Picture, Array3<f32>) {
        let is_left = |x: usize, y: usize| 2 * x + y < 90;
        let rgb = (0..64 * 48).flat_map(|pixel| {
            [if is_left(pixel % 64, pixel / 64) {
                40.0
            } else {
                200.0
            }; 3]
        });
        let features = Array3::from_shape_fn((3, 6, 8), |(channel, y, x)| {
            let kind = usize::from(is_left(8 * x + 4, 8 * y + 4));
            if channel == kind {
                5.0
            } else {
                0.1 * (x + y) as f32 / 14.0
            }
        });
        (Picture::from_rgb(64, 48, rgb.collect()), features)
    }

    fn alone(picture: &Picture, features: &Array3<f32>, count: usize) -> Picture {
        let features = features.view();
        propose(&[Seen { picture, features }], count, 7).remove(0)
    }

    #[test]
    fn a_colour_means_the_same_in_both_pictures() {
        let (picture, features) = divided();
        // The other one is seen in quite another way, all of it, and has its parts in other places.
        let mirrored = features.slice(s![.., .., ..;-1]).mapv(|value| 0.3 * value + 4.0);
        let flipped: Vec<f32> = (0..48)
            .flat_map(|y| (0..64).flat_map(move |x| [(63 - x, y)]))
            .flat_map(|(x, y)| picture.pixel(x, y))
            .collect();
        let flipped = Picture::from_rgb(64, 48, flipped);
        let seen = [(&picture, features.view()), (&flipped, mirrored.view())];
        let maps = propose(&seen.map(|(picture, features)| Seen { picture, features }), 2, 7);
        let differ = (0..48).flat_map(|y| (0..64).map(move |x| (x, y)));
        let differ = differ.filter(|&(x, y)| maps[0].pixel(x, y) != maps[1].pixel(63 - x, y));
        assert!(differ.count() < 64 * 48 / 50);
        assert_ne!(maps[0].pixel(2, 2), maps[0].pixel(61, 45));
    }

    #[test]
    fn regions_are_found_and_end_at_the_pictures_edges() {
        let (picture, features) = divided();
        let map = alone(&picture, &features, 2);
        assert_eq!(map, alone(&picture, &features, 2));
        let pixels = map.rgb().chunks_exact(3).zip(picture.rgb().chunks_exact(3));
        let is_first = |pixel: &[f32]| pixel == COLORS[0].0.map(f32::from);
        let left_is_first = is_first(&map.pixel(2, 2));
        let wrong = pixels.filter(|(map, picture)| (is_first(map) == (picture[0] > 100.0)) == left_is_first);
        assert!(wrong.count() < 64 * 48 / 100);
    }

    #[test]
    fn one_region_is_everything() {
        let (picture, features) = divided();
        let map = alone(&picture, &features, 1);
        assert!(map.rgb().chunks_exact(3).all(|pixel| pixel == [255.0, 0.0, 0.0]));
    }
}
