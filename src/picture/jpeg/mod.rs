//! JPEG files, by libjpeg: as most viewers show them, and with a word about what is missing.

mod damage;
mod header;
mod inks;
mod libjpeg;
mod planes;

use std::path::Path;

use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};

pub(super) use inks::Inks;

use super::{
    PictureError,
    decode::{Decoded, check_size, damaged},
};
use damage::{Damage, mostly_missing};
use header::Header;
use libjpeg::{Decoder, Fatal};

/// More scans than any encoder makes; each of them takes the time of a whole picture.
const MAX_SCANS: u64 = 1000;
/// More blocks of all scans together than a picture of the largest size has in a hundred.
const MAX_BLOCKS: u64 = 1 << 30;

/// Decodes a JPEG file. `path` is for the errors.
pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<Decoded, PictureError> {
    let header = Header::of(bytes);
    if let Some(feature) = header.unsupported() {
        return Err(unsupported(path, feature));
    }
    let failed = |fatal| match fatal {
        Fatal::Damaged(reason) => damaged(path, reason),
        Fatal::Unsupported(feature) => unsupported(path, feature),
        Fatal::OutOfMemory => PictureError::TooManyBytes { path: path.into() },
    };
    let decoder = Decoder::new(bytes).map_err(failed)?;
    let (width, height) = decoder.size();
    check_size(path, width, height)?;
    let bits = 8 * bytes.len() as u64;
    // Every block takes one at least.
    if 2 * bits < blocks(width, height) {
        return Err(failed(mostly_missing()));
    }
    let channels = decoder.channels();
    let inks = (channels == 4).then(|| header.inks());
    let (pixels, damage) = pixels(decoder).map_err(failed)?;
    let image = match channels {
        1 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8),
        3 => RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8),
        // Inks that pass for red, green, blue and alpha.
        4 => RgbaImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgba8),
        _ => None,
    };
    Ok(Decoded {
        image: image.ok_or_else(|| damaged(path, "it does not have the channels it announces"))?,
        orientation: header.orientation(),
        profile: header.profile(),
        inks,
        warnings: damage.into_iter().collect(),
    })
}

/// Blocks of a channel that is not subsampled.
fn blocks(width: u32, height: u32) -> u64 {
    u64::from(width.div_ceil(8)) * u64::from(height.div_ceil(8))
}

fn unsupported(path: &Path, feature: String) -> PictureError {
    PictureError::Unsupported {
        path: path.into(),
        feature,
    }
}

/// The samples of all pixels: grey, RGB, or the inks as they are stored; and what is to be said of damage.
fn pixels(mut decoder: Decoder) -> Result<(Vec<u8>, Option<String>), Fatal> {
    let subsampling = decoder.subsampling();
    if subsampling.is_some() {
        decoder.keep_planes()?;
    }
    if decoder.channels() == 4 {
        decoder.keep_stored_channels()?;
    }
    decoder.start()?;
    let mut damage = Damage::new(&decoder);
    if decoder.has_several_scans() {
        read_scans(&mut decoder, &mut damage)?;
    }
    let Some(subsampling) = subsampling else {
        let pixels = decoder.read_rows(|decoder| damage.look(decoder))?;
        return Ok((pixels, damage.told(decoder)));
    };
    let planes = decoder.read_planes(|decoder| damage.look(decoder))?;
    let told = damage.told(decoder);
    Ok((planes::to_rgb(&planes, subsampling), told))
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
