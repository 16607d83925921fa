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
}

impl Postprocess {
    /// For pictures of the size and with the alpha of `content`, and with its colours if `color` asks for them, or without
    /// any.
    pub fn new(content: Picture, color: ColorMode, is_grey: bool) -> Postprocess {
        Postprocess {
            content: Arc::new(content),
            color,
            is_grey,
        }
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
        let picture = match self.color {
            ColorMode::Original => original_colors(&picture, &self.content),
            ColorMode::Style | ColorMode::Match => picture,
        };
        picture.with_alpha_of(&self.content)
    }
}
