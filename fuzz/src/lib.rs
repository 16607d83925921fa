//! What the fuzz targets share: the properties, which the seeded tests of the package hold too.

#[path = "../../tests/fuzzing/properties.rs"]
pub mod properties;
