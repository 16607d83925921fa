//! What came of each job, a JSON object a line.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{BatchError, Job};
use crate::files::{self, OutputError};

/// The most bytes of a log that is read.
const MAX_BYTES: u64 = 1 << 30;

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Its picture is written.
    Painted,
    /// It was written before.
    Skipped,
    /// There is no picture.
    Failed,
    /// It was stopped on its way, and can go on.
    Interrupted,
}

/// What came of a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The picture.
    pub output: String,
    /// The photo.
    pub content: String,
    /// The styles.
    pub styles: Vec<String>,
    /// How it ended.
    pub status: Status,
    /// Why there is no picture, or what is to be said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Seconds that it took this time.
    pub seconds: f64,
    /// Evaluations of a painted picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluations: Option<u64>,
    /// Its loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
}

/// A file that grows by a line for each job. Lines of earlier runs stay.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Opens a log, or begins one.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open(path: &Path) -> Result<Log, BatchError> {
        let open = || {
            let mut options = OpenOptions::new();
            let mut file = options.create(true).append(true).read(true).open(path)?;
            end_line(&mut file)?;
            Ok(file)
        };
        let file = open()
            .map_err(OutputError::writing(path))
            .map_err(BatchError::Log)?;
        Ok(Log {
            path: path.into(),
            file,
        })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add(&mut self, entry: &Entry) -> Result<(), BatchError> {
        let line = serde_json::to_string(entry).map_err(io::Error::from);
        let written = line.and_then(|line| self.file.write_all(format!("{line}\n").as_bytes()));
        written
            .map_err(OutputError::writing(&self.path))
            .map_err(BatchError::Log)
    }

    /// The `jobs` whose last line in the log at `path` says that they failed.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn failed(path: &Path, jobs: Vec<Job>) -> Result<Vec<Job>, BatchError> {
        let bytes =
            files::read(path, MAX_BYTES).map_err(|cause| BatchError::Unreadable { what: "log", cause })?;
        let text = String::from_utf8_lossy(&bytes.into_bytes()).into_owned();
        // A line that was cut with its run says nothing.
        let entries = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Entry>(line).ok());
        let last: HashMap<String, Status> = entries.map(|entry| (entry.output, entry.status)).collect();
        let failed = |job: &Job| last.get(&*job.output.to_string_lossy()) == Some(&Status::Failed);
        Ok(jobs.into_iter().filter(failed).collect())
    }
}

/// Ends the last line, which a killed run may have cut.
fn end_line(file: &mut File) -> io::Result<()> {
    if file.metadata()?.len() == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    match last {
        [b'\n'] => Ok(()),
        _ => file.write_all(b"\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;

    fn entry(output: &str, status: Status) -> Entry {
        Entry {
            output: output.into(),
            content: "a.png".into(),
            styles: vec!["b.png".into()],
            status,
            message: None,
            seconds: 0.5,
            evaluations: None,
            loss: None,
        }
    }

    #[test]
    fn the_last_line_of_a_job_tells_whether_it_failed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let mut log = Log::open(&path).unwrap();
        for (output, status) in [
            ("1", Status::Failed),
            ("2", Status::Failed),
            ("3", Status::Painted),
        ] {
            log.add(&entry(output, status)).unwrap();
        }
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"output\": \"4\", \"sta")
            .unwrap();
        Log::open(&path)
            .unwrap()
            .add(&entry("2", Status::Painted))
            .unwrap();
        let job = |output: &str| Job {
            content: "a.png".into(),
            styles: Vec::new(),
            options: Options::default(),
            output: output.into(),
        };
        let failed = Log::failed(&path, ["1", "2", "3", "4"].map(job).into()).unwrap();
        let names: Vec<&Path> = failed.iter().map(|job| job.output.as_path()).collect();
        assert_eq!(names, [Path::new("1")]);
    }
}
