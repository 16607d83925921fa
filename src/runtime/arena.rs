//! The memory of ONNX Runtime's CPU sessions: one arena for all of them.

use std::ffi::CStr;
use std::ptr;
use std::sync::{Mutex, PoisonError};

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
const GROWTH: [(&CStr, usize); 3] = [
    (c"arena_extend_strategy", 0),
    (c"max_power_of_two_extend_bytes", 1 << 40),
    (c"max_dead_bytes_per_chunk", 1 << 20),
];
const FIRST_REGION: (&CStr, usize) = (c"initial_chunk_size_bytes", 96 << 20);

/// What the first four regions hold. What takes more has one region for all: its tensors do not fit into those four any more,
/// and a pixel of a tile of 1344x1216 took 1205 bytes, so 936.
const FOUR_REGIONS: usize = (96 + 192 + 384 + 768) << 20;

/// The most that a first region can have, an `int` for ONNX Runtime.
const LARGEST_FIRST: usize = i32::MAX as usize;

/// The bytes of the first region of the arena that the environment has.
static SHARED: Mutex<usize> = Mutex::new(0);

/// Gives the environment an arena, for sessions built `with_env_allocators`.
pub(super) fn share(environment: &Environment) -> ort::Result<()> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    *shared = FIRST_REGION.1;
    register(environment, *shared)
}

/// Gives the environment another arena if sessions that are built from now on take so many `bytes` at once that they have no
/// room in a few regions. Those that are there keep theirs.
pub(super) fn share_for(environment: &Environment, bytes: usize) -> ort::Result<()> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let first_region = bytes.min(LARGEST_FIRST);
    if first_region <= FOUR_REGIONS.max(*shared) {
        return Ok(());
    }
    let memory = shared_memory()?;
    // SAFETY: both pointers are good for the call; sessions count their references to the allocator.
    unsafe {
        let status = (ort::api().UnregisterAllocator)(environment.ptr().cast_mut(), memory.ptr());
        ort::Error::result_from_status(status)?;
    }
    *shared = first_region;
    register(environment, first_region)
}

fn shared_memory() -> ort::Result<MemoryInfo<'static>> {
    MemoryInfo::new(
        AllocationDevice::CPU,
        0,
        AllocatorType::Arena,
        MemoryType::Default,
    )
}

/// `ort` has no call for it.
fn register(environment: &Environment, first_region: usize) -> ort::Result<()> {
    let memory = shared_memory()?;
    let growth = GROWTH.into_iter().chain([(FIRST_REGION.0, first_region)]);
    let (keys, values): (Vec<_>, Vec<_>) = growth.map(|(key, value)| (key.as_ptr(), value)).unzip();
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
