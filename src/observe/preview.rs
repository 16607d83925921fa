//! Numbered previews of the picture while it is painted.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::{Event, Iterated, Observer};
use crate::finish::Finish;
use crate::picture::{Encoding, PictureError};

/// Saves the picture every so many iterations beside the output: `out-00050.png` for `out.png`.
pub struct Previews {
    output: PathBuf,
    every: u64,
    overwrite: bool,
    encoding: Encoding,
    finish: Option<Finish>,
    failure: Option<PictureError>,
}

impl Previews {
    /// Previews of `output` every `every` iterations, at least 1. An existing file is replaced only with `overwrite`.
    pub fn new(output: &Path, every: u64, overwrite: bool, encoding: Encoding) -> Previews {
        Previews {
            output: output.to_path_buf(),
            every: every.max(1),
            overwrite,
            encoding,
            finish: None,
            failure: None,
        }
    }

    fn save(&mut self, step: &Iterated<'_>) -> Result<(), PictureError> {
        let Some(finish) = &self.finish else {
            return Ok(());
        };
        let path = preview_path(&self.output, step.iteration);
        finish
            .picture(step.image)
            .save_as(&path, self.overwrite, &self.encoding)
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
        match event {
            Event::Started(started) => self.finish = Some(started.finish.clone()),
            Event::Iterated(step) if step.iteration % self.every == 0 => {
                if let Err(failure) = self.save(step) {
                    self.failure = Some(failure);
                    return ControlFlow::Break(());
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The preview's name: the output's, with the iteration in five digits before the extension.
pub fn preview_path(output: &Path, iteration: u64) -> PathBuf {
    let stem = output.file_stem().unwrap_or_default().to_string_lossy();
    let extension = output.extension().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!("{stem}-{iteration:05}.{extension}"))
}
