//! Pictures from files and back: every pixel is checked, and what is hostile is refused in one line.

// The helpers of the tests, too, may panic.
#![allow(clippy::unwrap_used)]

mod formats;
mod frames;
mod hostile;
mod jpeg;
mod matrix;
mod orientation;
mod profiles;
mod saving;

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
    files::{InputError, OutputError},
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
