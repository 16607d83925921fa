//! How many bytes the optimiser has at once, counted by the allocator; alone in its process for that.
#![allow(clippy::unwrap_used, reason = "a helper that panics fails its test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use impasto::model::{Advance, Evaluation, LossGradient, ObjectiveError};
use impasto::observe::Event;
use impasto::optimize::{AdamOptions, Method, Options, minimize, minimize_preconditioned};

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: the system's allocator does it all.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Rosenbrock's valley, which needs more than one trial in some line searches.
struct Valley;

impl LossGradient for Valley {
    fn term_names(&self) -> &[String] {
        &[]
    }

    fn evaluate(
        &mut self,
        x: &[f32],
        gradient: &mut [f32],
        _: Advance<'_>,
    ) -> Result<Evaluation, ObjectiveError> {
        let mut loss = 0.0;
        for (x, gradient) in x.chunks(2).zip(gradient.chunks_mut(2)) {
            let (wall, floor) = (x[1] - x[0] * x[0], 1.0 - x[0]);
            loss += f64::from(100.0 * wall * wall + floor * floor);
            gradient[0] = -400.0 * x[0] * wall - 2.0 * floor;
            gradient[1] = 200.0 * wall;
        }
        Ok(Evaluation { loss, terms: vec![] })
    }
}

const SIZE: (u32, u32) = (160, 200);

/// The most bytes a pixel at once, the start among them.
fn peak(method: Method, preconditioned: bool) -> f64 {
    let options = Options {
        method,
        iterations: 40,
        threads: 1,
        ..Options::default()
    };
    let pixels = SIZE.0 as usize * SIZE.1 as usize;
    let mut observer = |_: &Event<'_>| ControlFlow::Continue(());
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let start = [-1.2, 1.0].repeat(3 * pixels / 2);
    match preconditioned {
        true => minimize_preconditioned(&mut Valley, start, SIZE, &options, &mut observer),
        false => minimize(&mut Valley, start, &options, &mut observer),
    }
    .unwrap();
    (PEAK.load(Relaxed) - before) as f64 / pixels as f64
}

#[test]
fn memory_is_bounded_as_the_documentation_says() {
    for history in [4, 8, 16] {
        let lbfgs = Method::Lbfgs { history };
        let vectors = 6.0 + history as f64 / 2.0;
        let found = peak(lbfgs.clone(), false);
        assert!(
            found < 12.0 * vectors + 1.0,
            "{history} pairs: {found} bytes a pixel"
        );
        let found = peak(lbfgs, true);
        assert!(
            found < 12.0 * vectors + 73.0,
            "{history} pairs, preconditioned: {found} bytes a pixel"
        );
    }
    let found = peak(Method::Adam(AdamOptions::default()), false);
    assert!(found < 12.0 * 7.0 + 1.0, "Adam: {found} bytes a pixel");
}
