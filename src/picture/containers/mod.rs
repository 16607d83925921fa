//! Where in a format's files a text, or an XMP packet, is put and found.

pub(super) mod jpeg;
pub(super) mod png;
pub(super) mod tiff;
pub(super) mod webp;
