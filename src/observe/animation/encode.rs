//! Frames to a GIF, WebP or APNG file.

use std::borrow::Cow;
use std::io::{self, Write};

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, RgbImage, imageops};

use super::{Format, webp};

/// How long a frame is shown, in milliseconds.
const FRAME_MS: u16 = 80;
/// How long the last one is.
const LAST_MS: u16 = 2000;
/// How thoroughly the colours of a GIF frame are chosen: 1, the best, to 30, the fastest.
const GIF_SPEED: i32 = 5;

/// Writes the pictures, each scaled to `size` (width, height in pixels), as an animation that repeats for ever.
pub(super) fn write(
    out: &mut impl Write,
    format: Format,
    pictures: &[&RgbImage],
    size: (u32, u32),
) -> io::Result<()> {
    let last = pictures.len().saturating_sub(1);
    let frames = pictures.iter().enumerate().map(|(index, picture)| {
        let ms = if index == last { LAST_MS } else { FRAME_MS };
        (scaled(picture, size), ms)
    });
    match format {
        Format::Gif => write_gif(out, frames),
        Format::Apng => write_apng(out, frames, size),
        Format::WebP => webp::write(out, frames, size),
    }
}

/// The picture at this size: those of an earlier scale are smaller.
fn scaled(picture: &RgbImage, (width, height): (u32, u32)) -> Cow<'_, RgbImage> {
    if picture.dimensions() == (width, height) {
        return Cow::Borrowed(picture);
    }
    Cow::Owned(imageops::resize(
        picture,
        width,
        height,
        imageops::FilterType::CatmullRom,
    ))
}

/// 256 colours of its own for each frame, chosen by a neural network (`NeuQuant`).
fn write_gif<'a>(
    out: &mut impl Write,
    frames: impl Iterator<Item = (Cow<'a, RgbImage>, u16)>,
) -> io::Result<()> {
    let mut encoder = GifEncoder::new_with_speed(out, GIF_SPEED);
    encoder.set_repeat(Repeat::Infinite).map_err(io::Error::other)?;
    for (picture, ms) in frames {
        let rgba = DynamicImage::from(picture.into_owned()).into_rgba8();
        let delay = Delay::from_numer_denom_ms(ms.into(), 1);
        encoder
            .encode_frame(image::Frame::from_parts(rgba, 0, 0, delay))
            .map_err(io::Error::other)?;
    }
    Ok(())
}

fn write_apng<'a>(
    out: &mut impl Write,
    frames: impl ExactSizeIterator<Item = (Cow<'a, RgbImage>, u16)>,
    (width, height): (u32, u32),
) -> io::Result<()> {
    let mut encoder = png::Encoder::new(out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    encoder.set_animated(frames.len() as u32, 0)?;
    let mut writer = encoder.write_header()?;
    for (picture, ms) in frames {
        writer.set_frame_delay(ms, 1000)?;
        writer.write_image_data(picture.as_raw())?;
    }
    writer.finish()?;
    Ok(())
}
