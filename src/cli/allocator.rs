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

/// Under `ulimit -v`, keeps some room for what asks for little and aborts where it is refused: exceptions and the data of
/// threads, which come from the heap of small requests, and the stack, which the system enlarges as it is used.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_room_for_small_requests() {
    /// The heap is enlarged by that much at a time.
    const HEAP: libc::c_int = 16 << 20;
    /// Requests from that size on are not of the heap. It is where glibc begins, and would rise to 32 MB.
    const LARGE: libc::c_int = 128 << 10;
    /// Painting takes somewhat more than 1 MB of it, 70 kB at once in ONNX Runtime's kernels.
    const STACK: usize = 2 << 20;
    if impasto::memory::address_space().is_none() {
        return;
    }
    // SAFETY: the calls take any number.
    unsafe {
        libc::mallopt(libc::M_TOP_PAD, HEAP);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 4 * HEAP);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
    enlarge_stack::<STACK>();
}

/// A function of its own, whose frame is gone when the stack is used.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[inline(never)]
fn enlarge_stack<const BYTES: usize>() {
    std::hint::black_box([0_u8; BYTES]);
}

/// What the limit does to other systems' allocators is theirs.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_room_for_small_requests() {}

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
