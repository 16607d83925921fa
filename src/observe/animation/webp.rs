//! Animated WebP: the container around frames that `image` encodes, which by itself writes single pictures only.
//!
//! The format: <https://developers.google.com/speed/webp/docs/riff_container>, "Extended File Format".

use std::borrow::Cow;
use std::io::{self, Write};

use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, RgbImage};

/// The flag of a file with an animation.
const ANIMATION: u8 = 0b10;
/// The flag of a frame that replaces what is below it.
const DO_NOT_BLEND: u8 = 0b10;

/// Writes the frames, each of `size` (width, height in pixels) with its time in milliseconds; they repeat for ever.
pub(super) fn write<'a>(
    out: &mut impl Write,
    frames: impl Iterator<Item = (Cow<'a, RgbImage>, u16)>,
    size: (u32, u32),
) -> io::Result<()> {
    let mut chunks = b"WEBP".to_vec();
    let extended = [[ANIMATION, 0, 0, 0].as_slice(), &sides(size)].concat();
    push(&mut chunks, b"VP8X", &extended);
    let (background, endless) = ([0; 4], [0; 2]);
    push(&mut chunks, b"ANIM", &[background.as_slice(), &endless].concat());
    for (picture, ms) in frames {
        let place = [0; 6];
        let head = [
            place.as_slice(),
            &sides(size),
            &three_bytes(ms.into()),
            &[DO_NOT_BLEND],
        ]
        .concat();
        push(&mut chunks, b"ANMF", &[head, image_chunk(&picture)?].concat());
    }
    let mut file = Vec::new();
    push(&mut file, b"RIFF", &chunks);
    out.write_all(&file)
}

/// The picture as a chunk of lossless image data, taken out of a file of its own.
fn image_chunk(picture: &RgbImage) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let (width, height) = picture.dimensions();
    WebPEncoder::new_lossless(&mut file)
        .encode(picture.as_raw(), width, height, ExtendedColorType::Rgb8)
        .map_err(io::Error::other)?;
    let header = b"RIFF....WEBP".len();
    match file.get(header..) {
        Some(chunk) if chunk.starts_with(b"VP8L") => Ok(chunk.to_vec()),
        _ => Err(io::Error::other("the encoder wrote no plain lossless WebP file")),
    }
}

/// Appends a chunk: name, length, content, and a zero where the length is odd.
fn push(chunks: &mut Vec<u8>, name: &[u8; 4], content: &[u8]) {
    chunks.extend_from_slice(name);
    chunks.extend_from_slice(&(content.len() as u32).to_le_bytes());
    chunks.extend_from_slice(content);
    chunks.resize(chunks.len() + content.len() % 2, 0);
}

/// Both sides less one, three bytes each.
fn sides((width, height): (u32, u32)) -> Vec<u8> {
    [three_bytes(width - 1), three_bytes(height - 1)].concat()
}

fn three_bytes(value: u32) -> [u8; 3] {
    let [low, middle, high, _] = value.to_le_bytes();
    [low, middle, high]
}
