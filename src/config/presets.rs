//! Named sets of layers, weights and size rule.

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
    /// The weight of the total variation.
    pub tv_weight: f64,
    /// Which side `size` speaks of.
    pub fit: Fit,
    /// Whether to paint from coarse to fine: [`Scales::Auto`](crate::scales::Scales::Auto), or one scale.
    pub coarse_to_fine: bool,
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
    tv_weight: 0.0,
    fit: Fit::Long,
    coarse_to_fine: true,
};

/// The presets that the program knows; graphs of another name, a user's own, take the weights of the first.
pub const PRESETS: [Preset; 4] = [
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
}
