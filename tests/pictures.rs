//! Pictures from files and back: every pixel is checked, and what is hostile is refused in one line.

// The helpers of the tests, too, may panic.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use image::{
    ExtendedColorType, ImageEncoder,
    codecs::{bmp::BmpEncoder, jpeg::JpegEncoder, png::PngEncoder, tiff::TiffEncoder, webp::WebPEncoder},
};
use impasto::{
    picture::{self, Bits, Encoding, Picture, PictureError, check_output},
    tensor::{from_tensor, to_tensor},
};
use tempfile::TempDir;

/// A folder that vanishes, and a file of this content in it. The name says nothing of the format.
fn file(content: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input");
    fs::write(&path, content).unwrap();
    (folder, path)
}

fn load(content: &[u8]) -> Result<Picture, PictureError> {
    let (_folder, path) = file(content);
    Picture::load(path)
}

/// The message, after checking that it is one line that names the file.
fn refusal(content: &[u8]) -> String {
    let (_folder, path) = file(content);
    let message = Picture::load(&path).unwrap_err().to_string();
    assert!(message.starts_with(&path.display().to_string()), "{message}");
    assert!(!message.contains('\n'), "{message}");
    message
}

/// The values of the picture as 8-bit integers; fails when they are none.
fn bytes(picture: &Picture) -> Vec<u8> {
    picture
        .rgb()
        .iter()
        .map(|&value| {
            assert_eq!(value.fract(), 0.0, "not an 8-bit value");
            value as u8
        })
        .collect()
}

