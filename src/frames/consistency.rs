//! Which pixels of a frame were seen in the last one.
//!
//! Source: Sundaram, Brox, Keutzer, "Dense point trajectories by GPU-accelerated large displacement optical flow", ECCV 2010, as
//! Ruder, Dosovitskiy, Brox take it, equations 5 and 6.

use super::flow::Flow;

/// For each pixel of this frame, row by row, 1 if it was seen in the last one, else 0. That is so where its vector is known and
/// points into the last frame, where no motion ends, and where the forward flow, if there is one, leads back. Both flows have one
/// size.
pub(super) fn seen(backward: &Flow, forward: Option<&Flow>) -> Vec<f32> {
    let (width, height) = backward.size();
    let is_seen = |x: u32, y: u32| {
        let place = [f64::from(x), f64::from(y)];
        let vector = backward.at(place);
        let from = [place[0] + vector[0], place[1] + vector[1]];
        backward.known()[(y * width + x) as usize]
            && is_inside(from, (width, height))
            && !is_boundary(backward, place, vector)
            && forward.is_none_or(|forward| leads_back(vector, forward.at(from)))
    };
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    pixels.map(|(x, y)| f32::from(u8::from(is_seen(x, y)))).collect()
}

/// Whether a place is of a picture of this size: no further from its edge pixels' centres than half a pixel.
fn is_inside(place: [f64; 2], size: (u32, u32)) -> bool {
    let inside = |place: f64, side: u32| (-0.5..=f64::from(side) - 0.5).contains(&place);
    inside(place[0], size.0) && inside(place[1], size.1)
}

/// Whether the forward vector at the place that a pixel was at leads back to it.
fn leads_back(backward: [f64; 2], forward: [f64; 2]) -> bool {
    let off = [backward[0] + forward[0], backward[1] + forward[1]];
    square(off) <= 0.01 * (square(forward) + square(backward)) + 0.5
}

/// Whether motion ends at a pixel.
fn is_boundary(flow: &Flow, [x, y]: [f64; 2], vector: [f64; 2]) -> bool {
    let slope = |step: [f64; 2]| {
        let (ahead, behind) = (
            flow.at([x + step[0], y + step[1]]),
            flow.at([x - step[0], y - step[1]]),
        );
        square([(ahead[0] - behind[0]) / 2.0, (ahead[1] - behind[1]) / 2.0])
    };
    slope([1.0, 0.0]) + slope([0.0, 1.0]) > 0.01 * square(vector) + 0.002
}

fn square(vector: [f64; 2]) -> f64 {
    vector[0] * vector[0] + vector[1] * vector[1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::flow::tests::{constant, file, read};

    /// The columns of the middle row that were seen.
    fn columns(seen: &[f32], width: usize) -> Vec<usize> {
        let middle = seen.len() / width / 2 * width;
        (0..width).filter(|column| seen[middle + column] > 0.0).collect()
    }

    #[test]
    fn what_comes_in_over_the_edge_was_not_seen() {
        let seen = seen(&constant((8, 4), [-2.0, 0.0]), None);
        assert_eq!(columns(&seen, 8), (2..8).collect::<Vec<_>>());
    }

    #[test]
    fn what_a_thing_uncovers_was_not_seen_nor_what_is_at_its_edges() {
        // A thing of columns 4 to 7 in the last frame, of columns 7 to 10 in this one.
        let size = (16, 5);
        let backward = file(size, |x, _| [if (7..11).contains(&x) { -3.0 } else { 0.0 }, 0.0]);
        let forward = file(size, |x, _| [if (4..8).contains(&x) { 3.0 } else { 0.0 }, 0.0]);
        let backward = read(&backward).unwrap();
        let with_edges = seen(&backward, None);
        assert_eq!(columns(&with_edges, 16), [0, 1, 2, 3, 4, 5, 8, 9, 12, 13, 14, 15]);
        let consistent = seen(&backward, Some(&read(&forward).unwrap()));
        assert_eq!(
            columns(&consistent, 16),
            [0, 1, 2, 3, 8, 9, 12, 13, 14, 15],
            "4 and 5 were behind it"
        );
    }

    #[test]
    fn what_is_unknown_was_not_seen() {
        let flow = read(&file((3, 1), |x, _| [if x == 1 { 2e9 } else { 0.0 }, 0.0])).unwrap();
        assert_eq!(seen(&flow, None), [1.0, 0.0, 1.0]);
    }
}
