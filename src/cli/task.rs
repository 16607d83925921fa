//! What `stylize` or `texture` is to do: by its flags and a settings file, as an earlier run did it, or what one has
//! left undone.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use impasto::Error;
use impasto::batch::Job;
use impasto::config::{Options, Settings};
use impasto::files::{Input, digest_file, shown};
use impasto::frames::{self, LastFrame};
use impasto::init::Init;
use impasto::memory::{Bytes, usual_budget};
use impasto::observe::Planned;
use impasto::picture::{self, MAX_FILE_BYTES, Picture};
use impasto::record::{FileRecord, Manifest, Record, Recorded};
use impasto::regions::Masks;
use impasto::scales::Scales;
use impasto::stylize::Stylizer;

use super::args::{Painting, Stylize};
use super::sources::{Config, mask_files};
use super::{check_standard_input, decode, decode_style, say, sources, style_files};

/// The settings, and where the pictures come from.
pub struct Task {
    pub options: Options,
    pub settings: Settings,
    origin: Origin,
}

/// Where the pictures come from.
enum Origin {
    Named {
        /// None: a texture.
        content: Option<PathBuf>,
        styles: Vec<PathBuf>,
    },
    Recorded(Box<Recorded>, Again),
}

/// What is done with a recorded run.
enum Again {
    /// It is repeated, with the settings changed that flags name.
    Repeat { varied: Vec<String> },
    /// It is resumed, by other versions too with `force`, up to its `limit` if it repeats another.
    Resume { force: bool, limit: Option<u64> },
}

/// The input pictures.
pub struct Pictures {
    /// The photo, or a blank picture of a texture's size.
    pub content: Picture,
    pub styles: Vec<Picture>,
    /// The picture to start from, if it is a file's.
    pub start: Option<Picture>,
    pub masks: Masks,
    /// The last frame of a film.
    pub last: Option<LastFrame>,
    /// Their files, for the record: content if it is a photo, styles, start, masks, what there is of the last frame.
    pub files: Vec<FileRecord>,
}

/// A picture that was read, and its file, if it has one.
pub type Read = (Picture, Option<FileRecord>);

impl Task {
    /// Puts together what `stylize` is asked for.
    pub fn of(args: &Stylize) -> anyhow::Result<Task> {
        match &args.painting.repeat {
            Some(record) => Task::repeating(record, &args.painting, args.content.as_deref(), true),
            None => {
                let content = args.content.clone().context("CONTENT is missing")?;
                Task::named(Some(content), &args.painting)
            }
        }
    }

    /// Puts together what `texture` is asked for.
    pub fn of_texture(args: &Painting) -> anyhow::Result<Task> {
        match &args.repeat {
            Some(record) => Task::repeating(record, args, None, false),
            None => Task::named(None, args),
        }
    }

    fn named(content: Option<PathBuf>, args: &Painting) -> anyhow::Result<Task> {
        let (options, settings) = resolve(args, &args.config, content.is_some(), |_| Options::default())?;
        let styles = style_files(&args.style)?;
        let masks = mask_files(&settings);
        let of_last = settings.frame.files().map(|(_, path)| path);
        check_standard_input(content.iter().chain(&styles).chain(&masks).chain(of_last))?;
        Ok(Task {
            options,
            settings,
            origin: Origin::Named { content, styles },
        })
    }

    /// Does a run again, with its pictures where `content` and `args` say, if they do.
    fn repeating(
        record: &Path,
        args: &Painting,
        content: Option<&Path>,
        has_photo: bool,
    ) -> anyhow::Result<Task> {
        let run = Recorded::read(record)?;
        if run.has_photo() != has_photo {
            let command = if has_photo { "texture" } else { "stylize" };
            bail!(
                "{} is of another command; repeat it with impasto {command}",
                shown(record)
            );
        }
        let run = run.with_pictures(content, &style_files(&args.style)?)?;
        let config = args.config.of_recorded_run();
        let (options, settings) = resolve(args, &config, has_photo, |upper| run.options_below(upper))?;
        let mut varied = run.varied(&settings)?;
        if args.no_record && run.is_of_picture() {
            varied.push("no-record".to_owned());
        }
        Ok(Task {
            options,
            settings,
            origin: Origin::Recorded(Box::new(run), Again::Repeat { varied }),
        })
    }

    /// Puts together a job of many; its options are resolved already.
    pub fn of_job(job: &Job) -> anyhow::Result<Task> {
        let origin = Origin::Named {
            content: Some(job.content.clone()),
            styles: job.styles.clone(),
        };
        Ok(Task {
            settings: job.options.resolve()?,
            options: job.options.clone(),
            origin,
        })
    }

