//! From masks to the guides of a layer.
//!
//! Gatys, Ecker, Bethge, Hertzmann, Shechtman, "Controlling Perceptual Factors in Neural Style Transfer" (2017), section 4:
//! features near the border of a region see both sides of it, so they are left out, as far as the layer sees; what is
//! left is grown a little again, so that the border is not bare.

use ndarray::{Array2, ArrayView2, Axis, s};

/// Places that what is left of a region is grown by.
const GROWTH: usize = 3;

/// The means of a mask, `[height, width]`, over the pixels of each place of a layer of `size` (width, height), whose pools
/// have halved the picture so often.
pub(super) fn at_places(mask: ArrayView2<'_, f32>, size: (u32, u32), pools: u32) -> Array2<f32> {
    let side = 1_usize << pools;
    Array2::from_shape_fn((size.1 as usize, size.0 as usize), |(y, x)| {
        let rows = y * side..(y + 1) * side;
        let columns = x * side..(x + 1) * side;
        mask.slice(s![rows, columns]).sum() / (side * side) as f32
    })
}

/// The region that each place belongs to: the one whose mask is largest there, of equals the first; none where all are 0.
pub(super) fn owners(masks: &[Array2<f32>]) -> Array2<Option<usize>> {
    Array2::from_shape_fn(masks[0].dim(), |place| {
        let all = masks.iter().map(|mask| mask[place]).enumerate();
        let largest = all.filter(|&(_, value)| value > 0.0).reduce(
            |best, next| {
                if next.1 > best.1 { next } else { best }
            },
        );
        largest.map(|(region, _)| region)
    })
}

/// The places of a region that count for its style: those that see nothing but it, which reach so many places beyond their
/// own, grown by three but not beyond the region. Where that would leave fewer than half of the region, they may see more.
pub(super) fn inside(region: &Array2<bool>, reach: usize) -> Array2<bool> {
    let all = count(region);
    let outside = region.mapv(|is_own| !is_own);
    for reach in (1..=reach).rev() {
        let unseen = around(&outside, reach).mapv(|is_near| !is_near);
        let grown = around(&unseen, GROWTH) & region;
        if 2 * count(&grown) >= all {
            return grown;
        }
    }
    region.clone()
}

/// The places that are no more than so many rows and columns away from one of `places`.
fn around(places: &Array2<bool>, distance: usize) -> Array2<bool> {
    let mut near = places.clone();
    for axis in [Axis(0), Axis(1)] {
        for mut lane in near.lanes_mut(axis) {
            let before = lane.to_vec();
            for (place, near) in lane.iter_mut().enumerate() {
                let end = (place + distance + 1).min(before.len());
                *near = before[place.saturating_sub(distance)..end].contains(&true);
            }
        }
    }
    near
}

pub(super) fn count(places: &Array2<bool>) -> usize {
    places.iter().filter(|&&is_one| is_one).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[&str]) -> Array2<bool> {
        Array2::from_shape_fn((rows.len(), rows[0].len()), |(y, x)| {
            rows[y].as_bytes()[x] == b'#'
        })
    }

    #[test]
    fn a_region_is_eroded_but_not_from_the_pictures_edge_and_grown_within_itself() {
        // 12 columns at the left edge: 5 are eroded from the right, 3 grown again.
        let region = Array2::from_shape_fn((9, 20), |(_, x)| x < 12);
        let expected = Array2::from_shape_fn((9, 20), |(_, x)| x < 10);
        assert_eq!(inside(&region, 5), expected);
        assert_eq!(inside(&region, 3), region);
        let whole = Array2::from_elem((4, 6), true);
        assert_eq!(inside(&whole, 5), whole);
    }

    #[test]
    fn at_least_half_of_a_region_is_left() {
        // Three columns: a reach of 1 leaves the middle one, which grows to all of them.
        let thin = Array2::from_shape_fn((5, 15), |(_, x)| (6..9).contains(&x));
        assert_eq!(inside(&thin, 5), thin);
        let dots = of(&["#....", ".....", "..#..", "....."]);
        assert_eq!(inside(&dots, 2), dots);
        let nothing = Array2::from_elem((3, 3), false);
        assert_eq!(inside(&nothing, 2), nothing);
    }

    #[test]
    fn a_large_region_loses_its_thin_parts() {
        let region = Array2::from_shape_fn((30, 40), |(y, x)| x < 20 || (x < 35 && y == 15));
        let left = inside(&region, 4);
        assert!(left[[0, 0]] && left[[10, 18]] && !left[[10, 19]] && !left[[15, 30]]);
    }

    #[test]
    fn a_place_belongs_to_the_largest_mask() {
        let masks = [[0.2, 0.5, 0.0, 0.7], [0.8, 0.5, 0.0, 0.1]]
            .map(|row| Array2::from_shape_vec((1, 4), row.into()).unwrap());
        let owners = owners(&masks);
        assert_eq!(
            owners.into_raw_vec_and_offset().0,
            [Some(1), Some(0), None, Some(0)]
        );
    }

    #[test]
    fn a_place_has_the_mean_of_its_pixels() {
        let mask = Array2::from_shape_fn((5, 6), |(y, x)| if x < 3 && y < 2 { 1.0 } else { 0.0 });
        let places = at_places(mask.view(), (3, 2), 1);
        assert_eq!(places, ndarray::array![[1.0, 0.5, 0.0], [0.0, 0.0, 0.0]]);
    }
}
