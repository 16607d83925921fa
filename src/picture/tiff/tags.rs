//! The tags of a TIFF file, classic or BigTIFF: names, and the numbers behind them.

use std::collections::BTreeMap;

use crate::picture::fault::Fault;

/// A tag's number.
pub(in crate::picture) type Tag = u16;

pub(super) const SUBFILE_TYPE: Tag = 254;
pub(super) const WIDTH: Tag = 256;
pub(super) const HEIGHT: Tag = 257;
pub(super) const BITS: Tag = 258;
pub(super) const COMPRESSION: Tag = 259;
pub(super) const PHOTOMETRIC: Tag = 262;
pub(super) const FILL_ORDER: Tag = 266;
pub(super) const STRIP_OFFSETS: Tag = 273;
pub(super) const ORIENTATION: Tag = 274;
pub(super) const SAMPLES: Tag = 277;
pub(super) const ROWS_PER_STRIP: Tag = 278;
pub(super) const STRIP_LENGTHS: Tag = 279;
pub(super) const PLANAR: Tag = 284;
pub(super) const T4_OPTIONS: Tag = 292;
pub(super) const PREDICTOR: Tag = 317;
pub(super) const COLOR_MAP: Tag = 320;
pub(super) const TILE_WIDTH: Tag = 322;
pub(super) const TILE_HEIGHT: Tag = 323;
pub(super) const TILE_OFFSETS: Tag = 324;
pub(super) const TILE_LENGTHS: Tag = 325;
pub(super) const INK_SET: Tag = 332;
pub(super) const EXTRA_SAMPLES: Tag = 338;
pub(super) const SAMPLE_FORMAT: Tag = 339;
pub(super) const JPEG_TABLES: Tag = 347;
pub(super) const YCBCR_COEFFICIENTS: Tag = 529;
pub(super) const YCBCR_SUBSAMPLING: Tag = 530;
pub(super) const REFERENCE_BLACK_WHITE: Tag = 532;
pub(in crate::picture) const XMP: Tag = 700;
pub(super) const PROFILE: Tag = 34_675;
pub(super) const DNG_VERSION: Tag = 50_706;

/// The order of the bytes of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// The unsigned number of these bytes, at most eight.
    pub(super) fn number(self, bytes: &[u8]) -> u64 {
        let add = |number, &byte| number << 8 | u64::from(byte);
        match self {
            Self::Little => bytes.iter().rev().fold(0, add),
            Self::Big => bytes.iter().fold(0, add),
        }
    }
}

/// The first directory of a file.
pub(in crate::picture) struct Tags<'a> {
    /// The order of all numbers in the file.
    pub(super) order: Order,
    /// Whether another directory follows: another page.
    pub(super) more: bool,
    entries: BTreeMap<Tag, Entry<'a>>,
}

struct Entry<'a> {
    kind: u64,
    /// Nothing when it lies beyond the end of the file.
    value: Option<&'a [u8]>,
}

/// What sets BigTIFF apart: how many bytes counts and offsets have.
struct Widths {
    /// Bytes of the number of entries.
    count: usize,
    /// Bytes of an offset, a value's count, a value within its entry.
    word: usize,
}

const CLASSIC: Widths = Widths { count: 2, word: 4 };
const BIG: Widths = Widths { count: 8, word: 8 };

/// Whether a file begins as TIFF or BigTIFF.
pub(in crate::picture) fn is_tiff(file: &[u8]) -> bool {
    [&b"II\x2a\0"[..], b"MM\0\x2a", b"II\x2b\0", b"MM\0\x2b"]
        .iter()
        .any(|start| file.starts_with(start))
}

