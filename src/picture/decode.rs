//! From a file's bytes to colours, by the decoder of its format.

use std::path::Path;

use super::PictureError;
use super::decoded::Decoded;
use super::fault::Fault;
use super::foreign;
use super::format::Format;
use crate::guard::guarded;

/// Decodes a file, whose format its first bytes tell. `path` is for the errors.
pub(super) fn decode(path: &Path, file: Vec<u8>) -> Result<Decoded, PictureError> {
    let Some(format) = Format::of(&file) else {
        return Err(no_picture(path, &file));
    };
    guarded(|| (format.decode)(file))
        .unwrap_or_else(|panic| Err(Fault::DecoderFailed(panic)))
        .map_err(|fault| fault.of(path))
}

/// Whether a file that begins so may be a picture.
pub(super) fn may_be_picture(head: &[u8]) -> bool {
    Format::of(head).is_some()
}

/// What is wrong with a file that begins as none of the formats does.
pub(super) fn no_picture(path: &Path, file: &[u8]) -> PictureError {
    foreign::name(file)
        .map_or(Fault::Unknown, Fault::Foreign)
        .of(path)
}
