//! A grey photo in a grey style stays grey.
//!
//! The network's weights are not the same for blue, green and red, so the gradient of the loss at a grey image is not
//! grey. Where all the pictures are, the loss is that of the grey image next to the optimiser's.

use crate::model::{Advance, Evaluation, LossGradient, ObjectiveError};
use crate::picture::Picture;
use crate::tensor::MEAN_BGR;

/// How far apart the channels of a pixel may be in a picture that is grey, in grey levels.
const SPREAD: f32 = 2.0;

/// Whether every pixel is grey, but for what compression and profiles leave.
pub(crate) fn is_grey(picture: &Picture) -> bool {
    let spread = |pixel: &[f32]| {
        let most = pixel.iter().copied().fold(0.0, f32::max);
        most - pixel.iter().copied().fold(255.0, f32::min)
    };
    picture.rgb().chunks_exact(3).all(|pixel| spread(pixel) <= SPREAD)
}

/// A loss of an image without its colours.
pub(crate) struct Grey<'a> {
    loss: Box<dyn LossGradient + 'a>,
    image: Vec<f32>,
}

impl<'a> Grey<'a> {
    pub(crate) fn new(loss: Box<dyn LossGradient + 'a>) -> Self {
        let image = Vec::new();
        Self { loss, image }
    }
}

impl LossGradient for Grey<'_> {
    fn term_names(&self) -> &[String] {
        self.loss.term_names()
    }

    fn evaluate(
        &mut self,
        image: &[f32],
        gradient: &mut [f32],
        advance: Advance<'_>,
    ) -> Result<Evaluation, ObjectiveError> {
        self.image.clear();
        self.image.extend_from_slice(image);
        to_grey(&mut self.image, MEAN_BGR);
        let evaluation = self.loss.evaluate(&self.image, gradient, advance)?;
        to_grey(gradient, [0.0; 3]);
        Ok(evaluation)
    }
}

/// The grey image next to an image in the network's convention, f32 `[1, 3, height, width]`, flattened.
pub(crate) fn grey_image(image: &[f32]) -> Vec<f32> {
    let mut image = image.to_vec();
    to_grey(&mut image, MEAN_BGR);
    image
}

/// Sets the three planes to their mean, where each lacks its `offset`.
fn to_grey(values: &mut [f32], offset: [f32; 3]) {
    let (blue, rest) = values.split_at_mut(values.len() / 3);
    let (green, red) = rest.split_at_mut(rest.len() / 2);
    for ((blue, green), red) in blue.iter_mut().zip(green).zip(red) {
        let mean = (*blue + offset[0] + *green + offset[1] + *red + offset[2]) / 3.0;
        *blue = mean - offset[0];
        *green = mean - offset[1];
        *red = mean - offset[2];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_grey_when_no_pixel_has_a_colour() {
        let grey = |colors: [f32; 6]| is_grey(&Picture::from_rgb(2, 1, colors.to_vec()));
        assert!(grey([0.0, 0.0, 0.0, 255.0, 255.0, 255.0]));
        assert!(grey([7.0, 8.0, 9.0, 100.0, 101.0, 100.0]));
        assert!(!grey([7.0, 7.0, 7.0, 100.0, 100.0, 103.0]));
    }

    #[test]
    fn an_image_and_a_gradient_lose_their_colours_and_keep_their_mean() {
        let [b, g, r] = MEAN_BGR;
        let image = grey_image(&[0.0 - b, 9.0 - b, 30.0 - g, 9.0 - g, 60.0 - r, 9.0 - r]);
        let picture = crate::tensor::from_values(&image, 2, 1);
        for (value, wanted) in picture.rgb().iter().zip([30.0, 30.0, 30.0, 9.0, 9.0, 9.0]) {
            assert!((value - wanted).abs() < 1e-4, "{value}");
        }
        let mut gradient = [3.0, 1.0, 0.0, 1.0, 0.0, 1.0];
        to_grey(&mut gradient, [0.0; 3]);
        assert_eq!(gradient, [1.0; 6]);
    }
}
