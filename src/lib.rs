//! Temporary crate root: only the CPU kernels, so that they build and test by themselves.

pub mod kernels;
