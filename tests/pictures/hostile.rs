//! What is no picture, or a dangerous one.

use crate::*;
use impasto::memory::{Bytes, usual_budget};

#[test]
fn a_missing_file_is_named() {
    let error = Picture::load("no/such/photo.jpg").unwrap_err();
    assert!(
        matches!(error, PictureError::Input(InputError::Missing { .. })),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .starts_with("no/such/photo.jpg: there is no such file"),
        "{error}"
    );
}

#[test]
fn a_folder_is_not_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let error = Picture::load(folder.path()).unwrap_err();
    assert!(
        matches!(error, PictureError::Input(InputError::Folder { .. })),
        "{error}"
    );
}

#[test]
fn an_empty_file_is_called_empty() {
    assert!(refusal(b"").contains("the file is empty"));
}

#[test]
fn text_and_random_bytes_are_no_picture_or_a_damaged_one() {
    assert!(refusal(b"Dear diary,").contains("not a picture"));
    assert!(refusal(&speckle(10_000)).contains("not a picture"));
    for (format, content) in in_every_format(8, 8, &speckle(8 * 8 * 3)) {
        let mut damaged = speckle(1000);
        damaged[..12].copy_from_slice(&content[..12]);
        let (_folder, path) = file(&damaged);
        assert!(Picture::load(path).is_err(), "{format}");
    }
}

#[test]
fn formats_that_are_not_read_are_named() {
    for (start, name) in [
        (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], "HEIC"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "raw file"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "video"),
        (b"\0\0\0\x0CjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xFF\x4F\xFF\x51\0\x29", "JPEG 2000"),
        (b"%PDF-1.7\n", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (
            b"<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
            "SVG",
        ),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"8BPS\0\x01", "PSD"),
        (b"gimp xcf v011\0", "XCF"),
        (b"PK\x03\x04\x14\0", "ZIP"),
        (b"\0\0\x01\0\x01\0", "ICO"),
        (b"FUJIFILMCCD-RAW 0201", "raw file"),
        (b"IIU\0\x18\0\0\0", "raw file"),
        (b"\x76\x2F\x31\x01\x02\0\0\0", "OpenEXR"),
        (b"#?RADIANCE\n", "Radiance HDR"),
        (b"P6\n2 2\n255\n............", "PPM"),
        (b"qoif\0\0\0\x01\0\0\0\x01\x03\0", "QOI"),
        (
            b"\0\0\x02\0\0\0\0\0\0\0\0\0\x01\0\x01\0\x18\0...TRUEVISION-XFILE.\0",
            "TGA",
        ),
    ] {
        let message = refusal(start);
        assert!(
            message.contains(name) && message.contains("save it as"),
            "{message}"
        );
    }
}

#[test]
fn a_file_without_permission_says_so() {
    #[cfg(unix)]
    {
        let (_folder, path) = file(b"secret");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
        // Root may read anything.
        if fs::File::open(&path).is_err() {
            let error = Picture::load(&path).unwrap_err();
            assert!(
                matches!(error, PictureError::Input(InputError::Denied { .. })),
                "{error}"
            );
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_refused_or_still_has_every_pixel_or_says_how_many() {
    for (format, content) in in_every_format(23, 9, &speckle(23 * 9 * 3)) {
        let whole = load(&content).unwrap();
        let (mut refused, mut told) = (0, 0);
        for length in 1..content.len() {
            let (_folder, path) = file(&content[..length]);
            match picture::load(path) {
                Ok(cut)
                    if cut
                        .warnings
                        .iter()
                        .any(|line| line.contains("% of it is missing")) =>
                {
                    told += 1
                }
                // What is left out then is a trailer: a checksum, an end mark.
                Ok(cut) => assert_eq!(
                    cut.picture,
                    whole,
                    "{format} cut at {length} of {}",
                    content.len()
                ),
                Err(PictureError::Damaged { .. } | PictureError::NotAPicture { .. }) => refused += 1,
                Err(error) => panic!("{format} cut at {length}: {error}"),
            }
        }
        assert!(
            (refused + told) * 10 > content.len() * 9 && (told == 0 || format == "jpeg"),
            "{format}: {refused} refused, {told} told of {}",
            content.len()
        );
    }
}

#[test]
fn a_damaged_png_is_found_out_by_its_checksums() {
    let (_, content) = in_every_format(23, 9, &speckle(23 * 9 * 3)).swap_remove(0);
    for at in [24, 40, content.len() / 2, content.len() - 20] {
        let mut damaged = content.clone();
        damaged[at] ^= 0x55;
        assert!(refusal(&damaged).contains("damaged"), "byte {at}");
    }
}

#[test]
fn bytes_changed_anywhere_never_panic() {
    for (_, content) in in_every_format(11, 5, &speckle(11 * 5 * 3)) {
        for at in 0..content.len() {
            for change in [0x01, 0x80, 0xFF] {
                let mut changed = content.clone();
                changed[at] ^= change;
                drop(load(&changed));
            }
        }
    }
}

#[test]
fn bytes_after_the_end_of_a_jpeg_do_no_harm() {
    let (_, mut jpeg) = in_every_format(8, 8, &speckle(8 * 8 * 3)).pop().unwrap();
    let picture = load(&jpeg).unwrap();
    jpeg.extend(speckle(1000));
    assert_eq!(load(&jpeg).unwrap(), picture);
}

#[test]
fn a_header_of_60000_by_60000_pixels_is_refused_with_the_size() {
    let mut png = Vec::new();
    drop(
        png::Encoder::new(&mut png, 60_000, 60_000)
            .write_header()
            .unwrap(),
    );

    let formats = in_every_format(8, 8, &speckle(8 * 8 * 3));
    let of = |name| {
        formats
            .iter()
            .find(|(format, _)| *format == name)
            .unwrap()
            .1
            .clone()
    };
    let mut jpeg = of("jpeg");
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xEA, 0x60, 0xEA, 0x60]);
    let mut bmp = of("bmp");
    bmp[18..22].copy_from_slice(&60_000_u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&60_000_u32.to_le_bytes());
    let mut tiff = Vec::new();
    {
        let mut encoder = tiff::encoder::TiffEncoder::new(Cursor::new(&mut tiff)).unwrap();
        let mut directory = encoder.image_directory().unwrap();
        for (tag, value) in [
            (tiff::tags::Tag::ImageWidth, 60_000_u32),
            (tiff::tags::Tag::ImageLength, 60_000),
            (tiff::tags::Tag::BitsPerSample, 8),
            (tiff::tags::Tag::PhotometricInterpretation, 1),
            (tiff::tags::Tag::StripOffsets, 8),
            (tiff::tags::Tag::StripByteCounts, 100),
            (tiff::tags::Tag::RowsPerStrip, 60_000),
        ] {
            directory.write_tag(tag, value).unwrap();
        }
        directory.finish().unwrap();
    }
    // A machine with so much memory finds that the file has no such pixels.
    let can_be_had = usual_budget() > Some(Bytes(68 << 30));
    for (format, content) in [("png", png), ("jpeg", jpeg), ("bmp", bmp), ("tiff", tiff)] {
        let message = refusal(&content);
        assert!(
            message.contains("60000x60000 pixels take 67.1G") || can_be_had,
            "{format}: {message}"
        );
    }
}
