//! Memory that kernels work in: aligned to cache lines and used again from call to call.

use std::alloc::{Layout, handle_alloc_error};
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::huge_pages::{HUGE_PAGE, prefer_huge_pages};

/// Bytes of a cache line.
const LINE: usize = 64;
/// Bytes from which on outputs are written past the caches.
const LARGE: usize = 16 << 20;

/// A slice of `f32` that starts at a cache line, or a huge page if it is long enough to fill some.
#[derive(Default)]
pub(crate) struct Buffer {
    values: Option<NonNull<f32>>,
    layout: Option<Layout>,
}

// SAFETY: the buffer owns its values.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        if len == 0 {
            return Self::default();
        }
        let bytes = len * size_of::<f32>();
        let align = if bytes < HUGE_PAGE { LINE } else { HUGE_PAGE };
        let layout = Layout::from_size_align(bytes.next_multiple_of(align), align)
            .expect("a buffer's size is far from the address space's");
        // SAFETY: the layout is not empty; the values are set to zero before anyone sees them.
        unsafe {
            let start = std::alloc::alloc(layout);
            let values = NonNull::new(start.cast()).unwrap_or_else(|| handle_alloc_error(layout));
            prefer_huge_pages(std::slice::from_raw_parts_mut(
                start.cast::<MaybeUninit<u8>>(),
                layout.size(),
            ));
            start.write_bytes(0, layout.size());
            Self {
                values: Some(values),
                layout: Some(layout),
            }
        }
    }

    /// Makes room for `len` values; what was there is lost.
    pub(crate) fn grow(&mut self, len: usize) {
        if self.len() < len {
            *self = Self::default();
            *self = Self::zeros(len);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let (Some(values), Some(layout)) = (self.values, self.layout) {
            // SAFETY: it was allocated so.
            unsafe { std::alloc::dealloc(values.as_ptr().cast(), layout) }
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match (self.values, self.layout) {
            // SAFETY: that many values were allocated.
            (Some(values), Some(layout)) => unsafe {
                std::slice::from_raw_parts(values.as_ptr(), layout.size() / size_of::<f32>())
            },
            _ => &[],
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        match (self.values, self.layout) {
            // SAFETY: that many values were allocated.
            (Some(values), Some(layout)) => unsafe {
                std::slice::from_raw_parts_mut(values.as_ptr(), layout.size() / size_of::<f32>())
            },
            _ => &mut [],
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
        self.lock()
            .iter()
            .map(|buffer| buffer.len() * size_of::<f32>())
            .sum()
    }

    /// A buffer of at least `len` values with unknown content.
    pub(crate) fn take(&self, len: usize) -> Lease<'_> {
        let mut buffer = self.take_buffer(len);
        buffer.grow(len);
        Lease {
            buffer,
            workspace: self,
        }
    }

    /// The smallest buffer that has room for `len` values, or else the largest.
    pub(crate) fn take_buffer(&self, len: usize) -> Buffer {
        let mut free = self.lock();
        let fit = |buffer: &Buffer| {
            let room = buffer.len();
            (room < len, if room < len { usize::MAX - room } else { room })
        };
        let best = (0..free.len()).min_by_key(|&i| fit(&free[i]));
        best.map(|i| free.swap_remove(i)).unwrap_or_default()
    }

    /// Keeps a buffer for later.
    pub(crate) fn give_back(&self, buffer: Buffer) {
        self.lock().push(buffer);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Buffer>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer on loan; it goes back when dropped.
pub(crate) struct Lease<'a> {
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
        self.workspace.give_back(std::mem::take(&mut self.buffer));
    }
}

/// A tensor that several tasks write, each its own elements.
#[derive(Clone, Copy)]
pub(crate) struct Output<'a, T> {
    start: *mut T,
    len: usize,
    marker: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: the holder of an `Output` promises in `at` that tasks write different elements.
unsafe impl<T: Send> Sync for Output<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Output<'_, T> {}

impl<'a, T> Output<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        prefer_huge_pages(slice);
        Self {
            start: slice.as_mut_ptr(),
            len: slice.len(),
            marker: std::marker::PhantomData,
        }
    }

    /// Whether it is written past the caches: they could not keep it until it is read.
    #[inline(always)]
    pub(crate) fn is_large(&self) -> bool {
        self.len * size_of::<T>() >= LARGE
    }

    /// The address of element `index`, from which `count` elements may be written.
    ///
    /// # Safety
    ///
    /// `index + count` must lie inside, and no other task may use these elements.
    #[inline(always)]
    pub(crate) unsafe fn at(&self, index: usize, count: usize) -> *mut T {
        debug_assert!(index + count <= self.len);
        // SAFETY: the caller keeps inside.
        unsafe { self.start.add(index) }
    }
}
