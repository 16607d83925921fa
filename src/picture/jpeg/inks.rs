//! The inks of a CMYK JPEG: how they are coded, and how much of each there is.

/// How a file with four channels codes its inks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Inks {
    /// 255 is no ink, as Adobe's programs and all that follow them store it; without their mark, 255 is full ink.
    pub inverted: bool,
    /// The first three channels are luma and two colour differences.
    pub ycck: bool,
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
