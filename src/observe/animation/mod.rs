//! The run as an animation for the web.

mod encode;
mod webp;

use std::ops::ControlFlow;
use std::path::Path;

use image::RgbImage;

use super::output::{OutputError, extension};
use super::{Event, Observer};
use crate::atomic;
use crate::finish::Finish;
use crate::picture::{Fit, Picture, fit};

/// Frames that are kept; with the result at the end there is one more.
pub const MAX_FRAMES: usize = 39;

/// Keeps pictures of the run, the more of them the faster it changes: they lie evenly in the logarithm of the
/// iteration.
///
/// How long the run will be need not be known: every iteration is kept until there are [`MAX_FRAMES`], then the
/// ratio between one and the next is raised and those in between are dropped. So memory stays bounded too, by
/// [`MAX_FRAMES`] pictures of the animation's size, three bytes a pixel.
#[derive(Debug)]
pub struct Animation {
    max_side: u32,
    finish: Option<Finish>,
    /// The least ratio of the iterations of neighbouring frames.
    ratio: f64,
    frames: Vec<Frame>,
}

/// The picture after an iteration, no larger than it will be shown.
#[derive(Debug)]
struct Frame {
    iteration: u64,
    picture: RgbImage,
}

/// The format of an animation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Gif,
    WebP,
    Apng,
}

impl Format {
    fn from_path(path: &Path) -> Result<Format, OutputError> {
        match extension(path).as_str() {
            "gif" => Ok(Format::Gif),
            "webp" => Ok(Format::WebP),
            "apng" | "png" => Ok(Format::Apng),
            _ => Err(OutputError::UnknownExtension {
                path: path.into(),
                what: "an animation",
                known: "gif, webp, apng, png",
            }),
        }
    }
}

impl Animation {
    /// An animation whose longer side has at most `max_side` pixels, at least 1.
    pub fn new(max_side: u32) -> Animation {
        Animation {
            max_side: max_side.max(1),
            finish: None,
            ratio: 1.0,
            frames: Vec::new(),
        }
    }

    /// Checks that the extension of `path` names a format that animations are written in.
    ///
    /// # Errors
    /// [`OutputError::UnknownExtension`].
    pub fn check(path: &Path) -> Result<(), OutputError> {
        Format::from_path(path).map(drop)
    }

    /// Writes the animation, in the format that the extension of `path` names: it ends with `result`, stays there for
    /// two seconds, and begins again. Transparency is left out. An existing file is replaced only with `overwrite`.
    ///
    /// # Errors
    /// The extension names no format, or the file cannot be written.
    pub fn write(&self, path: &Path, overwrite: bool, result: &Picture) -> Result<(), OutputError> {
        let format = Format::from_path(path)?;
        let result = self.shrink(result);
        let pictures: Vec<&RgbImage> = self
            .frames
            .iter()
            .map(|frame| &frame.picture)
            .chain([&result])
            .collect();
        atomic::write(path, overwrite, |file| {
            encode::write(file, format, &pictures, result.dimensions())
        })
        .map_err(OutputError::writing(path))
    }

    fn keep(&mut self, iteration: u64, image: &[f32]) {
        if self
            .frames
            .last()
            .is_some_and(|last| !self.far_enough(last.iteration, iteration))
        {
            return;
        }
        let Some(finish) = &self.finish else {
            return;
        };
        let picture = self.shrink(&finish.picture(image));
        self.frames.push(Frame { iteration, picture });
        while self.frames.len() > MAX_FRAMES {
            self.ratio *= 1.02;
            self.thin();
        }
    }

    /// Drops the frames that are too close to the one before, now that the ratio has grown.
    fn thin(&mut self) {
        let mut last = None;
        let ratio = self.ratio;
        self.frames.retain(|frame| {
            let keep = last.is_none_or(|last| far_enough(ratio, last, frame.iteration));
            if keep {
                last = Some(frame.iteration);
            }
            keep
        });
    }

    fn far_enough(&self, last: u64, iteration: u64) -> bool {
        far_enough(self.ratio, last, iteration)
    }

    fn shrink(&self, picture: &Picture) -> RgbImage {
        let longest = picture.width().max(picture.height());
        let (width, height) = fit(picture.size(), longest.min(self.max_side), Fit::Long);
        let shrunk = picture.resize(width, height);
        let rgb = shrunk.rgb().iter().map(|value| value.round() as u8).collect();
        RgbImage::from_raw(width, height, rgb).expect("a picture has three values a pixel")
    }
}

/// Whether `iteration` may follow `last`.
fn far_enough(ratio: f64, last: u64, iteration: u64) -> bool {
    iteration > last && iteration as f64 >= ratio * last as f64
}

impl Observer for Animation {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Started(started) => self.finish = Some(started.finish.clone()),
            Event::Iterated(step) => self.keep(step.iteration, step.image),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
