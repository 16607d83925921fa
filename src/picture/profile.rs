//! Colour profiles (ICC): what a file's numbers mean, brought to sRGB.

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use crate::guard::guarded;

/// The most that any colour may differ, in grey levels, for a profile to count as sRGB under another name.
const SAME: f32 = 0.5;

/// Samples to transform at a time.
const CHUNK: usize = 1 << 16;

/// Turns samples into sRGB: three values a pixel from `channels` ones (1 grey, 3 RGB, 4 inks), all from 0 to 255.
///
/// Inks are amounts: 255 is full. A profile that means sRGB leaves the values as they are, to the bit. With the
/// colours comes a warning, when the profile could not be used: they are then taken as they are without one.
pub(super) fn to_srgb(
    samples: Vec<f32>,
    channels: usize,
    profile: Option<&[u8]>,
) -> (Vec<f32>, Option<String>) {
    let Some(profile) = profile else {
        return (plain(samples, channels), None);
    };
    let convert = || Conversion::new(profile, channels)?.apply(&samples);
    match guarded(convert).unwrap_or_else(|panic| Err(format!("its converter failed: {panic}"))) {
        Ok(Some(rgb)) => (rgb, None),
        Ok(None) => (plain(samples, channels), None),
        Err(reason) => {
            let warning =
                format!("its colour profile is not used ({reason}); the colours may look different");
            (plain(samples, channels), Some(warning))
        }
    }
}

/// What the samples mean without a profile: sRGB.
///
/// Each of red, green and blue is what two filters in a row leave, (1 - ink) * (1 - black): brighter and more
/// saturated than print, but what browsers show as well.
fn plain(samples: Vec<f32>, channels: usize) -> Vec<f32> {
    match channels {
        1 => samples.into_iter().flat_map(|grey| [grey; 3]).collect(),
        4 => samples
            .chunks_exact(4)
            .flat_map(|ink| [0, 1, 2].map(|i| (255.0 - ink[i]) * (255.0 - ink[3]) / 255.0))
            .collect(),
        _ => samples,
    }
}

/// From the samples of a file to sRGB.
struct Conversion {
    transform: std::sync::Arc<moxcms::TransformF32Executor>,
    /// Channels that the profile is for.
    channels: usize,
    /// The samples are grey, the profile for RGB: grey is three equal channels.
    spread: bool,
}

impl Conversion {
    fn new(profile: &[u8], channels: usize) -> Result<Self, String> {
        let profile = ColorProfile::new_from_slice(profile).map_err(|error| error.to_string())?;
        let (layout, of_profile) = match profile.color_space {
            DataColorSpace::Gray => (Layout::Gray, 1),
            DataColorSpace::Rgb => (Layout::Rgb, 3),
            DataColorSpace::Cmyk => (Layout::Rgba, 4),
            other => return Err(format!("it is for {other:?}")),
        };
        let spread = channels == 1 && of_profile == 3;
        if channels != of_profile && !spread {
            return Err(format!(
                "it is for {of_profile} channels, the picture has {channels}"
            ));
        }
        let transform = profile
            .create_transform_f32(
                layout,
                &ColorProfile::new_srgb(),
                Layout::Rgb,
                TransformOptions::default(),
            )
            .map_err(|error| error.to_string())?;
        Ok(Self {
            transform,
            channels: of_profile,
            spread,
        })
    }

    /// The samples in sRGB; nothing when they are already.
    fn apply(&self, samples: &[f32]) -> Result<Option<Vec<f32>>, String> {
        if self.changes_nothing()? {
            return Ok(None);
        }
        if self.spread {
            self.convert(&plain(samples.to_vec(), 1))
        } else {
            self.convert(samples)
        }
        .map(Some)
    }

    /// Whether all colours, tried on a grid, stay the same within [`SAME`].
    fn changes_nothing(&self) -> Result<bool, String> {
        if self.channels == 4 {
            return Ok(false);
        }
        let steps = (0..=16).map(|i| 255.0 * i as f32 / 16.0);
        let grid: Vec<f32> = match self.channels {
            1 => (0..=255).map(|grey| grey as f32).collect(),
            _ => steps
                .clone()
                .flat_map(|r| steps.clone().map(move |g| (r, g)))
                .flat_map(|(r, g)| steps.clone().flat_map(move |b| [r, g, b]))
                .collect(),
        };
        let converted = self.convert(&grid)?;
        Ok(plain(grid, self.channels)
            .iter()
            .zip(&converted)
            .all(|(before, after)| (before - after).abs() <= SAME))
    }

