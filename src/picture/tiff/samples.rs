//! From the rows of chunks to colours from 0 to 255, upright.

use half::f16;

use super::header::{Color, Header, Storage};
use crate::picture::{fault::Fault, raster::split_alpha};

/// How far samples may lie beyond their range, of 255: programs round and sharpen.
const BEYOND: f32 = 1.0;
/// What is darker everywhere, of 255, is black in 8 bits.
const BLACK: f32 = 0.5;

/// The used samples of all pixels, filled a row of a chunk at a time.
pub(super) struct Canvas {
    /// The colour's samples, then alpha, pixel by pixel.
    pub samples: Vec<f32>,
    used: usize,
    turn: Turn,
}

/// Where a stored pixel lies when the picture is upright: `start + x * across + y * down`.
pub(super) struct Turn {
    /// Width and height upright.
    pub size: (u32, u32),
    start: isize,
    across: isize,
    down: isize,
}

impl Turn {
    /// By EXIF's orientation; a number that has no meaning turns nothing.
    pub(super) fn new(orientation: u64, (width, height): (u32, u32)) -> Self {
        let (w, h) = (width as isize, height as isize);
        let (start, across, down) = match orientation {
            2 => (w - 1, -1, w),
            3 => (w * h - 1, -1, -w),
            4 => ((h - 1) * w, 1, -w),
            5 => (0, h, 1),
            6 => (h - 1, h, -1),
            7 => (w * h - 1, -h, -1),
            8 => ((w - 1) * h, -h, 1),
            _ => (0, 1, w),
        };
        let lies_on_its_side = (5..=8).contains(&orientation);
        Self {
            size: if lies_on_its_side {
                (height, width)
            } else {
                (width, height)
            },
            start,
            across,
            down,
        }
    }

    fn pixel(&self, x: usize, y: usize) -> usize {
        (self.start + x as isize * self.across + y as isize * self.down) as usize
    }
}

impl Canvas {
    pub(super) fn new(header: &Header, turn: Turn) -> Self {
        let used = header.used();
        Self {
            samples: vec![0.0; header.width as usize * header.height as usize * used],
            used,
            turn,
        }
    }

    /// Puts in place the samples of a row that begins at column `x` of row `y`; of a plane of one sample or of all.
    pub(super) fn put(&mut self, (x, y): (usize, usize), row: &[f32], plane: Option<usize>, of_pixel: usize) {
        let kept = self.used.min(of_pixel);
        for (i, pixel) in row.chunks_exact(of_pixel).enumerate() {
            let to = self.turn.pixel(x + i, y) * self.used + plane.unwrap_or(0);
            self.samples[to..to + kept].copy_from_slice(&pixel[..kept]);
        }
    }
}

/// The first `count` samples of a row: integers from 0 to 255, or as they are if they are `indices`; floats times 255.
pub(super) fn unpack(row: &[u8], storage: Storage, indices: bool, count: usize) -> Vec<f32> {
    let Storage { bits, float, order } = storage;
    let number = |bytes: &[u8]| order.number(bytes);
    let bytes = row.chunks_exact((bits / 8).max(1));
    if float {
        let value = |bytes| match bits {
            16 => f16::from_bits(number(bytes) as u16).to_f32(),
            32 => f32::from_bits(number(bytes) as u32),
            _ => f64::from_bits(number(bytes)) as f32,
        };
        return bytes.take(count).map(|bytes| value(bytes) * 255.0).collect();
    }
    // One grey level of 8 bits.
    let level = if indices {
        1.0
    } else {
        ((1_u64 << bits) - 1) as f64 / 255.0
    };
    let scaled = |value: u64| (value as f64 / level) as f32;
    match bits {
        8 => row[..count].iter().map(|&value| f32::from(value)).collect(),
        16 | 24 | 32 => bytes.take(count).map(|bytes| scaled(number(bytes))).collect(),
        _ => packed(row, bits).take(count).map(scaled).collect(),
    }
}

/// Numbers of up to 16 bits one after the other, the most significant bit first.
fn packed(row: &[u8], bits: usize) -> impl Iterator<Item = u64> {
    let mut bytes = row.iter();
    let (mut held, mut length) = (0_u64, 0);
    std::iter::from_fn(move || {
        while length < bits {
            held = held << 8 | u64::from(*bytes.next()?);
            length += 8;
        }
        length -= bits;
        let number = held >> length;
        held &= (1 << length) - 1;
        Some(number)
    })
}

