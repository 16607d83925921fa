//! Animations and files of several pages.

use crate::*;

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
