//! TIFF: an XMP packet as the value of a tag (XMP specification, part 3, 1.1.3).

use crate::picture::tiff::{Tags, XMP};

/// Bytes of a directory's entry.
const ENTRY: usize = 12;
/// The type of a value that is bytes.
const BYTES: u16 = 1;

/// Into a file of one page that ends with its directory, in the order of bytes of this machine.
pub(in crate::picture) fn insert(file: &mut Vec<u8>, packet: &[u8]) -> Option<()> {
    let old = u32::from_ne_bytes(*file.get(4..)?.first_chunk()?) as usize;
    let count = u16::from_ne_bytes(*file.get(old..)?.first_chunk()?);
    let entries = file.get(old + 2..)?.get(..ENTRY * usize::from(count))?;
    let length = u32::try_from(packet.len()).ok()?;
    let offset = u32::try_from(old).ok()?;
    let directory = old.checked_add(packet.len())?.next_multiple_of(2);
    let pointer = u32::try_from(directory).ok()?;

    let entry = [
        &XMP.to_ne_bytes()[..],
        &BYTES.to_ne_bytes(),
        &length.to_ne_bytes(),
        &offset.to_ne_bytes(),
    ]
    .concat();
    let mut entries: Vec<&[u8]> = entries.chunks_exact(ENTRY).chain([&entry[..]]).collect();
    entries.sort_by_key(|entry| u16::from_ne_bytes([entry[0], entry[1]]));
    let entries = [&(count + 1).to_ne_bytes()[..], &entries.concat(), &[0; 4]].concat();

    file.truncate(old);
    file.extend(packet);
    file.resize(directory, 0);
    file.extend(entries);
    file[4..8].copy_from_slice(&pointer.to_ne_bytes());
    Some(())
}

pub(in crate::picture) fn find(file: &[u8]) -> Option<&[u8]> {
    Tags::read(file).ok()?.bytes(XMP).ok()?
}