impl<'a> Tags<'a> {
    pub(in crate::picture) fn read(file: &'a [u8]) -> Result<Self, Fault> {
        let cut = || Fault::damaged("the directory of its tags lies beyond the end of the file");
        let order = if file.starts_with(b"II") {
            Order::Little
        } else {
            Order::Big
        };
        let number = |at: usize, width: usize| -> Option<u64> {
            Some(order.number(file.get(at..at.checked_add(width)?)?))
        };
        let widths = if number(2, 2) == Some(43) { BIG } else { CLASSIC };
        let directory = number(widths.word, widths.word).and_then(|at| usize::try_from(at).ok());
        let directory = directory.ok_or_else(cut)?;
        let count = number(directory, widths.count).ok_or_else(cut)?;
        let size = 4 + 2 * widths.word;
        let mut at = directory + widths.count;
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            let entry = file.get(at..at + size).ok_or_else(cut)?;
            let (tag, entry) = Entry::read(file, entry, order, &widths);
            entries.entry(tag).or_insert(entry);
            at += size;
        }
        let next = number(at, widths.word);
        Ok(Self {
            order,
            more: next.is_some_and(|next| next != 0 && next < file.len() as u64),
            entries,
        })
    }

    pub(super) fn has(&self, tag: Tag) -> bool {
        self.entries.contains_key(&tag)
    }

    /// The bytes of a tag's value; nothing without the tag.
    pub(in crate::picture) fn bytes(&self, tag: Tag) -> Result<Option<&'a [u8]>, Fault> {
        let Some(entry) = self.entries.get(&tag) else {
            return Ok(None);
        };
        let beyond = || Fault::damaged(format!("tag {tag} lies beyond the end of the file"));
        entry.value.map(Some).ok_or_else(beyond)
    }

    /// A tag's whole numbers; nothing without the tag.
    pub(super) fn numbers(&self, tag: Tag) -> Result<Option<Vec<u64>>, Fault> {
        let Some(bytes) = self.bytes(tag)? else {
            return Ok(None);
        };
        let width = match self.entries[&tag].kind {
            1 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 13 => 4,
            16..=18 => 8,
            _ => return Err(Fault::damaged(format!("tag {tag} does not hold whole numbers"))),
        };
        Ok(Some(
            bytes
                .chunks_exact(width)
                .map(|number| self.order.number(number))
                .collect(),
        ))
    }

    /// The only or first number of a tag, `default` without the tag.
    pub(super) fn number(&self, tag: Tag, default: u64) -> Result<u64, Fault> {
        let numbers = self.numbers(tag)?;
        Ok(numbers
            .and_then(|numbers| numbers.first().copied())
            .unwrap_or(default))
    }

    /// The only or first number of a tag that has to be there.
    pub(super) fn required(&self, tag: Tag, name: &str) -> Result<u64, Fault> {
        let numbers = self.numbers(tag)?;
        let first = numbers.and_then(|numbers| numbers.first().copied());
        first.ok_or_else(|| Fault::damaged(format!("its {name} is missing")))
    }

    /// The number that all samples of a pixel share, `default` without the tag.
    pub(super) fn shared(&self, tag: Tag, default: u64, name: &str) -> Result<u64, Fault> {
        let numbers = self.numbers(tag)?.unwrap_or_default();
        let first = numbers.first().copied().unwrap_or(default);
        if numbers.iter().any(|&number| number != first) {
            return Err(Fault::unsupported(format!(
                "channels of different {name} in a TIFF"
            )));
        }
        Ok(first)
    }

    /// A tag's unsigned fractions; nothing without the tag.
    pub(super) fn fractions(&self, tag: Tag) -> Result<Option<Vec<f32>>, Fault> {
        let Some(bytes) = self.bytes(tag)? else {
            return Ok(None);
        };
        let fraction = |pair: &[u8]| {
            let [over, under] = [&pair[..4], &pair[4..]].map(|half| self.order.number(half) as f32);
            over / under
        };
        Ok(Some(bytes.chunks_exact(8).map(fraction).collect()))
    }
}

impl<'a> Entry<'a> {
    fn read(file: &'a [u8], entry: &'a [u8], order: Order, widths: &Widths) -> (Tag, Self) {
        let kind = order.number(&entry[2..4]);
        let count = order.number(&entry[4..4 + widths.word]);
        let inline = &entry[4 + widths.word..];
        let length = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(size_of_kind(kind)));
        let value = length.and_then(|length| match inline.get(..length) {
            Some(value) => Some(value),
            None => {
                let offset = usize::try_from(order.number(inline)).ok()?;
                file.get(offset..offset.checked_add(length)?)
            }
        });
        (order.number(&entry[..2]) as Tag, Self { kind, value })
    }
}

/// The bytes of one value of this kind (TIFF 6.0, page 15, and BigTIFF); unknown kinds have none.
fn size_of_kind(kind: u64) -> usize {
    match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 0,
    }
}
