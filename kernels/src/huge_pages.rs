//! Large pages for memory that is written once, from one end to the other, or in many places at a time.

/// Bytes of a huge page.
pub(crate) const HUGE_PAGE: usize = 2 << 20;

/// Asks for huge pages in the inside of `memory`, best before it is written for the first time.
///
/// With small ones, most of the time of writing a layer's output or a picture's samples goes to address translation
/// and to getting the pages. Nothing is lost when the system says no.
pub fn prefer_huge_pages<T>(memory: &mut [T]) {
    #[cfg(target_os = "linux")]
    {
        let start = memory.as_mut_ptr().cast::<u8>();
        let skip = start.align_offset(HUGE_PAGE);
        let len = size_of_val(memory).saturating_sub(skip) / HUGE_PAGE * HUGE_PAGE;
        if len > 0 {
            // SAFETY: the pages lie inside of `memory`; the advice does not change what they hold.
            unsafe { libc::madvise(start.add(skip).cast(), len, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}
