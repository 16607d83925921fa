//! Paints a photo in the style of a painting with the library alone, and tells of its progress.
//!
//!     cargo run --release --example library -- photo.png painting.png painted.png
#![allow(
    clippy::print_stdout,
    reason = "it is a program of its own, printing is its task"
)]

use std::ops::ControlFlow;
use std::path::Path;

use impasto::config::Options;
use impasto::observe::Event;
use impasto::picture::Picture;
use impasto::stylize::Stylizer;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [content, style, output] = arguments.as_slice() else {
        return Err("usage: library CONTENT STYLE OUTPUT".into());
    };
    let stylizer = Stylizer::new(&Options {
        size: Some(256.into()),
        iterations: Some(100),
        ..Options::default()
    })?;
    let mut observer = |event: &Event<'_>| {
        if let Event::Iterated(step) = event
            && step.iteration % 10 == 0
        {
            println!("iteration {}: loss {:.4e}", step.iteration, step.loss);
        }
        ControlFlow::Continue(())
    };
    let content = Picture::load(Path::new(content))?;
    let style = Picture::load(Path::new(style))?;
    let stylized = stylizer.stylize(content, vec![style], &mut observer)?;
    stylized.picture.save(Path::new(output), true)?;
    println!(
        "{} evaluations, loss {:.4e}",
        stylized.outcome.evaluations, stylized.outcome.loss
    );
    Ok(())
}