/// Values without any pattern, the same every time.
fn speckle(count: usize) -> Vec<u8> {
    (0..count as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

fn png(width: u32, height: u32, data: &[u8], color: png::ColorType, depth: png::BitDepth) -> Vec<u8> {
    png_with(width, height, data, color, depth, |_| {})
}

fn png_with(
    width: u32,
    height: u32,
    data: &[u8],
    color: png::ColorType,
    depth: png::BitDepth,
    adjust: impl FnOnce(&mut png::Encoder<'_, &mut Vec<u8>>),
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    adjust(&mut encoder);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    bytes
}

/// An 8-bit RGB picture in each format that is read; the JPEG is the only one that is not exact.
fn in_every_format(width: u32, height: u32, rgb: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let color = ExtendedColorType::Rgb8;
    let [mut png, mut webp, mut bmp, mut tiff, mut jpeg] = [const { Vec::new() }; 5];
    PngEncoder::new(&mut png)
        .write_image(rgb, width, height, color)
        .unwrap();
    WebPEncoder::new_lossless(&mut webp)
        .write_image(rgb, width, height, color)
        .unwrap();
    BmpEncoder::new(&mut bmp)
        .write_image(rgb, width, height, color)
        .unwrap();
    tiff::encoder::TiffEncoder::new(Cursor::new(&mut tiff))
        .unwrap()
        .write_image::<tiff::encoder::colortype::RGB8>(width, height, rgb)
        .unwrap();
    JpegEncoder::new_with_quality(&mut jpeg, 95)
        .write_image(rgb, width, height, color)
        .unwrap();
    vec![
        ("png", png),
        ("webp", webp),
        ("bmp", bmp),
        ("tiff", tiff),
        ("jpeg", jpeg),
    ]
}

// Formats and kinds of pixel.

#[test]
fn every_format_is_known_by_its_content_and_gives_the_pixels_written() {
    // Odd sizes, one pixel, one row and one column.
    for (width, height) in [(31, 17), (1, 1), (13, 1), (1, 13)] {
        let rgb = speckle((3 * width * height) as usize);
        for (format, content) in in_every_format(width, height, &rgb) {
            let picture = load(&content).unwrap();
            assert_eq!(picture.size(), (width, height), "{format}");
            if format != "jpeg" {
                assert_eq!(bytes(&picture), rgb, "{format}");
            }
        }
    }
}

#[test]
fn a_jpeg_comes_close_to_the_pixels_written() {
    let rgb = [200, 100, 50].repeat(20 * 10);
    let (_, jpeg) = in_every_format(20, 10, &rgb).pop().unwrap();
    for (value, wanted) in bytes(&load(&jpeg).unwrap()).into_iter().zip(rgb) {
        assert!(value.abs_diff(wanted) <= 2, "{value} instead of {wanted}");
    }
}

#[test]
fn a_grey_picture_gives_equal_channels() {
    let grey = speckle(15);
    let picture = load(&png(5, 3, &grey, png::ColorType::Grayscale, png::BitDepth::Eight)).unwrap();
    let wanted: Vec<u8> = grey.iter().flat_map(|&v| [v; 3]).collect();
    assert_eq!(bytes(&picture), wanted);
}

#[test]
fn one_bit_means_black_or_white() {
    let picture = load(&png(
        4,
        1,
        &[0b0110_0000],
        png::ColorType::Grayscale,
        png::BitDepth::One,
    ))
    .unwrap();
    assert_eq!(bytes(&picture), [0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0]);
}

#[test]
fn a_palette_gives_its_colours() {
    let content = png_with(
        3,
        1,
        &[2, 0, 1],
        png::ColorType::Indexed,
        png::BitDepth::Eight,
        |encoder| {
            encoder.set_palette(vec![1, 2, 3, 40, 50, 60, 255, 0, 128]);
        },
    );
    assert_eq!(
        bytes(&load(&content).unwrap()),
        [255, 0, 128, 1, 2, 3, 40, 50, 60]
    );
}

#[test]
fn sixteen_bits_keep_what_eight_would_round_away() {
    let values: [u16; 6] = [0, 1, 257, 258, 32_896, 65_535];
    let data: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
    let from_png = load(&png(2, 1, &data, png::ColorType::Rgb, png::BitDepth::Sixteen)).unwrap();
    let mut tiff = Vec::new();
    tiff::encoder::TiffEncoder::new(Cursor::new(&mut tiff))
        .unwrap()
        .write_image::<tiff::encoder::colortype::RGB16>(2, 1, &values)
        .unwrap();
    let from_tiff = load(&tiff).unwrap();
    for (i, value) in values.into_iter().enumerate() {
        assert_eq!(from_png.rgb()[i], f32::from(value) / 257.0);
        assert_eq!(from_tiff.rgb()[i], f32::from(value) / 257.0);
    }
}

#[test]
fn transparency_is_kept_and_what_is_visible_keeps_its_colour() {
    let data = [10, 20, 30, 255, 40, 50, 60, 128, 0, 100, 255, 1];
    let picture = load(&png(3, 1, &data, png::ColorType::Rgba, png::BitDepth::Eight)).unwrap();
    assert_eq!(bytes(&picture), [10, 20, 30, 40, 50, 60, 0, 100, 255]);
    assert_eq!(picture.alpha(), Some(&[255.0, 128.0, 1.0][..]));
}

#[test]
fn grey_with_alpha_has_alpha_too_and_a_palette_s_transparent_colour_as_well() {
    let data = [100, 255, 100, 7];
    let picture = load(&png(
        2,
        1,
        &data,
        png::ColorType::GrayscaleAlpha,
        png::BitDepth::Eight,
    ))
    .unwrap();
    assert_eq!(
        (bytes(&picture), picture.alpha()),
        (vec![100; 6], Some(&[255.0, 7.0][..]))
    );
    let content = png_with(
        2,
        1,
        &[1, 0],
        png::ColorType::Indexed,
        png::BitDepth::Eight,
        |encoder| {
            encoder.set_palette(vec![1, 2, 3, 40, 50, 60]);
            encoder.set_trns(vec![9_u8]);
        },
    );
    let picture = load(&content).unwrap();
    assert_eq!(
        (bytes(&picture), picture.alpha()),
        (vec![40, 50, 60, 1, 2, 3], Some(&[255.0, 9.0][..]))
    );
}

#[test]
fn what_cannot_be_seen_takes_the_colour_of_what_is_beside_it() {
    let data = [10, 20, 30, 255, 255, 0, 255, 0];
    let picture = load(&png(2, 1, &data, png::ColorType::Rgba, png::BitDepth::Eight)).unwrap();
    assert_eq!(bytes(&picture), [10, 20, 30, 10, 20, 30]);
}

#[test]
fn alpha_of_255_everywhere_makes_an_opaque_picture() {
    let data = [10, 20, 30, 255];
    let picture = load(&png(1, 1, &data, png::ColorType::Rgba, png::BitDepth::Eight)).unwrap();
    assert_eq!(picture.alpha(), None);
}

// Colour profiles and inks.

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

// Animations and pages.

/// The first frame, after checking that the only warning says `what`.
fn first_of(content: &[u8], what: &str) -> Picture {
    let (_folder, path) = file(content);
    let loaded = picture::load(&path).unwrap();
    let [warning] = loaded.warnings.as_slice() else {
        panic!("{:?}", loaded.warnings)
    };
    assert!(
        warning.starts_with(&path.display().to_string()) && warning.contains(what),
        "{warning}"
    );
    loaded.picture
}

fn gif(frames: &[[u8; 4]]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut content);
    for &color in frames {
        encoder
            .encode(&color.repeat(6), 3, 2, ExtendedColorType::Rgba8)
            .unwrap();
    }
    drop(encoder);
    content
}

#[test]
fn an_animated_gif_gives_its_first_frame_with_a_warning() {
    let picture = first_of(&gif(&[[200, 0, 0, 255], [0, 0, 200, 255]]), "animated");
    assert_eq!(picture, Picture::filled(3, 2, [200.0, 0.0, 0.0]));
}

#[test]
fn a_gif_of_one_frame_is_a_picture_like_any_other() {
    let (_folder, path) = file(&gif(&[[200, 0, 0, 255]]));
    let loaded = picture::load(path).unwrap();
    assert_eq!(
        (loaded.picture, loaded.warnings),
        (Picture::filled(3, 2, [200.0, 0.0, 0.0]), vec![])
    );
}

#[test]
fn an_animated_png_gives_its_first_frame_with_a_warning() {
    let mut content = Vec::new();
    let mut encoder = png::Encoder::new(&mut content, 1, 1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[1, 2, 3]).unwrap();
    writer.write_image_data(&[7, 8, 9]).unwrap();
    writer.finish().unwrap();
    assert_eq!(bytes(&first_of(&content, "animated")), [1, 2, 3]);
}

#[test]
fn an_animated_webp_gives_its_first_frame_with_a_warning() {
    let still = |color: [u8; 3]| {
        let mut content = Vec::new();
        WebPEncoder::new_lossless(&mut content)
            .write_image(&color, 1, 1, ExtendedColorType::Rgb8)
            .unwrap();
        // The lossless bitstream's chunk, after RIFF, length and WEBP.
        content.split_off(12)
    };
    let chunk = |name: &[u8], body: &[u8]| [name, &(body.len() as u32).to_le_bytes(), body].concat();
    // At 0, 0; 1 by 1 pixels; 100 ms; not blended with what is below.
    let frame = |color| chunk(b"ANMF", &[&[0; 12][..], &[100, 0, 0, 2], &still(color)].concat());
    let body = [
        b"WEBP".to_vec(),
        chunk(b"VP8X", &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        chunk(b"ANIM", &[0; 6]),
        frame([1, 2, 3]),
        frame([7, 8, 9]),
    ];
    let content = chunk(b"RIFF", &body.concat());
    assert_eq!(bytes(&first_of(&content, "animated")), [1, 2, 3]);
}

#[test]
fn a_tiff_of_several_pages_gives_its_first_with_a_warning() {
    let mut content = Vec::new();
    let mut encoder = tiff::encoder::TiffEncoder::new(Cursor::new(&mut content)).unwrap();
    encoder
        .write_image::<tiff::encoder::colortype::RGB8>(1, 1, &[1, 2, 3])
        .unwrap();
    encoder
        .write_image::<tiff::encoder::colortype::RGB8>(1, 1, &[7, 8, 9])
        .unwrap();
    assert_eq!(bytes(&first_of(&content, "pages")), [1, 2, 3]);
}

// Orientation.

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

// Hostile input.

#[test]
fn a_missing_file_is_named() {
    let error = Picture::load("no/such/photo.jpg").unwrap_err();
    assert!(matches!(error, PictureError::Missing { .. }), "{error}");
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
    assert!(matches!(error, PictureError::Folder { .. }), "{error}");
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
fn a_file_without_permission_says_so() {
    #[cfg(unix)]
    {
        let (_folder, path) = file(b"secret");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
        // Root may read anything.
        if fs::File::open(&path).is_err() {
            let error = Picture::load(&path).unwrap_err();
            assert!(matches!(error, PictureError::Denied { .. }), "{error}");
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_refused_or_still_has_every_pixel() {
    for (format, content) in in_every_format(23, 9, &speckle(23 * 9 * 3)) {
        let whole = load(&content).unwrap();
        let mut refused = 0;
        for length in 1..content.len() {
            match load(&content[..length]) {
                // What is left out then is a trailer: a checksum, an end mark.
                Ok(picture) => assert_eq!(picture, whole, "{format} cut at {length} of {}", content.len()),
                Err(PictureError::Damaged { .. } | PictureError::NotAPicture { .. }) => refused += 1,
                Err(error) => panic!("{format} cut at {length}: {error}"),
            }
        }
        assert!(
            refused * 10 > content.len() * 9,
            "{format}: {refused} of {}",
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
    for (format, content) in [("png", png), ("jpeg", jpeg), ("bmp", bmp), ("tiff", tiff)] {
        let message = refusal(&content);
        assert!(
            message.contains("60000x60000 pixels are too many"),
            "{format}: {message}"
        );
    }
}

#[test]
fn many_pixels_within_the_longest_side_are_refused_too() {
    let mut png = Vec::new();
    drop(
        png::Encoder::new(&mut png, 32_768, 32_768)
            .write_header()
            .unwrap(),
    );
    assert!(refusal(&png).contains("32768x32768 pixels are too many"));
}

// Saving.

#[test]
fn what_is_saved_without_loss_comes_back_the_same() {
    for (width, height) in [(31, 17), (1, 1), (7, 1), (1, 7)] {
        let rgb = speckle((3 * width * height) as usize);
        let picture = Picture::from_rgb(width, height, rgb.iter().map(|&v| f32::from(v)).collect());
        for extension in ["png", "webp", "tif"] {
            assert_eq!(
                saved_and_loaded(&picture, extension, Bits::Eight),
                picture,
                "{extension}"
            );
        }
    }
}

/// What comes back from a file of this extension; no warning, and the profile in it says sRGB.
fn saved_and_loaded(picture: &Picture, extension: &str, bits: Bits) -> Picture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("out.{extension}"));
    picture
        .save_as(
            &path,
            false,
            &Encoding {
                bits,
                ..Encoding::default()
            },
        )
        .unwrap();
    let mut content = fs::read(&path).unwrap();
    if extension == "png" {
        // The profile is compressed there.
        let decoder = png::Decoder::new(Cursor::new(content)).read_info().unwrap();
        content = decoder.info().icc_profile.clone().unwrap().into_owned();
    }
    assert!(
        content.windows(8).any(|bytes| bytes == b"\0s\0R\0G\0B"),
        "{extension}"
    );
    let loaded = picture::load(path).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    loaded.picture
}

#[test]
fn transparency_is_saved_by_every_format_that_can_hold_it() {
    let alpha: Vec<f32> = (0..15).map(|i| (255 - i * 17) as f32).collect();
    let rgb = speckle(45).into_iter().map(f32::from).collect();
    let picture = Picture::from_rgb(5, 3, rgb).with_alpha(alpha);
    for (extension, bits) in [
        ("png", Bits::Eight),
        ("webp", Bits::Eight),
        ("tif", Bits::Eight),
        ("png", Bits::Sixteen),
        ("tif", Bits::Sixteen),
    ] {
        let back = saved_and_loaded(&picture, extension, bits);
        assert_eq!(back.alpha(), picture.alpha(), "{extension}");
        // The last pixel cannot be seen; its colour is filled in.
        assert_eq!(back.rgb()[..42], picture.rgb()[..42], "{extension}");
    }
}

#[test]
fn a_jpeg_shows_what_is_transparent_on_white() {
    let picture = Picture::filled(16, 16, [255.0, 0.0, 0.0]).with_alpha(vec![51.0; 256]);
    let back = saved_and_loaded(&picture, "jpg", Bits::Eight);
    assert_eq!(back.alpha(), None);
    for (value, wanted) in back.pixel(8, 8).into_iter().zip([255.0, 204.0, 204.0]) {
        assert!((value - wanted).abs() <= 2.0, "{:?}", back.pixel(8, 8));
    }
}

#[test]
fn sixteen_bits_come_back_to_the_last_one() {
    let values: Vec<f32> = speckle(2 * 45)
        .chunks(2)
        .map(|v| f32::from(u16::from_be_bytes([v[0], v[1]])) / 257.0)
        .collect();
    let picture = Picture::from_rgb(5, 3, values);
    for extension in ["png", "tiff"] {
        assert_eq!(
            saved_and_loaded(&picture, extension, Bits::Sixteen),
            picture,
            "{extension}"
        );
        assert_ne!(
            saved_and_loaded(&picture, extension, Bits::Eight),
            picture,
            "{extension}"
        );
    }
}

#[test]
fn a_lower_jpeg_quality_makes_a_smaller_file() {
    let folder = tempfile::tempdir().unwrap();
    let picture = Picture::from_rgb(64, 64, speckle(3 * 64 * 64).into_iter().map(f32::from).collect());
    let size = |jpeg_quality| {
        let path = folder.path().join(format!("{jpeg_quality}.jpg"));
        picture
            .save_as(
                &path,
                false,
                &Encoding {
                    jpeg_quality,
                    ..Encoding::default()
                },
            )
            .unwrap();
        fs::metadata(path).unwrap().len()
    };
    assert!(size(30) * 2 < size(95), "{} {}", size(31), size(94));
}

#[test]
fn the_same_picture_is_saved_as_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for extension in ["png", "jpg", "webp", "tif"] {
        let save = |name: &str| {
            let path = folder.path().join(name).with_extension(extension);
            Picture::filled(9, 9, [1.0, 2.0, 3.0]).save(&path, false).unwrap();
            fs::read(path).unwrap()
        };
        assert_eq!(save("one"), save("two"));
    }
}

#[test]
fn a_jpeg_is_saved_at_a_quality_that_keeps_colours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jpeg");
    Picture::filled(16, 16, [200.0, 30.0, 90.0])
        .save(&path, false)
        .unwrap();
    for (value, wanted) in Picture::load(&path)
        .unwrap()
        .pixel(8, 8)
        .into_iter()
        .zip([200.0, 30.0, 90.0])
    {
        assert!((value - wanted).abs() <= 2.0, "{value} instead of {wanted}");
    }
}

#[test]
fn values_are_rounded_to_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.png");
    Picture::from_rgb(1, 1, vec![99.49, 99.51, 254.7])
        .save(&path, false)
        .unwrap();
    assert_eq!(Picture::load(&path).unwrap().rgb(), [99.0, 100.0, 255.0]);
}

#[test]
fn an_8_bit_picture_through_the_network_s_convention_is_saved_with_the_same_pixels() {
    let rgb = speckle(31 * 17 * 3);
    let picture = Picture::from_rgb(31, 17, rgb.iter().map(|&v| f32::from(v)).collect());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.png");
    from_tensor(to_tensor(&picture).view())
        .save(&path, false)
        .unwrap();
    assert_eq!(Picture::load(&path).unwrap(), picture);
}

#[test]
fn an_existing_file_is_kept_unless_overwriting_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.png");
    fs::write(&path, b"precious").unwrap();
    let picture = Picture::filled(2, 2, [1.0, 2.0, 3.0]);
    for error in [
        check_output(&path, false).unwrap_err(),
        picture.save(&path, false).unwrap_err(),
    ] {
        assert!(matches!(error, PictureError::Exists { .. }), "{error}");
        assert!(error.to_string().contains("--force"), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), b"precious");

    check_output(&path, true).unwrap();
    picture.save(&path, true).unwrap();
    assert_eq!(Picture::load(&path).unwrap(), picture);
}

#[test]
fn checking_an_output_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    check_output(folder.path().join("out.png"), false).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn saving_leaves_one_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    Picture::filled(2, 2, [0.0; 3])
        .save(folder.path().join("out.png"), false)
        .unwrap();
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["out.png"]);
}

#[test]
fn a_missing_folder_is_named_with_the_way_to_make_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not/there/out.png");
    for error in [
        check_output(&path, false).unwrap_err(),
        Picture::filled(1, 1, [0.0; 3]).save(&path, false).unwrap_err(),
    ] {
        let message = error.to_string();
        assert!(
            message.contains(&path.parent().unwrap().display().to_string()),
            "{message}"
        );
        assert!(message.contains("create it"), "{message}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_as_output_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.png");
    fs::create_dir(&path).unwrap();
    let error = check_output(&path, true).unwrap_err();
    assert!(matches!(error, PictureError::OutputIsFolder { .. }), "{error}");
}

#[test]
fn a_bare_file_name_is_written_into_the_current_folder() {
    // The check writes nothing.
    check_output(Path::new("surely-not-there.png"), false).unwrap();
}

#[cfg(unix)]
#[test]
fn the_output_has_the_permissions_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let ordinary = folder.path().join("ordinary");
    fs::write(&ordinary, b"").unwrap();
    let path = folder.path().join("out.png");
    Picture::filled(1, 1, [0.0; 3]).save(&path, false).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&ordinary));
}

#[cfg(unix)]
#[test]
fn a_link_to_a_file_stays_a_link_and_the_file_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (target, link) = (folder.path().join("target.png"), folder.path().join("link.png"));
    fs::write(&target, b"old").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let picture = Picture::filled(2, 1, [9.0, 8.0, 7.0]);
    picture.save(&link, true).unwrap();
    assert!(link.is_symlink());
    assert_eq!(Picture::load(&target).unwrap(), picture);
}
