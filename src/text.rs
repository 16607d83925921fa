//! Text in pictures, in a font that comes with the program.

use std::sync::Once;

use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::picture::Picture;

/// The family under which the font is known here; in an SVG it is what the viewer takes for it.
pub(crate) const FAMILY: &str = "sans-serif";
/// Text is drawn so many times larger and shrunk, for smooth edges and even spacing.
const DRAWN: u32 = 3;

/// Makes the font known to `plotters`.
pub(crate) fn provide_font() {
    static PROVIDED: Once = Once::new();
    PROVIDED.call_once(|| {
        let registered = register_font(FAMILY, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT);
        debug_assert!(registered.is_ok(), "the font is a font");
    });
}

/// A black line of text in the middle of a white picture of this size in pixels, [`fitted`] into it.
pub(crate) fn line(text: &str, (width, height): (u32, u32)) -> Picture {
    provide_font();
    let (wide, high) = (DRAWN * width, DRAWN * height);
    let size = 0.7 * f64::from(high);
    let style = TextStyle::from((FAMILY, size).into_font()).pos(Pos::new(HPos::Center, VPos::Center));
    let mut rgb = vec![255; 3 * wide as usize * high as usize];
    let area = BitMapBackend::with_buffer(&mut rgb, (wide, high)).into_drawing_area();
    let middle = ((wide / 2) as i32, (high / 2) as i32);
    let drawn = area.draw(&Text::new(fitted(text, size, wide), middle, style));
    debug_assert!(drawn.is_ok(), "a buffer in memory can be drawn on");
    drop(area);
    let rgb = rgb.into_iter().map(f32::from).collect();
    Picture::from_rgb(wide, high, rgb).resize(width, height)
}

/// The text, if in letters of `size` it is no longer than `length`, both in pixels. Else its middle is left out, for the
/// end of a file's name tells as much as its beginning.
pub(crate) fn fitted(text: &str, size: f64, length: u32) -> String {
    provide_font();
    let font = (FAMILY, size).into_font();
    shorten(text, |text| {
        font.box_size(text).is_ok_and(|(found, _)| found <= length)
    })
}

/// The text, or as much of its beginning and end as fits.
fn shorten(text: &str, fits: impl Fn(&str) -> bool) -> String {
    let letters: Vec<char> = text.chars().collect();
    let without = |missing: usize| -> String {
        let kept = letters.len() - missing;
        let (head, tail) = (kept.div_ceil(2), kept / 2);
        let (head, tail) = (&letters[..head], &letters[letters.len() - tail..]);
        head.iter().chain(&['…']).chain(tail).collect()
    };
    std::iter::once(text.to_owned())
        .chain((1..=letters.len()).map(without))
        .find(|text| fits(text))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_too_long_loses_its_middle() {
        let shortened = |most: usize| shorten("starry-night.png", |text| text.chars().count() <= most);
        assert_eq!(shortened(16), "starry-night.png");
        assert_eq!(shortened(9), "star….png");
        assert_eq!(shortened(1), "…");
        assert_eq!(shortened(0), "");
    }

    #[test]
    fn text_is_dark_on_white_in_the_middle() {
        let picture = line("impasto", (120, 24));
        assert_eq!(picture.size(), (120, 24));
        let dark = |range: std::ops::Range<u32>| {
            let pixels = range.flat_map(|x| (0..24).map(move |y| (x, y)));
            pixels.filter(|&(x, y)| picture.pixel(x, y)[0] < 128.0).count()
        };
        assert!(dark(30..90) > 30, "{}", dark(30..90));
        assert_eq!(dark(0..20) + dark(100..120), 0);
    }
}
