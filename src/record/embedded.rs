//! What a picture's file says of its making.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{FileRecord, Manifest, RecordError};
use crate::config::{Options, Settings};
use crate::files::{Input, STANDARD, shown};
use crate::init::Init;
use crate::picture::{self, metadata};
use crate::regions::{MaskSource, RegionOptions};

/// What a picture's file says of its making: a [`Manifest`] without what tells of a machine or its user. Nothing in it is of a
/// time, a folder, or the number of threads, so that the same run has the same record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// What the bytes may depend on: `impasto`, `contract`, `onnxruntime`, `provider`, `kernels`.
    pub versions: BTreeMap<String, String>,
    /// The resolved settings by the names of [`Options`](crate::config::Options), without those that are open, that do not
    /// change the bytes (`threads`), or would not in the same way again (`max-seconds`). Files have no folders.
    pub settings: Map<String, Value>,
    /// The pictures: `content` unless it is a texture, every `style` in its order, `init` if the start was a file, every
    /// `mask`, and what a frame has of the last one: `previous`, `flow`, `forward-flow`, `flow-mask`.
    pub inputs: Vec<NamedFile>,
    /// The graphs that ran, and the weights.
    pub graphs: Vec<NamedFile>,
    /// The evaluations after which a signal, the time limit or a failure ended the run; none if it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_after: Option<u64>,
}

/// A file that took part in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedFile {
    /// As [`FileRecord::role`].
    pub role: String,
    /// Its name without a folder; `-` for standard input. The second mask of a name is `2/NAME`, as settings tell masks apart
    /// by their names.
    pub name: String,
    /// The sha256 of its bytes, in hexadecimal.
    pub sha256: String,
}

impl Record {
    /// The record of a run; the manifest's output is not part of it.
    pub fn of(manifest: &Manifest<Settings>) -> Record {
        let masks = mask_names(&manifest.settings.regions);
        let mut mask = masks.iter().map(|(_, name)| name.clone());
        let input = |file: &FileRecord| match &*file.role {
            "mask" => NamedFile::new(file, mask.next().unwrap_or_else(|| name_of(&file.path))),
            _ => NamedFile::new(file, name_of(&file.path)),
        };
        let graph = |file: &FileRecord| NamedFile::new(file, name_of(&file.path));
        let mut versions = manifest.versions.clone();
        versions.remove("machine");
        Record {
            settings: settings(manifest, &masks),
            versions,
            inputs: manifest.inputs.iter().map(input).collect(),
            graphs: manifest.graphs.iter().map(graph).collect(),
            ended_after: manifest.ended_after,
        }
    }

    /// Reads the record of the picture at `path`; none if it has none.
    ///
    /// # Errors
    /// It cannot be read, is no picture, or what stands in the record's place is none.
    pub fn read(path: &Path) -> Result<Option<Record>, RecordError> {
        let file = picture::read(path)?;
        Record::find(file.path(), file.bytes())
    }

    /// The record in the bytes of a picture's file, which was read at `path`; none if it has none.
    ///
    /// # Errors
    /// What stands in its place is no record.
    pub fn find(path: &Path, file: &[u8]) -> Result<Option<Record>, RecordError> {
        let text = metadata::find(file);
        let record = text.map(|text| serde_json::from_str(&text)).transpose();
        record.map_err(|error| RecordError::NotARecord {
            path: path.into(),
            cause: error.to_string(),
        })
    }

    /// Puts the record into a picture's file, which [`Picture::encoded`](crate::picture::Picture::encoded) has made.
    ///
    /// # Errors
    /// The format has no room for it: a JPEG holds 64 KiB. The file is then as it was.
    pub fn insert(&self, file: &mut Vec<u8>) -> Result<(), RecordError> {
        let text = serde_json::to_string(self).ok();
        text.and_then(|text| metadata::insert(file, &text))
            .ok_or(RecordError::NoRoom)
    }

    /// In what a run as it would be `now` differs from this one, in words: `size 768 instead of 512`. Empty: the bytes are the
    /// same.
    pub fn differences(&self, now: &Record) -> Vec<String> {
        let (recorded, now) = (self.facts(), now.facts());
        let names: BTreeSet<&String> = recorded.keys().chain(now.keys()).collect();
        let differing = names
            .into_iter()
            .filter(|name| recorded.get(*name) != now.get(*name));
        let value =
            |facts: &BTreeMap<String, String>, name| facts.get(name).map_or("none", |value| value).to_owned();
        differing
            .map(|name| {
                format!(
                    "{name} {} instead of {}",
                    value(&now, name),
                    value(&recorded, name)
                )
            })
            .collect()
    }

    /// All that it says, by name.
    fn facts(&self) -> BTreeMap<String, String> {
        let mut facts = self.versions.clone();
        facts.extend(
            self.settings
                .iter()
                .map(|(name, value)| (name.clone(), text(value))),
        );
        for (number, file) in self.inputs.iter().chain(&self.graphs).enumerate() {
            let NamedFile { role, name, sha256 } = file;
            facts.insert(
                format!("file {} ({role})", number + 1),
                format!("{name} ({sha256})"),
            );
        }
        facts.extend(
            self.ended_after
                .map(|evaluation| ("ended-after".to_owned(), evaluation.to_string())),
        );
        facts
    }

