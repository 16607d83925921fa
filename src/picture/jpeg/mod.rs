//! JPEG files, by libjpeg: as most viewers show them, and with a word about what is missing.

mod damage;
mod header;
mod inks;
mod libjpeg;
mod planes;

use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};

use super::{
    decoded::{Decoded, check_size},
    fault::Fault,
    raster::samples,
};
use damage::{Damage, mostly_missing};
use header::Header;
use libjpeg::{Decoder, Fatal};

/// More scans than any encoder makes; each of them takes the time of a whole picture.
const MAX_SCANS: u64 = 1000;
/// More blocks of all scans together than a picture of the largest size has in a hundred.
const MAX_BLOCKS: u64 = 1 << 30;

/// Four inks, which other programs show as a negative where they take them for Adobe's.
const UNMARKED: &str = "its four inks lack Adobe's mark, so 255 is taken for full ink; if it looks like a negative, save it as RGB first";

impl From<Fatal> for Fault {
    fn from(fatal: Fatal) -> Self {
        match fatal {
            Fatal::Damaged(reason) => Self::Damaged(reason),
            Fatal::Unsupported(feature) => Self::Unsupported(feature),
            Fatal::OutOfMemory => Self::TooManyBytes,
        }
    }
}

/// Decodes a JPEG file, whose memory is given back as soon as it has been decoded.
pub(super) fn decode(file: Vec<u8>) -> Result<Decoded, Fault> {
    let header = Header::of(&file);
    let decoder = opened(&file, &header)?;
    let (width, height) = decoder.size();
    let channels = decoder.channels();
    let (pixels, damage) = pixels(decoder)?;
    let inks = (channels == 4).then(|| header.inks());
    let (orientation, profile) = (header.orientation(), header.profile());
    drop(file);

    let image = match channels {
        1 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8),
        3 => RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8),
        // Inks that pass for red, green, blue and alpha.
        4 => RgbaImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgba8),
        _ => None,
    };
    let mut image = image.ok_or_else(|| Fault::damaged("it does not have the channels it announces"))?;
    image.apply_orientation(orientation);
    let stored = samples(&image);
    let polarity = inks.filter(|inks| !inks.inverted).map(|_| UNMARKED.to_owned());
    Ok(Decoded {
        width: image.width(),
        height: image.height(),
        colors: match inks {
            Some(inks) => inks.amounts(stored),
            None => stored,
        },
        alpha: None,
        profile,
        warnings: damage.into_iter().chain(polarity).collect(),
    })
}

/// The channels of a JPEG file as they are stored, without a change of colours.
pub(super) struct Stored {
    pub width: usize,
    pub channels: usize,
    pub samples: Vec<u8>,
}

/// Decodes a JPEG file that is a part of another file without changing its colours; damage is an error.
pub(super) fn decode_stored(file: &[u8]) -> Result<Stored, Fault> {
    let mut decoder = opened(file, &Header::of(file))?;
    let (width, channels) = (decoder.size().0 as usize, decoder.channels());
    decoder.keep_stored_channels()?;
    let (samples, damage) = rows(decoder)?;
    match damage {
        Some(damage) => Err(Fault::Damaged(damage)),
        None => Ok(Stored {
            width,
            channels,
            samples,
        }),
    }
}

/// A decoder of a file whose kind and size are read here; its data may be that large.
fn opened<'a>(file: &'a [u8], header: &Header) -> Result<Decoder<'a>, Fault> {
    if let Some(feature) = header.unsupported() {
        return Err(Fault::Unsupported(feature));
    }
    let decoder = Decoder::new(file)?;
    let (width, height) = decoder.size();
    check_size(width, height)?;
    let bits = 8 * file.len() as u64;
    // Every block takes one at least.
    if 2 * bits < blocks(width, height) {
        return Err(mostly_missing().into());
    }
    Ok(decoder)
}

/// Blocks of a channel that is not subsampled.
fn blocks(width: u32, height: u32) -> u64 {
    u64::from(width.div_ceil(8)) * u64::from(height.div_ceil(8))
}

/// The samples of all pixels: grey, RGB, or the inks as they are stored; and what is to be said of damage.
fn pixels(mut decoder: Decoder) -> Result<(Vec<u8>, Option<String>), Fatal> {
    let Some(subsampling) = decoder.subsampling() else {
        if decoder.channels() == 4 {
            decoder.keep_stored_channels()?;
        }
        return rows(decoder);
    };
    decoder.keep_planes()?;
    let mut damage = start(&mut decoder)?;
    let planes = decoder.read_planes(|decoder| damage.look(decoder))?;
    let told = damage.told(decoder);
    Ok((planes::to_rgb(&planes, subsampling), told))
}

/// The samples of all pixels, channels interleaved as the decoder was told; and what is to be said of damage.
fn rows(mut decoder: Decoder) -> Result<(Vec<u8>, Option<String>), Fatal> {
    let mut damage = start(&mut decoder)?;
    let pixels = decoder.read_rows(|decoder| damage.look(decoder))?;
    Ok((pixels, damage.told(decoder)))
}

/// Starts to decode; of a file with several scans, all are read.
fn start(decoder: &mut Decoder) -> Result<Damage, Fatal> {
    decoder.start()?;
    let mut damage = Damage::new(decoder);
    if decoder.has_several_scans() {
        read_scans(decoder, &mut damage)?;
    }
    Ok(damage)
}

/// Reads all scans, within what a picture needs, and turns to giving out rows.
fn read_scans(decoder: &mut Decoder, damage: &mut Damage) -> Result<(), Fatal> {
    let (width, height) = decoder.size();
    let most = MAX_SCANS.min(MAX_BLOCKS / (blocks(width, height) * decoder.channels() as u64));
    while decoder.read_on()? {
        damage.look(decoder)?;
        if decoder.position().scan as u64 > most {
            return Err(Fatal::Damaged(
                "it has far more scans than a picture needs".into(),
            ));
        }
    }
    if decoder.lacks_channels() {
        return Err(Fatal::Damaged("whole channels of it are missing".into()));
    }
    decoder.start_output()
}

#[cfg(test)]
mod tests {
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

    use super::*;

    #[test]
    fn planes_become_the_pixels_that_libjpeg_itself_makes_of_them() {
        use SamplingFactor::*;
        for sampling in [F_1_1, F_2_1, F_1_2, F_2_2] {
            for (width, height) in [(1, 1), (4, 3), (5, 2), (6, 1), (17, 16), (64, 48), (77, 33)] {
                let samples: Vec<u8> = (0..3 * u32::from(width) * u32::from(height))
                    .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
                    .collect();
                let mut file = Vec::new();
                let mut encoder = Encoder::new(&mut file, 95);
                encoder.set_sampling_factor(sampling);
                encoder.encode(&samples, width, height, ColorType::Rgb).unwrap();

                let ours = pixels(Decoder::new(&file).unwrap()).unwrap().0;
                let mut decoder = Decoder::new(&file).unwrap();
                assert_eq!(
                    decoder.subsampling().is_some(),
                    width > 4 || sampling == F_1_1 || sampling == F_1_2
                );
                decoder.start().unwrap();
                let theirs = decoder.read_rows(|_| Ok(())).unwrap();
                assert_eq!(ours, theirs, "{sampling:?}, {width}x{height}");
            }
        }
    }
}
