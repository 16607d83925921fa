//! Watching a run and judging its result: plot, animation, preview; `evaluate` and `compare`.

// The helpers of the tests, too, may panic.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod animation;
mod judging;
mod plot;
mod program;
#[cfg(target_os = "linux")]
mod terminal;

use std::ops::ControlFlow;

use impasto::color::ColorMode;
use impasto::model::Evaluation;
use impasto::observe::{Evaluated, Event, Iterated, Observer, Planned, Started};
use impasto::picture::Picture;
use impasto::postprocess::Postprocess;

/// Tells of the beginning of a scale, the first of them 0.
fn start(observer: &mut impl Observer, scale: usize, (width, height): (u32, u32), term_names: &[String]) {
    let planned = Planned {
        width,
        height,
        iterations: 1,
    };
    let started = Started {
        scale,
        schedule: &vec![planned; scale + 1],
        term_names,
        postprocess: &Postprocess::new(Picture::filled(width, height, [0.0; 3]), ColorMode::Style, false),
    };
    let answer = observer.observe(&Event::Started(started));
    assert_eq!(answer, ControlFlow::Continue(()));
}

/// Tells of an evaluation with these terms.
fn evaluate(observer: &mut impl Observer, evaluation: u64, terms: &[f64]) {
    let result = Evaluation {
        loss: terms.iter().sum(),
        terms: terms.to_vec(),
    };
    let evaluated = Evaluated {
        evaluation,
        iteration: evaluation - 1,
        result: &result,
    };
    assert_eq!(
        observer.observe(&Event::Evaluated(evaluated)),
        ControlFlow::Continue(())
    );
}

/// Tells of an accepted point.
fn iterate(observer: &mut impl Observer, iteration: u64, image: &[f32]) {
    let iterated = Iterated {
        iteration,
        evaluation: iteration + 1,
        loss: 1.0,
        image,
    };
    assert_eq!(
        observer.observe(&Event::Iterated(iterated)),
        ControlFlow::Continue(())
    );
}
