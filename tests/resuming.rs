//! An optimisation that is left between two iterations, whichever they are, and resumed from what was saved there comes to
//! the same bytes.
#![allow(clippy::unwrap_used, reason = "a helper that panics fails its test")]

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use impasto::files::binary::{self, Reader};
use impasto::model::{Advance, Evaluation, LossGradient, ObjectiveError};
use impasto::observe::{Event, Observer};
use impasto::optimize::{
    AdamOptions, Method, OptimizeError, Options, StopReason, minimize, minimize_preconditioned, resume,
};
use tempfile::TempDir;

/// Width and height: several chunks of vectors, the last one short.
const SIZE: (u32, u32) = (41, 37);
const LEN: usize = 3 * 41 * 37;

/// A valley that bends, with a wall that is no number where `hole` is set.
struct Valley {
    names: Vec<String>,
    hole: Option<f32>,
}

impl Valley {
    fn new(hole: Option<f32>) -> Valley {
        Valley {
            names: vec!["wall".into(), "floor".into()],
            hole,
        }
    }
}

impl LossGradient for Valley {
    fn term_names(&self) -> &[String] {
        &self.names
    }

    fn evaluate(
        &mut self,
        image: &[f32],
        gradient: &mut [f32],
        _: Advance<'_>,
    ) -> Result<Evaluation, ObjectiveError> {
        let mut terms = vec![0.0; 2];
        for (i, x) in image.iter().enumerate() {
            let next = image[(i + 1) % image.len()];
            let (x, next, curvature) = (f64::from(*x), f64::from(next), 1.0 + (i % 50) as f64);
            terms[0] += curvature * (x - 7.0).powi(2);
            terms[1] += (x * 0.1).sin() * next;
            gradient[i] = (2.0 * curvature * (x - 7.0) + 0.1 * (x * 0.1).cos() * next) as f32;
        }
        if self.hole.is_some_and(|hole| image[0] > hole) {
            terms[0] = f64::NAN;
        }
        Ok(Evaluation {
            loss: terms.iter().sum(),
            terms,
        })
    }
}

/// Keeps every state that is shown in a file, and what else is told.
struct Keeper {
    folder: TempDir,
    /// The number of the state that is shown next.
    next: usize,
    losses: Vec<(u64, u64)>,
    restarts: usize,
}

impl Keeper {
    fn new(next: usize) -> Keeper {
        Keeper {
            folder: TempDir::new().unwrap(),
            next,
            losses: Vec::new(),
            restarts: 0,
        }
    }

    fn path(&self, index: usize) -> PathBuf {
        self.folder.path().join(index.to_string())
    }
}

