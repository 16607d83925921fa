//! Ctrl-C, SIGTERM and a terminal that hangs up: the first asks the optimiser to stop, the second ends the program.

use std::ffi::c_int;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use indicatif::ProgressBar;
use signal_hook::consts::TERM_SIGNALS;
use signal_hook::flag;

use impasto::observe::{Event, Observer};

use super::say;

/// How soon a signal is answered.
const ANSWER_WITHIN: Duration = Duration::from_millis(100);

/// Asks the optimisation to stop once a signal has come; all clones hear the same signals.
#[derive(Clone)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    /// Whether the iteration goes to its end, so that the run can be resumed from there.
    whole_iterations: bool,
}

impl Interrupt {
    /// Listens to the signals that end a program, and answers the first of them above `bar`. The run then ends with the
    /// evaluation, or with the iteration where only `whole_iterations` are wanted.
    ///
    /// # Errors
    /// The system refuses the handler, or a thread.
    pub fn listen(bar: &ProgressBar, whole_iterations: bool) -> io::Result<Interrupt> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in TERM_SIGNALS.iter().copied().chain(hangup()) {
            // In this order: the second signal finds the flag set and ends the program.
            flag::register_conditional_shutdown(signal, super::INTERRUPTED.into(), Arc::clone(&asked))?;
            flag::register(signal, Arc::clone(&asked))?;
        }
        let interrupt = Interrupt {
            asked,
            whole_iterations,
        };
        interrupt.answer(bar.clone())?;
        Ok(interrupt)
    }

    /// Whether a signal has come.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Says that a signal was heard: an evaluation of a large picture takes long, and a second signal would lose it.
    fn answer(&self, bar: ProgressBar) -> io::Result<()> {
        let asked = Arc::clone(&self.asked);
        let (what, without) = match self.whole_iterations {
            true => ("iteration", "at once"),
            false => ("evaluation", "without a picture"),
        };
        let answer = move || {
            while !asked.load(Ordering::Relaxed) {
                thread::sleep(ANSWER_WITHIN);
            }
            bar.suspend(|| {
                say(&format!(
                    "stopping after this {what}; Ctrl-C again ends the program {without}"
                ))
            });
        };
        thread::Builder::new().spawn(answer).map(drop)
    }
}

/// SIGHUP, which a terminal sends when it goes away, unless it is to be ignored, as `nohup` has it.
#[cfg(unix)]
fn hangup() -> Option<c_int> {
    // SAFETY: a sigaction may be all zeros; the call changes nothing and writes what is set into it.
    let set = unsafe {
        let mut set: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGHUP, std::ptr::null(), &mut set);
        set
    };
    (set.sa_sigaction != libc::SIG_IGN).then_some(libc::SIGHUP)
}

#[cfg(not(unix))]
fn hangup() -> Option<c_int> {
    None
}

impl Observer for Interrupt {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        let is_between = matches!(event, Event::Iterated(_) | Event::ScaleDone(_));
        if self.asked() && (is_between || !self.whole_iterations) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
