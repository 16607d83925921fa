//! The name pattern of outputs: `out/{content}-{style}.png`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::BatchError;
use super::numbers::filled;

/// How outputs are called: text, and the names of content, style and settings without folder and extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Content,
    Style,
    Settings,
}

impl FromStr for Pattern {
    type Err = BatchError;

    fn from_str(pattern: &str) -> Result<Self, BatchError> {
        let mut pieces = Vec::new();
        let mut rest = pattern;
        while let Some((text, behind)) = rest.split_once('{') {
            let end = behind.find('}').unwrap_or(behind.len());
            let piece = match &behind[..end] {
                "content" => Piece::Content,
                "style" => Piece::Style,
                "settings" => Piece::Settings,
                name => {
                    return Err(BatchError::UnknownPart {
                        pattern: pattern.to_owned(),
                        name: name.to_owned(),
                    });
                }
            };
            pieces.extend([Piece::Text(text.to_owned()), piece]);
            rest = behind.get(end + 1..).unwrap_or_default();
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Pattern(pieces))
    }
}

impl Pattern {
    /// The name of the picture of `content` in `styles`, whose names are joined by `+`, with the settings of a file.
    pub fn fill(&self, content: &Path, styles: &[PathBuf], settings: Option<&Path>) -> PathBuf {
        let mut name = OsString::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => name.push(text),
                Piece::Content => name.push(stem(content)),
                Piece::Style => {
                    let stems: Vec<&OsStr> = styles.iter().map(|style| stem(style)).collect();
                    name.push(stems.join(OsStr::new("+")));
                }
                Piece::Settings => name.push(settings.map(stem).unwrap_or_default()),
            }
        }
        name.into()
    }

    /// The names of a frame, whose number stands for `%d` in them.
    ///
    /// # Errors
    /// A percent sign that stands for nothing.
    pub fn numbered(&self, number: u64) -> Result<Pattern, BatchError> {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => filled(text, number).map(Piece::Text),
            other => Ok(other.clone()),
        };
        let pieces = self.0.iter().map(piece).collect::<Result<_, _>>();
        pieces.map(Pattern).map_err(|cause| BatchError::Names {
            pattern: "the output's name".to_owned(),
            cause,
        })
    }

    /// Whether the names tell settings apart.
    pub fn has_settings(&self) -> bool {
        self.0.contains(&Piece::Settings)
    }
}

fn stem(path: &Path) -> &OsStr {
    path.file_stem().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_without_folder_and_extension() {
        let pattern: Pattern = "out/{style}/{content}.{settings}.png".parse().unwrap();
        let styles = ["b/waves.old.jpg".into(), "stars.png".into()];
        let name = pattern.fill(Path::new("a/cat.jpg"), &styles, Some(Path::new("oil.toml")));
        assert_eq!(name, Path::new("out/waves.old+stars/cat.oil.png"));
        assert!(pattern.has_settings());
    }

    #[test]
    fn braces_that_stand_for_nothing_are_refused() {
        for (pattern, name) in [
            ("{photo}.png", "photo"),
            ("{}.png", ""),
            ("{content}{x.png", "x.png"),
        ] {
            let error = pattern.parse::<Pattern>().unwrap_err().to_string();
            assert!(error.contains(&format!("{{{name}}}")), "{error}");
        }
    }
}
