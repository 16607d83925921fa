//! What the time of an evaluation goes to while a picture is painted: the graph, copies of the image and the gradient to
//! it and from it, the optimiser.
//!
//! `cargo bench --bench shares -- [SIZE] [THREADS]`; by default 512 pixels a side, 2 threads. It needs the graphs and
//! pictures of `make setup`. As at the finest scale of a painting, L-BFGS starts from an image that has the painting's
//! colours; only evaluations with a full history are measured.
#![allow(
    clippy::print_stdout,
    reason = "a table in the terminal is what a bench is for"
)]

#[path = "support/demo.rs"]
mod demo;
#[path = "support/order.rs"]
mod order;
mod support;

use std::cell::Cell;
use std::env;
use std::error::Error;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use impasto::model::{Advance, Evaluation, KernelSet, LossGradient, ObjectiveError, OnnxLossGradient};
use impasto::observe::Event;
use impasto::optimize::{Method, Options, minimize};

use demo::Demo;
use order::{middle, sorted};

/// Evaluations that are measured.
const MEASURED: usize = 15;

/// Times since the start.
#[derive(Clone, Copy, Default)]
struct Times {
    all: Duration,
    /// In the loss, copies included.
    loss: Duration,
    graph: Duration,
}

impl Times {
    /// Milliseconds of the graph, of the copies and of the optimiser since an earlier moment.
    fn parts_since(self, before: Times) -> [f64; 3] {
        let [all, loss, graph] = [
            self.all - before.all,
            self.loss - before.loss,
            self.graph - before.graph,
        ];
        [graph, loss - graph, all - loss].map(|time| time.as_secs_f64() * 1e3)
    }
}

/// The loss with a clock.
struct Timed {
    loss: OnnxLossGradient,
    times: Rc<Cell<Times>>,
}

impl LossGradient for Timed {
    fn term_names(&self) -> &[String] {
        self.loss.term_names()
    }

    fn evaluate(
        &mut self,
        image: &[f32],
        gradient: &mut [f32],
        advance: Advance<'_>,
    ) -> Result<Evaluation, ObjectiveError> {
        let start = Instant::now();
        let result = self.loss.evaluate(image, gradient, advance);
        let mut times = self.times.get();
        times.loss += start.elapsed();
        times.graph += self.loss.graph_time();
        self.times.set(times);
        result
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    support::end_with_stdout();
    let numbers: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = |i: usize, default: u32| numbers.get(i).map_or(Ok(default), |number| number.parse());
    let (size, threads) = (number(0, 512)?, number(1, 2)? as usize);
    let options = Options {
        threads,
        ..Options::default()
    };
    let Method::Lbfgs { history } = options.method else {
        unreachable!("L-BFGS is the default")
    };
    let parts = measure(size, options, history)?;
    println!("{size} x {size} pixels, {threads} threads, history {history}; medians of an evaluation");
    let whole: f64 = parts.iter().sum();
    for (name, milliseconds) in ["graph", "transfer", "optimizer"].iter().zip(parts) {
        println!(
            "{name:<10}{milliseconds:>9.1} ms {:>6.2} %",
            100.0 * milliseconds / whole
        );
    }
    Ok(())
}

/// Milliseconds of the graph, of the copies and of the optimiser, medians of evaluations with `history` pairs.
fn measure(size: u32, options: Options, history: usize) -> Result<[f64; 3], Box<dyn Error>> {
    let demo = Demo::load(size)?;
    let (loss, _) = demo.loss(KernelSet::Auto, options.threads)?;
    let times = Rc::new(Cell::new(Times::default()));
    let mut timed = Timed {
        loss,
        times: Rc::clone(&times),
    };
    let options = Options {
        iterations: (history + MEASURED + 1) as u64,
        ..options
    };
    let start = Instant::now();
    let (mut iterations, mut restarts, mut moments) = (0, 0, Vec::new());
    let mut observer = |event: &Event<'_>| {
        match event {
            Event::Iterated(_) => iterations += 1,
            Event::Restarted(_) => restarts += 1,
            Event::Evaluated(_) if iterations >= history => moments.push(Times {
                all: start.elapsed(),
                ..times.get()
            }),
            _ => {}
        }
        ControlFlow::Continue(())
    };
    minimize(&mut timed, demo.half_way(), &options, &mut observer)?;
    if restarts > 0 || moments.len() <= MEASURED {
        return Err("L-BFGS got stuck before enough evaluations with a full history".into());
    }
    let parts: Vec<_> = moments
        .windows(2)
        .map(|ends| ends[1].parts_since(ends[0]))
        .collect();
    Ok([0, 1, 2].map(|part| middle(&sorted(parts.iter().map(|parts| parts[part])))))
}
