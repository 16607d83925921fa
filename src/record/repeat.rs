//! A recorded run, read again to be repeated.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{FileRecord, Manifest};
use crate::config::{Options, Settings};
use crate::files::{self, Input, InputError, STANDARD, Source, shown};
use crate::init::Init;
use crate::picture::{MAX_FILE_BYTES, OutputFormat};

/// The most bytes of a trace: more than a million evaluations.
const MAX_BYTES: u64 = 1 << 30;

/// A run, as its trace tells of it.
#[derive(Clone, Debug)]
pub struct Recorded {
    path: PathBuf,
    manifest: Manifest<Options>,
    /// The start picture, once it has been looked for.
    start: OnceCell<Option<Input>>,
}

/// A run that cannot be repeated or resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The record cannot be read.
    #[error("the {record} {cause}")]
    Unreadable {
        /// `trace` or `checkpoint`.
        record: &'static str,
        /// Why.
        cause: InputError,
    },
    /// It is no trace, or one of another program's version.
    #[error("{} is not a trace that can be repeated: {cause}", shown(path))]
    NotATrace {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        cause: String,
    },
    /// An input is not where it was.
    #[error(
        "{}: its {role} picture {} is not there any more (nor is {})",
        shown(record),
        shown(path),
        shown(absolute)
    )]
    Missing {
        /// The trace or the checkpoint.
        record: PathBuf,
        /// `content`, `style`, `init` or `mask`.
        role: String,
        /// The path as it was given.
        path: PathBuf,
        /// The path from the root.
        absolute: PathBuf,
    },
    /// An input came through standard input, where it is not now.
    #[error(
        "{}: its {role} picture came through standard input; give it there again ({cause})",
        shown(record)
    )]
    NotGiven {
        /// The trace or the checkpoint.
        record: PathBuf,
        /// `content`, `style` or `mask`.
        role: String,
        /// What is there now.
        cause: InputError,
    },
    /// A file has other bytes than it had.
    #[error(
        "{}: its {role} file {} has changed (sha256 {found}, recorded {recorded}); bring back the recorded one",
        shown(record),
        shown(path)
    )]
    Changed {
        /// The trace or the checkpoint.
        record: PathBuf,
        /// `content`, `style`, `init`, `forward`, `targets`, `loss_grad` or `weights`.
        role: String,
        /// The file.
        path: PathBuf,
        /// Its sha256.
        found: String,
        /// The sha256 that it had.
        recorded: String,
    },
    /// The file to resume from is another.
    #[error("{} is no checkpoint of a run", shown(path))]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// It is a checkpoint of a program that writes them in another way.
    #[error(
        "{}: a checkpoint in format {format}, which impasto {program} has written; this one reads format {own}",
        shown(path)
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// The version of the program that wrote it.
        program: String,
        /// The number of its format.
        format: u32,
        /// The number of the format that is read.
        own: u32,
    },
    /// It is a checkpoint, and not whole.
    #[error(
        "{}: the checkpoint is damaged ({cause}); it cannot be resumed from",
        shown(path)
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// Its bytes would go on otherwise.
    #[error("{}: {}; the bytes may differ", shown(path), differences.join(", "))]
    OtherVersions {
        /// The checkpoint.
        path: PathBuf,
        /// What is not as it was, in words.
        differences: Vec<String>,
    },
}

