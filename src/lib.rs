//! Neural style transfer on ONNX Runtime: a photo's content in a painting's style.

pub mod color;
pub mod init;
pub mod model;
pub mod observe;
pub mod optimize;
pub mod picture;
pub mod tensor;
