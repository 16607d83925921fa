//! Names with a number in them, as printf has them: `in/%05d.png`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::BatchError;

/// A file's name with one number: `%d`, or `%05d` for at least five digits, zeros before it; `%%` is a percent sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberPattern {
    text: String,
    /// What stands before the number, how many digits it has at least, and what stands after it.
    parts: (String, usize, String),
}

impl FromStr for NumberPattern {
    type Err = BatchError;

    fn from_str(text: &str) -> Result<Self, BatchError> {
        let wrong = |cause: &str| BatchError::Names {
            pattern: text.to_owned(),
            cause: cause.to_owned(),
        };
        let one = "it has not one number in it; write %d, or %05d for five digits";
        let (texts, digits) = split(text).map_err(|cause| wrong(&cause))?;
        let ([before, after], [digits]) = (&texts[..], &digits[..]) else {
            return Err(wrong(one));
        };
        if after.contains('/') {
            return Err(wrong("its number stands in a folder's name, not in the file's"));
        }
        Ok(NumberPattern {
            text: text.to_owned(),
            parts: (before.clone(), *digits, after.clone()),
        })
    }
}

/// The texts around the numbers of a name, one more than those, and for each number how many digits it has at least.
fn split(text: &str) -> Result<(Vec<String>, Vec<usize>), String> {
    let (mut texts, mut least) = (Vec::new(), Vec::new());
    let (mut current, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once('%') {
        current += before;
        let digits = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        let (width, end) = behind.split_at(digits);
        let is_padded = width.is_empty() || width.starts_with('0');
        let width = width.parse().unwrap_or(0);
        match end.chars().next() {
            Some('%') if digits == 0 => current.push('%'),
            Some('d') if is_padded && width <= MOST_DIGITS => {
                least.push(width);
                texts.push(std::mem::take(&mut current));
            }
            _ => {
                return Err(format!(
                    "%{} is no number; write %d, %05d, or %% for a percent sign",
                    behind.chars().take(digits + 1).collect::<String>()
                ));
            }
        }
        rest = &end[1..];
    }
    texts.push(current + rest);
    Ok((texts, least))
}

/// As many as the largest number has.
const MOST_DIGITS: usize = 20;

/// The text with the number in place of every `%d`.
///
/// # Errors
/// In words: a percent sign that stands for nothing.
pub(super) fn filled(text: &str, number: u64) -> Result<String, String> {
    let (texts, least) = split(text)?;
    let numbers = least.iter().zip(&texts[1..]);
    let numbered = numbers.map(|(digits, text)| format!("{number:0digits$}{text}"));
    Ok(texts[0].clone() + &numbered.collect::<String>())
}

impl NumberPattern {
    /// The name with this number.
    pub fn name(&self, number: u64) -> PathBuf {
        let (before, digits, after) = &self.parts;
        format!("{before}{number:0digits$}{after}").into()
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The files of such a name with their numbers, in the numbers' order.
    ///
    /// # Errors
    /// The folder cannot be read, there are none, or one is missing between others.
    pub fn files(&self) -> Result<Vec<(u64, PathBuf)>, BatchError> {
        let one = self.name(0);
        let folder = one.parent().filter(|folder| *folder != Path::new(""));
        let folder = folder.unwrap_or(Path::new("."));
        let unreadable = |cause| BatchError::Folder {
            folder: folder.into(),
            cause,
        };
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            numbers.extend(name.to_str().and_then(|name| self.number(name)));
        }
        numbers.sort_unstable();
        if let Some(gap) = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1) {
            let missing = gap[0] + 1;
            return Err(self.wrong(format!(
                "frame {missing} is missing: there is no {} before {}",
                self.name(missing).display(),
                self.name(gap[1]).display()
            )));
        }
        match numbers.is_empty() {
            true => Err(self.wrong("no file has such a name".to_owned())),
            false => Ok(numbers
                .into_iter()
                .map(|number| (number, self.name(number)))
                .collect()),
        }
    }

    /// The number in a file's name without its folder, if it is one of these.
    fn number(&self, name: &str) -> Option<u64> {
        let (before, _, after) = &self.parts;
        let before = before.rsplit('/').next().unwrap_or_default();
        let digits = name.strip_prefix(before)?.strip_suffix(after.as_str())?;
        let number = digits.parse().ok()?;
        (self.name(number).file_name()?.to_str() == Some(name)).then_some(number)
    }

    pub(super) fn wrong(&self, cause: String) -> BatchError {
        BatchError::Names {
            pattern: self.text.clone(),
            cause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Result<NumberPattern, String> {
        text.parse().map_err(|error: BatchError| error.to_string())
    }

    #[test]
    fn a_number_has_the_digits_that_the_pattern_says() {
        let name = |text: &str, number| pattern(text).unwrap().name(number);
        assert_eq!(name("in/%05d.png", 42), Path::new("in/00042.png"));
        assert_eq!(name("%d", 42), Path::new("42"));
        assert_eq!(name("50%%/a%03db.png", 1234), Path::new("50%/a1234b.png"));
        assert_eq!(filled("%02d of %d%%", 7).unwrap(), "07 of 7%");
    }

    #[test]
    fn what_has_not_one_number_is_refused_with_the_reason() {
        for (text, reason) in [
            ("in/frame.png", "not one number"),
            ("in/%d-%d.png", "not one number"),
            ("in/%d/a.png", "folder's name"),
            ("in/%s.png", "%s is no number"),
            ("in/%5d.png", "%5d is no number"),
            ("in/%", "% is no number"),
        ] {
            let error = pattern(text).unwrap_err();
            assert!(error.contains(reason) && error.contains(text), "{error}");
        }
    }

    #[test]
    fn files_come_by_their_numbers_and_a_gap_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let others = ["x9.png", "x012.png", "y10.png", "x10.jpg", "x+8.png"];
        for name in ["x10.png", "x08.png", "x09.png"].iter().chain(&others) {
            std::fs::write(at(name), b"x").unwrap();
        }
        let pattern: NumberPattern = at("x%02d.png").to_str().unwrap().parse().unwrap();
        let files = pattern.files().unwrap();
        let expected = [(8, at("x08.png")), (9, at("x09.png")), (10, at("x10.png"))];
        assert_eq!(files, expected);
        std::fs::remove_file(at("x09.png")).unwrap();
        let error = pattern.files().unwrap_err().to_string();
        assert!(
            error.contains("frame 9 is missing") && error.contains("x09.png"),
            "{error}"
        );
        let none: NumberPattern = at("z%d.png").to_str().unwrap().parse().unwrap();
        assert!(none.files().unwrap_err().to_string().contains("no file"));
    }
}
