//! A recorded run, read again to be repeated.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::embedded::name_of;
use super::{FileRecord, Manifest, Record, RecordError};
use crate::config::{ConfigError, Options, Settings};
use crate::files::{self, Input, STANDARD, Source};
use crate::init::Init;
use crate::picture::{self, MAX_FILE_BYTES, OutputFormat};

/// The most bytes of a trace: more than a million evaluations.
const MAX_BYTES: u64 = 1 << 30;

/// A run, as its trace, its checkpoint or its picture tells of it.
#[derive(Clone, Debug)]
pub struct Recorded {
    path: PathBuf,
    manifest: Manifest<Options>,
    /// Inputs that are given now, each with its path, and are looked for nowhere else.
    given: Vec<(FileRecord, PathBuf)>,
    /// The start picture, once it has been looked for.
    start: OnceCell<Option<Input>>,
}

impl Recorded {
    /// Reads a trace, or the record of a picture.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Recorded, RecordError> {
        let record = "trace";
        let unreadable = |cause| RecordError::Unreadable { record, cause };
        let mut source = Source::open(path, MAX_BYTES).map_err(unreadable)?;
        let head = source.head().map_err(unreadable)?;
        if picture::output_format(head).is_some() {
            return Recorded::of_picture(&source.read().map_err(unreadable)?);
        }
        // What does not begin as a trace need not be read on.
        let bytes = match head.trim_ascii_start() {
            [] | [b'{' | b'[', ..] => source.read().map_err(unreadable)?.into_bytes(),
            head => head.to_vec(),
        };
        Recorded::parse(path, &bytes).map_err(|cause| RecordError::NotATrace {
            path: path.into(),
            cause,
        })
    }

    /// The run of which a picture has the record.
    fn of_picture(picture: &Input) -> Result<Recorded, RecordError> {
        let path = picture.path().to_owned();
        let Some(record) = Record::find(&path, picture.bytes())? else {
            return Err(RecordError::NoRecord { path });
        };
        match record.manifest(picture) {
            Ok(manifest) => Ok(Recorded::new(&path, manifest)),
            Err(cause) => Err(RecordError::NotARecord { path, cause }),
        }
    }

    fn new(path: &Path, manifest: Manifest<Options>) -> Recorded {
        Recorded {
            path: path.into(),
            manifest,
            given: Vec::new(),
            start: OnceCell::new(),
        }
    }

    /// The run of a manifest that the file at `path` has.
    pub(super) fn parse(path: &Path, manifest: &[u8]) -> Result<Recorded, String> {
        Ok(Recorded::new(path, parse(manifest)?))
    }

    /// The same with a photo, or with styles in their order, that are to be found where they are given now; none: where they
    /// were.
    ///
    /// # Errors
    /// The run had another number of them.
    pub fn with_pictures(
        mut self,
        content: Option<&Path>,
        styles: &[PathBuf],
    ) -> Result<Recorded, RecordError> {
        self.give("content", content.into_iter())?;
        self.give("style", styles.iter().map(PathBuf::as_path))?;
        Ok(self)
    }

    fn give<'a>(
        &mut self,
        role: &'static str,
        paths: impl ExactSizeIterator<Item = &'a Path>,
    ) -> Result<(), RecordError> {
        let inputs = self.manifest.inputs.iter().filter(|input| input.role == role);
        let (recorded, given) = (inputs.clone().count(), paths.len());
        if ![0, recorded].contains(&given) {
            return Err(RecordError::OtherNumber {
                record: self.path.clone(),
                role,
                recorded,
                given,
            });
        }
        self.given
            .extend(inputs.cloned().zip(paths.map(Path::to_path_buf)));
        Ok(())
    }

    /// What a picture that is painted again says of its making: a photo or a style that is given has the name that it had.
    pub fn named_as_recorded(&self, mut record: Record) -> Record {
        for (now, recorded) in record.inputs.iter_mut().zip(&self.manifest.inputs) {
            let is_given = self.given.iter().any(|(given, _)| given == recorded);
            if is_given && (&now.role, &now.sha256) == (&recorded.role, &recorded.sha256) {
                now.name = name_of(&recorded.path);
            }
        }
        record
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

    /// Whether it is known from its picture alone.
    pub fn is_of_picture(&self) -> bool {
        self.output().path == self.path
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
        let given = self.given.iter().find(|(given, _)| given == input);
        let (places, now) = match given {
            Some((_, path)) => (
                vec![path.clone()],
                FileRecord::new(&input.role, path, input.sha256.clone()),
            ),
            None => (self.places(&input.path, &input.absolute), input.clone()),
        };
        let FileRecord {
            role,
            path,
            absolute,
            sha256,
        } = now;
        let record = self.path.clone();
        let mut changed = None;
        for place in places {
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
            previous: options.previous.clone(),
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

    /// What a picture of the run would say of its making.
    ///
    /// # Errors
    /// Recorded settings out of range.
    pub fn record(&self) -> Result<Record, ConfigError> {
        let manifest = self.manifest.clone();
        Ok(Record::of(&Manifest {
            settings: manifest.settings.resolve()?,
            versions: manifest.versions,
            library: manifest.library,
            graphs: manifest.graphs,
            inputs: manifest.inputs,
            output: manifest.output,
            format: manifest.format,
            ended_after: manifest.ended_after,
        }))
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
