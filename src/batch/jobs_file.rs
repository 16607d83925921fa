//! Jobs from a file: a TOML table `[[job]]`, or a JSON object a line, for each.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;

use super::{BatchError, Job, Pattern};
use crate::config::Options;
use crate::files;

/// The most bytes of a jobs file.
const MAX_BYTES: u64 = 1 << 28;

/// What a job of a file need not say itself.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// The name of its output.
    pub pattern: Option<Pattern>,
    /// Its options win over those that lie below.
    pub below: Options,
    /// The options that win over all.
    pub above: Options,
}

/// A TOML file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    job: Vec<Spanned<Map<String, Value>>>,
}

/// Reads jobs: of a file whose name ends in `.toml` its tables `[[job]]`, of any other a JSON object from each line that is
/// not empty. Each has `content`, `style` (one, or a list to blend), `output` unless there is a pattern for it, and any
/// option by its name. Paths are taken as on the command line, from the working directory.
///
/// # Errors
/// The file cannot be read, or a job in it; the error names the line.
pub fn read_jobs(path: &Path, defaults: &Defaults) -> Result<Vec<Job>, BatchError> {
    let what = "jobs file";
    let bytes = files::read(path, MAX_BYTES).map_err(|cause| BatchError::Unreadable { what, cause })?;
    let wrong = |line: usize, message: String| BatchError::Wrong {
        path: path.into(),
        line,
        message,
    };
    let text = String::from_utf8(bytes.into_bytes());
    let text = text.map_err(|_| wrong(1, "this is no text in UTF-8".to_owned()))?;
    let is_toml = path.extension().is_some_and(|extension| extension == "toml");
    let tables = if is_toml { of_toml(&text) } else { of_lines(&text) };
    let tables = tables.map_err(|(line, message)| wrong(line, message))?;
    let job = |(line, table)| job(table, defaults).map_err(|message| wrong(line, message));
    tables.into_iter().map(job).collect()
}

/// What a job says, with its line.
type Table = (usize, Map<String, Value>);

fn of_toml(text: &str) -> Result<Vec<Table>, (usize, String)> {
    let line = |at: usize| 1 + text[..at].matches('\n').count();
    let file: File = toml::from_str(text).map_err(|error| {
        (
            line(error.span().map_or(0, |span| span.start)),
            error.message().to_owned(),
        )
    })?;
    let tables = file.job.into_iter();
    Ok(tables
        .map(|table| (line(table.span().start), table.into_inner()))
        .collect())
}

fn of_lines(text: &str) -> Result<Vec<Table>, (usize, String)> {
    let lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty());
    let table = |(number, line): (usize, &str)| match serde_json::from_str(line) {
        Ok(table) => Ok((number, table)),
        Err(error) => Err((number, format!("no JSON object ({error})"))),
    };
    lines.map(table).collect()
}

fn job(mut table: Map<String, Value>, defaults: &Defaults) -> Result<Job, String> {
    let mut take = |name: &str| match table.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(vec![PathBuf::from(text)])),
        Some(Value::Array(values)) if name == "style" => {
            let paths = values.iter().map(|value| value.as_str().map(PathBuf::from));
            paths
                .collect::<Option<Vec<_>>>()
                .map(Some)
                .ok_or("style is no list of names")
        }
        Some(_) => Err("content, style and output are names"),
    };
    let one = |paths: Option<Vec<PathBuf>>| paths.and_then(|paths| paths.into_iter().next());
    let content = one(take("content")?).ok_or("the job has no content")?;
    let styles = take("style")?
        .filter(|styles| !styles.is_empty())
        .ok_or("the job has no style")?;
    let named = || Some(defaults.pattern.as_ref()?.fill(&content, &styles, None));
    let output = one(take("output")?)
        .or_else(named)
        .ok_or("the job has no output")?;
    let own = Options::from_json(&Value::Object(table))?;
    let options = defaults.above.clone().or(own.or(defaults.below.clone()));
    options.resolve().map_err(|error| error.to_string())?;
    Ok(Job {
        content,
        styles,
        options,
        output,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Vec<Job>, BatchError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let defaults = Defaults {
            pattern: Some("{content}-{style}.png".parse().unwrap()),
            below: toml::from_str("seed = 7\nsize = 32").unwrap(),
            above: toml::from_str("iterations = 3").unwrap(),
        };
        read_jobs(&path, &defaults)
    }

    #[test]
    fn toml_and_json_lines_say_the_same() {
        let toml = "[[job]]\ncontent = \"a.png\"\nstyle = [\"x.png\", \"y.png\"]\nstyle-blend = [1, 2]\n\n\
            [[job]]\ncontent = \"b.png\"\nstyle = \"x.png\"\noutput = \"c.tif\"\nsize = 64\niterations = 9\n";
        let lines = "{\"content\": \"a.png\", \"style\": [\"x.png\", \"y.png\"], \"style-blend\": [1, 2]}\n\n\
            {\"content\": \"b.png\", \"style\": \"x.png\", \"output\": \"c.tif\", \"size\": 64, \"iterations\": 9}\n";
        for jobs in [read("jobs.toml", toml), read("jobs.jsonl", lines)] {
            let jobs = jobs.unwrap();
            let [blended, own] = &jobs[..] else {
                panic!("{jobs:?}")
            };
            assert_eq!(blended.output, Path::new("a-x+y.png"));
            assert_eq!(blended.options.style_blend, Some(vec![1.0, 2.0]));
            assert_eq!(own.output, Path::new("c.tif"));
            let settings = own.options.resolve().unwrap();
            assert_eq!((settings.side(), settings.seed, settings.iterations), (64, 7, 3));
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let job = "[[job]]\ncontent = \"a.png\"\n";
        for (text, line, part) in [
            (format!("{job}style = \"x\"\n\n{job}"), 5, "no style"),
            (format!("{job}style = \"x\"\nsize = 0\n"), 1, "size"),
            (format!("{job}style = \"x\"\nsise = 3\n"), 1, "sise"),
            (format!("{job}style = 3\n"), 1, "names"),
            ("[[job]\n".to_owned(), 1, ""),
        ] {
            let error = read("jobs.toml", &text).unwrap_err().to_string();
            assert!(
                error.contains(&format!("jobs.toml:{line}: ")) && error.contains(part),
                "{error}"
            );
        }
        let error = read("jobs", "{\"content\": \"a\", \"style\": \"b\"}\n[]\n").unwrap_err();
        assert!(error.to_string().contains("jobs:2: no JSON object"), "{error}");
    }
}
