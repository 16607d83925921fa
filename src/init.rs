//! The picture that the optimiser starts from.

use std::{fmt, path::PathBuf, str::FromStr};

use ndarray::Array4;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use crate::{
    picture::{Picture, PictureError},
    tensor::to_tensor,
};

/// Where the optimiser starts. As text (a flag's value, a settings file): `content`, `random`, or a file's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Init {
    /// The content picture: the fastest way to a result that keeps it.
    #[default]
    Content,
    /// [`noise`] around the mean colour of the network's training pictures, which is close to mid grey. The content's
    /// shapes come back only as far as its loss asks for them.
    Random,
    /// A picture from a file, resized to the content's size: to go on from an earlier result, for instance.
    File(PathBuf),
}

impl FromStr for Init {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "content" => Ok(Self::Content),
            "random" => Ok(Self::Random),
            // A bare word is a slip of the pen rather than a file: pictures have extensions, or lie in a folder.
            file if file.contains(['.', '/', '\\']) => Ok(Self::File(file.into())),
            _ => Err(format!(
                "unknown start \"{text}\"; use content, random, or the name of a picture file"
            )),
        }
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content => f.write_str("content"),
            Self::Random => f.write_str("random"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Init {
    /// The start image, as the network's input: f32 `[1, 3, height, width]`, see [`to_tensor`].
    ///
    /// It has the size of `content`, which is the content picture at the size that is painted.
    ///
    /// # Errors
    /// When the file cannot be loaded.
    pub fn tensor(&self, content: &Picture, seed: u64) -> Result<Array4<f32>, PictureError> {
        let (width, height) = content.size();
        Ok(match self {
            Self::Content => to_tensor(content),
            Self::Random => noise(width, height, seed),
            Self::File(path) => to_tensor(&Picture::load(path)?.resize(width, height)),
        })
    }
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

    #[test]
    fn the_flags_words_and_file_names_are_understood() {
        assert_eq!("content".parse(), Ok(Init::Content));
        assert_eq!("random".parse(), Ok(Init::Random));
        assert_eq!("start.png".parse(), Ok(Init::File("start.png".into())));
        assert_eq!("folder/start".parse(), Ok(Init::File("folder/start".into())));
    }

    #[test]
    fn an_unknown_word_is_refused_with_the_choices() {
        let message = "contnt".parse::<Init>().unwrap_err();
        for part in ["contnt", "content", "random", "file"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for init in [Init::Content, Init::Random, Init::File("a/b.png".into())] {
            assert_eq!(init.to_string().parse(), Ok(init));
        }
    }

    #[test]
    fn content_starts_from_the_content() {
        assert_eq!(
            Init::Content.tensor(&content(), 1).unwrap(),
            to_tensor(&content())
        );
    }

    #[test]
    fn a_seed_gives_the_same_noise_and_another_seed_another() {
        let noise = |seed| Init::Random.tensor(&content(), seed).unwrap();
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
        let start = from_tensor(Init::File(path).tensor(&content(), 0).unwrap().view());
        assert_eq!(start.size(), (3, 2));
        assert!((start.pixel(2, 1)[0] - 200.0).abs() < 1e-3);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Init::File("no/such.png".into())
            .tensor(&content(), 0)
            .unwrap_err();
        assert!(error.to_string().contains("no/such.png"), "{error}");
    }
}
