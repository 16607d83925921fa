//! Sixel: bands of six rows, in each of them one line a colour, six pixels a character.
//!
//! VT330/VT340 Programmer Reference Manual, volume 2, chapter 14.

use std::fmt::Write as _;

use color_quant::NeuQuant;

/// How many pixels are looked at to choose the colours: one in so many.
const SAMPLED: i32 = 10;
/// Rows of a band.
const BAND: usize = 6;
const COLORS: usize = 256;

/// The picture, red, green and blue interleaved in rows of `width` pixels, as a sixel sequence of 256 colours.
pub(super) fn encode(rgb: &[u8], width: usize) -> String {
    let rgba: Vec<u8> = rgb
        .chunks_exact(3)
        .flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255])
        .collect();
    let quantised = NeuQuant::new(SAMPLED, COLORS, &rgba);
    let colors: Vec<usize> = rgba
        .chunks_exact(4)
        .map(|pixel| quantised.index_of(pixel))
        .collect();
    let height = colors.len() / width;
    let mut text = format!("\x1bPq\"1;1;{width};{height}");
    for (index, color) in quantised.color_map_rgb().chunks_exact(3).enumerate() {
        let [red, green, blue] = [color[0], color[1], color[2]].map(percent);
        let _ = write!(text, "#{index};2;{red};{green};{blue}");
    }
    for band in colors.chunks(BAND * width) {
        push_band(&mut text, band, width);
    }
    text.push_str("\x1b\\");
    text
}

fn percent(value: u8) -> u32 {
    (u32::from(value) * 100 + 127) / 255
}

/// One line for each colour of the band, all on top of each other (`$`), then down to the next band (`-`).
fn push_band(text: &mut String, band: &[usize], width: usize) {
    let mut lines: Vec<Option<Vec<u8>>> = vec![None; COLORS];
    for (place, &color) in band.iter().enumerate() {
        let line = lines[color].get_or_insert_with(|| vec![0; width]);
        line[place % width] |= 1 << (place / width);
    }
    for (color, line) in lines.iter().enumerate() {
        if let Some(line) = line {
            let _ = write!(text, "#{color}");
            push_runs(text, line);
            text.push('$');
        }
    }
    text.push('-');
}

/// The characters of a line; a run of four or more is counted.
fn push_runs(text: &mut String, line: &[u8]) {
    for run in line.chunk_by(|a, b| a == b) {
        let sixel = char::from(b'?' + run[0]);
        if run.len() < 4 {
            text.extend(run.iter().map(|_| sixel));
        } else {
            let _ = write!(text, "!{}{sixel}", run.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws what `encode` wrote: the colour of each pixel in percent.
    fn decode(text: &str, width: usize, height: usize) -> Vec<[u32; 3]> {
        let body = text
            .strip_prefix(&format!("\x1bPq\"1;1;{width};{height}"))
            .unwrap();
        let body = body.strip_suffix("\x1b\\").unwrap();
        let (mut palette, mut picture) = (vec![[0; 3]; COLORS], vec![[999; 3]; width * height]);
        let (mut x, mut band, mut color) = (0, 0, 0);
        let mut rest = body.chars().peekable();
        let number = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            let mut value = 0;
            while let Some(digit) = rest.peek().and_then(|c| c.to_digit(10)) {
                value = 10 * value + digit;
                rest.next();
            }
            value
        };
        while let Some(character) = rest.next() {
            let mut count = 1;
            let mut sixel = character;
            match character {
                '#' => {
                    color = number(&mut rest) as usize;
                    if rest.peek() == Some(&';') {
                        rest.next();
                        assert_eq!(number(&mut rest), 2);
                        palette[color] = [(); 3].map(|()| {
                            assert_eq!(rest.next(), Some(';'));
                            number(&mut rest)
                        });
                    }
                    continue;
                }
                '$' => {
                    x = 0;
                    continue;
                }
                '-' => {
                    (x, band) = (0, band + 1);
                    continue;
                }
                '!' => {
                    count = number(&mut rest);
                    sixel = rest.next().unwrap();
                }
                _ => {}
            }
            for _ in 0..count {
                let bits = sixel as u32 - '?' as u32;
                for row in (0..BAND).filter(|row| bits >> row & 1 == 1) {
                    picture[(band * BAND + row) * width + x] = palette[color];
                }
                x += 1;
            }
        }
        picture
    }

    #[test]
    fn what_is_encoded_draws_the_picture_in_its_colours() {
        let (width, height) = (23, 14);
        let colors = [[255u8, 0, 0], [0, 0, 255], [255, 255, 255], [0, 128, 0]];
        let pixels: Vec<[u8; 3]> = (0..width * height)
            .map(|i| colors[(i % width / 6 + i / width / 4) % 4])
            .collect();
        let text = encode(&pixels.concat(), width);
        for (drawn, wanted) in decode(&text, width, height).iter().zip(&pixels) {
            for (drawn, wanted) in drawn.iter().zip(wanted) {
                assert!(drawn.abs_diff(percent(*wanted)) <= 6, "{drawn} for {wanted}");
            }
        }
    }
}
