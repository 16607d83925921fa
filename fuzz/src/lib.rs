//! What the fuzz targets share: the properties, which the seeded tests of the package hold too.

#[path = "../../tests/fuzzing/properties.rs"]
pub mod properties;

/// Keeps a panic that is caught inside from ending the fuzzer, which would otherwise see none pass.
pub fn let_panics_be_caught() {
    std::panic::set_hook(Box::new(|_| {}));
}
