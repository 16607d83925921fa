//! What `stylize` is to do: by its flags and a settings file, or as an earlier run did it.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

use impasto::config::{Options, Settings};
use impasto::init::Init;
use impasto::observe::UpTo;
use impasto::picture::{self, OutputFormat};
use impasto::record::{FileRecord, Recorded};
use impasto::stylize::Stylizer;

use super::args::Stylize;
use super::{say, sources, style_files};

/// The pictures and the settings.
pub struct Plan {
    pub options: Options,
    pub settings: Settings,
    pub content: PathBuf,
    pub styles: Vec<PathBuf>,
    repeated: Option<Repeated>,
}

/// The run that is repeated.
struct Repeated {
    run: Recorded,
    /// The settings that flags have changed.
    varied: Vec<String>,
}

impl Plan {
    /// Puts together what the command line asks for; with `--repeat` all inputs are looked for and checked.
    pub fn of(args: &Stylize) -> anyhow::Result<Plan> {
        match &args.repeat {
            Some(trace) => Plan::repeating(Recorded::read(trace)?, args),
            None => {
                let (options, settings) =
                    sources::resolve(args.options(), &args.config, |_| Options::default())?;
                Ok(Plan {
                    options,
                    settings,
                    content: args.content.clone().context("CONTENT is missing")?,
                    styles: style_files(&args.style)?,
                    repeated: None,
                })
            }
        }
    }

    fn repeating(run: Recorded, args: &Stylize) -> anyhow::Result<Plan> {
        let (options, settings) =
            sources::resolve(args.options(), &args.config, |upper| run.options_below(upper))?;
        let (content, styles) = (run.inputs("content")?, run.inputs("style")?);
        let [content] = content.as_slice() else {
            bail!(
                "the trace names {} content pictures instead of one",
                content.len()
            );
        };
        let varied = run.varied(&settings)?;
        Ok(Plan {
            options,
            settings,
            content: content.clone(),
            styles,
            repeated: Some(Repeated { run, varied }),
        })
    }

    /// The input pictures, for the record; a start that cannot be read is told here, before any work is done.
    pub fn inputs(&self) -> anyhow::Result<Vec<FileRecord>> {
        let mut files = vec![("content", &self.content)];
        files.extend(self.styles.iter().map(|style| ("style", style)));
        if let Init::File(path) = &self.settings.init {
            picture::load(path)?;
            files.push(("init", path));
        }
        let record = |(role, path): (&str, &PathBuf)| {
            FileRecord::of(role, path).with_context(|| format!("{} cannot be read", path.display()))
        };
        files.into_iter().map(record).collect()
    }

    /// Where a repeated run ends, when it did not end by itself and nothing else sets its length.
    pub fn limit(&self) -> Option<UpTo> {
        let repeated = self.repeated.as_ref()?;
        let sets_length = |name: &String| ["iterations", "scales", "max-seconds"].contains(&name.as_str());
        if repeated.varied.iter().any(sets_length) {
            return None;
        }
        repeated.run.ended_after().map(UpTo::new)
    }

    /// Checks the graphs of a repeated run, and says what else is not as it was.
    pub fn check(&self, stylizer: &Stylizer, quiet: bool) -> anyhow::Result<()> {
        let Some(Repeated { run, varied }) = &self.repeated else {
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
    pub fn compare(&self, output: &FileRecord, quiet: bool) {
        let Some(Repeated { run, varied }) = &self.repeated else {
            return;
        };
        let before = run.output();
        let format = |file: &FileRecord| OutputFormat::from_path(&file.path).ok();
        if quiet || !varied.is_empty() || format(before) != format(output) {
            return;
        }
        say(if before.sha256 == output.sha256 {
            "the same bytes as recorded"
        } else {
            "warning: the bytes are not those recorded"
        });
    }
}
