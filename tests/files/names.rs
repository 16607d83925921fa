//! Names that would move a terminal's cursor, and what is shown of them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use crate::support::{Workshop, impasto, onnxruntime, stderr, stdout, tiny_graphs};

/// A name with a colour, a line's end, a bell, a turn of direction, and what is no UTF-8; and how it is shown.
fn nasty(extension: &str) -> (OsString, String) {
    let name = [
        b"a\x1b[31m\nb\x07\xe2\x80\xae\xff\xc2\x9b<&>.".as_slice(),
        extension.as_bytes(),
    ]
    .concat();
    let shown = format!("a\\u{{1b}}[31m\\nb\\u{{7}}\\u{{202e}}\\xff\\u{{9b}}<&>.{extension}");
    (OsStr::from_bytes(&name).to_owned(), shown)
}

fn in_workshop(workshop: &Workshop, arguments: &[&OsStr]) -> Command {
    let mut command = impasto();
    command.current_dir(workshop.folder.path()).args(arguments);
    command
}

/// No character of the text obeys a name.
fn check(text: &str, shown: &str) {
    assert!(text.contains(shown), "{text:?} lacks {shown:?}");
    let obeyed = |letter: char| letter != '\n' && (letter.is_control() || letter == '\u{202e}');
    assert!(!text.contains(obeyed), "{text:?}");
}

#[test]
fn names_are_escaped_in_every_message() {
    let workshop = Workshop::new();
    let os = OsStr::new;
    let (png, shown) = nasty("png");
    let (json, shown_json) = nasty("json");
    let (toml, shown_toml) = nasty("toml");
    let (folder, shown_folder) = nasty("d");
    let (library, shown_library) = nasty("so");
    fs::write(workshop.path("x").with_file_name(&toml), "colour = 1").unwrap();
    fs::write(workshop.path("x").with_file_name(&library), "no library").unwrap();
    fs::create_dir(workshop.path("x").with_file_name(&folder)).unwrap();
    let (content, style, out) = (os("content.png"), os("style.png"), os("out.png"));
    let (paint, o) = (os("stylize"), os("-o"));
    let inside = std::path::Path::new(&folder)
        .join("missing")
        .join(&png)
        .into_os_string();
    for (arguments, shown) in [
        (vec![paint, &png, style, o, out], &shown),
        (vec![paint, content, &png, o, out], &shown),
        (vec![paint, content, &folder, o, out], &shown_folder),
        (vec![paint, content, style, o, &inside], &shown),
        (vec![paint, content, style, o, &library], &shown_library),
        (
            vec![paint, content, style, o, out, os("--config"), &toml],
            &shown_toml,
        ),
        (
            vec![paint, content, style, o, out, os("--config"), &json],
            &shown_json,
        ),
        (
            vec![paint, content, style, o, out, os("--graphs"), &folder],
            &shown_folder,
        ),
        (
            vec![
                paint,
                content,
                style,
                o,
                out,
                os("--plot"),
                &png,
                os("--trace"),
                &png,
            ],
            &shown,
        ),
        (
            vec![paint, content, style, o, out, os("--onnxruntime"), &library],
            &shown_library,
        ),
        (
            vec![paint, content, style, o, out, os("--onnxruntime"), &png],
            &shown,
        ),
        (vec![paint, os("--repeat"), &json, o, out], &shown_json),
        (vec![paint, os("--repeat"), &toml, o, out], &shown_toml),
        (
            vec![
                os("evaluate"),
                &png,
                os("--content"),
                content,
                os("--style"),
                style,
            ],
            &shown,
        ),
        (vec![os("manual"), &toml], &shown_toml),
    ] {
        let mut command = in_workshop(&workshop, &arguments);
        if !arguments.contains(&os("--graphs"))
            && arguments[0] == paint
            && !arguments.contains(&os("--repeat"))
        {
            command.arg("--graphs").arg(tiny_graphs());
        }
        if arguments.contains(&os("--graphs")) {
            command.arg("--onnxruntime").arg(onnxruntime());
        }
        let output = command.output().unwrap();
        assert!(!output.status.success());
        let message = stderr(&output);
        check(message.lines().last().unwrap(), shown);
    }
}

#[test]
fn names_are_escaped_in_what_a_run_says_in_plots_and_in_tables() {
    let workshop = Workshop::new();
    let (png, shown) = nasty("png");
    let place = |name: &OsStr| workshop.folder.path().join(name);
    fs::copy(workshop.path("content.png"), place(&png)).unwrap();
    let mut command = impasto();
    command
        .current_dir(workshop.folder.path())
        .arg("stylize")
        .arg(&png)
        .arg("style.png");
    command.args(["--size", "40", "--iterations", "2", "--plot", "loss.svg", "-o"]);
    command.arg(OsStr::from_bytes(b"out\x1b[0m\n.png"));
    command
        .arg("--graphs")
        .arg(tiny_graphs())
        .arg("--onnxruntime")
        .arg(onnxruntime());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    check(&stderr(&output), &shown);
    check(&stderr(&output), "out\\u{1b}[0m\\n.png");
    let plot = fs::read_to_string(workshop.path("loss.svg")).unwrap();
    let plot = roxmltree::Document::parse(&plot).unwrap();
    let title = format!("{shown} in the style of style.png");
    assert!(
        plot.descendants()
            .any(|node| node.text().map(str::trim) == Some(&title))
    );

    let mut compare = impasto();
    compare
        .current_dir(workshop.folder.path())
        .arg("compare")
        .arg(&png);
    compare.args([
        "--content",
        "content.png",
        "--style",
        "style.png",
        "--sheet",
        "sheet.png",
    ]);
    compare
        .arg("--graphs")
        .arg(tiny_graphs())
        .arg("--onnxruntime")
        .arg(onnxruntime());
    let output = compare.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    // What is no UTF-8 has been replaced.
    check(&stdout(&output), "a\\u{1b}[31m\\nb\\u{7}\\u{202e}");
}