    /// Whether a run as it would be `now` has another version of the program, and nothing else that is not as it was.
    pub fn differs_in_program_alone(&self, now: &Record) -> bool {
        const PROGRAM: &str = "impasto";
        let mut other = self.clone();
        match now.versions.get(PROGRAM) {
            Some(version) => other.versions.insert(PROGRAM.to_owned(), version.clone()),
            None => other.versions.remove(PROGRAM),
        };
        self != now && other == *now
    }
}

impl Record {
    /// The run as a manifest, for the picture `output` that it was found in. A picture may come from anywhere: it names no
    /// library, and no file elsewhere than in its own folder or the working folder.
    pub(super) fn manifest(self, output: &Input) -> Result<Manifest<Options>, String> {
        let mut settings = Options::from_json(&Value::Object(self.settings))?;
        settings.onnxruntime = None;
        settings.runtime = None;
        settings.graphs = None;
        settings.provider_library = None;
        settings
            .provider_option
            .iter_mut()
            .for_each(|pairs| pairs.retain(|(_, value)| !is_path(value)));
        let files = |files: Vec<NamedFile>| -> Result<_, String> {
            files.into_iter().map(|file| file.beside(output.path())).collect()
        };
        Ok(Manifest {
            settings,
            versions: self.versions,
            library: PathBuf::new(),
            graphs: files(self.graphs)?,
            inputs: files(self.inputs)?,
            output: FileRecord::new("output", output.path(), output.sha256()),
            format: picture::output_format(output.bytes()),
            ended_after: self.ended_after,
        })
    }
}

impl NamedFile {
    /// The file by its name, or beside the picture.
    fn beside(self, picture: &Path) -> Result<FileRecord, String> {
        let path = PathBuf::from(&self.name);
        let is_inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if !path.components().all(is_inside) {
            return Err(format!("{} is a file elsewhere", shown(&path)));
        }
        Ok(FileRecord {
            role: self.role,
            absolute: match path == Path::new(STANDARD) {
                true => path.clone(),
                false => picture.with_file_name(&path),
            },
            path,
            sha256: self.sha256,
        })
    }

    fn new(file: &FileRecord, name: String) -> NamedFile {
        NamedFile {
            role: file.role.clone(),
            name,
            sha256: file.sha256.clone(),
        }
    }
}

/// A file's name without its folder, which no text of settings takes for something else.
pub(super) fn name_of(path: &Path) -> String {
    if path == Path::new(STANDARD) {
        return STANDARD.to_owned();
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match name.contains('.') {
        true => name.into_owned(),
        false => format!("./{name}"),
    }
}

/// The files of the masks in the order in which they are read, each with its name, which is its own.
fn mask_names(regions: &RegionOptions) -> Vec<(PathBuf, String)> {
    let mut masks: Vec<(PathBuf, String)> = Vec::new();
    for path in regions.sources().filter_map(MaskSource::path) {
        if masks.iter().any(|(known, _)| known == path) {
            continue;
        }
        let name = name_of(path);
        let is_taken = masks.iter().any(|(_, taken)| *taken == name);
        let name = match is_taken {
            true => format!("{}/{name}", masks.len() + 1),
            false => name,
        };
        masks.push((path.to_owned(), name));
    }
    masks
}

/// The settings of a record, with the provider that ran.
fn settings(manifest: &Manifest<Settings>, masks: &[(PathBuf, String)]) -> Map<String, Value> {
    let mut settings = manifest.settings.clone();
    if let Init::File(path) = &mut settings.init {
        *path = name_of(path).into();
    }
    settings
        .frame
        .paths_mut()
        .for_each(|path| *path = name_of(path).into());
    let RegionOptions {
        mask,
        style_mask,
        keep,
        ..
    } = &mut settings.regions;
    for source in mask.iter_mut().chain(style_mask).chain(keep) {
        if let MaskSource::File { path, .. } = source
            && let Some((_, name)) = masks.iter().find(|(known, _)| known == path)
        {
            *path = name.into();
        }
    }
    let ran = manifest
        .versions
        .get("provider")
        .and_then(|name| name.parse().ok());
    settings.provider.provider = ran.unwrap_or(settings.provider.provider);
    settings.provider.library = None;
    settings.provider.options.retain(|(_, value)| !is_path(value));
    let Ok(Value::Object(mut settings)) = serde_json::to_value(settings) else {
        return Map::new();
    };
    settings.retain(|name, value| !["threads", "max-seconds"].contains(&&**name) && !value.is_null());
    settings
}

/// Whether a value may be a file's or a folder's name.
fn is_path(value: &str) -> bool {
    value.contains(['/', '\\'])
}

/// A setting in words.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}
