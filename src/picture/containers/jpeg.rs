//! JPEG: an XMP packet in a segment APP1 (XMP specification, part 3, 1.1.3).

/// What tells the segment from others of its kind.
const NAMESPACE: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const APP0: [u8; 2] = [0xff, 0xe0];
const APP1: [u8; 2] = [0xff, 0xe1];
const START_OF_SCAN: u8 = 0xda;

/// Behind the segment of JFIF, which comes first.
pub(in crate::picture) fn insert(file: &mut Vec<u8>, packet: &[u8]) -> Option<()> {
    let length = u16::try_from(2 + NAMESPACE.len() + packet.len()).ok()?;
    let first = segment(&file[2..])?;
    let at = match file[2..].starts_with(&APP0) {
        true => 4 + first.len(),
        false => 2,
    };
    let segment = [&APP1[..], &length.to_be_bytes(), NAMESPACE, packet].concat();
    file.splice(at..at, segment);
    Some(())
}

pub(in crate::picture) fn find(file: &[u8]) -> Option<&[u8]> {
    let mut rest = file.get(2..)?;
    while let [0xff, marker, ..] = *rest
        && marker != START_OF_SCAN
    {
        if marker == 0xff {
            rest = &rest[1..];
            continue;
        }
        let segment = segment(rest)?;
        if let Some(packet) = segment[2..].strip_prefix(NAMESPACE)
            && rest.starts_with(&APP1)
        {
            return Some(packet);
        }
        rest = &rest[2 + segment.len()..];
    }
    None
}

/// The segment that begins with its marker here, without that: its length, which counts itself, and the content.
fn segment(rest: &[u8]) -> Option<&[u8]> {
    let length = u16::from_be_bytes(*rest.get(2..)?.first_chunk()?);
    rest.get(2..2 + usize::from(length))
        .filter(|segment| segment.len() >= 2)
}
