//! From the optimiser's values to the picture that is saved.

use std::sync::Arc;

use crate::color::{ColorMode, original_colors};
use crate::grey::grey_image;
use crate::picture::Picture;
use crate::tensor::from_values;

/// What turns a point of the optimisation into a picture; cheap to clone.
#[derive(Clone, Debug)]
pub struct Postprocess {
    content: Arc<Picture>,
    color: ColorMode,
    is_grey: bool,
    /// How much of the content's colours each pixel has, where that differs from place to place.
    original: Option<Arc<Vec<f32>>>,
    /// How much each pixel stays the content's, if any does.
    keep: Option<Arc<Vec<f32>>>,
}

impl Postprocess {
    /// For pictures of the size and with the alpha of `content`, and with its colours if `color` asks for them, or without
    /// any.
    pub fn new(content: Picture, color: ColorMode, is_grey: bool) -> Postprocess {
        Postprocess {
            content: Arc::new(content),
            color,
            is_grey,
            original: None,
            keep: None,
        }
    }

    /// For pictures with regions: how much of the content's colours each pixel has, in the place of what `color`
    /// says, and how much of the content itself; a value a pixel, row by row, 0 to 1.
    #[must_use]
    pub fn in_regions(self, original: Option<Vec<f32>>, keep: Option<Vec<f32>>) -> Postprocess {
        Postprocess {
            original: original.map(Arc::new),
            keep: keep.map(Arc::new),
            ..self
        }
    }

    /// How much each pixel stays the content's, row by row, 0 to 1; none: none does.
    pub fn keep(&self) -> Option<&[f32]> {
        self.keep.as_ref().map(|keep| &keep[..])
    }

    /// Whether the pictures are grey.
    pub fn is_grey(&self) -> bool {
        self.is_grey
    }

    /// The content image.
    pub fn content(&self) -> &Picture {
        &self.content
    }

    /// The picture that `image` shows: f32 `[1, 3, height, width]`, flattened, in the convention of
    /// [`to_tensor`](crate::tensor::to_tensor).
    ///
    /// # Panics
    /// When `image` is not of the content's size.
    pub fn picture(&self, image: &[f32]) -> Picture {
        let (width, height) = self.content.size();
        let picture = match self.is_grey {
            true => from_values(&grey_image(image), width, height),
            false => from_values(image, width, height),
        };
        let picture = match (&self.original, self.color) {
            (Some(parts), _) => mixed(&picture, &original_colors(&picture, &self.content), parts),
            (None, ColorMode::Original) => original_colors(&picture, &self.content),
            (None, ColorMode::Style | ColorMode::Match) => picture,
        };
        let picture = match &self.keep {
            Some(parts) => mixed(&picture, &self.content, parts),
            None => picture,
        };
        picture.with_alpha_of(&self.content)
    }
}

/// A picture with parts of another one of its size, for each pixel: 0 to 1.
fn mixed(one: &Picture, other: &Picture, parts: &[f32]) -> Picture {
    let pixels = one
        .rgb()
        .chunks_exact(3)
        .zip(other.rgb().chunks_exact(3))
        .zip(parts);
    let rgb =
        pixels.flat_map(|((one, other), part)| [0, 1, 2].map(|i| one[i] * (1.0 - part) + other[i] * part));
    Picture::from_rgb(one.width(), one.height(), rgb.collect())
}
