//! The program from outside, and what of the library needs whole graphs: one binary, since each takes its time to link.
#![allow(clippy::unwrap_used, reason = "a helper that panics fails its test")]

#[path = "../support/mod.rs"]
mod support;

mod about;
mod batch;
mod config;
mod dist;
mod errors;
mod failure;
mod frames;
mod help;
mod libraries;
mod memory;
mod messages;
mod numerics;
mod objective;
mod odd_pictures;
mod options;
mod privacy;
mod providers;
mod ranges;
mod records;
mod region_figures;
mod regions;
mod resume;
mod scales_and_styles;
mod seamless;
mod stylize;
mod texture;
mod tiles;
