//! Memory that kernels work in: aligned to cache lines and used again from call to call.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Values in a cache line.
const LINE: usize = 16;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// A slice of `f32` that starts at a cache line.
#[derive(Default)]
pub(super) struct Buffer {
    lines: Vec<Line>,
}

impl Buffer {
    /// `len` zeros.
    pub(super) fn zeros(len: usize) -> Self {
        Self { lines: vec![Line([0.0; LINE]); len.div_ceil(LINE)] }
    }

    /// Makes room for `len` values; values that are there stay.
    fn grow(&mut self, len: usize) {
        let lines = len.div_ceil(LINE);
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0.0; LINE]));
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a `Line` is 16 values without padding.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * LINE) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: a `Line` is 16 values without padding.
        unsafe {
            std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * LINE)
        }
    }
}

/// Scratch buffers, one for each task that runs at the same time; kept for the next call.
///
/// What is left in a buffer never reaches a result.
#[derive(Default)]
pub struct Workspace {
    free: Mutex<Vec<Buffer>>,
}

impl Workspace {
    /// An empty workspace; buffers are allocated when first asked for.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes held at present (buffers in use are not counted).
    pub fn bytes(&self) -> usize {
        self.lock().iter().map(|buffer| buffer.len() * size_of::<f32>()).sum()
    }

    /// A buffer of at least `len` values with unknown content.
    pub(super) fn take(&self, len: usize) -> Lease<'_> {
        let mut buffer = self.lock().pop().unwrap_or_default();
        buffer.grow(len);
        Lease { buffer, workspace: self }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Buffer>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer on loan; it goes back when dropped.
pub(super) struct Lease<'a> {
    buffer: Buffer,
    workspace: &'a Workspace,
}

impl Deref for Lease<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.buffer
    }
}

impl DerefMut for Lease<'_> {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.workspace.lock().push(std::mem::take(&mut self.buffer));
    }
}

/// A tensor that several tasks write, each its own elements.
#[derive(Clone, Copy)]
pub(super) struct Output<'a, T> {
    start: *mut T,
    len: usize,
    marker: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: the holder of an `Output` promises in `at` that tasks write different elements.
unsafe impl<T: Send> Sync for Output<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Output<'_, T> {}

impl<'a, T> Output<'a, T> {
    pub(super) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), marker: std::marker::PhantomData }
    }

    /// The address of element `index`, from which `count` elements may be written.
    ///
    /// # Safety
    ///
    /// `index + count` must lie inside, and no other task may use these elements.
    #[inline(always)]
    pub(super) unsafe fn at(&self, index: usize, count: usize) -> *mut T {
        debug_assert!(index + count <= self.len);
        // SAFETY: the caller keeps inside.
        unsafe { self.start.add(index) }
    }
}
