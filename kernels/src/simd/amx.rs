//! AVX-512 beside AMX: whether there is AMX. The unit itself is in `gemm::amx`.

use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::sync::LazyLock;

pub(super) use super::avx512::run;

/// Whether the processor has the unit and the system lets this process use it.
pub(super) fn is_available() -> bool {
    static AVAILABLE: LazyLock<bool> = LazyLock::new(|| has_unit() && is_permitted());
    *AVAILABLE
}

/// Intel, "Software Developer's Manual", volume 2A, CPUID: leaf 7, EDX, bits 22 (AMX-BF16) and 24 (AMX-TILE).
fn has_unit() -> bool {
    const BOTH: u32 = 1 << 22 | 1 << 24;
    is_x86_feature_detected!("avx512f") && __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & BOTH == BOTH
}

/// Asks the system to save the registers of the unit, 8 KB, for the threads of this process.
///
/// The Linux kernel's documentation, "Using XSTATE features in user space applications".
fn is_permitted() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    // SAFETY: the call takes two numbers and changes nothing but the permission; an old kernel says no.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}
