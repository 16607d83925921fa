//! Frames of a film: what the last one, painted, says of the next.
//!
//! [`FrameOptions`] say where it comes from; a [`LastFrame`] is what its files hold, at their own sizes; a [`Moved`] is what
//! they come to in a picture of a size.
//!
//! Source: Ruder, Dosovitskiy, Brox, "Artistic style transfer for videos", GCPR 2016 (arXiv 1604.08610).

mod consistency;
mod error;
mod flow;

use std::path::{Path, PathBuf};

use ndarray::Array4;
use serde::Serialize;

pub use error::FrameError;
pub use flow::Flow;

use crate::files::{self, Input};
use crate::picture::{self, MAX_FILE_BYTES, Picture, PictureError, resize_plane};
use crate::regions::Mask;
use crate::tensor::to_tensor;

/// The weight of the temporal term where there is a flow and nobody says it. Four frames of a photo that moves behind another
/// one, with noise, 176x128 pixels, 30 iterations each, had a warping error of 342 painted one by one, and of 55, 51 and 38 with
/// weights of 0, 1000 and this; the loss, the temporal term included, was 0, 1 and 3 % higher.
pub const TEMPORAL_WEIGHT: f64 = 1e4;

/// What a frame has of the last one; all of it may be missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FrameOptions {
    /// The last frame as it was painted.
    pub previous: Option<PathBuf>,
    /// The backward flow: for each pixel of this frame, where it was in the last one.
    pub flow: Option<PathBuf>,
    /// The forward flow: for each pixel of the last frame, where it is in this one.
    pub forward_flow: Option<PathBuf>,
    /// Which pixels were seen in the last frame.
    pub flow_mask: Option<PathBuf>,
    /// The weight of the temporal term; none without a last frame.
    pub temporal_weight: Option<f64>,
}

impl FrameOptions {
    /// The files with their roles in a record, in the order in which they are read.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let files = [
            ("previous", &self.previous),
            ("flow", &self.flow),
            ("forward-flow", &self.forward_flow),
            ("flow-mask", &self.flow_mask),
        ];
        files
            .into_iter()
            .filter_map(|(role, path)| Some((role, path.as_ref()?)))
    }

    /// The files' paths, to be changed.
    pub(crate) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [
            &mut self.previous,
            &mut self.flow,
            &mut self.forward_flow,
            &mut self.flow_mask,
        ]
        .into_iter()
        .flatten()
    }

    /// The weight of the temporal term, if it counts.
    pub fn weight(&self) -> Option<f64> {
        self.temporal_weight.filter(|&weight| weight > 0.0)
    }
}

/// Reads the file of a role in [`FrameOptions::files`], as [`LastFrame::load`] wants it.
///
/// # Errors
/// It cannot be read; what should be a picture begins as none.
pub fn read<E: From<FrameError> + From<PictureError>>(role: &str, path: &Path) -> Result<Input, E> {
    match role.ends_with("flow") {
        true => Ok(files::read(path, MAX_FILE_BYTES).map_err(FrameError::from)?),
        false => Ok(picture::read(path)?),
    }
}

/// The last frame, and how it moves into this one, at the sizes that their files have.
#[derive(Clone, Debug)]
pub struct LastFrame {
    picture: Picture,
    backward: Option<Flow>,
    forward: Option<Flow>,
    mask: Option<(PathBuf, Mask)>,
}

/// The last frame moved into this one, at the size of a picture that is painted.
#[derive(Clone, Debug)]
pub struct Moved {
    /// What this frame would be if all of it had been seen in the last one.
    pub picture: Picture,
    /// How far each pixel was seen, row by row, 0 to 1.
    pub mask: Vec<f32>,
}

