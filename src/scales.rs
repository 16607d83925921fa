//! Coarse to fine: the sizes that a picture is painted at, one after the other.
//!
//! The first scale lays out large shapes and colours where an evaluation is cheap; each one that follows starts from
//! the result of the one before, enlarged, with the content image's detail, and adds its own. The style picture shrinks
//! along with the painted one. Gatys et al., "Controlling Perceptual Factors in Neural Style Transfer" (2017), section 6,
//! paint so to get to high resolutions. At a coarse scale the content weighs more, by the square of how many times as
//! many pixels the finest one has: the style image's layout would otherwise take the place of the content's, and the
//! finer scales could not bring it back. Not so where the content weight follows the balance of the pair at each scale.

use std::fmt;
use std::iter::successors;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::range::{ITERATIONS, SIZE, TextOrNumber, describe};

/// The least size of a scale that [`Scales::Auto`] adds, in pixels. Smaller ones lead to a lower loss, but nothing is
/// left of the content image: of a cat painted from 96 pixels there was only the painting's sky and field, even with 15
/// times the content weight there; from 192 it was a cat.
const COARSEST: u32 = 192;

/// Which scale of a schedule has all the iterations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emphasis {
    /// The finest one; each other has a quarter of them.
    Finest,
    /// The coarsest one; each finer has half as many as the one before.
    ///
    /// A stroke is as large as the network's layers see, which is half as large a part of the picture at the next scale: with
    /// many iterations there, its small strokes are painted over the large ones.
    Coarsest,
}

/// The part of the finest scale's iterations that each other scale has, where the finest one has all.
///
/// On the cat, the loss that 266 evaluations at 256 pixels led to after 250 iterations at 128 took 289 after 125 there, and
/// some 340 after 60: in evaluations at 256, 328, 320 and 355 in all. At 512 pixels, 120 evaluations after 125 iterations at
/// 256, the loss was as after 167 there: 4.74e5 and 4.76e5 (a town), 9.73e5 and 9.72e5 (the cat, whose 167 were those of an
/// optimiser that got as far in them as now in 145).
const PART: u64 = 4;

/// The part of the iterations of the scale before that a finer one has, where the coarsest one has all.
const FINER_PART: u64 = 2;

/// The most scales that can be asked for.
const MOST: u32 = 16;

/// One scale of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// The painted picture's size there in pixels, of the side that the fit speaks of.
    pub size: u32,
    /// The optimiser's iterations.
    pub iterations: u64,
}

/// Which scales to paint. As text: `auto`, a number of scales, or `SIZE:ITERATIONS,…` from coarse to fine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TextOrNumber", into = "String")]
pub enum Scales {
    /// From the wanted size halves of it, down to no less than 192 pixels or what the network can see.
    Auto,
    /// So many, 1 to 16, each half the size of the next.
    Count(u32),
    /// These, of increasing sizes.
    List(Vec<Scale>),
}

impl Scales {
    /// The scales from coarse to fine, the last one of `size` pixels, with `iterations` at the one that has all; a list is
    /// taken as it is.
    ///
    /// `sees` says whether the network takes the pictures when the painted one has a given size.
    pub fn schedule(
        &self,
        size: u32,
        (iterations, emphasis): (u64, Emphasis),
        sees: impl Fn(u32) -> bool,
    ) -> Vec<Scale> {
        let halves = successors(Some(size), |size| Some(size / 2));
        let mut sizes: Vec<u32> = match self {
            Scales::List(scales) => return scales.clone(),
            Scales::Count(count) => halves.take(*count as usize).collect(),
            // Without iterations there is nothing that a finer scale could repair.
            Scales::Auto if iterations == 0 => vec![size],
            Scales::Auto => halves
                .take_while(|&scale| scale == size || (scale >= COARSEST && sees(scale)))
                .collect(),
        };
        sizes.reverse();
        let finer = successors(Some(iterations), |before| Some(before.div_ceil(FINER_PART)));
        let scale = |(of, finer)| Scale {
            size: of,
            iterations: match emphasis {
                Emphasis::Coarsest => finer,
                Emphasis::Finest if of == size => iterations,
                Emphasis::Finest => iterations.div_ceil(PART),
            },
        };
        sizes.into_iter().zip(finer).map(scale).collect()
    }

    /// The last scale of a list.
    pub fn finest(&self) -> Option<&Scale> {
        match self {
            Scales::List(scales) => scales.last(),
            Scales::Auto | Scales::Count(_) => None,
        }
    }
}

impl FromStr for Scales {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Scales::Auto);
        }
        if let Ok(count) = text.parse::<u32>() {
            return match count {
                1..=MOST => Ok(Scales::Count(count)),
                _ => Err(format!("{count} is no number of scales; use 1 to {MOST}")),
            };
        }
        let scales: Vec<Scale> = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
        if scales.len() > MOST as usize {
            return Err(format!("{} scales are too many; use 1 to {MOST}", scales.len()));
        }
        if scales.windows(2).any(|pair| pair[0].size >= pair[1].size) {
            return Err(format!("\"{text}\": the sizes must grow from scale to scale"));
        }
        Ok(Scales::List(scales))
    }
}

