//! Damage to files, the same for the same seed: what disks, networks and people do to them.

use rand_chacha::{ChaCha8Rng, rand_core::RngCore as _};

/// Values at the ends of what fields hold.
const EXTREMES: [u32; 10] = [
    0,
    1,
    0x7F,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x0010_0000,
    0x7FFF_FFFF,
    0x8000_0000,
    u32::MAX,
];

/// What stands in texts in place of a word.
const WORDS: [&str; 24] = [
    "",
    "0",
    "-1",
    "17",
    "1e999",
    "nan",
    "-inf",
    "9223372036854775807",
    "18446744073709551616",
    "4294967296",
    "0.30000000000000004",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "=",
    ",",
    "\n",
    "\0",
    "\u{1b}[31m",
    "é",
    "/dev/zero",
    "..",
];

/// A file with one to four damages; `other` is another file of its kind, to splice with.
pub fn of_bytes(rng: &mut ChaCha8Rng, file: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..=below(rng, 4) {
        one(rng, &mut bytes, other);
    }
    if below(rng, 2) == 0 {
        mend_png(&mut bytes);
    }
    bytes
}

fn one(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    // Half of it hits the head, where the fields are.
    let within = match below(rng, 2) {
        0 => bytes.len().min(64),
        _ => bytes.len(),
    };
    let start = below(rng, within);
    let end = bytes.len().min(start + 1 + below(rng, 64));
    match below(rng, 12) {
        _ if bytes.is_empty() => {}
        0 | 1 => bytes[start] ^= 1 << below(rng, 8),
        2 => bytes[start] = below(rng, 256) as u8,
        3 => bytes[start..end].fill(0xFF),
        4 => bytes[start..end].fill(0),
        5 => bytes.truncate(1 + below(rng, bytes.len())),
        6 => drop(bytes.drain(start..end)),
        7 => drop(bytes.splice(start..start, bytes[start..end].to_vec())),
        8 => bytes[start..end].fill_with(|| below(rng, 256) as u8),
        9 => {
            bytes.truncate(start);
            bytes.extend_from_slice(&other[below(rng, other.len())..]);
        }
        10 => {
            let value = EXTREMES[below(rng, EXTREMES.len())];
            field(rng, bytes, start, |_| value);
        }
        _ => {
            let change = below(rng, 33) as u32;
            field(rng, bytes, start, |value| {
                value.wrapping_add(change).wrapping_sub(16)
            });
        }
    }
}

/// Changes a number of one, two or four bytes, whichever end comes first.
fn field(rng: &mut ChaCha8Rng, bytes: &mut [u8], start: usize, change: impl Fn(u32) -> u32) {
    let size = [1, 2, 4][below(rng, 3)];
    let Some(field) = bytes.get_mut(start..start + size) else {
        return;
    };
    let largest_first = below(rng, 2) == 0;
    if largest_first {
        field.reverse();
    }
    let old = field
        .iter()
        .rev()
        .fold(0, |value, &byte| value << 8 | u32::from(byte));
    field.copy_from_slice(&change(old).to_le_bytes()[..size]);
    if largest_first {
        field.reverse();
    }
}

/// Gives the chunks of a PNG their checksums, without which nothing behind them is looked at.
fn mend_png(bytes: &mut [u8]) {
    const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1A\n";
    let mut rest = match bytes.starts_with(SIGNATURE) {
        true => &mut bytes[SIGNATURE.len()..],
        false => return,
    };
    while let Some(&[a, b, c, d]) = rest.first_chunk() {
        let end = 8 + u32::from_be_bytes([a, b, c, d]) as usize;
        if rest.len() < end + 4 {
            return;
        }
        let (chunk, behind) = rest.split_at_mut(end + 4);
        let checksum = crc32fast::hash(&chunk[4..end]);
        chunk[end..].copy_from_slice(&checksum.to_be_bytes());
        rest = behind;
    }
}

/// A picture that says to be of another size than it is, wherever its size stands in one of the usual ways.
pub fn of_size(file: &[u8], old: (u16, u16), new: (u16, u16)) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for (old, new) in sizes(old).iter().zip(sizes(new)) {
        if let Some(at) = bytes.windows(old.len()).position(|place| place == old) {
            bytes[at..at + old.len()].copy_from_slice(&new);
        }
    }
    mend_png(&mut bytes);
    bytes
}

/// Width and height as PNG and AVIF, JPEG, GIF and lossy WebP, BMP, and WebP with a profile have them.
fn sizes((width, height): (u16, u16)) -> [Vec<u8>; 5] {
    let [w, h] = [width, height].map(u32::from);
    let largest_first = [w.to_be_bytes(), h.to_be_bytes()].concat();
    let less_one = [(w - 1).to_le_bytes(), (h - 1).to_le_bytes()];
    [
        largest_first,
        [height.to_be_bytes(), width.to_be_bytes()].concat(),
        [width.to_le_bytes(), height.to_le_bytes()].concat(),
        [w.to_le_bytes(), h.to_le_bytes()].concat(),
        less_one.map(|side| side[..3].to_vec()).concat(),
    ]
}

/// A text with one to three words changed; now and then its bytes are damaged too.
pub fn of_text(rng: &mut ChaCha8Rng, file: &[u8], other: &[u8]) -> Vec<u8> {
    let (text, other) = (String::from_utf8_lossy(file), String::from_utf8_lossy(other));
    let (mut words, others) = (words(&text), words(&other));
    for _ in 0..=below(rng, 3) {
        let at = below(rng, words.len());
        let new = match below(rng, 3) {
            0 => others[below(rng, others.len())],
            _ => WORDS[below(rng, WORDS.len())],
        };
        match below(rng, 4) {
            _ if words.is_empty() => words.push(new),
            0 => words.insert(at, new),
            1 => drop(words.remove(at)),
            _ => words[at] = new,
        }
    }
    let text = words.concat().into_bytes();
    match below(rng, 8) {
        0 => of_bytes(rng, &text, file),
        _ => text,
    }
}

/// Words and numbers, and what stands between them, a character each.
fn words(text: &str) -> Vec<&str> {
    let within = |c: char| c.is_alphanumeric() || "_-.+".contains(c);
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = match within(first) {
            true => rest.find(|c| !within(c)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (word, behind) = rest.split_at(end);
        words.push(word);
        rest = behind;
    }
    words
}

/// A number from 0 to below `end`; 0 when there is none.
pub fn below(rng: &mut ChaCha8Rng, end: usize) -> usize {
    (rng.next_u64() % end.max(1) as u64) as usize
}
