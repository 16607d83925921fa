//! Previews of the picture while it is painted.

use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::{Event, Iterated, Observer, Planned};
use crate::picture::{Encoding, Picture, PictureError};
use crate::postprocess::Postprocess;

/// Saves the picture beside the output while it is painted.
pub struct Previews {
    output: PathBuf,
    when: When,
    overwrite: bool,
    encoding: Encoding,
    postprocess: Option<Postprocess>,
    failure: Option<PictureError>,
}

/// When previews are saved.
#[derive(Clone, Copy, Debug, Default)]
pub struct When {
    /// Every so many iterations: `out-00050.png` for `out.png`.
    pub every: Option<NonZero<u64>>,
    /// After each scale but the last: `out-128x96.png`.
    pub each_scale: bool,
}

impl When {
    /// Whether any are.
    pub fn is_ever(self) -> bool {
        self.every.is_some() || self.each_scale
    }

    /// The files that a run of this schedule writes beside `output`, if it goes to its end.
    pub fn files(self, output: &Path, schedule: &[Planned]) -> Vec<PathBuf> {
        let iterations: u64 = schedule.iter().map(|planned| planned.iterations).sum();
        let numbers = self.every.into_iter().flat_map(|every| {
            (1..=iterations / every).map(move |index| iteration_path(output, index * every.get()))
        });
        let coarse = &schedule[..schedule.len().saturating_sub(1)];
        let sizes = coarse.iter().filter(|_| self.each_scale);
        let sizes = sizes.map(|planned| scale_path(output, (planned.width, planned.height)));
        numbers.chain(sizes).collect()
    }
}

impl Previews {
    /// Previews of `output`. An existing file is replaced only with `overwrite`.
    pub fn new(output: &Path, when: When, overwrite: bool, encoding: Encoding) -> Previews {
        Previews {
            output: output.to_path_buf(),
            when,
            overwrite,
            encoding,
            postprocess: None,
            failure: None,
        }
    }

    fn iterated(&self, step: &Iterated<'_>) -> Result<(), PictureError> {
        let due = self.when.every.is_some_and(|every| step.iteration % every == 0);
        match &self.postprocess {
            Some(postprocess) if due => self.save(
                &postprocess.picture(step.image),
                &iteration_path(&self.output, step.iteration),
            ),
            _ => Ok(()),
        }
    }

    fn scale_done(&self, picture: &Picture) -> Result<(), PictureError> {
        match self.when.each_scale {
            true => self.save(picture, &scale_path(&self.output, picture.size())),
            false => Ok(()),
        }
    }

    fn save(&self, picture: &Picture, path: &Path) -> Result<(), PictureError> {
        picture.save_as(path, self.overwrite, &self.encoding)
    }

    /// Whether all previews could be saved.
    ///
    /// # Errors
    /// The first one that could not be; it also stopped the optimisation.
    pub fn finish(self) -> Result<(), PictureError> {
        self.failure.map_or(Ok(()), Err)
    }
}

impl Observer for Previews {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        let saved = match event {
            Event::Started(started) => {
                self.postprocess = Some(started.postprocess.clone());
                Ok(())
            }
            Event::Iterated(step) => self.iterated(step),
            Event::ScaleDone(picture) => self.scale_done(picture),
            _ => Ok(()),
        };
        match saved {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => {
                self.failure.get_or_insert(failure);
                ControlFlow::Break(())
            }
        }
    }
}

/// The output's name with the iteration in five digits before the extension.
fn iteration_path(output: &Path, iteration: u64) -> PathBuf {
    beside(output, &format!("{iteration:05}"))
}

/// The output's name with a scale's size before the extension.
fn scale_path(output: &Path, (width, height): (u32, u32)) -> PathBuf {
    beside(output, &format!("{width}x{height}"))
}

fn beside(output: &Path, what: &str) -> PathBuf {
    let mut name = output.file_stem().unwrap_or_default().to_os_string();
    name.push(format!("-{what}"));
    if let Some(extension) = output.extension() {
        name.push(".");
        name.push(extension);
    }
    output.with_file_name(name)
}
