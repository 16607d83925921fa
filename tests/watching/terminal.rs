//! `--preview` on a terminal: a pseudo-terminal, of which the test reads what a user would see.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::process::Stdio;
use std::ptr::null_mut;
use std::thread;

use super::support::Workshop;

/// A terminal of 60 columns and 20 rows: the side that sees, the side that the program writes to.
fn terminal() -> (OwnedFd, OwnedFd) {
    let size = libc::winsize {
        ws_row: 20,
        ws_col: 60,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let (mut seen, mut written) = (-1, -1);
    // SAFETY: both descriptors and the size are valid; name and settings may be null.
    let opened = unsafe { libc::openpty(&mut seen, &mut written, null_mut(), null_mut(), &size) };
    assert_eq!(opened, 0, "there is a pseudo-terminal");
    // SAFETY: both were opened above and belong to nobody else.
    unsafe { (OwnedFd::from_raw_fd(seen), OwnedFd::from_raw_fd(written)) }
}

/// What a terminal with this `TERM` gets from a short run with this flag.
fn preview(flag: &str, term: &str) -> String {
    let workshop = Workshop::new();
    let (seen, written) = terminal();
    let mut command = workshop.stylize("out.png");
    command.args(["--iterations", "3", flag]);
    for variable in [
        "TMUX",
        "STY",
        "ZELLIJ",
        "KITTY_WINDOW_ID",
        "KONSOLE_VERSION",
        "TERM_PROGRAM",
        "LC_TERMINAL",
    ] {
        command.env_remove(variable);
    }
    command
        .env("TERM", term)
        .stderr(Stdio::from(written))
        .stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    // The last descriptor of the program's side, so that reading ends with the program.
    drop(command);
    let reader = thread::spawn(|| {
        let mut text = Vec::new();
        // On Linux the end is an error, EIO.
        let _ = File::from(seen).read_to_end(&mut text);
        String::from_utf8(text).unwrap()
    });
    assert!(child.wait().unwrap().success());
    assert!(workshop.path("out.png").exists());
    reader.join().unwrap()
}

#[test]
fn each_protocol_draws_the_picture_at_the_first_iteration_and_at_the_end() {
    for (protocol, begin) in [
        ("kitty", "\x1b_Ga=T,f=100,"),
        ("iterm2", "\x1b]1337;File=inline=1;"),
        ("sixel", "\x1bPq\"1;1;"),
        ("blocks", "\x1b7\x1b[38;2;"),
    ] {
        let text = preview(&format!("--preview={protocol}"), "xterm");
        assert_eq!(text.matches(begin).count(), 2, "{protocol}: {text:?}");
    }
}

#[test]
fn a_preview_without_a_name_takes_the_protocol_of_the_terminal() {
    assert!(preview("--preview", "xterm-kitty").contains("\x1b_Ga=T"));
    assert!(preview("--preview", "foot").contains("\x1bPq"));
    assert!(preview("--preview", "xterm-256color").contains("\x1b[38;2;"));
}

#[test]
fn the_preview_fits_the_terminal_and_leaves_room_for_the_bar() {
    // 40x28 pixels in 60 columns and 17 of the 20 rows, cells twice as high as wide: 49 by 17.
    let text = preview("--preview=kitty", "xterm");
    assert!(text.contains(",c=49,r=17,"), "{text:?}");
}

#[test]
fn a_terminal_that_shows_no_pictures_gets_none() {
    let text = preview("--preview=blocks", "dumb");
    assert!(
        text.contains("no --preview") && !text.contains("\x1b[38;2;"),
        "{text:?}"
    );
}
