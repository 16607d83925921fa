//! Formats and kinds of pixel.

use crate::*;

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