    /// Goes on with a run, for longer if `longer` says so; `force` lets other versions do it.
    pub fn resuming(run: Recorded, longer: &Options, force: bool) -> anyhow::Result<Task> {
        // A start picture has done its part, and must be the same all the same.
        run.inputs("init")?;
        let mut recorded = run.options_as_set();
        if let (Some(Scales::List(scales)), Some(iterations)) = (&mut recorded.scales, longer.iterations)
            && let Some(finest) = scales.last_mut()
        {
            finest.iterations = iterations;
        }
        let (options, settings) = sources::resolve(
            longer.clone(),
            &Config::default().of_recorded_run(),
            |_| recorded,
            Ok,
        )?;
        let is_longer = longer.iterations.is_some() || longer.max_seconds.is_some();
        let limit = run.ended_after().filter(|_| !is_longer);
        Ok(Task {
            options,
            settings,
            origin: Origin::Recorded(Box::new(run), Again::Resume { force, limit }),
        })
    }

    /// Reads the pictures, each once; those of a recorded run are looked for and checked.
    pub fn pictures(&self, quiet: bool) -> anyhow::Result<Pictures> {
        let content = self.content_picture(quiet)?;
        let styles = self.style_pictures(quiet)?;
        self.with_other_pictures(content, styles, quiet)
    }

    /// Reads the photo, or makes the blank picture that takes its place in a texture.
    pub fn content_picture(&self, quiet: bool) -> anyhow::Result<Read> {
        let Some(content) = self.content()? else {
            return Ok((blank(self.settings.size.exact())?, None));
        };
        let file = FileRecord::new("content", content.path(), content.sha256());
        Ok((decode(content, quiet)?, Some(file)))
    }

    /// Reads the styles.
    pub fn style_pictures(&self, quiet: bool) -> anyhow::Result<Vec<Read>> {
        let read = |style: Input| -> anyhow::Result<Read> {
            let file = FileRecord::new("style", style.path(), style.sha256());
            Ok((decode_style(style, quiet)?, Some(file)))
        };
        self.styles()?.into_iter().map(read).collect()
    }

    /// Reads what else there is beside photo and styles.
    pub fn with_other_pictures(
        &self,
        (content, file): Read,
        styles: Vec<Read>,
        quiet: bool,
    ) -> anyhow::Result<Pictures> {
        let (styles, style_files): (Vec<Picture>, Vec<Option<FileRecord>>) = styles.into_iter().unzip();
        let mut files: Vec<FileRecord> = [file].into_iter().chain(style_files).flatten().collect();
        let mut record = |role: &str, input: Input| {
            files.push(FileRecord::new(role, input.path(), input.sha256()));
            input
        };
        let start = self.start()?.map(|start| decode(record("init", start), quiet));
        let start = start.transpose()?;
        let masks = Masks::load(&self.settings.regions, |path| {
            decode(record("mask", self.input("mask", path)?), quiet)
        })?;
        let last = LastFrame::load(&self.settings.frame, |role, path| {
            anyhow::Ok(record(role, self.input(role, path)?))
        })?;
        Ok(Pictures {
            content,
            styles,
            start,
            masks,
            last,
            files,
        })
    }

    /// The files of the pictures, without a look at what is in them.
    pub fn files(&self) -> anyhow::Result<Vec<FileRecord>> {
        let Origin::Named { content, styles } = &self.origin else {
            return Ok(self.pictures(true)?.files);
        };
        let start = match &self.settings.init {
            Init::File(path) => Some(path),
            _ => None,
        };
        let masks = mask_files(&self.settings);
        let roles = [
            ("content", content.iter().collect::<Vec<_>>()),
            ("style", styles.iter().collect()),
            ("init", start.into_iter().collect()),
            ("mask", masks.iter().collect()),
        ];
        let files = roles
            .iter()
            .flat_map(|(role, paths)| paths.iter().map(move |path| (*role, *path)));
        let files = files.chain(self.settings.frame.files());
        let record = |(role, path): (&str, &PathBuf)| -> anyhow::Result<FileRecord> {
            let digest = digest_file(path, MAX_FILE_BYTES)?;
            Ok(FileRecord::new(role, path, digest))
        };
        files.map(record).collect()
    }

    /// The photo's file; a texture has none.
    fn content(&self) -> anyhow::Result<Option<Input>> {
        let run = match &self.origin {
            Origin::Named { content, .. } => return Ok(content.as_deref().map(picture::read).transpose()?),
            Origin::Recorded(run, _) => run,
        };
        let mut recorded = run.inputs("content")?;
        match recorded.len() {
            0 | 1 => Ok(recorded.pop()),
            count => bail!("the record names {count} content pictures instead of one"),
        }
    }

    fn styles(&self) -> anyhow::Result<Vec<Input>> {
        match &self.origin {
            Origin::Named { styles, .. } => {
                let read = styles.iter().map(picture::read);
                Ok(read.collect::<Result<_, _>>()?)
            }
            Origin::Recorded(run, _) => Ok(run.inputs("style")?),
        }
    }