    fn convert(&self, samples: &[f32]) -> Result<Vec<f32>, String> {
        let mut rgb = vec![0.0; samples.len() / self.channels * 3];
        let mut scaled = Vec::with_capacity(CHUNK * self.channels);
        for (from, to) in samples
            .chunks(CHUNK * self.channels)
            .zip(rgb.chunks_mut(CHUNK * 3))
        {
            scaled.clear();
            scaled.extend(from.iter().map(|value| value / 255.0));
            self.transform
                .transform(&scaled, to)
                .map_err(|error| error.to_string())?;
            to.iter_mut().for_each(|value| *value *= 255.0);
        }
        Ok(rgb)
    }
}

/// The profile that says sRGB, to embed in an output: the same bytes every time.
pub(super) fn srgb() -> Vec<u8> {
    let mut profile = ColorProfile::new_srgb()
        .encode()
        .expect("the library can write its own profile");
    // The library writes the time of the call as the time of creation (ICC.1:2022, 7.2.8), whatever the profile says.
    profile[CREATED].copy_from_slice(&[0x07, 0xe8, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
    profile
}

/// Where an ICC header has its time of creation: six 16-bit numbers, year to second.
const CREATED: std::ops::Range<usize> = 24..36;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_profile_values_stay_and_grey_is_three_equal_channels() {
        assert_eq!(to_srgb(vec![1.5, 2.0, 3.0], 3, None), (vec![1.5, 2.0, 3.0], None));
        assert_eq!(to_srgb(vec![7.0], 1, None), (vec![7.0; 3], None));
    }

    #[test]
    fn inks_without_a_profile_filter_one_after_the_other() {
        let inks = vec![0.0, 0.0, 0.0, 0.0, 255.0, 0.0, 0.0, 0.0, 0.0, 102.0, 255.0, 127.5];
        let (rgb, _) = to_srgb(inks, 4, None);
        assert_eq!(rgb, [255.0, 255.0, 255.0, 0.0, 255.0, 255.0, 127.5, 76.5, 0.0]);
    }

    #[test]
    fn our_own_profile_is_small_always_the_same_and_means_no_change() {
        let profile = srgb();
        assert_eq!(
            profile[CREATED][..6],
            [0x07, 0xe8, 0, 1, 0, 1],
            "made on 1 January 2024"
        );
        assert!(profile.len() < 1024, "{}", profile.len());
        assert_eq!(profile, srgb());
        let values: Vec<f32> = (0..768).map(|i| (i % 256) as f32).collect();
        assert_eq!(to_srgb(values.clone(), 3, Some(&profile)), (values, None));
    }

    #[test]
    fn display_p3_is_brought_to_srgb() {
        let profile = ColorProfile::new_display_p3().encode().unwrap();
        // Greys are the same in both; P3's (200, 100, 50) is sRGB's (214.9, 92.6, 31.0) by the standards' matrices.
        let (rgb, warning) = to_srgb(vec![128.0, 128.0, 128.0, 200.0, 100.0, 50.0], 3, Some(&profile));
        assert_eq!(warning, None);
        for (value, wanted) in rgb.iter().zip([128.0, 128.0, 128.0, 214.90, 92.61, 30.95]) {
            assert!((value - wanted).abs() < 0.2, "{rgb:?}");
        }
    }

    #[test]
    fn a_grey_profile_s_curve_is_applied() {
        let profile = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
        // Linear 0.5 is 188 in sRGB.
        let (rgb, warning) = to_srgb(vec![127.5, 0.0, 255.0], 1, Some(&profile));
        assert_eq!(warning, None);
        for (value, wanted) in rgb
            .iter()
            .zip([187.5, 187.5, 187.5, 0.0, 0.0, 0.0, 255.0, 255.0, 255.0])
        {
            assert!((value - wanted).abs() < 0.5, "{rgb:?}");
        }
    }

    #[test]
    fn grey_samples_with_an_rgb_profile_are_converted_as_grey() {
        let profile = ColorProfile::new_pro_photo_rgb().encode().unwrap();
        let (rgb, warning) = to_srgb(vec![100.0], 1, Some(&profile));
        assert_eq!(warning, None);
        assert!(
            (rgb[0] - rgb[2]).abs() < 1.0 && (rgb[0] - 100.0).abs() > 1.0,
            "{rgb:?}"
        );
    }

    #[test]
    fn a_broken_or_unfit_profile_is_a_warning_and_changes_nothing() {
        let grey = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
        for profile in [b"nonsense".as_slice(), &grey, &srgb()[..100]] {
            let (rgb, warning) = to_srgb(vec![1.0, 2.0, 3.0], 3, Some(profile));
            assert_eq!(rgb, [1.0, 2.0, 3.0]);
            assert!(warning.unwrap().contains("colour profile is not used"));
        }
    }
}
