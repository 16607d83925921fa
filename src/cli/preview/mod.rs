//! The picture in the terminal while it is painted, above the progress bar: on stderr and always in the same place,
//! which is why the escape sequences are written here.

mod protocol;
mod sixel;

use std::env;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use console::Term;
use indicatif::ProgressBar;

use impasto::observe::{Event, Observer};
use impasto::picture::Picture;
use impasto::postprocess::Postprocess;

pub use protocol::{Cells, Protocol};

use super::say;

/// What draws the preview.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum PreviewArg {
    /// What the terminal is known for
    Auto,
    /// kitty, Ghostty and others
    Kitty,
    /// iTerm2, WezTerm, mintty and others
    Iterm2,
    /// foot, mlterm, Konsole, xterm -ti vt340 and others
    Sixel,
    /// Any terminal with 24-bit colours
    Blocks,
}

/// How often the preview is drawn.
const EVERY: Duration = Duration::from_secs(2);
/// The most it takes of the terminal.
const LARGEST: Cells = Cells {
    columns: 80,
    rows: 24,
};
/// Rows that are left to the bar and to what stood there before.
const SPARE_ROWS: u16 = 3;

/// Draws the picture every few seconds, each time in the same place.
pub struct Preview {
    protocol: Protocol,
    bar: ProgressBar,
    postprocess: Option<Postprocess>,
    drawn: Option<Drawn>,
}

/// What stands in the terminal.
struct Drawn {
    at: Instant,
    rows: u16,
}

impl Preview {
    /// The preview above `bar`, if stderr is a terminal; says so if it is not.
    pub fn open(wanted: PreviewArg, bar: &ProgressBar) -> Option<Preview> {
        let term = env::var("TERM").unwrap_or_default();
        if !Term::stderr().is_term() || term == "dumb" {
            say("note: no --preview, because stderr is not a terminal that shows pictures");
            return None;
        }
        Some(Preview {
            protocol: Protocol::choose(wanted, |name| env::var(name).ok()),
            bar: bar.clone(),
            postprocess: None,
            drawn: None,
        })
    }

    /// Draws the picture, in place of the one before. That it cannot be drawn is no reason to stop painting.
    pub fn draw(&mut self, picture: &Picture) {
        let (rows, columns) = Term::stderr().size();
        let room = Cells {
            columns: columns.clamp(1, LARGEST.columns),
            rows: rows.saturating_sub(SPARE_ROWS).clamp(1, LARGEST.rows),
        };
        let cells = Cells::for_picture(picture.size(), room);
        let before = self.drawn.as_ref().map_or(0, |drawn| drawn.rows);
        let text = placed(&self.protocol.encode(picture, cells), before, cells.rows);
        let _ = self.bar.suspend(|| io::stderr().write_all(text.as_bytes()));
        self.drawn = Some(Drawn {
            at: Instant::now(),
            rows: cells.rows,
        });
    }

    fn is_due(&self) -> bool {
        self.drawn
            .as_ref()
            .is_none_or(|drawn| drawn.at.elapsed() >= EVERY)
    }
}

impl Observer for Preview {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Started(started) => self.postprocess = Some(started.postprocess.clone()),
            Event::Iterated(step) if self.is_due() => {
                let picture = self
                    .postprocess
                    .as_ref()
                    .map(|postprocess| postprocess.picture(step.image));
                picture.iter().for_each(|picture| self.draw(picture));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Goes back over the `before` rows of the last picture, makes room for `rows`, draws, and ends on the line below.
///
/// Protocols leave the cursor in different places, hence it is saved and restored.
fn placed(picture: &str, before: u16, rows: u16) -> String {
    let back = match before {
        0 => String::new(),
        _ if before == rows => format!("\x1b[{before}A"),
        _ => format!("\x1b[{before}A\x1b[J"),
    };
    let room = "\n".repeat(rows.into());
    format!("{back}{room}\x1b[{rows}A\x1b7{picture}\x1b8\x1b[{rows}B\r")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_picture_is_drawn_over_the_first_and_ends_on_the_same_line() {
        assert_eq!(placed("A", 0, 2), "\n\n\x1b[2A\x1b7A\x1b8\x1b[2B\r");
        assert_eq!(placed("B", 2, 2), "\x1b[2A\n\n\x1b[2A\x1b7B\x1b8\x1b[2B\r");
    }

    #[test]
    fn what_is_left_of_a_picture_of_another_height_is_wiped_away() {
        assert!(placed("B", 3, 2).starts_with("\x1b[3A\x1b[J"));
    }
}
