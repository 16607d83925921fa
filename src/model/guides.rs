//! What of a picture counts for which style: the guides of its regions.

use ndarray::Array4;

use super::metadata::{Term, TermKind};

/// The guides of a picture's regions, whose masks are the caller's, and how much each region counts.
///
/// Gatys, Ecker, Bethge, Hertzmann, Shechtman, "Controlling Perceptual Factors in Neural Style Transfer" (2017), call the
/// sums over places that they weigh guided Gram matrices.
#[derive(Clone, Debug)]
pub struct Guides {
    /// The weights of the places of each style layer, in the graph's order: f32 `[regions, 1, h, w]`, 0 or more.
    pub style: Vec<Array4<f32>>,
    /// Factors of the style weight, of each region for each style layer: 0 or more, 0 where a region has no place.
    pub factors: Vec<Vec<f64>>,
    /// Factors of the content weight at the places of each content layer, in the graph's order; none: 1 everywhere.
    pub content: Option<Vec<ContentGuide>>,
    /// The weights of the pixels in the total variation, f32 `[1, 1, height, width]`; none: 1 everywhere.
    pub variation: Option<Array4<f32>>,
}

/// Where the content counts, and how much, at a layer.
#[derive(Clone, Debug)]
pub struct ContentGuide {
    /// The weights of the places, f32 `[1, 1, h, w]`: 0 or more, not all of them 0.
    pub guide: Array4<f32>,
    /// The factor of the layer's content weight.
    pub factor: f64,
}

impl ContentGuide {
    /// From factors of the content weight at the places, f32 `[1, 1, h, w]`: 0 or more.
    pub fn new(factors: Array4<f32>) -> ContentGuide {
        let total: f64 = factors.iter().copied().map(f64::from).sum();
        if total == 0.0 {
            // The loss divides by the guide's sum.
            return ContentGuide {
                guide: Array4::ones(factors.raw_dim()),
                factor: 0.0,
            };
        }
        ContentGuide {
            factor: total / factors.len() as f64,
            guide: factors,
        }
    }
}

impl Guides {
    /// How many regions there are.
    pub fn regions(&self) -> usize {
        self.factors.len()
    }

    /// The weights of the places of a term; none: 1 everywhere.
    pub(super) fn of(&self, term: &Term) -> Option<&Array4<f32>> {
        match term.kind {
            TermKind::Style => Some(&self.style[term.index]),
            TermKind::Content => Some(&self.content.as_ref()?[term.index].guide),
            TermKind::Tv => self.variation.as_ref(),
        }
    }

    /// The factor of the weight of a term in a region.
    pub(super) fn factor(&self, term: &Term, region: usize) -> f64 {
        match (term.kind, &self.content) {
            (TermKind::Style, _) => self.factors[region][term.index],
            (TermKind::Content, Some(content)) => content[term.index].factor,
            (TermKind::Content, None) | (TermKind::Tv, _) => 1.0,
        }
    }
}
