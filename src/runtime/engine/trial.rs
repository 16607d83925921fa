//! Whether a provider works: it runs a graph whose result is known.

use std::path::Path;

use ort::value::TensorRef;

use super::{Engine, EngineError, Purpose};
use crate::runtime::provider::Provider;
use crate::runtime::request::Request;
use crate::runtime::{Runtime, preload};

impl Engine {
    /// Runs a graph of one layer, whose result is known.
    pub(super) fn trial(&self) -> ort::Result<()> {
        let builder = self.builder(Purpose::Trial).map_err(|error| match error {
            EngineError::Session(error) => error,
            other => ort::Error::new(other.to_string()),
        });
        let mut session = builder?.commit_from_memory(TRIAL_GRAPH)?;
        // Each window sees all four.
        let input = TensorRef::from_array_view(([1_usize, 1, 2, 2], [1.0_f32, 2.0, 3.0, 4.0].as_slice()))?;
        let outputs = session.run(ort::inputs!["x" => input])?;
        match outputs["y"].try_extract_tensor::<f32>()?.1 {
            found if found.iter().all(|&value| value == 10.0) => Ok(()),
            found => Err(ort::Error::new(format!(
                "it computes {found:?} where 10 is right"
            ))),
        }
    }
}

/// Whether the provider works: its driver and libraries are there, and it runs a graph of one layer. The error says
/// what is missing.
pub(in crate::runtime) fn attempt(
    runtime: &Runtime,
    provider: &'static Provider,
    request: &Request,
    threads: usize,
) -> Result<(), String> {
    if provider.is_cpu() {
        return Ok(());
    }
    let folder = runtime.path().parent().unwrap_or(Path::new("."));
    preload::driver(provider)?;
    preload::libraries(provider, folder)?;
    preload::check(provider, folder)?;
    let engine = Engine::on(provider, runtime, request, threads);
    engine.trial().map_err(|error| reason(error.message()))
}

/// What a provider's complaint comes down to: the library that its loader misses, or its own words, shortened.
pub(super) fn reason(message: &str) -> String {
    const MISSING: &str = ": cannot open shared object file";
    const LONGEST: usize = 240;
    if let Some((before, _)) = message.split_once(MISSING) {
        let library = before.rsplit([' ', ':']).next().unwrap_or(before);
        return format!("the library {library} is missing");
    }
    // What the loader said stands behind where in ONNX Runtime it was said.
    let said = message
        .rsplit_once(" with error: ")
        .map_or(message, |(_, said)| said);
    let words: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// An ONNX model of a layer, `y = Relu(Conv(x, w))`, all f32 `[1, 1, 2, 2]`, `w` 3x3 ones with a padding of 1, opset 13:
/// protocol buffers, field by field. Convolutions have libraries of their own, which may be missing or broken.
const TRIAL_GRAPH: &[u8] = b"\
    \x08\x08\
    \x3a\xa4\x01\
        \x0a\x22\x0a\x01x\x0a\x01w\x12\x01c\x22\x04Conv\
            \x2a\x11\x0a\x04pads\x40\x01\x40\x01\x40\x01\x40\x01\xa0\x01\x07\
        \x0a\x0c\x0a\x01c\x12\x01y\x22\x04Relu\
        \x12\x01g\
        \x2a\x33\x08\x01\x08\x01\x08\x03\x08\x03\x10\x01\
            \x22\x24\0\0\x80\x3f\0\0\x80\x3f\0\0\x80\x3f\0\0\x80\x3f\0\0\x80\x3f\
                \0\0\x80\x3f\0\0\x80\x3f\0\0\x80\x3f\0\0\x80\x3f\
            \x42\x01w\
        \x5a\x1b\x0a\x01x\x12\x16\x0a\x14\x08\x01\x12\x10\
            \x0a\x02\x08\x01\x0a\x02\x08\x01\x0a\x02\x08\x02\x0a\x02\x08\x02\
        \x62\x1b\x0a\x01y\x12\x16\x0a\x14\x08\x01\x12\x10\
            \x0a\x02\x08\x01\x0a\x02\x08\x01\x0a\x02\x08\x02\x0a\x02\x08\x02\
    \x42\x04\x0a\x00\x10\x0d";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_named() {
        let message = "Error in /src/provider_bridge_ort.cc:1778 : Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file: No such file or directory";
        assert_eq!(reason(message), "the library libcublasLt.so.13 is missing");
    }

    #[test]
    fn what_the_loader_said_is_kept() {
        let message = "provider_bridge_ort.cc:2043 FAIL : Failed to load library cuda.so with error: cuda.so: undefined symbol: cuInit";
        assert_eq!(reason(message), "cuda.so: undefined symbol: cuInit");
    }

    #[test]
    fn a_long_complaint_is_shortened_to_one_line() {
        let shortened = reason(&"too\nlong ".repeat(200));
        assert!(shortened.chars().count() <= 241 && !shortened.contains('\n'));
    }
}
