//! What `image` does not do for JPEG files: see whether one is complete, and give the inks of a CMYK one.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, RgbaImage, codecs::jpeg::JpegDecoder as ImageJpegDecoder};
use zune_jpeg::{
    JpegDecoder,
    errors::DecodeErrors,
    zune_core::{bytestream::ZCursor, options::DecoderOptions},
};

use super::{
    decode::{Decoded, check_size},
    fault::Fault,
    raster,
};

/// Decodes a JPEG file.
pub(super) fn decode(file: &[u8]) -> Result<Decoded, Fault> {
    if !is_complete(file) {
        return Err(Fault::damaged("the end of the JPEG data is missing"));
    }
    let mut decoder = ImageJpegDecoder::new(Cursor::new(file))?;
    let exif = decoder.exif_metadata().unwrap_or_default();
    let Some(inks) = inks(file) else {
        return raster::decode(decoder, exif, None);
    };
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    let profile = decoder.icc_profile().unwrap_or_default();
    let stored = RgbaImage::from_raw(width, height, decode_stored(file)?.samples);
    // Inks that pass for red, green, blue and alpha.
    let mut image = DynamicImage::ImageRgba8(
        stored.ok_or_else(|| Fault::damaged("it does not have the four channels it announces"))?,
    );
    image.apply_orientation(raster::orientation(exif.as_deref()));
    Ok(Decoded {
        width: image.width(),
        height: image.height(),
        colors: inks.amounts(raster::samples(&image)),
        alpha: None,
        profile,
        warnings: Vec::new(),
    })
}

/// The channels of a JPEG file as they are stored, without a change of colours.
pub(super) struct Stored {
    pub width: usize,
    pub channels: usize,
    pub samples: Vec<u8>,
}

/// Decodes a JPEG file without changing its colours.
pub(super) fn decode_stored(file: &[u8]) -> Result<Stored, Fault> {
    let unlimited = DecoderOptions::default()
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), unlimited);
    let failed = |error: DecodeErrors| Fault::damaged(error.to_string());
    decoder.decode_headers().map_err(failed)?;
    let Some((stored, info)) = decoder.input_colorspace().zip(decoder.info()) else {
        return Err(Fault::damaged("JPEG data without a header"));
    };
    decoder.set_options(unlimited.jpeg_set_out_colorspace(stored));
    Ok(Stored {
        width: usize::from(info.width),
        channels: stored.num_components(),
        samples: decoder.decode().map_err(failed)?,
    })
}

/// What a JPEG file is made of, pixels apart.
enum Marker<'a> {
    /// A segment: its marker and its content.
    Segment(u8, &'a [u8]),
    /// The end of the picture.
    End,
}

/// Walks through the markers of a JPEG file; ends after [`Marker::End`], or where the data is cut off.
///
/// Segments are skipped by their length (a thumbnail inside one has an end marker of its own), scan data up to the
/// next marker: inside it, 0xFF is followed by 0 or by a restart marker.
fn markers(bytes: &[u8]) -> impl Iterator<Item = Marker<'_>> {
    const START: u8 = 0xD8;
    const END: u8 = 0xD9;
    const TEMPORARY: u8 = 0x01;
    const FILL: u8 = 0xFF;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            let found = rest.iter().position(|&byte| byte == 0xFF)?;
            let tail = &rest[found + 1..];
            let (&marker, after) = tail.split_first()?;
            match marker {
                FILL => rest = tail,
                0x00 | 0xD0..=0xD7 | START | TEMPORARY => rest = after,
                END => {
                    rest = &[];
                    return Some(Marker::End);
                }
                marker => {
                    let length = usize::from(u16::from_be_bytes([*after.first()?, *after.get(1)?]));
                    let content = after.get(2..length)?;
                    rest = &after[length..];
                    return Some(Marker::Segment(marker, content));
                }
            }
        }
    })
}

/// Whether the data goes on to its end marker.
///
/// The decoder fills what is missing with grey and says nothing. Bytes after the end are common (phones append
/// videos) and do no harm.
pub(super) fn is_complete(bytes: &[u8]) -> bool {
    markers(bytes).any(|marker| matches!(marker, Marker::End))
}

/// How a file with four channels codes its inks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Inks {
    /// 255 is no ink, as Adobe's programs and all that follow them store it; without their mark, 255 is full ink.
    inverted: bool,
    /// The first three channels are luma and two colour differences.
    ycck: bool,
}

/// How the file codes four inks; nothing when it has another number of channels.
pub(super) fn inks(bytes: &[u8]) -> Option<Inks> {
    const ADOBE: u8 = 0xEE;
    let mut transform = None;
    for marker in markers(bytes) {
        match marker {
            // The mark, a version, two words of flags, then: 0 for CMYK, 2 for YCCK.
            Marker::Segment(ADOBE, content) if content.starts_with(b"Adobe") => {
                transform = content.get(11).copied();
            }
            // A frame header: precision, height, width, number of channels.
            Marker::Segment(0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF, content) => {
                let inks = Inks {
                    inverted: transform.is_some(),
                    ycck: transform == Some(2),
                };
                return (content.get(5) == Some(&4)).then_some(inks);
            }
            _ => {}
        }
    }
    None
}

impl Inks {
    /// Turns stored channels, on the scale of 0 to 255, into amounts of cyan, magenta, yellow and black, 255 full.
    pub(super) fn amounts(self, mut channels: Vec<f32>) -> Vec<f32> {
        for pixel in channels.chunks_exact_mut(4) {
            if self.ycck {
                // JFIF's YCbCr, whose red, green and blue are the complements of the stored inks.
                let [y, cb, cr] = [pixel[0], pixel[1] - 128.0, pixel[2] - 128.0];
                let rgb = [
                    y + 1.402 * cr,
                    y - 0.344_136 * cb - 0.714_136 * cr,
                    y + 1.772 * cb,
                ];
                for (ink, light) in pixel.iter_mut().zip(rgb) {
                    *ink = 255.0 - light.clamp(0.0, 255.0);
                }
            }
            if self.inverted {
                pixel.iter_mut().for_each(|ink| *ink = 255.0 - *ink);
            }
        }
        channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_marker_inside_a_segment_is_not_the_end() {
        let thumbnail = b"\xFF\xD8\xFF\xE1\0\x06\xFF\xD8\xFF\xD9".to_vec();
        assert!(!is_complete(&thumbnail));
        assert!(is_complete(&[thumbnail, b"\xFF\xFF\xD9".to_vec()].concat()));
    }

    #[test]
    fn inks_are_turned_around_as_the_mark_asks() {
        let stored = vec![255.0, 200.0, 0.0, 55.0];
        let plain = Inks {
            inverted: false,
            ycck: false,
        };
        assert_eq!(plain.amounts(stored.clone()), stored);
        let adobe = Inks {
            inverted: true,
            ycck: false,
        };
        assert_eq!(adobe.amounts(stored), [0.0, 55.0, 255.0, 200.0]);
    }

    #[test]
    fn luma_and_differences_without_colour_are_equal_inks() {
        let adobe = Inks {
            inverted: true,
            ycck: true,
        };
        assert_eq!(
            adobe.amounts(vec![100.0, 128.0, 128.0, 255.0]),
            [100.0, 100.0, 100.0, 0.0]
        );
    }
}