impl TryFrom<TextOrNumber> for Scales {
    type Error = String;

    fn try_from(text: TextOrNumber) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Scales> for String {
    fn from(scales: Scales) -> String {
        scales.to_string()
    }
}

impl FromStr for Scale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':');
        let scale = parts.and_then(|(size, iterations)| {
            Some(Scale {
                size: size.parse().ok()?,
                iterations: iterations.parse().ok()?,
            })
        });
        match scale {
            Some(scale) if !SIZE.contains(&scale.size.into()) => {
                Err(format!("\"{text}\": the size must be {}", describe(&SIZE)))
            }
            Some(scale) if !ITERATIONS.contains(&scale.iterations) => Err(format!(
                "\"{text}\": the iterations must be {}",
                describe(&ITERATIONS)
            )),
            Some(scale) => Ok(scale),
            None => Err(format!(
                "\"{text}\" is no scale; use auto, a number of scales, or SIZE:ITERATIONS such as 128:300,256:200"
            )),
        }
    }
}

impl fmt::Display for Scales {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scales::Auto => f.write_str("auto"),
            Scales::Count(count) => count.fmt(f),
            Scales::List(scales) => {
                let parts: Vec<String> = scales.iter().map(Scale::to_string).collect();
                f.write_str(&parts.join(","))
            }
        }
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.size, self.iterations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(text: &str, size: u32, sees: impl Fn(u32) -> bool) -> Vec<u32> {
        let scales: Scales = text.parse().unwrap();
        let schedule = scales.schedule(size, (301, Emphasis::Finest), sees);
        for scale in &schedule {
            let iterations = if scale.size == size { 301 } else { 76 };
            assert_eq!(scale.iterations, iterations, "{schedule:?}");
        }
        schedule.iter().map(|scale| scale.size).collect()
    }

    #[test]
    fn auto_halves_down_to_192_pixels() {
        let any = |_| true;
        assert_eq!(sizes("auto", 1024, any), [256, 512, 1024]);
        assert_eq!(sizes("auto", 384, any), [192, 384]);
        assert_eq!(sizes("auto", 383, any), [383]);
        assert_eq!(sizes("auto", 20, any), [20]);
    }

    #[test]
    fn auto_paints_no_scale_that_the_network_cannot_see() {
        assert_eq!(sizes("auto", 1024, |size| size >= 400), [512, 1024]);
        assert_eq!(sizes("auto", 512, |_| false), [512]);
    }

    #[test]
    fn auto_with_no_iterations_leaves_the_start_alone() {
        assert_eq!(
            Scales::Auto.schedule(512, (0, Emphasis::Finest), |_| true),
            [Scale {
                size: 512,
                iterations: 0
            }]
        );
    }

    #[test]
    fn the_coarsest_scale_may_have_most_iterations() {
        let iterations = |scales: Scales, size| -> Vec<u64> {
            let schedule = scales.schedule(size, (25, Emphasis::Coarsest), |_| true);
            schedule.iter().map(|scale| scale.iterations).collect()
        };
        assert_eq!(iterations(Scales::Auto, 1024), [25, 13, 7]);
        assert_eq!(iterations(Scales::Auto, 256), [25]);
        assert_eq!(iterations(Scales::Count(2), 64), [25, 13]);
    }

    #[test]
    fn a_number_says_how_many() {
        assert_eq!(sizes("3", 512, |_| false), [128, 256, 512]);
        assert_eq!(sizes("1", 512, |_| true), [512]);
    }

    #[test]
    fn a_list_is_taken_as_it_is() {
        let scales: Scales = "100:30,512:7".parse().unwrap();
        let wanted = [(100, 30), (512, 7)].map(|(size, iterations)| Scale { size, iterations });
        assert_eq!(scales.schedule(64, (1, Emphasis::Finest), |_| false), wanted);
    }

    #[test]
    fn text_comes_back() {
        for text in ["auto", "3", "128:300,256:200,512:100"] {
            assert_eq!(text.parse::<Scales>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_the_reason() {
        let scales: Vec<String> = (1..=17).map(|size| format!("{size}:1")).collect();
        let long = scales.join(",");
        for (text, reason) in [
            ("0", "1 to 16"),
            ("17", "1 to 16"),
            ("fine", "no scale"),
            ("128", "1 to 16"),
            ("128:x", "no scale"),
            ("0:5", "1 to 65536"),
            ("64:5,70000:5", "1 to 65536"),
            ("64:9223372036854775807", "0 to 1000000"),
            ("64:18446744073709551616", "no scale"),
            (&long, "1 to 16"),
            ("256:5,128:5", "must grow"),
            ("128:5,128:5", "must grow"),
        ] {
            let error = text.parse::<Scales>().unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
