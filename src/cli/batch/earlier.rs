//! What an earlier run has left of a job: its picture, or a checkpoint on the way there.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use impasto::batch::Job;
use impasto::config::Settings;
use impasto::files::OutputError;
use impasto::record::{Checkpoint, Record, RecordError};

use crate::cli::args::Painting;
use crate::cli::outputs;

/// What is there.
pub enum Earlier {
    /// Nothing, or what is to be replaced.
    Nothing,
    /// The picture, and what is to be said of it.
    Picture(Option<String>),
    /// A checkpoint to go on from.
    Checkpoint(Box<Checkpoint<Painting>>),
}

/// Looks for what is left of a job with these settings, whose picture would have the record `now`. What is of another run is
/// an error, unless it may be replaced by `force`.
pub fn look(
    job: &Job,
    settings: &Settings,
    force: bool,
    mut now: impl FnMut() -> anyhow::Result<Record>,
) -> anyhow::Result<Earlier> {
    let checkpoint = checkpoint_of(&job.output);
    // What has no record is left to whoever writes there.
    if let Ok(Some(recorded)) = Record::read(&job.output) {
        let now = as_free(now()?, &recorded, settings);
        if let Some(there) = picture(&job.output, &recorded, &now, force)? {
            remove(&checkpoint)?;
            return Ok(there);
        }
    }
    if !checkpoint.exists() {
        return Ok(Earlier::Nothing);
    }
    let saved: Checkpoint<Painting> = match Checkpoint::open(&checkpoint) {
        Err(_) if force => return Ok(Earlier::Nothing),
        opened => opened?,
    };
    let recorded = saved.recorded.record()?;
    let differences = recorded.differences(&as_free(now()?, &recorded, settings));
    match (differences.is_empty(), force) {
        (true, _) => Ok(Earlier::Checkpoint(Box::new(saved))),
        (false, true) => Ok(Earlier::Nothing),
        (false, false) => Err(RecordError::OtherRun {
            path: checkpoint,
            differences,
        }
        .into()),
    }
}

/// A picture that was `recorded`, if it is the one that would be made `now`; nothing, if it may be replaced by `force`.
fn picture(output: &Path, recorded: &Record, now: &Record, force: bool) -> anyhow::Result<Option<Earlier>> {
    let differences = recorded.differences(now);
    if differences.is_empty() {
        return Ok(Some(Earlier::Picture(None)));
    }
    if recorded.differs_in_program_alone(now) {
        let version = recorded.versions.get("impasto").cloned().unwrap_or_default();
        let note = format!("painted by version {version}, and left as it is");
        return Ok(Some(Earlier::Picture(Some(note))));
    }
    if force {
        return Ok(None);
    }
    let exists = OutputError::Exists { path: output.into() };
    Err(anyhow!(exists).context(format!("made otherwise ({})", differences.join(", "))))
}

/// What a run would be `now`, if what the recorded one was free in were as it was then: memory, unless it is set, and the
/// evaluations that it had time for.
fn as_free(mut now: Record, recorded: &Record, settings: &Settings) -> Record {
    const MEMORY: &str = "memory";
    if settings.memory.is_none() {
        now.settings.remove(MEMORY);
        let memory = recorded.settings.get(MEMORY).cloned();
        now.settings
            .extend(memory.map(|memory| (MEMORY.to_owned(), memory)));
    }
    if settings.max_seconds.is_some() {
        now.ended_after = recorded.ended_after;
    }
    now
}

/// Where the checkpoint of a picture lies.
pub fn checkpoint_of(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".checkpoint");
    name.into()
}

/// Removes a checkpoint, if there is one.
pub fn remove(checkpoint: &Path) -> anyhow::Result<()> {
    match Checkpoint::<Painting>::open(checkpoint) {
        Ok(_) => outputs::remove(checkpoint),
        Err(_) => Ok(()),
    }
}