impl Observer for Keeper {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Resumable(run) => {
                binary::write(&self.path(self.next), false, |to| (run.save)(to)).unwrap();
                self.next += 1;
            }
            Event::Evaluated(evaluated) => self
                .losses
                .push((evaluated.evaluation, evaluated.result.loss.to_bits())),
            Event::Restarted(_) => self.restarts += 1,
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn start() -> Vec<f32> {
    (0..LEN).map(|i| (i * 31 % 101) as f32 - 50.0).collect()
}

fn lbfgs(history: usize) -> Options {
    Options {
        method: Method::Lbfgs { history },
        iterations: 18,
        threads: 2,
        ..Options::default()
    }
}

fn adam() -> Options {
    Options {
        method: Method::Adam(AdamOptions {
            bounds: Some([(-40.0, 40.0), (-30.0, 30.0), (-20.0, 60.0)]),
            ..AdamOptions::default()
        }),
        ..lbfgs(1)
    }
}

/// Runs it whole, then again from every state on the way; returns how often the whole one was restarted.
fn check(options: &Options, hole: Option<f32>, preconditioned: bool) -> usize {
    let mut whole = Keeper::new(0);
    let mut valley = Valley::new(hole);
    let outcome = match preconditioned {
        true => minimize_preconditioned(&mut valley, start(), SIZE, options, &mut whole),
        false => minimize(&mut valley, start(), options, &mut whole),
    };
    let outcome = outcome.unwrap();
    assert!(whole.next > 5, "{} states", whole.next);
    for index in 0..whole.next {
        let mut saved = Reader::open(&whole.path(index)).unwrap();
        assert!(saved.is_whole().unwrap());
        let mut resumed = Keeper::new(index + 1);
        let start = preconditioned.then(start);
        let found = resume(
            &mut Valley::new(hole),
            start,
            SIZE,
            options,
            &mut resumed,
            &mut saved,
        );
        assert!(found.unwrap() == outcome, "another outcome from state {index}");
        assert!(
            whole.losses.ends_with(&resumed.losses),
            "other losses from state {index}"
        );
        for later in index + 1..whole.next {
            let (a, b) = (fs::read(whole.path(later)), fs::read(resumed.path(later)));
            assert!(
                a.unwrap() == b.unwrap(),
                "another state {later} from state {index}"
            );
        }
    }
    whole.restarts
}

#[test]
fn l_bfgs_goes_on_from_every_iteration() {
    assert_eq!(check(&lbfgs(5), None, false), 0);
    assert_eq!(check(&lbfgs(80), None, true), 0);
}

#[test]
fn adam_goes_on_from_every_iteration() {
    assert_eq!(check(&adam(), None, false), 0);
}

#[test]
fn it_goes_on_as_often_restarted_as_it_was() {
    for options in [lbfgs(5), adam()] {
        let options = Options {
            iterations: 26,
            ..options
        };
        let restarts = check(&options, Some(6.5), false);
        assert!(restarts > 0, "{:?} was not restarted", options.method);
    }
}

#[test]
fn a_tolerance_looks_as_far_back_as_it_would_have() {
    let options = Options {
        tolerance: Some(0.02),
        iterations: 1000,
        ..lbfgs(5)
    };
    check(&options, None, false);
}

#[test]
fn more_iterations_than_before_are_those_of_a_longer_run() {
    let (mut short, mut long) = (Keeper::new(0), Keeper::new(0));
    minimize(&mut Valley::new(None), start(), &lbfgs(5), &mut short).unwrap();
    let longer = Options {
        iterations: 24,
        ..lbfgs(5)
    };
    let whole = minimize(&mut Valley::new(None), start(), &longer, &mut long).unwrap();
    let mut saved = Reader::open(&short.path(short.next - 1)).unwrap();
    let mut quiet = |_: &Event<'_>| ControlFlow::Continue(());
    let found = resume(
        &mut Valley::new(None),
        None,
        SIZE,
        &longer,
        &mut quiet,
        &mut saved,
    );
    assert!(found.unwrap() == whole);
}

#[test]
fn time_ends_a_run_of_whole_iterations_between_two_of_them() {
    for options in [lbfgs(5), adam()] {
        let options = Options {
            max_seconds: Some(0.0),
            whole_iterations: true,
            ..options
        };
        let mut keeper = Keeper::new(0);
        let outcome = minimize(&mut Valley::new(None), start(), &options, &mut keeper).unwrap();
        assert_eq!((outcome.stop, outcome.iterations), (StopReason::OutOfTime, 1));
        assert_eq!(keeper.next, 1);
    }
}

#[test]
fn the_state_of_another_run_is_refused() {
    let mut keeper = Keeper::new(0);
    minimize(&mut Valley::new(None), start(), &lbfgs(5), &mut keeper).unwrap();
    let mut quiet = |_: &Event<'_>| ControlFlow::Continue(());
    for (options, size) in [(lbfgs(5), (20, 20)), (lbfgs(3), SIZE), (adam(), SIZE)] {
        let mut saved = Reader::open(&keeper.path(12)).unwrap();
        let found = resume(
            &mut Valley::new(None),
            None,
            size,
            &options,
            &mut quiet,
            &mut saved,
        );
        assert!(matches!(found, Err(OptimizeError::Saved(_))), "{found:?}");
    }
}
