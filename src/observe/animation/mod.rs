//! The run as an animation for the web.

mod encode;
mod webp;

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use image::RgbImage;

use super::{Event, Iterated, Observer, Remember};
use crate::files::binary::{Reader, Writer, unfit};
use crate::files::{self, OutputError, extension};
use crate::guard::guarded_encoder;
use crate::picture::{Fit, Picture, fit};
use crate::postprocess::Postprocess;

/// Frames that are kept; with the result at the end there is one more.
pub const MAX_FRAMES: usize = 39;

/// The largest ratio of the iterations of neighbouring frames, which no run reaches.
const LARGEST_RATIO: f64 = 1e6;

/// Keeps pictures of the run, the more of them the faster it changes: at each scale they lie evenly in the logarithm of
/// the iteration, counted from the scale's beginning.
///
/// How long the run will be need not be known: every iteration is kept until there are [`MAX_FRAMES`], then the
/// ratio between one and the next is raised and those in between are dropped. So memory stays bounded too, by
/// [`MAX_FRAMES`] pictures of the animation's size, three bytes a pixel.
#[derive(Debug)]
pub struct Animation {
    max_side: u32,
    postprocess: Option<Postprocess>,
    scale: usize,
    /// Iterations of the scales before.
    before: u64,
    /// The last iteration that there was.
    iteration: u64,
    /// The least ratio of the iterations of neighbouring frames.
    ratio: f64,
    frames: Vec<Frame>,
}

/// The picture after an iteration, no larger than it will be shown.
#[derive(Debug)]
struct Frame {
    moment: Moment,
    picture: RgbImage,
}

/// An iteration of a scale: 1 at the first.
#[derive(Clone, Copy, Debug)]
struct Moment {
    scale: usize,
    iteration: u64,
}

impl Moment {
    /// Whether there may be a frame here when `last` is the one before.
    fn may_follow(self, last: Moment, ratio: f64) -> bool {
        self.scale != last.scale || self.iteration as f64 >= ratio * last.iteration as f64
    }
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
            postprocess: None,
            scale: 0,
            before: 0,
            iteration: 0,
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
        let mut file = Vec::new();
        guarded_encoder(|| encode::write(&mut file, format, &pictures, result.dimensions()))
            .map_err(OutputError::writing(path))?;
        files::write(path, overwrite, &file)
    }

    fn keep(&mut self, step: &Iterated<'_>) {
        self.iteration = step.iteration;
        let moment = Moment {
            scale: self.scale,
            iteration: step.iteration - self.before,
        };
        let last = self.frames.last().map(|frame| frame.moment);
        let due = last.is_none_or(|last| moment.may_follow(last, self.ratio));
        let Some(postprocess) = self.postprocess.as_ref().filter(|_| due) else {
            return;
        };
        let picture = self.shrink(&postprocess.picture(step.image));
        self.frames.push(Frame { moment, picture });
        while self.frames.len() > MAX_FRAMES {
            self.thin();
        }
    }

    /// Raises the ratio and drops the frames that are now too close to the one before.
    fn thin(&mut self) {
        if self.ratio > LARGEST_RATIO {
            // There are more scales than frames.
            self.frames.remove(1);
            return;
        }
        self.ratio *= 1.02;
        let mut last: Option<Moment> = None;
        self.frames.retain(|frame| {
            let keep = last.is_none_or(|last| frame.moment.may_follow(last, self.ratio));
            if keep {
                last = Some(frame.moment);
            }
            keep
        });
    }

    fn shrink(&self, picture: &Picture) -> RgbImage {
        let longest = picture.width().max(picture.height());
        let (width, height) = fit(picture.size(), longest.min(self.max_side), Fit::Long);
        let shrunk = picture.resize(width, height);
        let rgb = shrunk.rgb().iter().map(|value| value.round() as u8).collect();
        RgbImage::from_raw(width, height, rgb).expect("a picture has three values a pixel")
    }
}

impl Observer for Animation {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Started(started) => {
                self.postprocess = Some(started.postprocess.clone());
                // A scale that is resumed has begun before.
                if self.scale != started.scale {
                    self.scale = started.scale;
                    self.before = self.iteration;
                }
            }
            Event::Iterated(step) => self.keep(step),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Remember for Animation {
    fn save(&self, to: &mut Writer<'_>) -> io::Result<()> {
        to.number([self.scale as u64, self.before, self.iteration])?;
        to.number(self.ratio)?;
        to.number(self.frames.len() as u64)?;
        for Frame { moment, picture } in &self.frames {
            to.number([moment.scale as u64, moment.iteration])?;
            to.number([picture.width(), picture.height()])?;
            to.numbers(picture.as_raw())?;
        }
        Ok(())
    }

    fn restore(&mut self, from: &mut Reader) -> io::Result<()> {
        let [scale, before, iteration]: [u64; 3] = from.number()?;
        self.scale = scale as usize;
        (self.before, self.iteration) = (before, iteration);
        self.ratio = from.number()?;
        let frames: u64 = from.number()?;
        let mut frame = || {
            let [scale, iteration]: [u64; 2] = from.number()?;
            let [width, height] = from.number()?;
            let picture = RgbImage::from_raw(width, height, from.numbers()?);
            Ok(Frame {
                moment: Moment {
                    scale: scale as usize,
                    iteration,
                },
                picture: picture.ok_or_else(|| unfit("a frame has not the size that it should have"))?,
            })
        };
        self.frames = (0..frames).map(|_| frame()).collect::<io::Result<_>>()?;
        Ok(())
    }
}
