//! What `stylize` is to do: by its flags and a settings file, or as an earlier run did it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use impasto::config::{Options, Settings};
use impasto::files::Input;
use impasto::init::Init;
use impasto::observe::UpTo;
use impasto::picture::{self, Picture};
use impasto::record::{FileRecord, Manifest, Recorded};
use impasto::regions::Masks;
use impasto::stylize::Stylizer;

use super::args::Stylize;
use super::sources::mask_files;
use super::{check_standard_input, decode, decode_style, say, sources, style_files};

/// The settings, and where the pictures come from.
pub struct Plan {
    pub options: Options,
    pub settings: Settings,
    origin: Origin,
}

/// Where the pictures come from.
enum Origin {
    Named { content: PathBuf, styles: Vec<PathBuf> },
    Repeated(Box<Repeated>),
}

/// The run that is repeated.
struct Repeated {
    run: Recorded,
    /// The settings that flags have changed.
    varied: Vec<String>,
}

/// The input pictures.
pub struct Pictures {
    pub content: Picture,
    pub styles: Vec<Picture>,
    /// The picture to start from, if it is a file's.
    pub start: Option<Picture>,
    pub masks: Masks,
    /// Their files, for the record: content, styles, start, masks.
    pub files: Vec<FileRecord>,
}

impl Plan {
    /// Puts together what the command line asks for.
    pub fn of(args: &Stylize) -> anyhow::Result<Plan> {
        match &args.repeat {
            Some(trace) => Plan::repeating(Recorded::read(trace)?, args),
            None => {
                let (options, settings) =
                    sources::resolve(args.options.clone(), &args.config, |_| Options::default())?;
                let content = args.content.clone().context("CONTENT is missing")?;
                let styles = style_files(&args.style)?;
                let masks = mask_files(&settings);
                check_standard_input([&content].into_iter().chain(&styles).chain(&masks))?;
                Ok(Plan {
                    options,
                    settings,
                    origin: Origin::Named { content, styles },
                })
            }
        }
    }

    fn repeating(run: Recorded, args: &Stylize) -> anyhow::Result<Plan> {
        let (options, settings) = sources::resolve(args.options.clone(), &args.config, |upper| {
            run.options_below(upper)
        })?;
        let varied = run.varied(&settings)?;
        Ok(Plan {
            options,
            settings,
            origin: Origin::Repeated(Box::new(Repeated { run, varied })),
        })
    }

    /// Reads the pictures, each once; those of a repeated run are looked for and checked.
    pub fn pictures(&self, quiet: bool) -> anyhow::Result<Pictures> {
        let mut files = Vec::new();
        let mut record = |role: &str, input: Input| {
            files.push(FileRecord::new(role, input.path(), input.sha256()));
            input
        };
        let content = decode(record("content", self.content()?), quiet)?;
        let styles = self.styles()?.into_iter();
        let styles = styles.map(|style| decode_style(record("style", style), quiet));
        let styles = styles.collect::<anyhow::Result<_>>()?;
        let start = self.start()?.map(|start| decode(record("init", start), quiet));
        let start = start.transpose()?;
        let masks = Masks::load(&self.settings.regions, |path| {
            decode(record("mask", self.mask(path)?), quiet)
        })?;
        Ok(Pictures {
            content,
            styles,
            start,
            masks,
            files,
        })
    }

    fn content(&self) -> anyhow::Result<Input> {
        let mut recorded = match &self.origin {
            Origin::Named { content, .. } => return Ok(picture::read(content)?),
            Origin::Repeated(repeated) => repeated.run.inputs("content")?,
        };
        match (recorded.pop(), recorded.len()) {
            (Some(content), 0) => Ok(content),
            (_, others) => bail!("the trace names {} content pictures instead of one", others + 1),
        }
    }

    fn styles(&self) -> anyhow::Result<Vec<Input>> {
        match &self.origin {
            Origin::Named { styles, .. } => {
                let read = styles.iter().map(picture::read);
                Ok(read.collect::<Result<_, _>>()?)
            }
            Origin::Repeated(repeated) => Ok(repeated.run.inputs("style")?),
        }
    }

    fn start(&self) -> anyhow::Result<Option<Input>> {
        let Init::File(path) = &self.settings.init else {
            return Ok(None);
        };
        let found = self.repeated().and_then(|repeated| repeated.run.start());
        match found.filter(|found| found.path() == path) {
            Some(found) => Ok(Some(found.clone())),
            None => Ok(Some(picture::read(path)?)),
        }
    }

    /// The file of a mask, with the bytes that it had in a run that is repeated.
    fn mask(&self, path: &Path) -> anyhow::Result<Input> {
        let recorded = self
            .repeated()
            .map(|repeated| repeated.run.input_at("mask", path));
        match recorded.transpose()?.flatten() {
            Some(input) => Ok(input),
            None => Ok(picture::read(path)?),
        }
    }

    fn repeated(&self) -> Option<&Repeated> {
        match &self.origin {
            Origin::Named { .. } => None,
            Origin::Repeated(repeated) => Some(repeated),
        }
    }

    /// Where a repeated run ends, when it did not end by itself and nothing else sets its length.
    pub fn limit(&self) -> Option<UpTo> {
        let repeated = self.repeated()?;
        let sets_length = |name: &String| ["iterations", "scales", "max-seconds"].contains(&name.as_str());
        if repeated.varied.iter().any(sets_length) {
            return None;
        }
        repeated.run.ended_after().map(UpTo::new)
    }

    /// Checks the graphs of a repeated run, and says what else is not as it was.
    pub fn check(&self, stylizer: &Stylizer, quiet: bool) -> anyhow::Result<()> {
        let Some(Repeated { run, varied }) = self.repeated() else {
            return Ok(());
        };
        run.check_graphs(&stylizer.files())?;
        let versions = run.other_versions(&stylizer.versions());
        if !quiet && !versions.is_empty() {
            say(&format!("warning: {}: the bytes may differ", versions.join(", ")));
        }
        if !quiet && !varied.is_empty() {
            say(&format!(
                "not as recorded: {}; the bytes will differ",
                varied.join(", ")
            ));
        }
        Ok(())
    }

    /// Says whether a repeated run has given the same bytes, where it should have.
    pub fn compare(&self, manifest: &Manifest<Settings>, quiet: bool) {
        let Some(Repeated { run, varied }) = self.repeated() else {
            return;
        };
        if quiet || !varied.is_empty() || run.format() != manifest.format {
            return;
        }
        say(if run.output().sha256 == manifest.output.sha256 {
            "the same bytes as recorded"
        } else {
            "warning: the bytes are not those recorded"
        });
    }
}
