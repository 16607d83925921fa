//! What a checkpoint begins with: what the run is made of, and how it was asked for.

use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Manifest, RecordError, Recorded};
use crate::config::Settings;
use crate::files::binary::Reader;

/// The first bytes of every checkpoint.
const MAGIC: [u8; 8] = *b"impasto\x1a";

/// The way in which this program writes the rest; others are refused.
const FORMAT: u32 = 1;

/// A run that can be resumed.
#[derive(Debug)]
pub struct Checkpoint<A> {
    /// What it is made of.
    pub recorded: Recorded,
    /// The folder in which the program ran.
    pub folder: PathBuf,
    /// How it was called, but for what the settings say.
    pub arguments: A,
    /// The state of the run: the memory of its observers, then [`Start::Saved`](crate::stylize::Start::Saved).
    pub state: Reader,
}

/// How the program was called.
#[derive(Serialize, Deserialize)]
struct Call<A> {
    folder: PathBuf,
    arguments: A,
}

/// The bytes that the checkpoints of a run begin with. The `output` of its manifest has no sha256 yet.
///
/// # Errors
/// A path that JSON cannot hold, or no working folder.
pub fn head(manifest: &Manifest<Settings>, arguments: &impl Serialize) -> io::Result<Vec<u8>> {
    let folder = std::env::current_dir()?;
    let mut head = MAGIC.to_vec();
    head.extend(FORMAT.to_ne_bytes());
    let texts = [
        env!("CARGO_PKG_VERSION").to_owned(),
        serde_json::to_string(manifest)?,
        serde_json::to_string(&Call { folder, arguments })?,
    ];
    for text in texts {
        head.extend((text.len() as u64).to_ne_bytes());
        head.extend(text.into_bytes());
    }
    Ok(head)
}

impl<A: DeserializeOwned> Checkpoint<A> {
    /// Opens a checkpoint and reads all of it once, to see that it is whole.
    ///
    /// # Errors
    /// It cannot be read, is none, is damaged, or is of a program that writes them in another way.
    pub fn open(path: &Path) -> Result<Checkpoint<A>, RecordError> {
        let mut state = Reader::open(path).map_err(|cause| RecordError::Unreadable {
            record: "checkpoint",
            cause,
        })?;
        let mut magic = [0; MAGIC.len()];
        if state.bytes(&mut magic).is_err() || magic != MAGIC {
            return Err(RecordError::NotACheckpoint { path: path.into() });
        }
        let damaged = |cause: String| RecordError::Damaged {
            path: path.into(),
            cause,
        };
        let cut = |error: io::Error| damaged(error.to_string());
        let (format, program) = (state.number().map_err(cut)?, state.text().map_err(cut)?);
        if format != FORMAT {
            return Err(RecordError::OtherFormat {
                path: path.into(),
                program,
                format,
                own: FORMAT,
            });
        }
        if !state.is_whole().map_err(cut)? {
            return Err(damaged("it is cut short, or its bytes have changed".into()));
        }
        let manifest = state.text().map_err(cut)?;
        let recorded = Recorded::parse(path, manifest.as_bytes()).map_err(damaged)?;
        let call = state.text().map_err(cut)?;
        let Call { folder, arguments } =
            serde_json::from_str(&call).map_err(|error| damaged(error.to_string()))?;
        Ok(Checkpoint {
            recorded,
            folder,
            arguments,
            state,
        })
    }
}
