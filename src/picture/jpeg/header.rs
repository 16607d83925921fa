//! What a JPEG file says before its first scan: how it is coded, what its colours mean, how it is turned.

use image::metadata::Orientation;

use super::inks::Inks;

/// The segments of a JPEG file, marker and content each, up to the first scan or to where the data makes no sense.
///
/// They are skipped by their length: a thumbnail inside one has segments of its own.
fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    const START_OF_SCAN: u8 = 0xDA;
    const END: u8 = 0xD9;
    const FILL: u8 = 0xFF;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            let found = rest.iter().position(|&byte| byte == 0xFF)?;
            let tail = &rest[found + 1..];
            let (&marker, after) = tail.split_first()?;
            match marker {
                FILL => rest = tail,
                START_OF_SCAN | END => return None,
                // They have no content: the start of the file, restarts, 0 after a byte of data.
                0x00 | 0x01 | 0xD0..=0xD8 => rest = after,
                _ => {
                    let length = usize::from(u16::from_be_bytes([*after.first()?, *after.get(1)?]));
                    let content = after.get(2..length)?;
                    rest = &after[length..];
                    return Some((marker, content));
                }
            }
        }
    })
}

/// What the segments before the first scan say.
#[derive(Default)]
pub(super) struct Header<'a> {
    /// The first frame header: its marker, and precision, height, width, channels.
    frame: Option<(u8, &'a [u8])>,
    /// Adobe's mark: 0 for RGB or CMYK, 1 for YCbCr, 2 for YCCK.
    adobe_transform: Option<u8>,
    exif: Option<&'a [u8]>,
    /// The parts of a colour profile, each with its number.
    profile: Vec<(u8, &'a [u8])>,
}

impl<'a> Header<'a> {
    pub fn of(bytes: &'a [u8]) -> Self {
        const APP1: u8 = 0xE1;
        const APP2: u8 = 0xE2;
        const APP14: u8 = 0xEE;
        const DHT: u8 = 0xC4;
        const DAC: u8 = 0xCC;
        const JPEG_LS: u8 = 0xF7;
        let mut header = Self::default();
        for (marker, content) in segments(bytes) {
            match marker {
                DHT | DAC => {}
                0xC0..=0xCF | JPEG_LS => {
                    header.frame.get_or_insert((marker, content));
                }
                APP1 => header.exif = header.exif.or(content.strip_prefix(b"Exif\0\0")),
                // Number and count of the part come first.
                APP2 => {
                    if let Some([number, _, part @ ..]) = content.strip_prefix(b"ICC_PROFILE\0") {
                        header.profile.push((*number, part));
                    }
                }
                // A version and two words of flags come first.
                APP14 if content.starts_with(b"Adobe") => {
                    header.adobe_transform = content.get(11).copied();
                }
                _ => {}
            }
        }
        header
    }

    /// What the file uses that cannot be decoded, if anything.
    pub fn unsupported(&self) -> Option<String> {
        let (process, frame) = self.frame?;
        let kind = match process {
            0xC0..=0xC2 => "",
            0xC3 => "lossless JPEG",
            0xC5..=0xC7 => "hierarchical JPEG",
            0xC9 | 0xCA => "JPEG with arithmetic coding",
            0xCB => "lossless JPEG with arithmetic coding",
            0xCD..=0xCF => "hierarchical JPEG with arithmetic coding",
            0xF7 => "JPEG-LS",
            _ => "an extension of JPEG",
        };
        match *frame {
            _ if !kind.is_empty() => Some(kind.into()),
            [bits, ..] if bits != 8 => Some(format!("JPEG with {bits} bits a channel")),
            [_, 0, 0, ..] => Some("JPEG with its height after the pixels (DNL)".into()),
            [_, _, _, _, _, channels, ..] if !matches!(channels, 1 | 3 | 4) => {
                Some(format!("JPEG with {channels} channels"))
            }
            _ => None,
        }
    }

    /// How to bring the pixels upright.
    pub fn orientation(&self) -> Orientation {
        self.exif
            .and_then(Orientation::from_exif_chunk)
            .unwrap_or(Orientation::NoTransforms)
    }

    /// The colour profile (ICC). If a part is missing it is cut off, and no use.
    pub fn profile(mut self) -> Option<Vec<u8>> {
        self.profile.sort_by_key(|&(number, _)| number);
        let parts: Vec<_> = self.profile.into_iter().map(|(_, part)| part).collect();
        (!parts.is_empty()).then(|| parts.concat())
    }

    /// How a file with four channels codes its inks.
    pub fn inks(&self) -> Inks {
        Inks {
            inverted: self.adobe_transform.is_some(),
            ycck: self.adobe_transform == Some(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of these segments.
    fn file(segments: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0xFF, 0xD8];
        for (marker, content) in segments {
            bytes.extend([0xFF, *marker]);
            bytes.extend((content.len() as u16 + 2).to_be_bytes());
            bytes.extend(*content);
        }
        bytes
    }

    #[test]
    fn segments_inside_a_segment_or_after_the_first_scan_do_not_count() {
        let frame = [8, 0, 1, 0, 1, 1];
        let thumbnail = file(&[(0xC0, &frame)]);
        for around in [0xE1, 0xDA] {
            let bytes = file(&[(around, &thumbnail), (0xC3, &frame)]);
            let found = Header::of(&bytes).frame.map(|(marker, _)| marker);
            assert_eq!(found, (around == 0xE1).then_some(0xC3));
        }
    }

    #[test]
    fn bytes_that_fill_the_space_between_segments_are_skipped() {
        let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xFF, 0xFF];
        bytes.extend_from_slice(&file(&[(0xC0, &[8, 0, 1, 0, 1, 1])])[2..]);
        assert!(Header::of(&bytes).frame.is_some());
    }

    #[test]
    fn the_parts_of_a_profile_are_put_in_order() {
        let part = |number: u8, text: &[u8]| [b"ICC_PROFILE\0".as_slice(), &[number, 2], text].concat();
        let bytes = file(&[(0xE2, &part(2, b"last")), (0xE2, &part(1, b"first, "))]);
        assert_eq!(
            Header::of(&bytes).profile().as_deref(),
            Some(b"first, last".as_slice())
        );
        assert_eq!(Header::of(&file(&[])).profile(), None);
    }

    #[test]
    fn what_cannot_be_decoded_is_told_by_its_name() {
        let unsupported = |marker, frame: [u8; 6]| Header::of(&file(&[(marker, &frame)])).unsupported();
        let usual = [8, 0, 1, 0, 1, 3];
        for marker in 0xC0..=0xC2 {
            assert_eq!(unsupported(marker, usual), None);
        }
        for (marker, frame, name) in [
            (0xC3, usual, "lossless"),
            (0xC5, usual, "hierarchical"),
            (0xC9, usual, "arithmetic"),
            (0xCA, usual, "arithmetic"),
            (0xCB, usual, "lossless JPEG with arithmetic"),
            (0xCF, usual, "hierarchical JPEG with arithmetic"),
            (0xF7, usual, "JPEG-LS"),
            (0xC1, [12, 0, 1, 0, 1, 3], "12 bits a channel"),
            (0xC0, [8, 0, 0, 0, 1, 3], "DNL"),
            (0xC0, [8, 0, 1, 0, 1, 2], "2 channels"),
        ] {
            assert!(
                unsupported(marker, frame).is_some_and(|it| it.contains(name)),
                "{name}"
            );
        }
    }
}
