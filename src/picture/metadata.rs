//! A text in a picture's file: in PNG a chunk (iTXt) with the keyword `impasto`, in JPEG, WebP and TIFF the property
//! `impasto:record` of an XMP packet.

use super::format::{Format, TextPlace};
use super::xmp;

/// The most bytes of a text that is read.
const MAX_BYTES: usize = 16 << 20;

/// Puts a text into the file of a picture that [`Picture::encoded`](super::Picture::encoded) has made; nothing where the
/// format has no room for it, and then the file is as it was.
pub(crate) fn insert(file: &mut Vec<u8>, text: &str) -> Option<()> {
    let place = place_in(file)?;
    if place.is_xmp {
        (place.insert)(file, xmp::packet(text).as_bytes())
    } else {
        (place.insert)(file, text.as_bytes())
    }
}

/// The text that [`insert`] has put into a file, which may be any.
pub(crate) fn find(file: &[u8]) -> Option<String> {
    let place = place_in(file)?;
    let found = (place.find)(file).filter(|bytes| bytes.len() <= MAX_BYTES)?;
    let found = String::from_utf8_lossy(found);
    if place.is_xmp {
        xmp::text(&found)
    } else {
        Some(found.into_owned())
    }
}

fn place_in(file: &[u8]) -> Option<&'static TextPlace> {
    Some(&Format::of(file)?.output.as_ref()?.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Bits, Encoding, Picture, load};

    const NAMES: [&str; 4] = ["a.png", "a.jpg", "a.webp", "a.tif"];
    const TEXT: &str = r#"{"a": "<b> & "c"", "ü": "\u0000"}"#;

    fn picture() -> Picture {
        let rgb = (0..3 * 7 * 5).map(|value| (value * 2) as f32).collect();
        Picture::from_rgb(7, 5, rgb)
    }

    /// A file without the text, and with it.
    fn files(name: &str, picture: &Picture, encoding: &Encoding) -> [Vec<u8>; 2] {
        let plain = picture.encoded(name, encoding).unwrap();
        let mut file = plain.clone();
        insert(&mut file, TEXT).unwrap();
        [plain, file]
    }

    #[test]
    fn a_text_comes_back_and_changes_no_pixel_and_no_profile() {
        let folder = tempfile::tempdir().unwrap();
        let transparent = picture().with_alpha((0..35).map(|value| value as f32).collect());
        for (name, picture) in NAMES
            .iter()
            .flat_map(|name| [(name, picture()), (name, transparent.clone())])
        {
            let [plain, file] = files(name, &picture, &Encoding::default());
            assert_eq!(find(&plain), None, "{name}");
            assert_eq!(find(&file).as_deref(), Some(TEXT), "{name}");
            let loaded = [plain, file].map(|bytes| {
                let path = folder.path().join(name);
                std::fs::write(&path, bytes).unwrap();
                load(&path).unwrap()
            });
            assert_eq!(loaded[0], loaded[1], "{name}");
            assert!(loaded[0].warnings.is_empty(), "{name}: {:?}", loaded[0].warnings);
        }
    }

    #[test]
    fn other_decoders_read_such_a_file() {
        let sixteen = Encoding {
            bits: Bits::Sixteen,
            ..Encoding::default()
        };
        let cases = NAMES.map(|name| (name, Encoding::default()));
        for (name, encoding) in cases.into_iter().chain([("a.png", sixteen), ("a.tif", sixteen)]) {
            let [plain, file] =
                files(name, &picture(), &encoding).map(|file| image::load_from_memory(&file).unwrap());
            assert_eq!(plain, file, "{name}");
        }
    }

    #[test]
    fn a_text_that_has_no_room_leaves_the_file_as_it_was() {
        let [plain, _] = files("a.jpg", &picture(), &Encoding::default());
        let mut file = plain.clone();
        assert_eq!(insert(&mut file, &"a".repeat(65_500)), None);
        assert!(file == plain);
    }

    #[test]
    fn a_file_that_is_cut_off_or_damaged_anywhere_has_a_text_or_none() {
        for name in NAMES {
            let [_, file] = files(name, &picture(), &Encoding::default());
            for length in 0..file.len() {
                find(&file[..length]);
            }
            for place in 0..file.len() {
                for value in [0, 1, 0x7f, 0xff] {
                    let mut damaged = file.clone();
                    damaged[place] = value;
                    find(&damaged);
                }
            }
        }
    }
}
