//! Turning pictures upright.

use crate::*;

/// A picture of 3 columns and 2 rows whose pixels are the greys 0, 50, 100 over 150, 200, 250.
const UPRIGHT: [u8; 6] = [0, 50, 100, 150, 200, 250];

/// For EXIF orientations 1 to 8: what a viewer shows of [`UPRIGHT`], width, height and greys. (The tag says where the
/// stored first row and first column belong: 6, say, is first row right, first column top: turn clockwise.)
const SHOWN: [(u32, u32, [u8; 6]); 8] = [
    (3, 2, [0, 50, 100, 150, 200, 250]),
    (3, 2, [100, 50, 0, 250, 200, 150]),
    (3, 2, [250, 200, 150, 100, 50, 0]),
    (3, 2, [150, 200, 250, 0, 50, 100]),
    (2, 3, [0, 150, 50, 200, 100, 250]),
    (2, 3, [150, 0, 200, 50, 250, 100]),
    (2, 3, [250, 100, 200, 50, 150, 0]),
    (2, 3, [100, 250, 50, 200, 0, 150]),
];

/// An EXIF block with nothing but the orientation.
fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    block.extend([orientation, 0, 0, 0, 0, 0, 0]);
    block
}

fn assert_shown(content: &[u8], orientation: u8, tolerance: f32) {
    let picture = load(content).unwrap();
    let (width, height, greys) = SHOWN[usize::from(orientation) - 1];
    assert_eq!(picture.size(), (width, height), "orientation {orientation}");
    for (pixel, grey) in picture.rgb().chunks(3).zip(greys) {
        let off = (pixel[0] - f32::from(grey)).abs();
        assert!(off <= tolerance, "orientation {orientation}: {:?}", picture.rgb());
    }
}

#[test]
fn all_eight_exif_orientations_of_a_png_are_applied() {
    for orientation in 1..=8 {
        let mut content = Vec::new();
        let mut encoder = PngEncoder::new(&mut content);
        encoder.set_exif_metadata(exif(orientation)).unwrap();
        encoder
            .write_image(&UPRIGHT, 3, 2, ExtendedColorType::L8)
            .unwrap();
        assert_shown(&content, orientation, 0.0);
    }
}

#[test]
fn all_eight_exif_orientations_of_a_jpeg_are_applied() {
    for orientation in 1..=8 {
        let mut content = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut content, 100);
        encoder.set_exif_metadata(exif(orientation)).unwrap();
        encoder
            .write_image(&UPRIGHT, 3, 2, ExtendedColorType::L8)
            .unwrap();
        assert_shown(&content, orientation, 4.0);
    }
}

#[test]
fn all_eight_exif_orientations_of_a_webp_are_applied() {
    let rgb = UPRIGHT.map(|grey| [grey; 3]).concat();
    for orientation in 1..=8 {
        let mut content = Vec::new();
        let mut encoder = WebPEncoder::new_lossless(&mut content);
        encoder.set_exif_metadata(exif(orientation)).unwrap();
        encoder.write_image(&rgb, 3, 2, ExtendedColorType::Rgb8).unwrap();
        assert_shown(&content, orientation, 0.0);
    }
}

#[test]
fn all_eight_orientations_of_a_tiff_are_applied() {
    for orientation in 1..=8_u8 {
        let mut content = Vec::new();
        let mut encoder = tiff::encoder::TiffEncoder::new(Cursor::new(&mut content)).unwrap();
        let mut image = encoder
            .new_image::<tiff::encoder::colortype::Gray8>(3, 2)
            .unwrap();
        image
            .encoder()
            .write_tag(tiff::tags::Tag::Orientation, u16::from(orientation))
            .unwrap();
        image.write_data(&UPRIGHT).unwrap();
        assert_shown(&content, orientation, 0.0);
    }
}
