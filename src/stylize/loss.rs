//! What a stage is painted by.

use super::kept::Kept;
use super::pyramid::Pyramid;
use super::stages::Stage;
use super::{Error, Stylizer};
use crate::grey::Grey;
use crate::model::{LossGradient, Targets, Weights, Window};
use crate::observe::{Event, Observer};
use crate::runtime::Placement;
use crate::tensor::to_tensor;

impl Stylizer {
    /// What a content weight of 1 stands for with these targets, where the preset lets it follow them.
    pub(super) fn content_unit(&self, targets: &Targets) -> Option<f64> {
        let balance = self.settings.balance(self.metadata());
        balance.map(|balance| balance * targets.balance())
    }

    /// All that a stage is painted by: its loss, the temporal term, what is kept and grey.
    pub(super) fn loss_of<'a>(
        &'a self,
        coarser: &'a [Stage],
        stage: &'a Stage,
        observer: &mut dyn Observer,
    ) -> Result<Box<dyn LossGradient + 'a>, Error> {
        let mut loss = self.pyramid(coarser, stage, observer)?;
        if let (Some(graph), Some(moved)) = (&self.temporal, &stage.moved) {
            let weight = self.settings.frame.weight().unwrap_or(0.0) / self.weights.unit();
            let tensors = (moved.tensor(), moved.mask_tensor());
            loss = Box::new(graph.beside(loss, &self.network.engine, tensors, weight)?);
        }
        if let Some(keep) = stage.postprocess.keep() {
            loss = Box::new(Kept::new(loss, keep, to_tensor(stage.postprocess.content())));
        }
        if stage.postprocess.is_grey() {
            loss = Box::new(Grey::new(loss));
        }
        Ok(loss)
    }

    /// The loss of a stage, with those of the coarser ones where the preset has them in it.
    fn pyramid<'a>(
        &'a self,
        coarser: &'a [Stage],
        stage: &'a Stage,
        observer: &mut dyn Observer,
    ) -> Result<Box<dyn LossGradient + 'a>, Error> {
        let window = stage.way.window;
        let own = self.loss(stage, window, observer)?;
        if coarser.is_empty() || !self.settings.is_pyramid() {
            return Ok(own);
        }
        let coarser = coarser
            .iter()
            .map(|stage| Ok((self.loss(stage, window, observer)?, stage.size())))
            .collect::<Result<_, Error>>()?;
        Ok(Box::new(Pyramid::new(
            own,
            stage.size(),
            coarser,
            self.settings.seamless,
        )))
    }

    /// The loss of a stage by itself, whole or in tiles with such windows; the observer is told where it runs, if that
    /// needs telling.
    ///
    /// The fewer pixels a scale has, the more the content weighs there: the style image's large shapes would otherwise
    /// take the place of the content's, and the finer scales could not bring it back. With the square of the ratio of
    /// pixels the loss is lower after as many seconds than with the ratio itself (two pairs of pictures, 1 to 2 %). A weight
    /// that follows the pair's balance has that of each scale.
    fn loss<'a>(
        &'a self,
        stage: &'a Stage,
        window: Window,
        observer: &mut dyn Observer,
    ) -> Result<Box<dyn LossGradient + 'a>, Error> {
        let unit = self.content_unit(&stage.targets);
        let factor = unit.unwrap_or_else(|| stage.coarseness.powi(2));
        let weights = self.weights.relative().with_content_times(factor);
        let (loss, placement) = self.loss_gradient(&stage.targets, weights, window)?;
        if let Some(placement) = &placement {
            let _ = observer.observe(&Event::Placed(placement));
        }
        Ok(loss)
    }

    /// The loss with these targets, whole or in tiles with such windows, and where its nodes run if not
    /// all on the processor.
    pub(super) fn loss_gradient<'a>(
        &'a self,
        targets: &'a Targets,
        weights: Weights,
        window: Window,
    ) -> Result<(Box<dyn LossGradient + 'a>, Option<Placement>), Error> {
        let tiled =
            self.network
                .graphs
                .tiled_loss_gradient(&self.network.engine, targets, &weights, window)?;
        if let Some(tiled) = tiled {
            let placement = tiled.placement().cloned();
            return Ok((targets.of_painted(Box::new(tiled)), placement));
        }
        let loss = self
            .network
            .graphs
            .loss_gradient(&self.network.engine, targets, weights)?;
        let placement = loss.placement().cloned();
        Ok((targets.of_painted(Box::new(loss)), placement))
    }
}
