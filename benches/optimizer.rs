//! What the optimiser itself costs, without the graph: milliseconds an iteration on a picture of 512 by 512.
//!
//! `cargo bench --bench optimizer`. The objective is a cheap function with narrow valleys; its own time is taken
//! off. The first iterations, which fill the history, are left out.
#![allow(
    clippy::print_stdout,
    reason = "it is a program of its own, printing is its task"
)]

mod support;

use std::cell::Cell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use impasto::model::{Advance, Evaluation, LossGradient, ObjectiveError};
use impasto::observe::Event;
use impasto::optimize::{AdamOptions, Method, Options, minimize};

const FLOATS: usize = 3 * 512 * 512;
const MEASURED: u64 = 60;

/// A quadratic with curvatures from 1e-6 to 1, so that it keeps L-BFGS busy, and a clock.
struct Valley {
    names: Vec<String>,
    inside: Rc<Cell<Duration>>,
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
        let start = Instant::now();
        let mut loss = 0.0;
        for (i, (&x, gradient)) in image.iter().zip(gradient).enumerate() {
            let curvature = ((i % 1000) as f32 * 0.001 + 0.001).powi(2);
            *gradient = curvature * x;
            loss += 0.5 * f64::from(curvature * x) * f64::from(x);
        }
        self.inside.set(self.inside.get() + start.elapsed());
        Ok(Evaluation {
            loss,
            terms: vec![loss],
        })
    }
}

/// The median of the milliseconds that an iteration takes once `warm_up` iterations are done.
fn measure(method: Method, warm_up: u64, threads: usize) -> f64 {
    let inside = Rc::new(Cell::new(Duration::ZERO));
    let mut objective = Valley {
        names: vec!["valley".into()],
        inside: Rc::clone(&inside),
    };
    let options = Options {
        method,
        iterations: warm_up + MEASURED,
        threads,
        ..Options::default()
    };
    let start = Instant::now();
    let mut outside = Vec::new();
    let mut observer = |event: &Event<'_>| {
        if let Event::Iterated(_) = event {
            outside.push(start.elapsed() - inside.get());
        }
        ControlFlow::Continue(())
    };
    minimize(&mut objective, vec![100.0; FLOATS], &options, &mut observer).expect("the valley is finite");
    let mut times: Vec<_> = outside[warm_up as usize..]
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .collect();
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn main() {
    support::end_with_stdout();
    println!(
        "{FLOATS} floats, ms an iteration\n{:<20} {:>9} {:>9}",
        "", "1 thread", "2 threads"
    );
    let lbfgs = |history: usize| {
        (
            format!("L-BFGS, history {history}"),
            Method::Lbfgs { history },
            history as u64,
        )
    };
    let adam = ("Adam".to_owned(), Method::Adam(AdamOptions::default()), 5);
    for (name, method, warm_up) in [lbfgs(10), lbfgs(20), lbfgs(80), lbfgs(100), adam] {
        let [one, two] = [1, 2].map(|threads| measure(method.clone(), warm_up, threads));
        println!("{name:<20} {one:>9.1} {two:>9.1}");
    }
}
