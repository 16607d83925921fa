//! Formats that are not read but known by how they begin, so that the error can name them.

/// What a file of this beginning is, when it is of a known format that is not read.
pub(super) fn name(file: &[u8]) -> Option<&'static str> {
    // It may begin as cursors do.
    if file.ends_with(b"TRUEVISION-XFILE.\0") {
        return Some("a TGA picture");
    }
    let by_start = STARTS.iter().find(|(start, _)| file.starts_with(start));
    by_start
        .map(|&(_, name)| name)
        .or_else(|| container(file))
        .or_else(|| netpbm(file))
        .or_else(|| text(file))
}

/// How files begin, and what they are.
const STARTS: [(&[u8], &str); 29] = [
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"\xC5\xD0\xD3\xC6", "a PostScript document"),
    (b"8BPS", "a Photoshop picture (PSD)"),
    (b"gimp xcf", "a GIMP picture (XCF)"),
    (
        b"PK\x03\x04",
        "a ZIP archive, or a document or picture packed as one (ORA, KRA)",
    ),
    (b"\0\0\x01\0", "an icon (ICO)"),
    (b"\0\0\x02\0", "a cursor (CUR)"),
    (b"\0\0\0\x0CjP  \r\n\x87\n", JPEG_2000),
    (b"\xFF\x4F\xFF\x51", JPEG_2000),
    (b"\x76\x2F\x31\x01", "an OpenEXR picture"),
    (b"#?RADIANCE", "a Radiance HDR picture"),
    (b"#?RGBE", "a Radiance HDR picture"),
    (b"qoif", "a QOI picture"),
    (b"farbfeld", "a farbfeld picture"),
    (b"DDS ", "a DDS texture"),
    (b"\x8AMNG", "an MNG animation"),
    (b"AT&TFORM", "a DjVu document"),
    (b"BPG\xFB", "a BPG picture"),
    (b"FLIF", "a FLIF picture"),
    (b"SIMPLE  =", "a FITS picture"),
    (b"\x1A\x45\xDF\xA3", "a video (WebM or Matroska)"),
    (b"FUJIFILMCCD-RAW", RAW),
    (b"FOVb", RAW),
    (b"IIU\0", RAW),
    (b"IIRO", RAW),
    (b"IIRS", RAW),
    (b"MMOR", RAW),
    (b"II\x1A\0\0\0HEAPCCDR", RAW),
];

const JPEG_2000: &str = "a JPEG 2000 picture";
const RAW: &str = "a camera's raw file";

/// Containers of the family of MP4: the first box tells the brand, then a version, then all brands that fit.
fn container(file: &[u8]) -> Option<&'static str> {
    if file.get(4..8)? != b"ftyp" {
        return None;
    }
    let length = u32::from_be_bytes(file[..4].try_into().ok()?) as usize;
    let brands = file.get(8..length.max(12).min(file.len()))?;
    let has = |names: &[&[u8; 4]]| {
        brands
            .chunks_exact(4)
            .any(|brand| names.iter().any(|name| brand == *name))
    };
    Some(if has(&[b"avif", b"avis"]) {
        "an AVIF picture"
    } else if has(&[
        b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1",
    ]) {
        "a HEIC picture"
    } else if has(&[b"crx "]) {
        RAW
    } else {
        "a video (MP4 or MOV)"
    })
}

/// The family of PNM: P and a digit, then a blank.
fn netpbm(file: &[u8]) -> Option<&'static str> {
    match file {
        [b'P', b'1'..=b'7' | b'F' | b'f', b' ' | b'\n' | b'\r' | b'\t', ..] => {
            Some("a Netpbm picture (PBM, PGM, PPM, PAM or PFM)")
        }
        _ => None,
    }
}

/// Pages and drawings, after white space, a mark of the encoding, comments and the like.
fn text(file: &[u8]) -> Option<&'static str> {
    const LOOKED_AT: usize = 4096;
    let start = String::from_utf8_lossy(&file[..file.len().min(LOOKED_AT)]).to_ascii_lowercase();
    let start = start.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if !start.starts_with('<') {
        return None;
    }
    if start.contains("<svg") && !start.contains("<html") {
        return Some("an SVG drawing");
    }
    (start.contains("<html") || start.contains("<!doctype html")).then_some("a web page")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brands_of_a_container_tell_avif_from_heic_and_video() {
        let container = |brands: &[u8]| [&[0, 0, 0, 8 + brands.len() as u8], b"ftyp", brands].concat();
        for (brands, wanted) in [
            (&b"avif\0\0\0\0mif1avifmiaf"[..], "AVIF"),
            (b"mif1\0\0\0\0mif1avif", "AVIF"),
            (b"heic\0\0\0\0mif1heic", "HEIC"),
            (b"mif1\0\0\0\0mif1heic", "HEIC"),
            (b"crx \0\0\0\x01crx isom", "raw"),
            (b"isom\0\0\x02\0isomiso2avc1mp41", "video"),
            (b"qt  ", "video"),
        ] {
            let name = name(&container(brands)).unwrap();
            assert!(name.contains(wanted), "{name} instead of {wanted}");
        }
        assert_eq!(name(b"\0\0\0\x20ftyp"), Some("a video (MP4 or MOV)"));
    }

    #[test]
    fn drawings_and_pages_are_told_apart_after_what_may_come_before() {
        assert_eq!(name(b"<svg xmlns='..'>"), Some("an SVG drawing"));
        let drawing = "\u{feff}<?xml version=\"1.0\"?>\n<!-- made -->\n<!DOCTYPE svg>\n<svg>";
        assert_eq!(name(drawing.as_bytes()), Some("an SVG drawing"));
        assert_eq!(name(b"\n<!DOCTYPE html>\n<html><svg>"), Some("a web page"));
        assert_eq!(name(b"<note/>"), None);
        assert_eq!(name(b"Dear diary, <svg>"), None);
    }

    #[test]
    fn a_letter_p_is_not_yet_a_netpbm_picture() {
        assert!(name(b"P6\n1 1\n255\n").unwrap().contains("PPM"));
        assert_eq!(name(b"P6x"), None);
        assert_eq!(name(b"Pp"), None);
    }
}