/// Refuses samples that do not fill their range: what they mean would be a guess.
pub(super) fn check_range(samples: &[f32], storage: Storage) -> Result<(), Fault> {
    let bits = storage.bits;
    if !storage.float && bits <= 16 {
        return Ok(());
    }
    if samples.iter().any(|sample| sample.is_nan()) {
        return Err(Fault::unsupported("floats in a TIFF that are not numbers"));
    }
    let least = samples.iter().copied().fold(0.0, f32::min);
    let most = samples.iter().copied().fold(0.0, f32::max);
    if storage.float && (least < -BEYOND || most > 255.0 + BEYOND) {
        let [least, most] = [least, most].map(|value| value / 255.0);
        return Err(Fault::unsupported(format!(
            "floats from {least} to {most} in a TIFF, where 0 is black and 1 is white"
        )));
    }
    if !storage.float && most > 0.0 && most < BLACK {
        let full = (1_u64 << bits) - 1;
        let most = (f64::from(most) / 255.0 * full as f64).round();
        return Err(Fault::unsupported(format!(
            "integers of {bits} bits in a TIFF that go up to {most}, where {full} is white: all would be black"
        )));
    }
    Ok(())
}

/// The colours that samples mean: grey, red, green and blue, or inks; and alpha.
pub(super) fn colors(mut samples: Vec<f32>, header: &Header) -> (Vec<f32>, Option<Vec<f32>>) {
    let Some(alpha) = &header.alpha else {
        return (meaning(samples, &header.color), None);
    };
    let channels = header.used();
    if alpha.premultiplied {
        samples.chunks_exact_mut(channels).for_each(separate);
    }
    let (colors, alpha) = split_alpha(samples, channels);
    (meaning(colors, &header.color), alpha)
}

/// Divides the samples of a pixel by its last, alpha. What cannot be seen stays as it is.
fn separate(pixel: &mut [f32]) {
    if let Some((&mut alpha, colors)) = pixel.split_last_mut()
        && alpha > 0.0
    {
        colors
            .iter_mut()
            .for_each(|color| *color = (*color * 255.0 / alpha).min(255.0));
    }
}

fn meaning(mut samples: Vec<f32>, color: &Color) -> Vec<f32> {
    match color {
        Color::Gray { white_is_zero: true } => {
            samples.iter_mut().for_each(|sample| *sample = 255.0 - *sample)
        }
        Color::Palette(colors) => {
            return samples.iter().flat_map(|&index| colors[index as usize]).collect();
        }
        Color::YCbCr {
            coefficients,
            reference,
        } => samples
            .chunks_exact_mut(3)
            .for_each(|pixel| pixel.copy_from_slice(&rgb(pixel, coefficients, reference))),
        Color::Gray { white_is_zero: false } | Color::Rgb | Color::Cmyk => {}
    }
    samples
}

/// Red, green and blue of luma and colour differences (TIFF 6.0, section 21).
fn rgb(pixel: &[f32], [red, green, blue]: &[f32; 3], reference: &[f32; 6]) -> [f32; 3] {
    let coded = |i: usize, range: f32| {
        let [black, white] = [reference[2 * i], reference[2 * i + 1]];
        (pixel[i] - black) * range / (white - black)
    };
    let [luma, cb, cr] = [coded(0, 255.0), coded(1, 127.0), coded(2, 127.0)];
    let r = luma + cr * (2.0 - 2.0 * red);
    let b = luma + cb * (2.0 - 2.0 * blue);
    let g = (luma - blue * b - red * r) / green;
    [r, g, b].map(|value| value.round().clamp(0.0, 255.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::tiff::tags::Order;

    #[test]
    fn numbers_of_any_bits_are_read_one_after_the_other() {
        assert_eq!(
            packed(&[0b0110_1000], 1).collect::<Vec<_>>(),
            [0, 1, 1, 0, 1, 0, 0, 0]
        );
        assert_eq!(
            packed(&[0x12, 0x34, 0x56], 12).collect::<Vec<_>>(),
            [0x123, 0x456]
        );
        assert_eq!(
            packed(&[0b1110_0011, 0xF0], 3).collect::<Vec<_>>(),
            [7, 0, 7, 7, 0]
        );
    }

    #[test]
    fn the_largest_integer_of_any_depth_is_255() {
        for bits in (1..=16).chain([24, 32]) {
            for order in [Order::Little, Order::Big] {
                let storage = Storage {
                    bits,
                    float: false,
                    order,
                };
                assert_eq!(unpack(&[0xFF; 4], storage, false, 1), [255.0], "{bits} bits");
            }
        }
    }

    #[test]
    fn every_orientation_puts_every_pixel_in_a_place_of_its_own() {
        for orientation in 0..10 {
            let turn = Turn::new(orientation, (3, 2));
            let mut places: Vec<_> = (0..6).map(|i| turn.pixel(i % 3, i / 3)).collect();
            places.sort_unstable();
            assert_eq!(places, [0, 1, 2, 3, 4, 5], "orientation {orientation}");
        }
    }
}
