//! Colour profiles, and the inks of CMYK.

use crate::*;

#[test]
fn a_colour_profile_in_any_format_is_applied() {
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let rgb = [200, 100, 50].repeat(8 * 8);
    let color = ExtendedColorType::Rgb8;
    let [mut png, mut webp, mut tiff, mut jpeg] = [const { Vec::new() }; 4];
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_icc_profile(profile.clone()).unwrap();
    encoder.write_image(&rgb, 8, 8, color).unwrap();
    let mut encoder = WebPEncoder::new_lossless(&mut webp);
    encoder.set_icc_profile(profile.clone()).unwrap();
    encoder.write_image(&rgb, 8, 8, color).unwrap();
    let mut encoder = TiffEncoder::new(Cursor::new(&mut tiff));
    encoder.set_icc_profile(profile.clone()).unwrap();
    encoder.write_image(&rgb, 8, 8, color).unwrap();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 100);
    encoder.set_icc_profile(profile).unwrap();
    encoder.write_image(&rgb, 8, 8, color).unwrap();
    for (format, content) in [("png", png), ("webp", webp), ("tiff", tiff), ("jpeg", jpeg)] {
        let picture = load(&content).unwrap();
        // By the matrices of the standards.
        for (value, wanted) in picture.pixel(4, 4).into_iter().zip([214.90, 92.61, 30.95]) {
            assert!(
                (value - wanted).abs() < 1.5,
                "{format}: {:?}",
                picture.pixel(4, 4)
            );
        }
    }
}

#[test]
fn a_broken_colour_profile_is_a_warning_that_names_the_file() {
    let mut content = Vec::new();
    let mut encoder = PngEncoder::new(&mut content);
    encoder.set_icc_profile(b"nonsense".to_vec()).unwrap();
    encoder
        .write_image(&[1, 2, 3], 1, 1, ExtendedColorType::Rgb8)
        .unwrap();
    let (_folder, path) = file(&content);
    let loaded = picture::load(&path).unwrap();
    assert_eq!(bytes(&loaded.picture), [1, 2, 3]);
    let [warning] = loaded.warnings.as_slice() else {
        panic!("{:?}", loaded.warnings)
    };
    assert!(
        warning.starts_with(&path.display().to_string()) && warning.contains("colour profile"),
        "{warning}"
    );
}

/// A JPEG file of one colour in cyan, magenta, yellow and black: 255 is full ink.
fn cmyk_jpeg(inks: [u8; 4], color: jpeg_encoder::ColorType, profile: Option<&[u8]>) -> Vec<u8> {
    let mut content = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut content, 100);
    if let Some(profile) = profile {
        encoder.add_icc_profile(profile).unwrap();
    }
    encoder.encode(&inks.repeat(16 * 8), 16, 8, color).unwrap();
    content
}

#[test]
fn cmyk_and_ycck_jpegs_are_accepted() {
    for (inks, wanted) in [
        ([0, 0, 0, 0], [255.0, 255.0, 255.0]),
        ([0, 0, 0, 255], [0.0, 0.0, 0.0]),
        ([255, 0, 0, 0], [0.0, 255.0, 255.0]),
        ([0, 55, 155, 51], [204.0, 160.0, 80.0]),
    ] {
        for color in [jpeg_encoder::ColorType::Cmyk, jpeg_encoder::ColorType::CmykAsYcck] {
            let picture = load(&cmyk_jpeg(inks, color, None)).unwrap();
            assert_eq!(picture.size(), (16, 8));
            for (value, wanted) in picture.pixel(9, 5).into_iter().zip(wanted) {
                assert!(
                    (value - wanted).abs() <= 3.0,
                    "{color:?} {inks:?}: {:?}",
                    picture.pixel(9, 5)
                );
            }
        }
    }
}

#[test]
fn inks_without_adobe_s_mark_are_not_inverted() {
    let mut content = cmyk_jpeg([245, 55, 155, 255], jpeg_encoder::ColorType::Cmyk, None);
    let mark = content.windows(5).position(|bytes| bytes == b"Adobe").unwrap();
    content[mark..mark + 5].copy_from_slice(b"Other");
    for (value, wanted) in load(&content)
        .unwrap()
        .pixel(3, 3)
        .into_iter()
        .zip([245.0, 55.0, 155.0])
    {
        assert!((value - wanted).abs() <= 3.0, "{value} instead of {wanted}");
    }
}

/// A profile for four inks, of which only cyan counts: Lab (100 (1 - cyan), 0, 0).
fn profile_of_cyan() -> Vec<u8> {
    use moxcms::{ColorProfile, DataColorSpace, LutDataType, LutStore, LutType, LutWarehouse, ProfileClass};
    let through = |channels: usize| LutStore::Store16([0, 65_535].repeat(channels));
    // Two points an ink, cyan the slowest; 0xFF00 is L = 100, 0x8000 is a = 0 and b = 0.
    let corners = (0..16).flat_map(|corner| [if corner < 8 { 0xFF00 } else { 0 }, 0x8000, 0x8000]);
    let table = LutDataType {
        num_input_channels: 4,
        num_output_channels: 3,
        num_clut_grid_points: 2,
        matrix: moxcms::Matrix3d::IDENTITY,
        num_input_table_entries: 2,
        num_output_table_entries: 2,
        input_table: through(4),
        clut_table: LutStore::Store16(corners.collect()),
        output_table: through(3),
        lut_type: LutType::Lut16,
    };
    let mut profile = ColorProfile::new_srgb();
    profile.color_space = DataColorSpace::Cmyk;
    profile.pcs = DataColorSpace::Lab;
    profile.profile_class = ProfileClass::OutputDevice;
    profile.cicp = None;
    profile.lut_a_to_b_perceptual = Some(LutWarehouse::Lut(table));
    profile.encode().unwrap()
}

#[test]
fn the_inks_of_a_cmyk_jpeg_mean_what_its_profile_says() {
    let content = cmyk_jpeg(
        [128, 255, 0, 100],
        jpeg_encoder::ColorType::Cmyk,
        Some(&profile_of_cyan()),
    );
    let (_folder, path) = file(&content);
    let loaded = picture::load(path).unwrap();
    assert_eq!(loaded.warnings, [""; 0]);
    // L = 50 is a grey of 119 in sRGB.
    for value in loaded.picture.pixel(3, 3) {
        assert!((value - 118.5).abs() < 3.0, "{:?}", loaded.picture.pixel(3, 3));
    }
}

#[test]
fn a_cmyk_jpeg_with_a_profile_for_something_else_is_read_with_a_warning() {
    let profile = moxcms::ColorProfile::new_srgb().encode().unwrap();
    let (_folder, path) = file(&cmyk_jpeg(
        [255, 0, 0, 0],
        jpeg_encoder::ColorType::Cmyk,
        Some(&profile),
    ));
    let loaded = picture::load(path).unwrap();
    assert!(loaded.picture.pixel(0, 0)[0] < 3.0);
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
}
