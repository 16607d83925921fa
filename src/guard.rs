//! Other people's decoders and encoders, whose panics must not take the program down.

use std::{
    any::Any,
    cell::Cell,
    io,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

thread_local! {
    /// Whether a panic of this thread is caught and told by an error, so that nothing else has to tell of it.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What `work` returns; if it panics, the panic's message in one line, and nothing is printed.
///
/// After a panic nothing that `work` had in its hands may be used but to be dropped.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    let outer = GUARDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    result.map_err(|payload| message(&*payload))
}

/// As [`guarded`], of an encoder: a panic becomes an error of what it writes.
pub(crate) fn guarded_encoder<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    guarded(work).unwrap_or_else(|panic| Err(io::Error::other(format!("the encoder failed: {panic}"))))
}

/// Lets the hook that was there be, but for panics that are [`guarded`]: those of other threads print as ever.
fn install_hook() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                previous(info);
            }
        }));
    });
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("it does not say why");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::{env, process::Command, thread};

    #[test]
    fn a_panic_becomes_an_error_of_one_line() {
        assert_eq!(guarded(|| 7), Ok(7));
        assert_eq!(
            guarded(|| panic!("left\n right: {}", 7)),
            Err::<(), _>("left right: 7".into())
        );
        assert_eq!(guarded(|| panic!("plain")), Err::<(), _>("plain".into()));
        assert_eq!(
            guarded(|| panic::panic_any(7)),
            Err::<(), _>("it does not say why".into())
        );
    }

    #[test]
    fn an_encoder_s_panic_is_an_error_of_writing() {
        assert_eq!(guarded_encoder(|| Ok(7)).unwrap(), 7);
        let error = guarded_encoder::<()>(|| panic!("of its own")).unwrap_err();
        assert_eq!(error.to_string(), "the encoder failed: of its own");
    }

    /// Looks at what is printed from outside, in a process of its own: the hook is the whole process's.
    #[test]
    fn a_caught_panic_prints_nothing_while_others_do() {
        const INSIDE: &str = "IMPASTO_TEST_GUARD";
        if env::var_os(INSIDE).is_some() {
            return panic_in_every_way();
        }
        let child = Command::new(env::current_exe().unwrap())
            .args([
                "guard::tests::a_caught_panic_prints_nothing_while_others_do",
                "--exact",
            ])
            .args(["--nocapture", "--test-threads=1"])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success(), "{stderr}");
        assert!(!stderr.contains("guarded"), "{stderr}");
        for printed in ["a thread beside it", "after it"] {
            assert!(stderr.contains(printed), "{stderr}");
        }
    }

    fn panic_in_every_way() {
        let _ = guarded(|| {
            let _ = guarded(|| panic!("guarded twice"));
            let beside = thread::spawn(|| panic!("a thread beside it"));
            assert!(beside.join().is_err());
            panic!("guarded");
        });
        assert!(thread::spawn(|| panic!("after it")).join().is_err());
    }
}
