//! A picture's samples, handed to the encoder of a format.

use image::{ExtendedColorType, ImageEncoder, ImageError};

use super::{Bits, Picture, profile};

/// Hands the rounded samples to an encoder, with alpha if there is any, and a profile that says sRGB.
pub(super) fn encode(
    picture: &Picture,
    mut encoder: impl ImageEncoder,
    bits: Bits,
) -> Result<(), ImageError> {
    encoder
        .set_icc_profile(profile::srgb())
        .map_err(ImageError::Unsupported)?;
    let (width, height) = picture.size();
    let has_alpha = picture.alpha.is_some();
    match bits {
        Bits::Eight => {
            let color = if has_alpha {
                ExtendedColorType::Rgba8
            } else {
                ExtendedColorType::Rgb8
            };
            let samples: Vec<u8> = interleaved(picture, |value| value.round() as u8);
            encoder.write_image(&samples, width, height, color)
        }
        Bits::Sixteen => {
            let color = if has_alpha {
                ExtendedColorType::Rgba16
            } else {
                ExtendedColorType::Rgb16
            };
            let samples: Vec<u16> = interleaved(picture, |value| (value * 257.0).round() as u16);
            encoder.write_image(bytemuck::cast_slice(&samples), width, height, color)
        }
    }
}

/// Red, green, blue and, if there is any, alpha of all pixels, each through `sample`.
fn interleaved<T>(picture: &Picture, sample: impl Fn(f32) -> T) -> Vec<T> {
    let Some(alpha) = &picture.alpha else {
        return picture.rgb.iter().map(|&value| sample(value)).collect();
    };
    let pixels = picture.rgb.chunks_exact(3).zip(alpha);
    pixels
        .flat_map(|(rgb, alpha)| rgb.iter().chain([alpha]).map(|&value| sample(value)))
        .collect()
}