impl LastFrame {
    /// Reads what `options` name, if they name a last frame; `read` reads the file of a role, as [`read`] does.
    ///
    /// # Errors
    /// A file that cannot be read, or is not what it should be.
    pub fn load<E: From<FrameError> + From<PictureError>>(
        options: &FrameOptions,
        mut read: impl FnMut(&'static str, &Path) -> Result<Input, E>,
    ) -> Result<Option<LastFrame>, E> {
        let mut found = Vec::new();
        for (role, path) in options.files() {
            found.push((role, read(role, path)?));
        }
        let mut of_role = |role: &str| {
            let place = found.iter().position(|(known, _)| *known == role);
            place.map(|place| found.remove(place).1)
        };
        let picture = |input: Input| picture::load_from(input).map(|loaded| loaded.picture);
        let Some(previous) = of_role("previous") else {
            return Ok(None);
        };
        let mask = of_role("flow-mask").map(|input| {
            let path = input.path().to_owned();
            picture(input).map(|picture| (path, Mask::of(&picture)))
        });
        let mut flow = |role| of_role(role).map(|input| Flow::parse(&input)).transpose();
        Ok(Some(LastFrame {
            picture: picture(previous)?,
            backward: flow("flow")?,
            forward: flow("forward-flow")?,
            mask: mask.transpose()?,
        }))
    }

    /// Checks that flows and mask have the size of the photo of this frame (width, height).
    ///
    /// # Errors
    /// [`FrameError::Size`]
    pub fn check(&self, photo: (u32, u32)) -> Result<(), FrameError> {
        let flows = self.backward.iter().chain(&self.forward);
        let flows = flows.map(|flow| ("flow", flow.path(), flow.size()));
        let masks = self.mask.iter();
        let masks = masks.map(|(path, mask)| ("flow mask", path.as_path(), mask.size()));
        match flows.chain(masks).find(|(_, _, size)| *size != photo) {
            None => Ok(()),
            Some((what, path, size)) => Err(FrameError::Size {
                what,
                path: path.into(),
                size,
                photo,
            }),
        }
    }

    /// The last frame moved into this one, in a picture of `size` (width, height).
    pub fn moved(&self, size: (u32, u32)) -> Moved {
        let picture = self.picture.resize(size.0, size.1);
        let Some(flow) = &self.backward else {
            let mask = vec![1.0; size.0 as usize * size.1 as usize];
            return Moved {
                picture,
                mask: self.under_mask(mask, size),
            };
        };
        let seen = consistency::seen(flow, self.forward.as_ref());
        Moved {
            picture: flow.moved(&picture),
            mask: self.under_mask(resize_plane(&seen, flow.size(), size), size),
        }
    }

    /// A mask, less what the mask of a file leaves out.
    fn under_mask(&self, mut mask: Vec<f32>, size: (u32, u32)) -> Vec<f32> {
        if let Some((_, given)) = &self.mask {
            mask.iter_mut()
                .zip(&given.at(size))
                .for_each(|(value, given)| *value *= given);
        }
        mask
    }
}

impl Moved {
    /// The moved frame and its mask at a smaller size (width, height).
    pub(crate) fn at(&self, size: (u32, u32)) -> Moved {
        Moved {
            picture: self.picture.resize(size.0, size.1),
            mask: resize_plane(&self.mask, self.picture.size(), size),
        }
    }

    /// The picture as the network's input, f32 `[1, 3, height, width]`.
    pub(crate) fn tensor(&self) -> Array4<f32> {
        to_tensor(&self.picture)
    }

    /// The mask so, f32 `[1, 1, height, width]`.
    pub(crate) fn mask_tensor(&self) -> Array4<f32> {
        let (width, height) = self.picture.size();
        Array4::from_shape_fn((1, 1, height as usize, width as usize), |(_, _, y, x)| {
            self.mask[y * width as usize + x]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::tests::constant;

    fn stripes(width: u32, height: u32, from: u32) -> Picture {
        let pixel = |x: u32, y: u32| [(x + from) as f32 * 9.0, y as f32 * 7.0, 50.0];
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y)));
        Picture::from_rgb(width, height, rgb.collect())
    }

    fn last(backward: Option<Flow>) -> LastFrame {
        LastFrame {
            picture: stripes(12, 8, 0),
            backward,
            forward: None,
            mask: None,
        }
    }

    #[test]
    fn without_a_flow_nothing_moves_and_all_of_it_was_seen() {
        let moved = last(None).moved((12, 8));
        assert_eq!(moved.picture, stripes(12, 8, 0));
        assert_eq!(moved.mask, [1.0; 96]);
    }

    #[test]
    fn a_pixel_comes_from_where_the_backward_flow_says_and_at_half_the_size_from_half_as_far() {
        let last = last(Some(constant((12, 8), [2.0, 0.0])));
        let moved = last.moved((12, 8));
        for (x, y) in [(0, 0), (4, 3), (9, 7)] {
            assert_eq!(moved.picture.pixel(x, y), stripes(12, 8, 2).pixel(x, y));
        }
        let row: Vec<f32> = moved.mask[..12].to_vec();
        assert_eq!(row, [[1.0; 10].as_slice(), &[0.0; 2]].concat());
        let half = last.moved((6, 4));
        let reduced = stripes(12, 8, 0).resize(6, 4);
        assert_eq!(half.picture.pixel(2, 2), reduced.pixel(3, 2));
        assert_eq!(half.mask[..6], [1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn what_has_not_the_size_of_the_photo_is_refused() {
        let last = last(Some(constant((11, 8), [0.0; 2])));
        let error = last.check((12, 8)).unwrap_err().to_string();
        for part in ["11x8", "12x8", "a.flo"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_mask_of_a_file_takes_from_what_was_seen() {
        let mut white_left = vec![0.0; 12 * 8 * 3];
        (0..96)
            .filter(|pixel| pixel % 12 < 6)
            .for_each(|pixel| white_left[3 * pixel..3 * pixel + 3].fill(255.0));
        let mask = Mask::of(&Picture::from_rgb(12, 8, white_left));
        let last = LastFrame {
            mask: Some(("mask.png".into(), mask)),
            ..last(Some(constant((12, 8), [-2.0, 0.0])))
        };
        let row: Vec<f32> = last.moved((12, 8)).mask[..12].to_vec();
        assert_eq!(row, [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
