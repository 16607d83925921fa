//! How much memory something takes.

use std::fs;

/// The result, and by how many bytes the process was larger at its largest than before. 0 where the system does not
/// tell.
pub fn taken_by<T>(action: impl FnOnce() -> T) -> (T, u64) {
    let before = reset_peak().and_then(|()| peak());
    let result = action();
    let taken = before
        .zip(peak())
        .map(|(before, peak)| peak.saturating_sub(before));
    (result, taken.unwrap_or_default())
}

/// Has Linux forget the largest size so far.
fn reset_peak() -> Option<()> {
    fs::write("/proc/self/clear_refs", "5").ok()
}

/// The largest size of the process in memory, in bytes.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}
