//! ONNX Runtime is kept from reporting to its maker.
//!
//! Since 1.32 it writes down what it is used for, in the user's cache folder and in that for temporary files, and
//! connects to a server some seconds later; that telemetry is off in its environment does not change it. One variable
//! does, when it is set before the library is loaded. A process may write its environment only while it has one thread,
//! which nobody but `main` and what runs before it can know; it is set there, so that users of the library need not
//! think of it.

use std::env;

const VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

ctor::declarative::ctor! {
    #[ctor(unsafe)]
    fn forbid() {
        // SAFETY: before `main` there is no second thread that could read the environment meanwhile.
        unsafe { env::set_var(VARIABLE, "1") };
    }
}

/// Whether it is still forbidden.
pub(super) fn is_forbidden() -> bool {
    env::var_os(VARIABLE).is_some_and(|value| value == "1")
}
