//! Many pictures: the jobs that contents, styles and settings make, in one order everywhere, and which of them a shard
//! paints.
//!
//! A [`Grid`] makes a [`Job`] of every content in every style with all settings; [`read_jobs`] reads them from a file. A
//! [`Shard`] takes its part of them, by what they cost. What came of each goes into a [`Log`].

mod cost;
mod frames;
mod grid;
mod inputs;
mod jobs_file;
mod log;
mod numbers;
mod pattern;
mod shard;

use std::collections::HashMap;
use std::path::PathBuf;

use crate::config::Options;
use crate::files::{InputError, OutputError, shown};
use crate::picture::names_of_formats;

pub use cost::Costs;
pub use frames::{Frames, chains};
pub use grid::Grid;
pub use inputs::{pictures, pictures_in};
pub use jobs_file::{Defaults, read_jobs};
pub use log::{Entry, Log, Status};
pub use numbers::NumberPattern;
pub use pattern::Pattern;
pub use shard::{FromScheduler, Shard};

/// A picture to paint.
#[derive(Clone, Debug)]
pub struct Job {
    /// The photo.
    pub content: PathBuf,
    /// One style, or several to blend.
    pub styles: Vec<PathBuf>,
    /// What is set for it.
    pub options: Options,
    /// Where the picture goes.
    pub output: PathBuf,
}

/// Jobs that cannot be begun.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The name pattern has braces that stand for nothing.
    #[error("the name {pattern:?} has {{{name}}} in it; there are {{content}}, {{style}} and {{settings}}")]
    UnknownPart {
        /// The pattern.
        pattern: String,
        /// What stands in the braces.
        name: String,
    },
    /// Two jobs would write one file.
    #[error(
        "{} is the name of two jobs: {} in the style of {}, and {} in the style of {}; give each a name of its own",
        shown(output),
        shown(&jobs[0].content), styles(&jobs[0]),
        shown(&jobs[1].content), styles(&jobs[1])
    )]
    SameName {
        /// The output.
        output: PathBuf,
        /// The first two of that name.
        jobs: Box<[Job; 2]>,
    },
    /// A pattern of file names that is none, or that no file has.
    #[error("{pattern}: {cause}")]
    Names {
        /// The pattern.
        pattern: String,
        /// Why it names nothing.
        cause: String,
    },
    /// A folder that cannot be read.
    #[error("the folder {} cannot be read ({cause})", shown(folder))]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A folder without pictures.
    #[error("the folder {} has no {} in it", shown(folder), names_of_formats())]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// A jobs file, or a log, that cannot be read.
    #[error("the {what} {cause}")]
    Unreadable {
        /// `jobs file`, `log`.
        what: &'static str,
        /// Why.
        cause: InputError,
    },
    /// A jobs file that says what cannot be.
    #[error("{}:{line}: {message}", shown(path))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A log that cannot be written.
    #[error("the log {0}")]
    Log(OutputError),
    /// A shard that is none.
    #[error("{text}: a shard is I/N, such as 2/3: I from 1 to N")]
    NoShard {
        /// What was given.
        text: String,
    },
    /// A scheduler that does not tell enough.
    #[error(
        "{variable} is set, so this is one task of several, but {missing}; say which shard of how many it is"
    )]
    Scheduler {
        /// The variable that was found.
        variable: &'static str,
        /// What is missing or wrong.
        missing: String,
    },
}

/// Names in a sentence.
fn styles(job: &Job) -> String {
    let names: Vec<String> = job.styles.iter().map(|style| shown(style).to_string()).collect();
    names.join(" and ")
}

/// Checks that every job writes a file of its own.
///
/// # Errors
/// [`BatchError::SameName`]
pub fn check_names(jobs: &[Job]) -> Result<(), BatchError> {
    let mut seen: HashMap<PathBuf, &Job> = HashMap::new();
    for job in jobs {
        let place = std::path::absolute(&job.output).unwrap_or_else(|_| job.output.clone());
        if let Some(first) = seen.insert(place, job) {
            return Err(BatchError::SameName {
                output: job.output.clone(),
                jobs: Box::new([first.clone(), job.clone()]),
            });
        }
    }
    Ok(())
}
