//! The ways to show a picture in a terminal.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _};

use impasto::picture::Picture;

use super::PreviewArg;
use super::sixel;

/// Pixels sent for a cell; terminals scale them, but for sixel.
const CELL: (u32, u32) = (8, 16);
/// The most that one escape sequence of kitty's protocol carries.
const KITTY_CHUNK: usize = 4096;
/// Kitty's number for the picture: the next one of that number takes its place.
const KITTY_IMAGE: u32 = 0x1a57;

/// How the terminal is told of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Kitty's graphics protocol: <https://sw.kovidgoyal.net/kitty/graphics-protocol/>.
    Kitty,
    /// iTerm2's inline images: <https://iterm2.com/documentation-images.html>.
    Iterm2,
    /// DEC's sixel.
    Sixel,
    /// Half blocks in 24-bit colours, two pixels a cell: no protocol, so nearly everywhere.
    Blocks,
}

/// A size in the terminal's cells, which are taken to be twice as high as wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cells {
    pub columns: u16,
    pub rows: u16,
}

impl Cells {
    /// The largest that a picture of this size in pixels takes in `room`.
    pub fn for_picture((width, height): (u32, u32), room: Cells) -> Cells {
        let (width, height) = (f64::from(width), f64::from(height));
        let scale = (f64::from(room.columns) / width).min(2.0 * f64::from(room.rows) / height);
        Cells {
            columns: ((width * scale).round() as u16).clamp(1, room.columns),
            rows: ((height * scale / 2.0).round() as u16).clamp(1, room.rows),
        }
    }
}

impl Protocol {
    /// The protocol asked for, or else the best that the terminal is known to have by its environment variables. The
    /// terminal itself is not asked: one that never answers would be waited for.
    pub fn choose(wanted: PreviewArg, variable: impl Fn(&str) -> Option<String>) -> Protocol {
        match wanted {
            PreviewArg::Kitty => Protocol::Kitty,
            PreviewArg::Iterm2 => Protocol::Iterm2,
            PreviewArg::Sixel => Protocol::Sixel,
            PreviewArg::Blocks => Protocol::Blocks,
            PreviewArg::Auto => Protocol::detect(variable),
        }
    }

    fn detect(variable: impl Fn(&str) -> Option<String>) -> Protocol {
        let has = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let is = |name: &str, values: &[&str]| {
            variable(name).is_some_and(|value| values.contains(&value.as_str()))
        };
        // Multiplexers pass none of the protocols on by themselves.
        if has("TMUX") || has("STY") || has("ZELLIJ") {
            return Protocol::Blocks;
        }
        if has("KITTY_WINDOW_ID") || is("TERM", &["xterm-kitty", "xterm-ghostty"]) {
            return Protocol::Kitty;
        }
        if is("TERM_PROGRAM", &["iTerm.app", "WezTerm", "mintty"]) || is("LC_TERMINAL", &["iTerm2"]) {
            return Protocol::Iterm2;
        }
        if has("KONSOLE_VERSION")
            || is(
                "TERM",
                &["foot", "foot-extra", "mlterm", "contour", "yaft-256color"],
            )
        {
            return Protocol::Sixel;
        }
        Protocol::Blocks
    }

    /// The picture as text that draws it from the cursor on, in so many cells.
    pub fn encode(self, picture: &Picture, cells: Cells) -> String {
        let (columns, rows) = (u32::from(cells.columns), u32::from(cells.rows));
        let shown = match self {
            Protocol::Blocks => picture.resize(columns, 2 * rows),
            _ => picture.resize(columns * CELL.0, rows * CELL.1),
        };
        let rgb: Vec<u8> = shown.rgb().iter().map(|value| value.round() as u8).collect();
        match self {
            Protocol::Kitty => kitty(&STANDARD.encode(png(&rgb, shown.size())), cells),
            Protocol::Iterm2 => iterm2(&png(&rgb, shown.size()), cells),
            Protocol::Sixel => sixel::encode(&rgb, shown.width() as usize),
            Protocol::Blocks => blocks(&rgb, cells.columns.into()),
        }
    }
}

fn png(rgb: &[u8], (width, height): (u32, u32)) -> Vec<u8> {
    let mut file = Vec::new();
    // Writing to memory does not fail; if it did, the terminal would show nothing.
    let _ = PngEncoder::new(&mut file).write_image(rgb, width, height, ExtendedColorType::Rgb8);
    file
}

/// A PNG (f=100) shown at once (a=T) under a fixed number, with no answer (q=2) and the cursor left alone (C=1).
fn kitty(data: &str, cells: Cells) -> String {
    let chunks: Vec<&str> = data
        .as_bytes()
        .chunks(KITTY_CHUNK)
        .filter_map(|chunk| std::str::from_utf8(chunk).ok())
        .collect();
    let mut text = String::new();
    for (index, chunk) in chunks.iter().enumerate() {
        let more = u8::from(index + 1 < chunks.len());
        let head = match index {
            0 => format!(
                "a=T,f=100,q=2,C=1,i={KITTY_IMAGE},p=1,c={},r={},m={more}",
                cells.columns, cells.rows
            ),
            _ => format!("q=2,m={more}"),
        };
        let _ = write!(text, "\x1b_G{head};{chunk}\x1b\\");
    }
    text
}

