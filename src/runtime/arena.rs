//! The memory of ONNX Runtime's CPU sessions: one arena for all of them.

use std::ptr;

use ort::AsPointer;
use ort::environment::Environment;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};

/// The strategy `kSameAsRequested` of ONNX Runtime's arenas.
const SAME_AS_REQUESTED: usize = 1;

/// Gives the environment an arena, for sessions built `with_env_allocators`.
///
/// With an arena for each session, which grows by powers of two, a run of 256 and 512 pixels took 1255 MB; with this
/// one, 1170 MB. `ort` has no call for it.
pub(super) fn share(environment: &Environment) -> ort::Result<()> {
    let memory = MemoryInfo::new(
        AllocationDevice::CPU,
        0,
        AllocatorType::Arena,
        MemoryType::Default,
    )?;
    let (key, mut arena) = (c"arena_extend_strategy".as_ptr(), ptr::null_mut());
    let api = ort::api();
    // SAFETY: all pointers are good for the calls; the environment copies what it needs of the configuration, which
    // is released once, also after an error.
    unsafe {
        let created = (api.CreateArenaCfgV2)(&key, &SAME_AS_REQUESTED, 1, &mut arena);
        ort::Error::result_from_status(created)?;
        let registered = (api.CreateAndRegisterAllocator)(environment.ptr().cast_mut(), memory.ptr(), arena);
        (api.ReleaseArenaCfg)(arena);
        ort::Error::result_from_status(registered)
    }
}
