//! What the benches share.

/// Ends the bench, as any program, when nobody reads on what it prints: `| head`. To be called before all else.
pub fn end_with_stdout() {
    #[cfg(unix)]
    // SAFETY: no other thread runs yet.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}
