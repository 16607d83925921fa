//! Neural style transfer that runs anywhere: a photo's content in a painting's style.
//!
//! The pixels of a picture are optimised until a VGG19 sees the photo's content in the painting's style (Gatys,
//! Ecker, Bethge 2016, "Image Style Transfer Using Convolutional Neural Networks"). The network, the loss and its
//! gradient with respect to the picture are one ONNX graph, which ONNX Runtime runs; L-BFGS drives the pixels.
//!
//! The modules are the stages of the pipeline, in this order:
//!
//! 1. [`config`]: options and presets resolve to checked settings.
//! 2. [`picture`]: the photo and the painting are read, oriented and resized.
//! 3. [`color`]: if asked for, the painting takes colours like the photo's first, or the result gets them last.
//! 4. [`tensor`]: pictures become the network's input, and back.
//! 5. [`scales`]: smaller sizes are painted first; [`init`]: the picture that the optimisation starts
//!    from.
//! 6. [`regions`]: masks become what of each layer counts for which style.
//! 7. [`frames`]: the last frame of a film is moved into this one.
//! 8. [`runtime`]: ONNX Runtime is found and loaded.
//! 9. [`model`]: the graphs are checked; features of both pictures become targets, and the loss a function.
//! 10. [`optimize`]: L-BFGS minimises the loss over the pixels; [`observe`] tells of it.
//! 11. [`postprocess`]: the best point becomes the picture.
//! 12. [`stylize`]: all of it in one function.
//! 13. [`record`]: what a run was made of, so that it can be repeated, or resumed where it was left.
//! 14. [`evaluate`]: how near a picture comes to what was asked, in figures.
//! 15. [`batch`]: which pictures there are to paint when there are many, and which of several machines paints which.
#![warn(missing_docs)]

pub mod batch;
pub mod color;
pub mod config;
pub mod evaluate;
pub mod files;
pub mod frames;
mod grey;
mod guard;
pub mod init;
pub mod memory;
pub mod model;
pub mod observe;
pub mod optimize;
pub mod picture;
pub mod postprocess;
mod range;
pub mod record;
pub mod regions;
pub mod runtime;
pub mod scales;
pub mod stylize;
pub mod tensor;
#[cfg(feature = "charts")]
mod text;

pub use stylize::Error;