    fn start(&self) -> anyhow::Result<Option<Input>> {
        let Init::File(path) = &self.settings.init else {
            return Ok(None);
        };
        let found = self.recorded().and_then(Recorded::start);
        match found.filter(|found| found.path() == path) {
            Some(found) => Ok(Some(found.clone())),
            None => Ok(Some(picture::read(path)?)),
        }
    }

    /// The file of a role, with the bytes that it had in a recorded run.
    fn input(&self, role: &str, path: &Path) -> anyhow::Result<Input> {
        let recorded = self.recorded().map(|run| run.input_at(role, path));
        match recorded.transpose()?.flatten() {
            Some(input) => Ok(input),
            None => frames::read(role, path),
        }
    }

    /// The run that is repeated or resumed.
    fn recorded(&self) -> Option<&Recorded> {
        match &self.origin {
            Origin::Named { .. } => None,
            Origin::Recorded(run, _) => Some(run),
        }
    }

    /// The evaluation with which a recorded run ends, when it did not end by itself and nothing else sets its length.
    pub fn limit(&self) -> Option<u64> {
        let sets_length = |name: &String| ["iterations", "scales", "max-seconds"].contains(&name.as_str());
        match &self.origin {
            Origin::Named { .. } => None,
            Origin::Recorded(_, Again::Resume { limit, .. }) => *limit,
            Origin::Recorded(_, Again::Repeat { varied }) if varied.iter().any(sets_length) => None,
            Origin::Recorded(run, Again::Repeat { .. }) => run.ended_after(),
        }
    }

    /// Checks the graphs of a recorded run, and says what else is not as it was; another version resumes none unasked.
    pub fn check(&self, stylizer: &Stylizer, quiet: bool) -> anyhow::Result<()> {
        let Origin::Recorded(run, again) = &self.origin else {
            return Ok(());
        };
        run.check_graphs(&stylizer.files())?;
        let versions = run.other_versions(&stylizer.versions());
        if matches!(again, Again::Resume { force: false, .. }) {
            run.check_versions(&versions)?;
        }
        if !quiet && !versions.is_empty() {
            say(&format!("warning: {}: the bytes may differ", versions.join(", ")));
        }
        if let Again::Repeat { varied } = again
            && !quiet
            && !varied.is_empty()
        {
            say(&format!(
                "not as recorded: {}; the bytes will differ",
                varied.join(", ")
            ));
        }
        Ok(())
    }

    /// What the picture's file says of its making.
    pub fn record(&self, manifest: &Manifest<Settings>) -> Record {
        let record = Record::of(manifest);
        match self.recorded() {
            Some(run) => run.named_as_recorded(record),
            None => record,
        }
    }

    /// Says so where a seamless picture has not the size that was asked for.
    pub fn tell_of_rounding(&self, planned: &[Planned]) {
        let (width, height) = self.settings.size.exact();
        let Some(painted) = planned.last().filter(|_| self.settings.seamless.is_some()) else {
            return;
        };
        if (painted.width, painted.height) != (width, height) {
            say(&format!(
                "{width}x{height} is rounded to {}x{}: sides without a seam are multiples of 16 pixels",
                painted.width, painted.height
            ));
        }
    }

    /// Whether it is a recorded run from its beginning.
    pub fn is_repeated(&self) -> bool {
        matches!(self.origin, Origin::Recorded(_, Again::Repeat { .. }))
    }

    /// Says whether a repeated run has given the same bytes, where it should have. `plain` is the sha256 of the picture's file
    /// without a record.
    pub fn compare(&self, manifest: &Manifest<Settings>, plain: Option<&str>, quiet: bool) {
        let Origin::Recorded(run, Again::Repeat { varied }) = &self.origin else {
            return;
        };
        if quiet || !varied.is_empty() || run.format() != manifest.format {
            return;
        }
        let recorded = &run.output().sha256;
        say(if *recorded == manifest.output.sha256 {
            "the same bytes as recorded"
        } else if plain == Some(recorded) {
            "the same bytes as recorded, but for what the picture says of its making"
        } else {
            "warning: the bytes are not those recorded"
        });
    }
}

/// The options of a command with a photo or without one, and what they resolve to; see [`sources::resolve`].
fn resolve(
    args: &Painting,
    config: &Config,
    has_photo: bool,
    lowest: impl FnOnce(&Options) -> Options,
) -> anyhow::Result<(Options, Settings)> {
    sources::resolve(args.options.clone(), config, lowest, |options| match has_photo {
        true => Ok(options.with_photo()),
        false => options.without_photo(),
    })
}

/// What takes the place of the photo of a texture.
fn blank((width, height): (u32, u32)) -> anyhow::Result<Picture> {
    let needed = Bytes(picture::BYTES_A_PIXEL * u64::from(width) * u64::from(height));
    if let Some(budget) = usual_budget().filter(|budget| *budget < needed) {
        return Err(Error::Memory {
            size: (width, height),
            is_for_targets: false,
            needed,
            budget,
            largest: None,
        }
        .into());
    }
    Ok(Picture::filled(width, height, [127.5; 3]))
}
