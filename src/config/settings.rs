//! What the settings say about graphs and weights.

use super::{ConfigError, Pooling, Preset, Settings, Size};
use crate::model::metadata::TermKind;
use crate::model::{GraphMetadata, GraphOptions, ModelError, Weights, Window};
use crate::picture::fit;
use crate::scales::Emphasis;

impl Settings {
    /// The finest scale's size in pixels, of the side that the fit speaks of.
    pub fn side(&self) -> u32 {
        self.size.side(self.fit)
    }

    /// Checks that a photo of these sides, which keeps its proportions, can have the size.
    pub(crate) fn check_proportions(&self, photo: (u32, u32)) -> Result<(), ConfigError> {
        match self.size {
            Size::Exact(width, height) if fit(photo, self.side(), self.fit) != (width, height) => {
                let expected = "one number beside a photo, which keeps its proportions";
                Err(ConfigError::new("size", self.size, expected))
            }
            Size::Exact(..) | Size::Side(_) => Ok(()),
        }
    }

    /// The windows of the tiles that are asked for; the whole picture unless they are.
    pub(crate) fn window(&self) -> Window {
        Window::square(self.tile.unwrap_or(0))
    }

    /// The name of the graphs: the preset's, and `-avg` with average pooling.
    pub fn graph_name(&self) -> String {
        let graphs = Preset::named(&self.preset).map_or(&*self.preset, |preset| preset.graphs);
        match self.pooling {
            Pooling::Max => graphs.to_owned(),
            Pooling::Avg => format!("{graphs}-avg"),
        }
    }

    /// Whether the loss of a finer scale has those of the coarser ones beside its own.
    pub fn is_pyramid(&self) -> bool {
        Preset::named_or_own(&self.preset).pyramid
    }

    /// Which scale has all the iterations.
    pub fn emphasis(&self) -> Emphasis {
        match self.is_pyramid() {
            true => Emphasis::Coarsest,
            false => Emphasis::Finest,
        }
    }

    /// How the graphs are run.
    pub fn graph_options(&self) -> GraphOptions {
        GraphOptions {
            kernels: self.kernels,
            padding: self.padding,
            seamless: self.seamless,
            style_loss: self.style_loss.clone(),
        }
    }

    /// What a content weight of 1 stands for, in units of [`Targets::balance`](crate::model::Targets::balance); nothing:
    /// for 1 itself, as with a style loss that has a content weight of its own.
    pub fn balance(&self, metadata: &GraphMetadata) -> Option<f64> {
        let balance = Preset::named_or_own(&self.preset).balance;
        balance.filter(|_| metadata.default_weight(TermKind::Content).is_none())
    }

    /// The weights of the terms of a graph, the content's in the preset's unit.
    ///
    /// # Errors
    /// A weight for a layer that the graph does not look at, or no layer with a weight.
    pub fn weights(&self, metadata: &GraphMetadata) -> Result<Weights, ModelError> {
        let preset = Preset::named_or_own(&self.preset);
        let weight = |chosen: Option<f64>, kind: TermKind, of_preset: f64| {
            chosen
                .or_else(|| metadata.default_weight(kind))
                .unwrap_or(of_preset)
        };
        let style = weight(self.style_weight, TermKind::Style, preset.style_weight);
        let content = weight(self.content_weight, TermKind::Content, preset.content_weight);
        Weights::uniform(metadata, style, content, self.tv_weight).with_factors(
            metadata,
            &self.style_layer_weights,
            &self.content_layer_weights,
        )
    }
}
