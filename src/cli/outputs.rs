//! What is written: no output over another, and none over an input.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use impasto::files::{self, Identity, STANDARD, shown};

/// Writes to standard output.
pub fn print(text: &str) -> anyhow::Result<()> {
    files::write(Path::new(STANDARD), false, text.as_bytes()).context("the result cannot be printed")
}

/// The name of an output in a sentence.
pub fn name(path: &Path) -> String {
    match path == Path::new(STANDARD) {
        true => "standard output".to_owned(),
        false => shown(path).to_string(),
    }
}

/// Checks that a file other than a picture can be written.
pub fn check_file(path: &Path, overwrite: bool, option: &'static str) -> anyhow::Result<()> {
    files::check(path, overwrite).context(option)
}

/// Checks that no two outputs are the same file.
pub fn check_distinct<'a>(outputs: impl IntoIterator<Item = &'a Path>) -> anyhow::Result<()> {
    let mut seen = HashSet::new();
    for path in outputs {
        if !files::of_output(path).is_none_or(|file| seen.insert(file)) {
            bail!(
                "{} is named for two outputs; give each a file of its own",
                name(path)
            );
        }
    }
    Ok(())
}

/// Checks that no output is one of the inputs.
pub fn check_inputs_stay<'a>(
    outputs: impl IntoIterator<Item = &'a Path>,
    inputs: &[PathBuf],
) -> anyhow::Result<()> {
    let inputs = identities(inputs);
    for path in outputs {
        if files::of_output(path).is_some_and(|file| inputs.contains(&file)) {
            bail!(
                "{} is read in this run and would be lost; give the output another name",
                name(path)
            );
        }
    }
    Ok(())
}

/// Checks that no preview is an output, an input, or there already.
pub fn check_previews<'a>(
    previews: &[PathBuf],
    outputs: impl IntoIterator<Item = &'a Path>,
    inputs: &[PathBuf],
    overwrite: bool,
) -> anyhow::Result<()> {
    let outputs: HashSet<Identity> = outputs.into_iter().filter_map(files::of_output).collect();
    let inputs = identities(inputs);
    for (preview, file) in previews.iter().zip(files::of_neighbours(previews)) {
        let is_among = |files: &HashSet<Identity>| file.as_ref().is_some_and(|file| files.contains(file));
        if is_among(&outputs) {
            bail!("{} is a preview's name; give that output another", shown(preview));
        }
        if is_among(&inputs) {
            bail!(
                "the preview {} is read in this run and would be lost; give --output another name",
                shown(preview)
            );
        }
        if files::is_taken(preview)? && !overwrite {
            bail!(
                "the preview {} exists; use --force to replace it, or another --output",
                shown(preview)
            );
        }
    }
    Ok(())
}

/// Removes a file of this run that is of no use any more.
pub fn remove(path: &Path) -> anyhow::Result<()> {
    std::fs::remove_file(path).with_context(|| format!("{} cannot be removed", shown(path)))
}

fn identities(inputs: &[PathBuf]) -> HashSet<Identity> {
    inputs.iter().filter_map(|path| files::of_input(path)).collect()
}
