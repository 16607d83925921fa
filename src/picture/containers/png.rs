//! PNG: a chunk of the kind iTXt (PNG 3rd edition, 11.3.3.4).

/// The signature and the header's chunk, which must be the first.
const START: usize = 8 + 25;
/// The keyword; that nothing is compressed; no language, no translated keyword.
const HEAD: &[u8] = b"impasto\0\0\0\0\0";

pub(in crate::picture) fn insert(file: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    let content = [b"iTXt", HEAD, text].concat();
    let length = u32::try_from(content.len() - 4).ok()?;
    let checksum = crc32fast::hash(&content);
    let chunk = [&length.to_be_bytes()[..], &content, &checksum.to_be_bytes()].concat();
    file.splice(START..START, chunk);
    Some(())
}

pub(in crate::picture) fn find(file: &[u8]) -> Option<&[u8]> {
    let mut rest = file.get(8..)?;
    loop {
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let content = rest.get(8..)?;
        let text = content.get(..length)?.strip_prefix(HEAD);
        if text.is_some() && rest[4..].starts_with(b"iTXt") {
            return text;
        }
        rest = content.get(length..)?.get(4..)?;
    }
}