impl Recorded {
    /// Reads a trace.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Recorded, RecordError> {
        let record = "trace";
        let unreadable = |cause| RecordError::Unreadable { record, cause };
        let mut source = Source::open(path, MAX_BYTES).map_err(unreadable)?;
        // What does not begin as a trace need not be read on.
        let bytes = match source.head().map_err(unreadable)?.trim_ascii_start() {
            [] | [b'{' | b'[', ..] => source.read().map_err(unreadable)?.into_bytes(),
            head => head.to_vec(),
        };
        Recorded::parse(path, &bytes).map_err(|cause| RecordError::NotATrace {
            path: path.into(),
            cause,
        })
    }

    /// The run of a manifest that the file at `path` has.
    pub(super) fn parse(path: &Path, manifest: &[u8]) -> Result<Recorded, String> {
        Ok(Recorded {
            path: path.into(),
            manifest: parse(manifest)?,
            start: OnceCell::new(),
        })
    }

    /// The inputs of a role in their order, each read again with the bytes that it had: where it was given, which may be
    /// standard input, from the root, or beside the trace.
    ///
    /// # Errors
    /// One is gone, or has changed.
    pub fn inputs(&self, role: &str) -> Result<Vec<Input>, RecordError> {
        let inputs = self.manifest.inputs.iter().filter(|input| input.role == role);
        inputs.map(|input| self.find(input)).collect()
    }

    /// The input of a role that was given as `path`, with the bytes that it had; none, if there was none.
    ///
    /// # Errors
    /// It is gone, or has changed.
    pub fn input_at(&self, role: &str, path: &Path) -> Result<Option<Input>, RecordError> {
        let mut inputs = self.manifest.inputs.iter();
        let input = inputs.find(|input| input.role == role && input.path == path);
        input.map(|input| self.find(input)).transpose()
    }

    /// Whether it painted a photo; a texture has none.
    pub fn has_photo(&self) -> bool {
        self.manifest.inputs.iter().any(|input| input.role == "content")
    }

    /// The start picture, if it was a file, and is to be found; it is read once.
    pub fn start(&self) -> Option<&Input> {
        let find = || self.inputs("init").ok()?.into_iter().next();
        self.start.get_or_init(find).as_ref()
    }

    fn find(&self, input: &FileRecord) -> Result<Input, RecordError> {
        let FileRecord {
            role,
            path,
            absolute,
            sha256,
        } = input.clone();
        let record = self.path.clone();
        let mut changed = None;
        for place in self.places(&path, &absolute) {
            match files::read(&place, MAX_FILE_BYTES) {
                Ok(now) if now.sha256() == sha256 => return Ok(now),
                Ok(now) => {
                    changed.get_or_insert(now);
                }
                Err(cause) if place == Path::new(STANDARD) => {
                    return Err(RecordError::NotGiven { record, role, cause });
                }
                Err(_) => {}
            }
        }
        Err(match changed {
            Some(now) => RecordError::Changed {
                record,
                role,
                path: now.name(),
                found: now.sha256(),
                recorded: sha256,
            },
            None => RecordError::Missing {
                record,
                role,
                path,
                absolute,
            },
        })
    }

    /// Where an input may be now. No file comes twice: a pipe can be read only once.
    fn places(&self, path: &Path, absolute: &Path) -> Vec<PathBuf> {
        if path == Path::new(STANDARD) {
            return vec![path.into()];
        }
        let beside = self.path.with_file_name(path);
        let mut places: Vec<PathBuf> = Vec::new();
        for place in [path, absolute, &beside] {
            let same = |other: &PathBuf| files::of_input(other) == files::of_input(place);
            if !places.iter().any(same) {
                places.push(place.into());
            }
        }
        places
    }

    /// The recorded settings as options, with graphs, library and start picture where they are now. Kernels that this
    /// machine cannot run are left out.
    pub fn options_as_set(&self) -> Options {
        let manifest = &self.manifest;
        let mut options = manifest.settings.clone();
        options.kernels = options.kernels.filter(|kernels| kernels.check().is_ok());
        options.onnxruntime = Some(manifest.library.clone()).filter(|library| library.is_file());
        options.graphs = manifest.graphs.first().and_then(folder_now);
        if let Some(start) = self.start() {
            options.init = Some(Init::File(start.path().into()));
        }
        options
    }

    /// The same with the provider that ran, and without a time limit: [`Recorded::ended_after`] tells where it ended the
    /// run.
    pub fn options(&self) -> Options {
        let manifest = &self.manifest;
        let mut options = self.options_as_set();
        options.max_seconds = None;
        if let Some(provider) = manifest
            .versions
            .get("provider")
            .and_then(|name| name.parse().ok())
        {
            options.provider = Some(provider);
        }
        options
    }

    /// [`Recorded::options`], to lie below `upper`: what only followed from a preset or a start that `upper` replaces is
    /// left open.
    pub fn options_below(&self, upper: &Options) -> Options {
        let mut options = self.options();
        let chosen = Options {
            preset: options.preset.clone(),
            init: options.init.clone(),
            ..Options::default()
        };
        let Ok(followed) = chosen.resolve() else {
            return options;
        };
        if upper.preset.is_some() || upper.init.is_some() {
            options.scales.take_if(|scales| *scales == followed.scales);
        }
        if upper.preset.is_some() {
            options.fit.take_if(|fit| *fit == followed.fit);
            options
                .style_weight
                .take_if(|weight| Some(*weight) == followed.style_weight);
            options
                .content_weight
                .take_if(|weight| Some(*weight) == followed.content_weight);
            options.tv_weight.take_if(|weight| *weight == followed.tv_weight);
            options
                .style_layer_weights
                .take_if(|factors| *factors == followed.style_layer_weights);
            options.padding.take_if(|padding| *padding == followed.padding);
        }
        options
    }

    /// The settings, other than the number of threads, in which `now` differs from the recorded run: the bytes will
    /// differ too. With none of them the start picture is checked to be the recorded one.
    ///
    /// # Errors
    /// The start picture is gone or has changed; recorded settings out of range.
    pub fn varied(&self, now: &Settings) -> Result<Vec<String>, crate::Error> {
        let recorded = self.options().resolve()?;
        if now.init == recorded.init && self.start().is_none() {
            self.inputs("init")?;
        }
        let (recorded, now) = (map(&recorded), map(now));
        let names = now
            .keys()
            .chain(recorded.keys().filter(|name| !now.contains_key(*name)));
        let varied = names.filter(|name| *name != "threads" && now.get(*name) != recorded.get(*name));
        Ok(varied.cloned().collect())
    }

    /// Checks that graphs of the recorded names have the recorded bytes.
    ///
    /// # Errors
    /// One has changed.
    pub fn check_graphs(&self, graphs: &[FileRecord]) -> Result<(), RecordError> {
        let pairs = self.manifest.graphs.iter().flat_map(|recorded| {
            let of_that_name = move |now: &&FileRecord| now.path.file_name() == recorded.path.file_name();
            graphs.iter().filter(of_that_name).map(move |now| (recorded, now))
        });
        match pairs
            .into_iter()
            .find(|(recorded, now)| recorded.sha256 != now.sha256)
        {
            None => Ok(()),
            Some((recorded, now)) => Err(RecordError::Changed {
                record: self.path.clone(),
                role: now.role.clone(),
                path: now.path.clone(),
                found: now.sha256.clone(),
                recorded: recorded.sha256.clone(),
            }),
        }
    }

    /// What is not as it was, in words: `onnxruntime 1.32.0 instead of 1.24.1`.
    pub fn other_versions(&self, now: &BTreeMap<String, String>) -> Vec<String> {
        let differing = now.iter().filter_map(|(name, now)| {
            let recorded = self.manifest.versions.get(name)?;
            (recorded != now).then(|| format!("{name} {now} instead of {recorded}"))
        });
        differing.collect()
    }

    /// Checks that nothing in `versions`, which are not as they were, stands in the way of the same bytes.
    ///
    /// # Errors
    /// There are some.
    pub fn check_versions(&self, versions: &[String]) -> Result<(), RecordError> {
        match versions {
            [] => Ok(()),
            _ => Err(RecordError::OtherVersions {
                path: self.path.clone(),
                differences: versions.to_vec(),
            }),
        }
    }

    /// The evaluations after which a signal, the time limit or a failure ended the run; none if it ended by itself.
    pub fn ended_after(&self) -> Option<u64> {
        self.manifest.ended_after
    }

    /// The picture that came of the run.
    pub fn output(&self) -> &FileRecord {
        &self.manifest.output
    }

    /// The format of that picture.
    pub fn format(&self) -> Option<OutputFormat> {
        let named = || OutputFormat::from_path(&self.output().path).ok();
        self.manifest.format.or_else(named)
    }
}

/// Reads the manifest of a trace. `serde` would take an array for an object, its values in the order of the fields.
fn parse(trace: &[u8]) -> Result<Manifest<Options>, String> {
    let value: Value = serde_json::from_slice(trace).map_err(|error| error.to_string())?;
    let settings = value.get("settings").ok_or("it has no settings")?;
    Options::from_json(settings)?;
    let files = |role| value.get(role).and_then(Value::as_array).into_iter().flatten();
    let mut records = files("graphs").chain(files("inputs")).chain(value.get("output"));
    if let Some(other) = records.find(|record| !record.is_object()) {
        return Err(format!("{other} is no record of a file"));
    }
    // From the text, where a name that stands twice is an error.
    serde_json::from_slice(trace).map_err(|error| error.to_string())
}

/// The folder of a graph, if there is still one.
fn folder_now(graph: &FileRecord) -> Option<PathBuf> {
    let folders = [&graph.path, &graph.absolute]
        .into_iter()
        .filter_map(|path| path.parent());
    folders.map(Path::to_path_buf).find(|folder| folder.is_dir())
}

/// Settings by name.
fn map(settings: &Settings) -> serde_json::Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    }
}
