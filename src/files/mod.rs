//! Files: inputs are read once, to a limit; outputs are whole or not there; what is no file is written to and never
//! replaced.
//!
//! `-` is standard input where something is read, and standard output where something is written; a file of that name
//! is `./-`.

pub mod binary;
mod descriptor;
mod identity;
mod input;
mod leftovers;
mod output;
mod shown;
mod waiting;

use sha2::{Digest as _, Sha256};

pub use identity::{Identity, of_input, of_neighbours, of_output};
pub use input::{Input, InputError, Source, digest_file, read, read_file};
pub use leftovers::sweep_before;
pub(crate) use output::extension;
pub use output::{OutputError, check, is_stream, is_taken, rescue, write};
pub use shown::{Shown, escaped, shown};
pub use waiting::tell_of_waiting;

/// The name that stands for standard input and standard output.
pub const STANDARD: &str = "-";

/// The sha256 of bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Bytes in hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
