//! The optimiser on functions whose minimum is known, and on functions that misbehave.

use std::collections::HashSet;
use std::error::Error as _;
use std::ops::ControlFlow;
use std::time::Duration;

use impasto::model::{Advance, Evaluation, LossGradient, ObjectiveError};
use impasto::observe::{Evaluated, Event, Iterated, Observer};
use impasto::optimize::{
    AdamOptions, Method, OptimizeError, Options, Outcome, StopReason, minimize, minimize_preconditioned,
};

/// An objective made of a closure that writes the gradient and returns the terms.
struct Fake<F> {
    names: Vec<String>,
    function: F,
    runs: u64,
}

impl<F: FnMut(u64, &[f32], &mut [f32]) -> Result<Vec<f64>, ObjectiveError>> Fake<F> {
    /// `function` gets the number of the evaluation, from 1, the point, and where to write the gradient.
    fn new(names: &[&str], function: F) -> Self {
        Self {
            names: names.iter().map(|&name| name.into()).collect(),
            function,
            runs: 0,
        }
    }
}

impl<F: FnMut(u64, &[f32], &mut [f32]) -> Result<Vec<f64>, ObjectiveError>> LossGradient for Fake<F> {
    fn term_names(&self) -> &[String] {
        &self.names
    }

    fn evaluate(
        &mut self,
        image: &[f32],
        gradient: &mut [f32],
        _: Advance<'_>,
    ) -> Result<Evaluation, ObjectiveError> {
        self.runs += 1;
        let terms = (self.function)(self.runs, image, gradient)?;
        Ok(Evaluation {
            loss: terms.iter().sum(),
            terms,
        })
    }
}

/// `sum of curvature_i * (x_i - target_i)^2`, times `scale`, in f64.
fn quadratic(scale: f64, x: &[f32], gradient: &mut [f32]) -> f64 {
    let mut loss = 0.0;
    for (i, (&x, gradient)) in x.iter().zip(gradient).enumerate() {
        let curvature = scale * (1.0 + (i % 100) as f64);
        let off = f64::from(x) - target(i);
        loss += curvature * off * off;
        *gradient = (2.0 * curvature * off) as f32;
    }
    loss
}

fn target(i: usize) -> f64 {
    (i % 17) as f64 - 8.0
}

/// Rosenbrock's valley in any even number of dimensions: the minimum is 0, at ones.
fn rosenbrock(x: &[f32], gradient: &mut [f32]) -> f64 {
    let mut loss = 0.0;
    for (x, gradient) in x.chunks(2).zip(gradient.chunks_mut(2)) {
        let (a, b) = (f64::from(x[0]), f64::from(x[1]));
        let (wall, floor) = (b - a * a, 1.0 - a);
        loss += 100.0 * wall * wall + floor * floor;
        gradient[0] = (-400.0 * a * wall - 2.0 * floor) as f32;
        gradient[1] = (200.0 * wall) as f32;
    }
    loss
}

/// L-BFGS for so many iterations, on one thread.
fn options(iterations: u64) -> Options {
    Options {
        iterations,
        threads: 1,
        ..Options::default()
    }
}

/// Adam with the same.
fn adam(iterations: u64) -> Options {
    Options {
        method: Method::Adam(AdamOptions::default()),
        ..options(iterations)
    }
}

fn run<F>(mut objective: Fake<F>, start: Vec<f32>, options: &Options) -> Result<Outcome, OptimizeError>
where
    Fake<F>: LossGradient,
{
    minimize(&mut objective, start, options, &mut |_: &Event<'_>| {
        ControlFlow::Continue(())
    })
}

/// What the observer was told, in one letter an event.
#[derive(Default)]
struct Log {
    letters: String,
    losses: Vec<f64>,
    /// The image and the loss of each accepted point.
    accepted: Vec<(Vec<f32>, f64)>,
    stop_at: Option<u64>,
}

