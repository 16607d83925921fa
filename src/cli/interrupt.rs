//! Ctrl-C and SIGTERM: the first asks the optimiser to stop, the second ends the program.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::TERM_SIGNALS;
use signal_hook::flag;

use impasto::observe::{Event, Observer};

/// Asks the optimisation to stop once a signal has come.
pub struct Interrupt {
    asked: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens to the signals that end a program.
    ///
    /// # Errors
    /// The system refuses the handler.
    pub fn listen() -> io::Result<Interrupt> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in TERM_SIGNALS {
            // In this order: the second signal finds the flag set and ends the program.
            flag::register_conditional_shutdown(*signal, super::INTERRUPTED.into(), Arc::clone(&asked))?;
            flag::register(*signal, Arc::clone(&asked))?;
        }
        Ok(Interrupt { asked })
    }

    /// Whether a signal has come.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Observer for Interrupt {
    fn observe(&mut self, _: &Event<'_>) -> ControlFlow<()> {
        if self.asked() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
