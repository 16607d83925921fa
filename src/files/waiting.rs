//! Saying so when a pipe lets us wait.

use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// How long we wait in silence.
const SILENCE: Duration = Duration::from_secs(1);

static NOTICE: OnceLock<fn(&str)> = OnceLock::new();

/// Sets what is called, with a line that names the pipe, when one lets us wait for longer than a second: nobody writes
/// to it, or nobody reads. The first call in a process counts; without one the library waits in silence.
pub fn tell_of_waiting(notice: fn(&str)) {
    let _ = NOTICE.set(notice);
}

/// Does what may wait for a pipe, and tells `what` is waited for if it does.
pub(super) fn patiently<T>(what: impl FnOnce() -> String, act: impl FnOnce() -> T) -> T {
    let Some(notice) = NOTICE.get() else {
        return act();
    };
    let what = what();
    let (done, wait) = mpsc::channel::<()>();
    let tell = move || {
        if wait.recv_timeout(SILENCE) == Err(RecvTimeoutError::Timeout) {
            notice(&what);
        }
    };
    // Without a thread we wait in silence.
    let _ = thread::Builder::new().spawn(tell);
    let result = act();
    drop(done);
    result
}