impl Observer for Log {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Evaluated(Evaluated {
                evaluation,
                iteration,
                result,
            }) => {
                self.letters.push('e');
                self.losses.push(result.loss);
                assert_eq!(
                    *evaluation,
                    self.losses.len() as u64,
                    "evaluations are numbered from 1"
                );
                assert_eq!(
                    *iteration,
                    self.accepted.len() as u64,
                    "iterations are those accepted before"
                );
                if self.stop_at == Some(*evaluation) {
                    return ControlFlow::Break(());
                }
            }
            Event::Iterated(Iterated {
                iteration,
                evaluation,
                loss,
                image,
            }) => {
                self.letters.push('i');
                self.accepted.push((image.to_vec(), *loss));
                assert_eq!(
                    *iteration,
                    self.accepted.len() as u64,
                    "iterations are numbered from 1"
                );
                assert_eq!(
                    *evaluation,
                    self.losses.len() as u64,
                    "an accepted point has been evaluated"
                );
            }
            Event::Restarted(_) => self.letters.push('r'),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn lbfgs_finds_the_minimum_of_a_convex_quadratic() {
    let objective = Fake::new(&["q"], |_, x, g| Ok(vec![quadratic(1.0, x, g)]));
    let outcome = run(objective, vec![100.0; 1000], &options(500)).unwrap();
    for (i, &x) in outcome.image.iter().enumerate() {
        assert!(
            (f64::from(x) - target(i)).abs() < 1e-4,
            "element {i}: {x} instead of {}",
            target(i)
        );
    }
}

#[test]
fn lbfgs_finds_the_minimum_of_rosenbrocks_valley_in_a_hundred_dimensions() {
    let objective = Fake::new(&["r"], |_, x, g| Ok(vec![rosenbrock(x, g)]));
    let outcome = run(objective, [-1.2, 1.0].repeat(50), &options(200)).unwrap();
    assert!(
        outcome.image.iter().all(|x| (x - 1.0).abs() < 1e-3),
        "{:?}",
        outcome.image
    );
    assert!(outcome.evaluations < 80, "{} evaluations", outcome.evaluations);
}

#[test]
fn adam_comes_near_the_minimum_of_a_convex_quadratic() {
    let objective = Fake::new(&["q"], |_, x, g| Ok(vec![quadratic(1.0, x, g)]));
    let outcome = run(objective, vec![100.0; 999], &adam(500)).unwrap();
    for (i, &x) in outcome.image.iter().enumerate() {
        assert!(
            (f64::from(x) - target(i)).abs() < 0.5,
            "element {i}: {x} instead of {}",
            target(i)
        );
    }
    assert_eq!((outcome.iterations, outcome.evaluations), (500, 501));
}

#[test]
fn adams_first_step_has_the_length_of_the_learning_rate() {
    let objective = Fake::new(&["q"], |_, x, g| Ok(vec![quadratic(1.0, x, g)]));
    let outcome = run(objective, vec![100.0; 30], &adam(1)).unwrap();
    assert!(
        outcome.image.iter().all(|x| (x - 95.0).abs() < 1e-4),
        "{:?}",
        outcome.image
    );
}

#[test]
fn adam_keeps_each_channel_within_its_bounds() {
    // Every channel's targets reach from -8 to 8.
    let bounds = [(-1.0, 2.0), (-3.0, 4.0), (0.0, 0.0)];
    let method = Method::Adam(AdamOptions {
        bounds: Some(bounds),
        ..AdamOptions::default()
    });
    let objective = Fake::new(&["q"], |_, x, g| Ok(vec![quadratic(1.0, x, g)]));
    let outcome = run(objective, vec![0.0; 99], &Options { method, ..adam(200) }).unwrap();
    for (channel, (low, high)) in outcome.image.chunks(33).zip(bounds) {
        let least = channel.iter().copied().fold(f32::INFINITY, f32::min);
        let greatest = channel.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        assert_eq!((least, greatest), (low, high));
    }
}

#[test]
fn adam_brings_a_start_within_its_bounds() {
    let method = Method::Adam(AdamOptions {
        bounds: Some([(-1.0, 2.0), (-3.0, 4.0), (0.0, 0.0)]),
        ..AdamOptions::default()
    });
    let objective = Fake::new(&["q"], |_, x, g| Ok(vec![quadratic(1.0, x, g)]));
    let start = vec![9.0, -9.0, 9.0, -9.0, 9.0, -9.0];
    let outcome = run(objective, start, &Options { method, ..adam(0) }).unwrap();
    assert_eq!(outcome.image, [2.0, -1.0, 4.0, -3.0, 0.0, 0.0]);
}

#[test]
fn every_point_is_evaluated_once_and_every_evaluation_counted() {
    for options in [options(40), adam(40)] {
        let mut points = Vec::new();
        let objective = Fake::new(&["r"], |_, x, g| {
            points.push(x.to_vec());
            Ok(vec![rosenbrock(x, g)])
        });
        let outcome = run(objective, [-1.2, 1.0].repeat(50), &options).unwrap();
        assert_eq!(outcome.evaluations, points.len() as u64);
        let distinct: HashSet<Vec<u32>> = points
            .iter()
            .map(|point| point.iter().map(|x| x.to_bits()).collect())
            .collect();
        assert_eq!(distinct.len(), points.len(), "{:?}", options.method);
    }
}

#[test]
fn the_observer_sees_every_evaluation_and_every_accepted_point_in_order() {
    let mut objective = Fake::new(&["r"], |_, x, g| Ok(vec![rosenbrock(x, g)]));
    let mut log = Log::default();
    let outcome = minimize(&mut objective, [-1.2, 1.0].repeat(50), &options(10), &mut log).unwrap();
    assert_eq!(outcome.stop, StopReason::Iterations);
    assert_eq!(log.losses.len() as u64, outcome.evaluations);
    assert_eq!(log.accepted.len(), 10);
    assert!(
        log.letters.starts_with('e') && log.letters.ends_with("ei"),
        "{}",
        log.letters
    );
    for (image, loss) in log.accepted {
        assert_eq!(loss, rosenbrock(&image, &mut vec![0.0; 100]));
    }
}

#[test]
fn no_iterations_return_the_start_evaluated_once() {
    for options in [options(0), adam(0)] {
        let objective = Fake::new(&["q"], |_, x, g| Ok(vec![quadratic(1.0, x, g)]));
        let outcome = run(objective, vec![1.0; 30], &options).unwrap();
        assert_eq!(outcome.image, vec![1.0; 30]);
        assert_eq!((outcome.iterations, outcome.evaluations), (0, 1));
        assert_eq!(outcome.stop, StopReason::Iterations);
    }
}

#[test]
fn a_flat_objective_returns_the_start_at_once() {
    for options in [options(100), adam(100)] {
        let objective = Fake::new(&["flat"], |_, _, g| {
            g.fill(0.0);
            Ok(vec![7.0])
        });
        let outcome = run(objective, vec![3.0; 30], &options).unwrap();
        assert_eq!((outcome.image, outcome.loss), (vec![3.0; 30], 7.0));
        assert_eq!((outcome.evaluations, outcome.stop), (1, StopReason::Converged));
    }
}

#[test]
fn the_first_error_of_the_objective_comes_back_and_nothing_runs_after_it() {
    for options in [options(100), adam(100)] {
        for k in [1, 2, 7] {
            let mut objective = Fake::new(&["r"], |n, x, g| match n {
                n if n == k => Err("the device is gone".into()),
                _ => Ok(vec![rosenbrock(x, g)]),
            });
            let mut log = Log::default();
            let mut error = minimize(&mut objective, [-1.2, 1.0].repeat(50), &options, &mut log).unwrap_err();
            assert_eq!(objective.runs, k);
            assert_eq!(error.to_string(), format!("evaluation {k} of the loss failed"));
            assert_eq!(error.source().unwrap().to_string(), "the device is gone");
            let best = error.take_best();
            assert_eq!(best.is_some(), k > 1);
            if let Some(best) = best {
                assert_eq!((best.evaluations, best.stop), (k - 1, StopReason::Failed));
                assert_eq!(
                    best.loss,
                    log.losses.iter().copied().fold(f64::INFINITY, f64::min)
                );
                assert_eq!(best.loss, rosenbrock(&best.image, &mut vec![0.0; 100]));
            }
        }
    }
}

#[test]
fn what_is_not_finite_at_the_start_is_named() {
    let start = |image: f32, terms: [f64; 2], gradient: f32| {
        let objective = Fake::new(
            &["style/relu1_1", "content/relu4_2"],
            move |_, _, g: &mut [f32]| {
                g.fill(gradient);
                Ok(terms.to_vec())
            },
        );
        run(objective, vec![image; 30], &options(10))
            .unwrap_err()
            .to_string()
    };
    let message = |what| format!("cannot start: {what} is not a finite number at the start image");
    assert_eq!(
        start(0.0, [1.0, f64::NAN], 1.0),
        message("the term content/relu4_2 (NaN)")
    );
    assert_eq!(
        start(0.0, [f64::INFINITY, f64::NAN], 1.0),
        message("the term style/relu1_1 (inf)")
    );
    assert_eq!(start(0.0, [f64::MAX, f64::MAX], 1.0), message("the loss (inf)"));
    assert_eq!(start(0.0, [1.0, 2.0], f32::NAN), message("the gradient"));
    assert_eq!(start(f32::INFINITY, [1.0, f64::NAN], 1.0), message("the image"));
}

#[test]
fn a_nan_on_the_way_costs_a_restart_and_not_the_result() {
    for (options, off) in [(options(300), 1e-3), (adam(500), 1.0)] {
        for k in [2, 5, 6] {
            let mut objective = Fake::new(&["q"], |n, x, g| {
                let loss = quadratic(1.0, x, g);
                Ok(vec![if n == k { f64::NAN } else { loss }])
            });
            let mut log = Log::default();
            let outcome = minimize(&mut objective, vec![100.0; 999], &options, &mut log).unwrap();
            assert!(log.letters.contains("er"), "{}", log.letters);
            for (i, &x) in outcome.image.iter().enumerate() {
                assert!(
                    (f64::from(x) - target(i)).abs() < off,
                    "{:?}: {i}, {x}",
                    options.method
                );
            }
        }
    }
}

#[test]
fn a_gradient_that_is_not_finite_is_not_stepped_along() {
    let objective = Fake::new(&["q"], |n, x, g| {
        let loss = quadratic(1.0, x, g);
        if n == 4 {
            g[0] = f32::INFINITY;
        }
        Ok(vec![loss])
    });
    let outcome = run(objective, vec![100.0; 1000], &options(300)).unwrap();
    assert!(
        outcome
            .image
            .iter()
            .enumerate()
            .all(|(i, &x)| (f64::from(x) - target(i)).abs() < 1e-3)
    );
}

#[test]
fn a_loss_that_ends_in_a_wall_of_infinity_is_followed_up_to_it() {
    // Finite only above 99.9: the first step, of a few grey levels, goes through the wall.
    let objective = Fake::new(&["q"], |_, x, g| {
        let loss = quadratic(1.0, x, g);
        Ok(vec![if x.iter().all(|&x| x > 99.9) {
            loss
        } else {
            f64::INFINITY
        }])
    });
    let outcome = run(objective, vec![100.0; 1000], &options(300)).unwrap();
    assert_eq!(outcome.stop, StopReason::Stalled);
    assert!(outcome.loss < quadratic(1.0, &[100.0; 1000], &mut [0.0; 1000]));
    assert!(outcome.evaluations < 300, "{} evaluations", outcome.evaluations);
}

#[test]
fn an_interruption_ends_the_run_at_that_evaluation_with_the_best_point() {
    for options in [options(100), adam(100)] {
        for k in [1, 2, 9] {
            let mut objective = Fake::new(&["r"], |_, x, g| Ok(vec![rosenbrock(x, g)]));
            let mut log = Log {
                stop_at: Some(k),
                ..Log::default()
            };
            let outcome = minimize(&mut objective, [-1.2, 1.0].repeat(50), &options, &mut log).unwrap();
            assert_eq!(outcome.stop, StopReason::Interrupted);
            assert_eq!((outcome.evaluations, objective.runs), (k, k));
            assert_eq!(
                outcome.loss,
                log.losses.iter().copied().fold(f64::INFINITY, f64::min)
            );
            assert_eq!(outcome.loss, rosenbrock(&outcome.image, &mut vec![0.0; 100]));
        }
    }
}

#[test]
fn an_interruption_counts_also_where_the_loss_is_not_finite() {
    for options in [options(100), adam(100)] {
        let mut objective = Fake::new(&["r"], |n, x, g| {
            let loss = rosenbrock(x, g);
            Ok(vec![if n == 3 { f64::NAN } else { loss }])
        });
        let mut log = Log {
            stop_at: Some(3),
            ..Log::default()
        };
        let outcome = minimize(&mut objective, [-1.2, 1.0].repeat(50), &options, &mut log).unwrap();
        assert_eq!((outcome.stop, objective.runs), (StopReason::Interrupted, 3));
        assert!(outcome.loss.is_finite());
    }
}

#[test]
fn the_best_point_is_returned_when_the_last_one_is_worse() {
    // Long steps around a minimum that they cannot hit.
    let method = Method::Adam(AdamOptions {
        learning_rate: 40.0,
        ..AdamOptions::default()
    });
    let mut worse = 0;
    for iterations in 1..12 {
        let mut objective = Fake::new(&["q"], |_, x, g| Ok(vec![quadratic(1.0, x, g)]));
        let mut log = Log::default();
        let options = Options {
            method: method.clone(),
            ..adam(iterations)
        };
        let outcome = minimize(&mut objective, vec![10.0; 30], &options, &mut log).unwrap();
        let least = log.losses.iter().copied().fold(f64::INFINITY, f64::min);
        worse += u32::from(*log.losses.last().unwrap() > least);
        assert_eq!((outcome.loss, outcome.terms), (least, vec![least]));
        assert_eq!(least, quadratic(1.0, &outcome.image, &mut [0.0; 30]));
    }
    assert!(
        worse > 3,
        "only {worse} runs ended on a point that was not their best"
    );
}

#[test]
fn the_path_does_not_depend_on_the_scale_of_the_loss() {
    // No two are the same, as hardly any are in a picture: rounding would change all that are at once.
    let start: Vec<f32> = (0..1000).map(|i| (i * 37 % 1000) as f32 * 0.12).collect();
    // L-BFGS rounds its pairs to 8 bits, and its path amplifies that.
    for (options, off) in [(options(3), 1e-2), (options(25), 0.6), (adam(25), 2e-3)] {
        let path = |scale: f64| {
            let objective = Fake::new(&["q"], move |_, x, g| Ok(vec![quadratic(scale, x, g)]));
            run(objective, start.clone(), &options).unwrap()
        };
        let plain = path(1.0);
        for scale in [1e-6, 1e6, 1e-12] {
            let scaled = path(scale);
            assert_eq!(scaled.evaluations, plain.evaluations);
            for (a, b) in scaled.image.iter().zip(&plain.image) {
                assert!(
                    (a - b).abs() < off,
                    "{scale}, {:?}: {a} instead of {b}",
                    options.method
                );
            }
        }
        for scale in [2f64.powi(-20), 2f64.powi(20)] {
            assert_eq!(
                path(scale).image,
                plain.image,
                "a power of two leaves every byte as it is"
            );
        }
    }
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    // Several chunks, the last one short and odd.
    let start: Vec<f32> = (0..3 * 10_007).map(|i| (i % 251) as f32 - 120.0).collect();
    for options in [options(30), adam(10)] {
        let image = |threads| {
            let objective = Fake::new(&["r"], |_, x: &[f32], g: &mut [f32]| {
                let last = x.len() - 1;
                g[last] = 2.0 * x[last];
                Ok(vec![
                    rosenbrock(&x[..last], &mut g[..last]) + f64::from(x[last]).powi(2),
                ])
            });
            run(
                objective,
                start.clone(),
                &Options {
                    threads,
                    ..options.clone()
                },
            )
            .unwrap()
            .image
        };
        let alone = image(1);
        assert_eq!(image(2), alone);
        assert_eq!(image(4), alone);
        assert_eq!(image(4), alone, "nor on the run");
    }
}

#[test]
fn rounding_noise_ends_in_restarts_and_an_end_and_not_in_an_error() {
    // A loss so noisy that no line search can succeed near the minimum.
    let mut objective = Fake::new(&["q"], |n, x, g| {
        let loss = quadratic(1.0, x, g);
        let noise = (n * 7919 % 13) as f64 - 6.0;
        Ok(vec![(1e4 + loss + noise).round()])
    });
    let mut log = Log::default();
    let outcome = minimize(&mut objective, vec![100.0; 1000], &options(100_000), &mut log).unwrap();
    assert_eq!(outcome.stop, StopReason::Stalled);
    assert!(log.letters.contains('r'), "{}", log.letters);
    assert!(outcome.loss < 1e4 + 1e3, "{}", outcome.loss);
    assert_eq!(
        outcome.loss,
        log.losses.iter().copied().fold(f64::INFINITY, f64::min)
    );
}

#[test]
fn a_tolerance_stops_when_the_loss_hardly_changes() {
    for (method, most) in [(options(10_000), 100), (adam(10_000), 2_000)] {
        let objective = Fake::new(&["q"], |_, x, g| Ok(vec![1e4 + quadratic(1.0, x, g)]));
        let outcome = run(
            objective,
            vec![100.0; 999],
            &Options {
                tolerance: Some(1e-3),
                ..method
            },
        )
        .unwrap();
        assert_eq!(outcome.stop, StopReason::Converged);
        assert!(
            (10..most).contains(&outcome.iterations),
            "{} iterations",
            outcome.iterations
        );
        assert!(outcome.loss < 1.1e4, "{}", outcome.loss);
    }
}

#[test]
fn a_time_limit_stops_with_the_best_point_so_far() {
    let slow = |_, x: &[f32], g: &mut [f32]| {
        std::thread::sleep(Duration::from_millis(20));
        Ok(vec![quadratic(1.0, x, g)])
    };
    let limit = Options {
        max_seconds: Some(0.1),
        ..options(10_000)
    };
    let outcome = run(Fake::new(&["q"], slow), vec![100.0; 1000], &limit).unwrap();
    assert_eq!(outcome.stop, StopReason::OutOfTime);
    assert!(
        (2..=6).contains(&outcome.evaluations),
        "{} evaluations",
        outcome.evaluations
    );
}

#[test]
fn options_out_of_range_are_named_before_anything_runs() {
    let message = |options: Options| {
        let mut objective = Fake::new(&["q"], |_, x, g| Ok(vec![quadratic(1.0, x, g)]));
        let mut log = Log::default();
        let error = minimize(&mut objective, vec![1.0; 30], &options, &mut log).unwrap_err();
        assert_eq!(objective.runs, 0);
        error.to_string()
    };
    let lbfgs = Method::Lbfgs { history: 0 };
    assert_eq!(
        message(Options {
            method: lbfgs,
            ..options(1)
        }),
        "history is 0; it must be at least 1"
    );
    assert_eq!(
        message(Options {
            threads: 0,
            ..options(1)
        }),
        "threads is 0; it must be at least 1"
    );
    let tolerance = Options {
        tolerance: Some(f64::NAN),
        ..options(1)
    };
    assert_eq!(message(tolerance), "tolerance is NaN; it must be from 0 to 1");
    let seconds = Options {
        max_seconds: Some(-1.0),
        ..options(1)
    };
    assert_eq!(message(seconds), "max_seconds is -1; it must be 0 or more");
    let rate = Method::Adam(AdamOptions {
        learning_rate: 0.0,
        ..AdamOptions::default()
    });
    assert_eq!(
        message(Options {
            method: rate,
            ..options(1)
        }),
        "learning_rate is 0; it must be more than 0"
    );
}

/// A picture of three channels, and how long its values are.
const SIZE: (u32, u32) = (20, 15);
const LEN: usize = 3 * 20 * 15;

/// How far the differences of neighbours in a row are from those of a bright bar: the larger a shape, the less it
/// matters.
fn bar(image: &[f32], gradient: &mut [f32]) -> f64 {
    gradient.fill(0.0);
    let mut loss = 0.0;
    let width = SIZE.0 as usize;
    for i in (0..LEN).filter(|i| i % width != width - 1) {
        let edge = match i % width {
            4 => 100.0,
            14 => -100.0,
            _ => 0.0,
        };
        let off = image[i + 1] - image[i] - edge;
        loss += f64::from(off).powi(2);
        gradient[i + 1] += 2.0 * off;
        gradient[i] -= 2.0 * off;
    }
    loss
}

fn uneven() -> Vec<f32> {
    (0..LEN).map(|i| (i * 37 % 101) as f32 - 50.0).collect()
}

#[test]
fn preconditioned_it_starts_at_the_start_with_a_step_of_the_usual_length() {
    let mut seen = Vec::new();
    let mut objective = Fake::new(&["bar"], |_, x, g| {
        seen.push(x.to_vec());
        Ok(vec![bar(x, g)])
    });
    minimize_preconditioned(&mut objective, uneven(), SIZE, &options(1), &mut Log::default()).unwrap();
    assert_eq!(seen[0], uneven());
    let squares = seen[1]
        .iter()
        .zip(&seen[0])
        .map(|(a, b)| f64::from(a - b).powi(2));
    let rms = (squares.sum::<f64>() / LEN as f64).sqrt();
    assert!((rms - 6.0).abs() < 0.01, "{rms}");
}

#[test]
fn preconditioned_the_observer_and_the_outcome_show_images() {
    let mut objective = Fake::new(&["bar"], |_, x, g| Ok(vec![bar(x, g)]));
    let mut log = Log::default();
    let outcome = minimize_preconditioned(&mut objective, uneven(), SIZE, &options(9), &mut log).unwrap();
    assert_eq!(log.accepted.len(), 9);
    log.accepted.push((outcome.image, outcome.loss));
    for (image, loss) in log.accepted {
        assert_eq!(loss, bar(&image, &mut [0.0; LEN]));
    }
}

#[test]
fn preconditioned_a_failure_leaves_the_best_image_until_then() {
    let mut objective = Fake::new(&["bar"], |n, x, g| match n {
        6 => Err("the device is gone".into()),
        _ => Ok(vec![bar(x, g)]),
    });
    let mut error = minimize_preconditioned(&mut objective, uneven(), SIZE, &options(9), &mut Log::default())
        .unwrap_err();
    let best = error.take_best().unwrap();
    assert_eq!(best.loss, bar(&best.image, &mut [0.0; LEN]));
}

#[test]
fn preconditioned_large_shapes_are_found_sooner() {
    let objective = || Fake::new(&["bar"], |_, x, g| Ok(vec![bar(x, g)]));
    let (gray, options) = (vec![0.0; LEN], options(6));
    let plain = run(objective(), gray.clone(), &options).unwrap().loss;
    let preconditioned =
        minimize_preconditioned(&mut objective(), gray, SIZE, &options, &mut Log::default()).unwrap();
    let found = preconditioned.loss;
    assert!(found < 0.5 * plain, "{found} and {plain}");
}