fn iterm2(png: &[u8], cells: Cells) -> String {
    format!(
        "\x1b]1337;File=inline=1;size={};width={};height={};preserveAspectRatio=0:{}\x07",
        png.len(),
        cells.columns,
        cells.rows,
        STANDARD.encode(png)
    )
}

/// The upper half of each cell is the character, the lower its background.
fn blocks(rgb: &[u8], columns: usize) -> String {
    let mut text = String::new();
    for rows in rgb.chunks_exact(2 * 3 * columns) {
        let (upper, lower) = rows.split_at(3 * columns);
        for (above, below) in upper.chunks_exact(3).zip(lower.chunks_exact(3)) {
            let _ = write!(
                text,
                "\x1b[38;2;{};{};{}m\x1b[48;2;{};{};{}m▀",
                above[0], above[1], above[2], below[0], below[1], below[2]
            );
        }
        text.push_str("\x1b[0m\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(variables: &[(&str, &str)]) -> Protocol {
        Protocol::choose(PreviewArg::Auto, |name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_terminal_is_known_by_its_variables() {
        assert_eq!(detected(&[("TERM", "xterm-kitty")]), Protocol::Kitty);
        assert_eq!(detected(&[("TERM_PROGRAM", "iTerm.app")]), Protocol::Iterm2);
        assert_eq!(detected(&[("TERM", "foot")]), Protocol::Sixel);
        assert_eq!(detected(&[("TERM", "xterm-256color")]), Protocol::Blocks);
        assert_eq!(
            detected(&[("TERM", "xterm-kitty"), ("TMUX", "/tmp/tmux")]),
            Protocol::Blocks
        );
    }

    #[test]
    fn a_protocol_that_is_asked_for_wins() {
        let none = |_: &str| None;
        assert_eq!(Protocol::choose(PreviewArg::Sixel, none), Protocol::Sixel);
    }

    #[test]
    fn the_picture_keeps_its_shape_in_cells_twice_as_high_as_wide() {
        let room = Cells {
            columns: 80,
            rows: 20,
        };
        let cells = |size| Cells::for_picture(size, room);
        assert_eq!(
            cells((100, 100)),
            Cells {
                columns: 40,
                rows: 20
            }
        );
        assert_eq!(cells((4000, 200)), Cells { columns: 80, rows: 2 });
        assert_eq!(cells((1, 4000)), Cells { columns: 1, rows: 20 });
    }

    #[test]
    fn kitty_gets_the_png_in_chunks_of_which_the_last_says_so() {
        let cells = Cells { columns: 10, rows: 4 };
        let noise = (0..3 * 90 * 70u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as f32);
        let text = Protocol::Kitty.encode(&Picture::from_rgb(90, 70, noise.collect()), cells);
        let chunks: Vec<&str> = text.split_terminator("\x1b\\").collect();
        assert!(chunks.len() > 1);
        assert!(chunks[0].starts_with("\x1b_Ga=T,f=100,") && chunks[0].contains(",c=10,r=4,m=1;"));
        let (last, others) = chunks.split_last().unwrap();
        assert!(last.starts_with("\x1b_Gq=2,m=0;") && others.iter().all(|chunk| chunk.contains("m=1;")));
        let data: String = chunks
            .iter()
            .filter_map(|chunk| chunk.split(';').next_back())
            .collect();
        let png = image::load_from_memory(&STANDARD.decode(data).unwrap()).unwrap();
        assert_eq!((png.width(), png.height()), (80, 64));
    }

    #[test]
    fn iterm2_gets_the_png_whole() {
        let cells = Cells { columns: 3, rows: 2 };
        let text = Protocol::Iterm2.encode(&Picture::filled(6, 8, [255.0, 0.0, 9.0]), cells);
        let data = text.strip_suffix('\x07').unwrap().split(':').next_back().unwrap();
        let png = image::load_from_memory(&STANDARD.decode(data).unwrap())
            .unwrap()
            .to_rgb8();
        assert_eq!(png.dimensions(), (24, 32));
        assert_eq!(png.get_pixel(20, 20).0, [255, 0, 9]);
    }

    #[test]
    fn a_block_has_the_upper_pixel_before_the_lower() {
        let picture = Picture::from_rgb(1, 2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let cells = Cells { columns: 1, rows: 1 };
        assert_eq!(
            Protocol::Blocks.encode(&picture, cells),
            "\x1b[38;2;1;2;3m\x1b[48;2;4;5;6m▀\x1b[0m\n"
        );
    }
}
