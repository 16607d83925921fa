//! Names as they can be shown: what would move a terminal's cursor, colour its text or turn its direction is escaped.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

/// A path to be shown; see [`shown`].
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(&'a Path);

/// The path for a message: control characters, what turns the direction of text and what cannot be seen are escaped as
/// Rust escapes them, bytes that are not UTF-8 as `\xff`.
pub fn shown<P: AsRef<Path> + ?Sized>(path: &P) -> Shown<'_> {
    Shown(path.as_ref())
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.as_os_str().as_encoded_bytes().utf8_chunks() {
            f.write_str(&escaped(chunk.valid()))?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// The text with the same characters escaped.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unfit) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::new();
    for character in text.chars() {
        match is_unfit(character) {
            true => escaped.extend(character.escape_default()),
            false => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character is escaped; among them are those that XML has no place for.
fn is_unfit(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // The mark that turns the direction of Arabic letters; the invisible space; marks of direction.
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            // Ends of lines and paragraphs; embeddings and overrides of direction; what else is invisible.
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            // The mark of byte order; annotations; what is no character.
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped_and_letters_stay() {
        for (name, wanted) in [
            ("photo.png", "photo.png"),
            ("größe 猫 🏴.png", "größe 猫 🏴.png"),
            ("a\nb\tc.png", "a\\nb\\tc.png"),
            ("\x1b[31mred\x07.png", "\\u{1b}[31mred\\u{7}.png"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("cat\u{202e}gnp.exe", "cat\\u{202e}gnp.exe"),
            ("\u{2066}a\u{2069}\u{200f}", "\\u{2066}a\\u{2069}\\u{200f}"),
        ] {
            assert_eq!(shown(name).to_string(), wanted);
            assert_eq!(escaped(name), wanted);
        }
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_are_shown_as_numbers() {
        use std::os::unix::ffi::OsStrExt as _;
        let name = std::ffi::OsStr::from_bytes(b"caf\xe9\xff.png");
        assert_eq!(shown(name).to_string(), "caf\\xe9\\xff.png");
    }
}
