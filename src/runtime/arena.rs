//! The memory of ONNX Runtime's CPU sessions: one arena for all of them.

use std::ffi::CStr;
use std::ptr;

use ort::AsPointer;
use ort::environment::Environment;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};

/// How the arena grows, as `CreateArenaCfgV2` takes it.
///
/// Free chunks are joined and split within a region only, so there are few large regions: the first of 96 MB, each next
/// one twice as large. What nobody has written to in them takes no memory, but for the arena's notes, 8 bytes for each
/// 256. A chunk is split when it is a megabyte larger than what is asked for; by default it may be handed out whole.
///
/// Measured with two iterations a scale, AVX2: with regions as large as each request, a run of one scale at 512 pixels
/// took 563 MB, so 483, one of three scales at 1024 pixels 1335, so 1008. Of first regions of 48 to 640 MB, none
/// was the best at all sizes from 384 to 1024 pixels, and some took 21 % more at one; 96 MB is within 4 % of the best.
const GROWTH: [(&CStr, usize); 4] = [
    (c"arena_extend_strategy", 0),
    (c"initial_chunk_size_bytes", 96 << 20),
    (c"max_power_of_two_extend_bytes", 1 << 40),
    (c"max_dead_bytes_per_chunk", 1 << 20),
];

/// Gives the environment an arena, for sessions built `with_env_allocators`.
///
/// `ort` has no call for it.
pub(super) fn share(environment: &Environment) -> ort::Result<()> {
    let memory = MemoryInfo::new(
        AllocationDevice::CPU,
        0,
        AllocatorType::Arena,
        MemoryType::Default,
    )?;
    let (keys, values) = (
        GROWTH.map(|(key, _)| key.as_ptr()),
        GROWTH.map(|(_, value)| value),
    );
    let mut arena = ptr::null_mut();
    let api = ort::api();
    // SAFETY: all pointers are good for the calls; the environment copies what it needs of the configuration, which
    // is released once, also after an error.
    unsafe {
        let created = (api.CreateArenaCfgV2)(keys.as_ptr(), values.as_ptr(), keys.len(), &mut arena);
        ort::Error::result_from_status(created)?;
        let registered = (api.CreateAndRegisterAllocator)(environment.ptr().cast_mut(), memory.ptr(), arena);
        (api.ReleaseArenaCfg)(arena);
        ort::Error::result_from_status(registered)
    }
}
