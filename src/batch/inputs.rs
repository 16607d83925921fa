//! The pictures that names stand for: files, folders, patterns.

use std::path::{Path, PathBuf};

use super::BatchError;
use crate::picture::is_picture_name;

/// The files that a name stands for: a folder for all files in it that have a picture's extension, by name; a pattern with
/// `*`, `?` or `[…]` for the files that it matches, by name; any other name for itself.
///
/// # Errors
/// A folder that cannot be read or has no picture, a pattern that is none or that no file matches.
pub fn pictures(name: &Path) -> Result<Vec<PathBuf>, BatchError> {
    if name.is_dir() {
        return pictures_in(name);
    }
    match name.to_str().filter(|text| text.contains(['*', '?', '['])) {
        Some(pattern) if !name.exists() => matching(pattern),
        _ => Ok(vec![name.into()]),
    }
}

/// The files in a folder that have a picture's extension, by name.
///
/// # Errors
/// It cannot be read, or has none.
pub fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>, BatchError> {
    let unreadable = |cause| BatchError::Folder {
        folder: folder.into(),
        cause,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if is_picture_name(&path) && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(BatchError::Empty {
            folder: folder.into(),
        });
    }
    files.sort();
    Ok(files)
}

fn matching(pattern: &str) -> Result<Vec<PathBuf>, BatchError> {
    let wrong = |cause: String| BatchError::Names {
        pattern: pattern.to_owned(),
        cause,
    };
    let paths = glob::glob(pattern).map_err(|error| wrong(format!("it is no pattern of names ({error})")))?;
    let paths: Vec<PathBuf> = paths
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(error.to_string()))?;
    let files: Vec<PathBuf> = paths.into_iter().filter(|path| path.is_file()).collect();
    match files.is_empty() {
        true => Err(wrong("no file has such a name".to_owned())),
        false => Ok(files),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_a_file_a_folder_or_what_matches() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["b.png", "a.JPG", "c[1].webp", "notes.txt"] {
            std::fs::write(at(name), b"x").unwrap();
        }
        std::fs::create_dir(at("deeper.png")).unwrap();
        let names = |name: &str| -> Vec<PathBuf> { pictures(&at(name)).unwrap() };
        assert_eq!(names(""), [at("a.JPG"), at("b.png"), at("c[1].webp")]);
        assert_eq!(names("?.png"), [at("b.png")]);
        assert_eq!(names("c[1].webp"), [at("c[1].webp")], "a file of that very name");
        assert_eq!(names("not-there.png"), [at("not-there.png")]);
        assert!(
            pictures(&at("*.gif"))
                .unwrap_err()
                .to_string()
                .contains("no file")
        );
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(pictures(empty.path()), Err(BatchError::Empty { .. })));
    }
}
