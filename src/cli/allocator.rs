//! An allocation that the system refuses ends the program with one line that names the remedy, where Rust would abort.
//!
//! The few callers that could live with a refusal are decoders that would give up the picture all the same.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{self, IsTerminal as _, Write as _};

use super::hint::LESS_MEMORY;
use super::quiet::Silence;

/// The system's allocator, but for its refusals.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

// SAFETY: every call goes on to the system's allocator, with the promises of the caller.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        granted(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        granted(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        granted(unsafe { System.realloc(memory, layout, size) }, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn granted(memory: *mut u8, bytes: usize) -> *mut u8 {
    if memory.is_null() {
        give_up(bytes);
    }
    memory
}

/// Says so without asking for memory, and ends.
#[cold]
fn give_up(bytes: usize) -> ! {
    Silence::end();
    let megabytes = bytes.div_ceil(1 << 20);
    // What a progress bar has left on the line stays.
    let lead = if io::stderr().is_terminal() { "\n" } else { "" };
    let _ = writeln!(
        io::stderr(),
        "{lead}error: out of memory: the system refuses another {megabytes} MB; {LESS_MEMORY}"
    );
    // Nothing is cleaned up: libraries would ask for memory again.
    // SAFETY: the call takes any number and does not return.
    #[cfg(unix)]
    unsafe {
        libc::_exit(1)
    }
    #[cfg(not(unix))]
    std::process::abort()
}
