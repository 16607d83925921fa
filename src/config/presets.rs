//! Named sets of layers, weights and size rule.

use crate::model::{LayerFactors, Padding};
use crate::picture::Fit;

/// A named set of layers, weights and size rule.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The name on the command line.
    pub name: &'static str,
    /// The name of the graphs' files.
    pub graphs: &'static str,
    /// The layers whose Gram matrices are compared; the graphs have the last word.
    pub style_layers: &'static str,
    /// The layers whose features are compared; likewise.
    pub content_layers: &'static str,
    /// One line for `--help`.
    pub summary: &'static str,
    /// The style weight W; see [`Weights::style`](crate::model::Weights::style).
    pub style_weight: f64,
    /// The content weight.
    pub content_weight: f64,
    /// What a content weight of 1 stands for, in units of [`Targets::balance`](crate::model::Targets::balance); nothing:
    /// for 1 itself.
    pub balance: Option<f64>,
    /// The factors of single style layers' weights.
    pub style_layer_weights: &'static [(&'static str, f64)],
    /// The weight of the total variation.
    pub tv_weight: f64,
    /// What the first convolution sees around a picture.
    pub padding: Padding,
    /// Which side `size` speaks of.
    pub fit: Fit,
    /// Whether to paint from coarse to fine: [`Scales::Auto`](crate::scales::Scales::Auto), or one scale.
    pub coarse_to_fine: bool,
    /// How many iterations the scale with most of them has.
    pub iterations: u64,
    /// Whether the loss of a finer scale has those of the coarser ones beside its own, of the picture reduced. The first
    /// scale then has all the iterations, [`Emphasis::Coarsest`](crate::scales::Emphasis::Coarsest).
    pub pyramid: bool,
}

/// The paper's layers, with the weights of its authors' code: 1000 / C² for a style layer of C channels, 1 for content.
const GATYS: Preset = Preset {
    name: "gatys",
    graphs: "gatys",
    style_layers: "relu1_1 relu2_1 relu3_1 relu4_1 relu5_1",
    content_layers: "relu4_2",
    summary: "layers and weights of Gatys et al. 2016",
    style_weight: 1e3,
    content_weight: 1.0,
    balance: None,
    style_layer_weights: &[],
    tv_weight: 0.0,
    padding: Padding::Zero,
    fit: Fit::Long,
    coarse_to_fine: true,
    iterations: 500,
    pyramid: false,
};

/// The presets that the program knows, the default one first.
pub const PRESETS: [Preset; 5] = [
    Preset {
        name: "impasto",
        summary: "the photo stays what it is, painted whole; the content weight follows the pair",
        balance: Some(20.0),
        style_layer_weights: &[("relu5_1", 100.0)],
        padding: Padding::Replicate,
        iterations: 200,
        pyramid: true,
        ..GATYS
    },
    GATYS,
    Preset {
        name: "book",
        graphs: "book",
        style_layers: "relu1_1 relu2_1 relu3_1 relu4_1 relu4_4",
        summary: "layers, weights and size of a PyTorch tutorial's listing",
        fit: Fit::Short,
        coarse_to_fine: false,
        ..GATYS
    },
    // J. Johnson's program of 2015, by its defaults. It divides a Gram matrix by C h w, not by h w, so that its style
    // weight of 100 is our 100 / C²: tests/python/test_neural_style.py.
    Preset {
        name: "neural-style",
        summary: "weights of neural-style and neural-style-pt: less style, some smoothing",
        style_weight: 100.0,
        content_weight: 5.0,
        tv_weight: 1e-3,
        coarse_to_fine: false,
        ..GATYS
    },
    Preset {
        name: "photo",
        summary: "the photo keeps its lines and colours, the strokes lie on it",
        style_weight: 100.0,
        content_weight: 30.0,
        tv_weight: 1e-3,
        ..GATYS
    },
];

impl Preset {
    /// The preset of that name.
    pub fn named(name: &str) -> Option<&'static Preset> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// The one of that name; graphs of another name, a user's own, take the weights of `gatys`.
    pub fn named_or_own(name: &str) -> &'static Preset {
        Preset::named(name).unwrap_or(&GATYS)
    }

    pub(super) fn layer_factors(&self) -> LayerFactors {
        let factors = self.style_layer_weights.iter();
        LayerFactors(
            factors
                .map(|&(layer, factor)| (layer.to_owned(), factor))
                .collect(),
        )
    }
}
