//! Neural style transfer on ONNX Runtime: a photo's content in a painting's style.

pub mod model;
mod objective;
pub mod observe;
pub mod optimize;
pub mod picture;
