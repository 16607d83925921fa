//! WebP: an XMP packet in a chunk at the end (RFC 9649, 2.7.1.5).

/// The chunk that says what chunks there are, and where its flags are in a file that begins with it.
const EXTENDED: &[u8] = b"VP8X";
const FLAGS: usize = 20;
/// That there is XMP.
const HAS_XMP: u8 = 4;

/// Into a file that has a colour profile, and therefore flags.
pub(in crate::picture) fn insert(file: &mut Vec<u8>, packet: &[u8]) -> Option<()> {
    let length = u32::try_from(packet.len()).ok()?;
    let padding = &[0][..packet.len() % 2];
    let chunk = [b"XMP ", &length.to_le_bytes()[..], packet, padding].concat();
    let size = u32::try_from(file.len() - 8 + chunk.len()).ok()?;
    if !file[12..].starts_with(EXTENDED) {
        return None;
    }
    file.extend(chunk);
    file[4..8].copy_from_slice(&size.to_le_bytes());
    file[FLAGS] |= HAS_XMP;
    Some(())
}

pub(in crate::picture) fn find(file: &[u8]) -> Option<&[u8]> {
    let mut rest = file.get(12..)?;
    loop {
        let length = u32::from_le_bytes(*rest.get(4..)?.first_chunk()?) as usize;
        let content = rest.get(8..)?;
        if rest.starts_with(b"XMP ") {
            return content.get(..length);
        }
        rest = content.get(length..)?.get(length % 2..)?;
    }
}
