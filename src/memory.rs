//! Amounts of memory: as text, and what there is left of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::range::TextOrNumber;

/// What a run may take where nobody says so: four fifths of what is left.
pub fn usual_budget() -> Option<Bytes> {
    available().map(|Bytes(bytes)| Bytes(bytes / 5 * 4))
}

/// An amount of memory in bytes. As text: a number, with K, M or G behind it for powers of 1024, such as `800M` or `1.5G`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "TextOrNumber", into = "String")]
pub struct Bytes(pub u64);

/// The units, the largest first.
const UNITS: [(char, u64); 3] = [('G', 1 << 30), ('M', 1 << 20), ('K', 1 << 10)];

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unit = UNITS.into_iter().find_map(|(letter, bytes)| {
            let number = text.strip_suffix([letter, letter.to_ascii_lowercase()])?;
            Some((number, bytes))
        });
        let (number, unit) = unit.unwrap_or((text, 1));
        match number.trim().parse::<f64>() {
            Ok(number) if number > 0.0 && number.is_finite() => Ok(Self((number * unit as f64) as u64)),
            _ => Err("must be a number above 0, with K, M or G behind it, as 800M or 1.5G".to_owned()),
        }
    }
}

/// It reads back as it was.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS
            .into_iter()
            .find(|(_, bytes)| self.0 > 0 && self.0.is_multiple_of(*bytes));
        match whole {
            Some((letter, bytes)) => write!(f, "{}{letter}", self.0 / bytes),
            None => self.0.fmt(f),
        }
    }
}

impl Bytes {
    /// The amount to three digits: `3.84G`.
    pub fn rounded(self) -> String {
        let Some((letter, bytes)) = UNITS.into_iter().find(|&(_, bytes)| self.0 >= bytes) else {
            return self.0.to_string();
        };
        let number = self.0 as f64 / bytes as f64;
        let digits = number.log10().max(0.0) as usize;
        format!("{number:.*}{letter}", 2_usize.saturating_sub(digits))
    }
}

impl TryFrom<TextOrNumber> for Bytes {
    type Error = String;

    fn try_from(text: TextOrNumber) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> String {
        bytes.to_string()
    }
}

/// What this process may take at most, all that it has already included: what the machine, the process's control group
/// and `ulimit -v` leave, whichever is least. None where the system does not say.
pub(crate) fn available() -> Option<Bytes> {
    available_and_own().map(|(available, _)| available)
}

/// What this process may take beside what it has.
pub(crate) fn left() -> Option<Bytes> {
    available_and_own().map(|(Bytes(available), own)| Bytes(available.saturating_sub(own)))
}

fn available_and_own() -> Option<(Bytes, u64)> {
    use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let mut system = System::new_with_specifics(memory).ok()?;
    let own = sysinfo::get_current_pid().ok()?;
    let kind = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, kind);
    let process = system.process(own)?;
    let group = process.cgroup_limits().map(|limits| limits.free_memory);
    let left = group.map_or(system.available_memory(), |group| {
        group.min(system.available_memory())
    });
    let most = left + process.memory();
    let most = address_space().map_or(most, |Bytes(limit)| limit.min(most));
    Some((Bytes(most), process.memory()))
}

/// The limit of `ulimit -v`, less what is mapped without being memory: programs, libraries, the stacks of threads.
#[cfg(unix)]
pub fn address_space() -> Option<Bytes> {
    /// Mapped beside what is used: 0.16 GB of program and libraries, 64 MB that the system's allocator reserves for each of
    /// two threads, and 16 that the program keeps for small requests.
    const MAPPED: u64 = 316 << 20;
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call fills in the structure that it is given.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) } == 0;
    let limited = known && limit.rlim_cur != libc::RLIM_INFINITY;
    limited.then(|| Bytes(limit.rlim_cur.saturating_sub(MAPPED)))
}

/// No such limit is known of this system.
#[cfg(not(unix))]
pub fn address_space() -> Option<Bytes> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024() {
        for (text, bytes) in [("4096", 4096), ("2K", 2048), ("1.5m", 3 << 19), ("12G", 12 << 30)] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)));
        }
        for text in ["", "G", "0", "-1G", "2T", "1e999", "nan"] {
            assert!(text.parse::<Bytes>().unwrap_err().contains("1.5G"), "{text}");
        }
    }

    #[test]
    fn amounts_come_back() {
        for text in ["12G", "1536M", "7K", "4123456789"] {
            assert_eq!(text.parse::<Bytes>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn amounts_in_sentences_have_three_digits() {
        let texts = [4_123_456_789, 12 << 30, 305_900_000, 700].map(|bytes| Bytes(bytes).rounded());
        assert_eq!(texts, ["3.84G", "12.0G", "292M", "700"]);
    }

    #[test]
    fn there_is_some_memory_left() {
        assert!(available().is_some_and(|bytes| bytes > Bytes(64 << 20)));
    }
}
