//! The memory of ONNX Runtime's CPU sessions: one arena for all of them.

use std::ffi::CStr;
use std::iter;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use ort::AsPointer;
use ort::environment::Environment;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};

/// How the arena grows beyond its first region, as `CreateArenaCfgV2` takes it: by regions twice as large as the last one.
///
/// A chunk is split when it is a megabyte larger than what is asked for; by default it may be handed out whole.
const GROWTH: [(&CStr, usize); 3] = [
    (c"arena_extend_strategy", 0),
    (c"max_power_of_two_extend_bytes", 1 << 40),
    (c"max_dead_bytes_per_chunk", 1 << 20),
];
const FIRST_REGION: &CStr = c"initial_chunk_size_bytes";

/// The bytes of the least first region.
const LEAST: usize = 96 << 20;

/// The most that a first region can have, an `int` for ONNX Runtime.
const MOST: usize = i32::MAX as usize;

/// The bytes of the first region for sessions that take so many `bytes` at once: a fifth more at least, in steps of a half.
///
/// Free chunks are joined and split within a region only, so one region holds all. What nobody has written to in it takes no
/// memory, but for the arena's notes, 8 bytes for each 256. Runs of one scale, two iterations, with regions from 96 MB on,
/// each next one twice as large, and with one that is 1.2 and 1.5 times as large as planned: 496, 539 and 500 MB at 512x384
/// pixels; 803, 775 and 784 at 768x576; 1396, 1168 and 1167 at 1024x768, where 1193 are planned.
fn first_region(bytes: usize) -> usize {
    let needed = (bytes + bytes / 5).min(MOST);
    iter::successors(Some(LEAST), |region| Some(region + region / 2))
        .find(|&region| region >= needed)
        .map_or(MOST, |region| region.min(MOST))
}

/// The bytes of the first region of the arena that the environment has.
static SHARED: Mutex<usize> = Mutex::new(0);

/// Gives the environment an arena, for sessions built `with_env_allocators`.
pub(super) fn share(environment: &Environment) -> ort::Result<()> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    *shared = LEAST;
    register(environment, *shared)
}

/// Gives the environment another arena if sessions that are built from now on take so many `bytes` at once that they have no
/// room in its first region. Those that are there keep theirs.
pub(super) fn share_for(environment: &Environment, bytes: usize) -> ort::Result<()> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let first_region = first_region(bytes);
    if first_region <= *shared {
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
    let growth = GROWTH.into_iter().chain([(FIRST_REGION, first_region)]);
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
