//! The picture that the optimiser starts from.

use std::{fmt, path::PathBuf, str::FromStr};

use ndarray::Array4;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use serde::{Deserialize, Serialize};

use crate::{
    color::{Moments, apply},
    picture::{Picture, PictureError},
    tensor::to_tensor,
};

/// Where the optimiser starts. As text (a flag's value, a settings file): `content`, `random`, `gray`, `style-stats`,
/// `blend:0.3`, `previous`, or a file's name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Init {
    /// The content picture: the fastest way to a result that keeps it.
    #[default]
    Content,
    /// [`noise`] around the mean colour of the network's training pictures, which is close to mid grey. The content's
    /// shapes come back only as far as its loss asks for them.
    Random,
    /// The mean colour of the network's training pictures everywhere.
    Gray,
    /// Noise with the colours of the style picture: their mean, and their covariance over its visible pixels.
    StyleStats,
    /// Content and [`Init::Random`] mixed: from 0, which is the content, to 1, which is noise.
    Blend(f32),
    /// The last frame of a film, moved into this one, which the [`Stylizer`](crate::stylize::Stylizer) has; without one the
    /// content.
    Previous,
    /// A picture from a file, resized to the content's size: to go on from an earlier result, for instance.
    File(PathBuf),
}

impl FromStr for Init {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(share) = text.strip_prefix("blend:") {
            return match share.parse() {
                Ok(share) if (0.0..=1.0).contains(&share) => Ok(Self::Blend(share)),
                _ => Err(format!(
                    "\"{text}\" is not a blend; give the share of noise from 0 to 1, such as blend:0.3"
                )),
            };
        }
        match text {
            "content" => Ok(Self::Content),
            "random" => Ok(Self::Random),
            "gray" | "grey" => Ok(Self::Gray),
            "style-stats" => Ok(Self::StyleStats),
            "previous" => Ok(Self::Previous),
            // A bare word is a slip of the pen rather than a file: pictures have extensions, or lie in a folder.
            file if file.contains(['.', '/', '\\']) => Ok(Self::File(file.into())),
            _ => Err(format!(
                "unknown start \"{text}\"; use content, random, gray, style-stats, blend:0.3, previous, or a picture file's name"
            )),
        }
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content => f.write_str("content"),
            Self::Random => f.write_str("random"),
            Self::Gray => f.write_str("gray"),
            Self::StyleStats => f.write_str("style-stats"),
            Self::Previous => f.write_str("previous"),
            Self::Blend(share) => write!(f, "blend:{share}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl From<Init> for String {
    fn from(init: Init) -> Self {
        init.to_string()
    }
}

impl TryFrom<String> for Init {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Init {
    /// The start image, as the network's input: f32 `[1, 3, height, width]`, see [`to_tensor`].
    ///
    /// It has the size of `content`, which is the content picture at the size that is painted. Only
    /// [`Init::StyleStats`] looks at `style`, at whatever size.
    ///
    /// # Errors
    /// When the file cannot be loaded.
    pub fn tensor(&self, content: &Picture, style: &Picture, seed: u64) -> Result<Array4<f32>, PictureError> {
        let (width, height) = content.size();
        Ok(match self {
            Self::Content | Self::Previous => to_tensor(content),
            Self::Random => noise(width, height, seed),
            Self::Gray => Array4::zeros((1, 3, height as usize, width as usize)),
            Self::StyleStats => to_tensor(&colored_noise(style, width, height, seed)),
            Self::Blend(share) => to_tensor(content) * (1.0 - share) + noise(width, height, seed) * *share,
            Self::File(path) => to_tensor(&Picture::load(path)?.resize(width, height)),
        })
    }
}

/// A picture of noise whose colours have the mean and the covariance of those of `style`, displayable: values beyond 0
/// to 255 are clamped.
fn colored_noise(style: &Picture, width: u32, height: u32, seed: u64) -> Picture {
    let moments = Moments::of(style);
    let root = moments.root();
    let noise = noise(width, height, seed);
    let pixels = noise.len() / 3;
    let noise = noise.as_slice().expect("just made, so in standard layout");
    let color = |i: usize| {
        let off = apply(
            &root,
            [0, 1, 2].map(|channel| f64::from(noise[channel * pixels + i])),
        );
        [0, 1, 2].map(|channel| (moments.mean[channel] + off[channel]) as f32)
    };
    Picture::from_rgb(width, height, (0..pixels).flat_map(color).collect())
}

/// Noise of mean 0 and standard deviation 1: f32 `[1, 3, height, width]`, one grey level around the mean colour.
///
/// That is what the paper's authors start from in their own code (`torch.randn` on an input in this convention);
/// neural-style takes a thousandth of it. It only has to break the symmetry: strong noise costs many evaluations
/// until it is gone, and some of it stays.
///
/// Each value is the sum of twelve numbers that are uniform on (-1/2, 1/2), an Irwin-Hall distribution: normal for
/// any purpose here, never beyond 6, and made by exact arithmetic alone, so the same seed gives the same bytes on every
/// machine. The numbers are `(v + 0.5) / 65536 - 0.5` for 16-bit `v`, lowest bits first, from three 64-bit outputs of
/// `ChaCha8` a value; its key is the seed in little-endian order followed by zeros. Values run in the tensor's order.
pub fn noise(width: u32, height: u32, seed: u64) -> Array4<f32> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut generator = ChaCha8Rng::from_seed(key);
    Array4::from_shape_simple_fn((1, 3, height as usize, width as usize), || normal(&mut generator))
}

/// One value of [`noise`].
fn normal(generator: &mut ChaCha8Rng) -> f32 {
    const WORDS: [u32; 4] = [0, 16, 32, 48];
    let draws: [u64; 3] = std::array::from_fn(|_| generator.next_u64());
    let sum: u64 = draws
        .iter()
        .flat_map(|draw| WORDS.map(|shift| (draw >> shift) & 0xFFFF))
        .sum();
    // Twice the sum of v + 0.5 - 32768 over twelve v: an integer below 2^21, so the division by 2^17 is exact.
    let centred = 2 * sum as i64 + 12 - 12 * 65_536;
    centred as f32 / 131_072.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::from_tensor;

    fn content() -> Picture {
        Picture::from_rgb(3, 2, (0..18).map(|v| v as f32 * 10.0).collect())
    }

    fn style() -> Picture {
        let rgb = (0..16 * 16).flat_map(|i| {
            [
                100.0 + (i % 16) as f32,
                60.0 + (i % 16) as f32 / 2.0,
                (i / 16) as f32 * 3.0 + 80.0,
            ]
        });
        Picture::from_rgb(16, 16, rgb.collect())
    }

    #[test]
    fn the_flags_words_and_file_names_are_understood() {
        assert_eq!("content".parse(), Ok(Init::Content));
        assert_eq!("random".parse(), Ok(Init::Random));
        assert_eq!("gray".parse(), Ok(Init::Gray));
        assert_eq!("style-stats".parse(), Ok(Init::StyleStats));
        assert_eq!("blend:0.3".parse(), Ok(Init::Blend(0.3)));
        assert_eq!("previous".parse(), Ok(Init::Previous));
        assert_eq!("start.png".parse(), Ok(Init::File("start.png".into())));
        assert_eq!("folder/start".parse(), Ok(Init::File("folder/start".into())));
    }

    #[test]
    fn an_unknown_word_is_refused_with_the_choices() {
        let message = "contnt".parse::<Init>().unwrap_err();
        for part in [
            "contnt",
            "content",
            "random",
            "gray",
            "style-stats",
            "blend:0.3",
            "file",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        let words = [
            Init::Content,
            Init::Random,
            Init::Gray,
            Init::StyleStats,
            Init::Blend(0.3),
            Init::Previous,
        ];
        for init in words.into_iter().chain([Init::File("a/b.png".into())]) {
            assert_eq!(init.to_string().parse(), Ok(init.clone()));
            let json = serde_json::to_string(&init).unwrap();
            assert_eq!(json, format!("\"{init}\""));
            assert_eq!(serde_json::from_str::<Init>(&json).unwrap(), init);
        }
    }

    #[test]
    fn a_blend_beyond_0_to_1_is_refused_with_the_range() {
        for text in ["blend:1.5", "blend:-0.1", "blend:NaN", "blend:", "blend:half"] {
            let message = text.parse::<Init>().unwrap_err();
            assert!(
                message.contains(text) && message.contains("from 0 to 1"),
                "{message}"
            );
        }
    }

    #[test]
    fn gray_is_the_mean_colour_everywhere() {
        let start = Init::Gray.tensor(&content(), &style(), 0).unwrap();
        assert_eq!(start.dim(), (1, 3, 2, 3));
        let picture = from_tensor(start.view());
        assert!(
            picture
                .rgb()
                .chunks(3)
                .all(|pixel| pixel == [123.68, 116.779, 103.939])
        );
    }

    #[test]
    fn a_blend_is_the_content_at_0_and_noise_at_1_and_lies_between_otherwise() {
        let start = |init: Init| init.tensor(&content(), &style(), 5).unwrap();
        let (content, noise) = (start(Init::Content), start(Init::Random));
        assert_eq!(start(Init::Blend(0.0)), content);
        assert_eq!(start(Init::Blend(1.0)), noise);
        let blend = start(Init::Blend(0.25));
        for ((value, content), noise) in blend.iter().zip(&content).zip(&noise) {
            assert!((value - (0.75 * content + 0.25 * noise)).abs() < 1e-4);
        }
    }

    #[test]
    fn style_stats_is_seeded_noise_with_the_colours_of_the_style() {
        let canvas = Picture::filled(128, 128, [0.0; 3]);
        let start = |seed| from_tensor(Init::StyleStats.tensor(&canvas, &style(), seed).unwrap().view());
        assert_eq!(start(1), start(1));
        assert_ne!(start(1), start(2));
        let (got, wanted) = (Moments::of(&start(1)), Moments::of(&style()));
        for i in 0..3 {
            assert!((got.mean[i] - wanted.mean[i]).abs() < 0.5, "{got:?} {wanted:?}");
            for j in 0..3 {
                let off = (got.covariance[i][j] - wanted.covariance[i][j]).abs();
                assert!(off < 8.0, "{got:?} {wanted:?}");
            }
        }
    }

    #[test]
    fn style_stats_of_one_colour_is_that_colour() {
        let style = Picture::filled(3, 3, [10.0, 20.0, 30.0]);
        let start = from_tensor(Init::StyleStats.tensor(&content(), &style, 1).unwrap().view());
        for (value, wanted) in start.pixel(1, 1).into_iter().zip([10.0, 20.0, 30.0]) {
            assert!((value - wanted).abs() < 1e-3, "{value} instead of {wanted}");
        }
    }

    #[test]
    fn content_starts_from_the_content() {
        assert_eq!(
            Init::Content.tensor(&content(), &style(), 1).unwrap(),
            to_tensor(&content())
        );
    }

    #[test]
    fn a_seed_gives_the_same_noise_and_another_seed_another() {
        let noise = |seed| Init::Random.tensor(&content(), &style(), seed).unwrap();
        assert_eq!(noise(7), noise(7));
        assert_ne!(noise(7), noise(8));
        assert_ne!(noise(7), noise(7 + (1 << 32)));
    }

    #[test]
    fn the_noise_has_mean_0_deviation_1_and_a_normal_shape() {
        let noise = noise(256, 256, 3);
        let moment =
            |power| noise.iter().map(|&v| f64::from(v).powi(power)).sum::<f64>() / noise.len() as f64;
        assert!(moment(1).abs() < 0.01, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.01, "{}", moment(2));
        assert!(moment(3).abs() < 0.03, "{}", moment(3));
        // 3 for the normal distribution, 2.9 for this one.
        assert!((moment(4) - 2.9).abs() < 0.06, "{}", moment(4));
        assert!(noise.iter().all(|v| v.abs() < 6.0));
    }

    #[test]
    fn the_noise_is_the_documented_one_to_the_bit() {
        // The first 24 bytes of ChaCha8 with a key of zeros and a nonce of zeros are 3e00ef2f 895f40d6 7f5bb8e8
        // 1f09a5a1 2c840ec3 ce9a7f3b (the eSTREAM test vectors).
        let words: [i64; 12] = [
            0x003e, 0x2fef, 0x5f89, 0xd640, 0x5b7f, 0xe8b8, 0x091f, 0xa1a5, 0x842c, 0xc30e, 0x9ace, 0x3b7f,
        ];
        let wanted = words
            .iter()
            .map(|&v| (v as f64 + 0.5) / 65_536.0 - 0.5)
            .sum::<f64>() as f32;
        assert_eq!(noise(1, 1, 0)[[0, 0, 0, 0]].to_bits(), wanted.to_bits());
    }

    #[test]
    fn a_file_is_resized_to_the_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("start.png");
        Picture::filled(9, 5, [200.0, 100.0, 50.0])
            .save(&path, false)
            .unwrap();
        let start = from_tensor(Init::File(path).tensor(&content(), &style(), 0).unwrap().view());
        assert_eq!(start.size(), (3, 2));
        assert!((start.pixel(2, 1)[0] - 200.0).abs() < 1e-3);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Init::File("no/such.png".into())
            .tensor(&content(), &style(), 0)
            .unwrap_err();
        assert!(error.to_string().contains("no/such.png"), "{error}");
    }
}
