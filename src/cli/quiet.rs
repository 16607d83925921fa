//! What libraries have to say on stderr while they are brought up is not for our reader.
//!
//! Graphics drivers and the library that looks at the processor print there themselves, in their own words, even where
//! they work; what fails comes back as an error. So descriptor 2 leads nowhere for that time, and other threads of the
//! program wait with what they have to say ([`voice`]).

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::anyhow;

pub use stderr::Silence;

static VOICE: Mutex<()> = Mutex::new(());

/// While it is held, stderr is open.
pub fn voice() -> MutexGuard<'static, ()> {
    VOICE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `bring_up`, which says nothing itself, with stderr closed to all; a panic in it is an error.
pub fn quietly<T, E: Into<anyhow::Error>>(bring_up: impl FnOnce() -> Result<T, E>) -> anyhow::Result<T> {
    let _voice = voice();
    let silence = Silence::begin();
    let result = catch_unwind(AssertUnwindSafe(bring_up));
    drop(silence);
    match result {
        Ok(result) => result.map_err(Into::into),
        Err(panic) => Err(anyhow!("ONNX Runtime cannot be used: {}", words(&*panic))),
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it has failed without a word")
}

#[cfg(unix)]
mod stderr {
    use std::fs::File;
    use std::io;
    use std::os::fd::{AsFd as _, OwnedFd};
    use std::sync::{Mutex, PoisonError};

    use rustix::stdio::dup2_stderr;

    /// Where stderr leads when it is open again.
    static STDERR: Mutex<Option<OwnedFd>> = Mutex::new(None);

    /// Lasts as long as stderr is closed.
    pub struct Silence(());

    impl Silence {
        /// None where stderr, or a place that leads nowhere, cannot be opened.
        pub fn begin() -> Option<Silence> {
            let nowhere = File::options().write(true).open("/dev/null").ok()?;
            let stderr = io::stderr().as_fd().try_clone_to_owned().ok()?;
            dup2_stderr(nowhere).ok()?;
            *STDERR.lock().unwrap_or_else(PoisonError::into_inner) = Some(stderr);
            Some(Silence(()))
        }

        /// Opens stderr, if it is closed.
        pub fn end() {
            if let Some(stderr) = STDERR.lock().unwrap_or_else(PoisonError::into_inner).take() {
                let _ = dup2_stderr(stderr);
            }
        }
    }

    impl Drop for Silence {
        fn drop(&mut self) {
            Silence::end();
        }
    }
}

#[cfg(not(unix))]
mod stderr {
    /// Nothing is known there that prints.
    pub struct Silence;

    impl Silence {
        pub fn begin() -> Silence {
            Silence
        }

        pub fn end() {}
    }
}
