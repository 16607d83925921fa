//! Whether a provider works: it runs a graph whose result is known.

use std::path::Path;

use ort::value::TensorRef;

use super::session_options::precision;
use super::{Engine, EngineError, Purpose, Target};
use crate::runtime::provider::{Precision, Provider};
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
        let numbers = [1.0, 2.0, 3.0, 4.0].map(|number: f32| number * FINE);
        let input = TensorRef::from_array_view(([1_usize, 1, 2, 2], numbers.as_slice()))?;
        let outputs = session.run(ort::inputs!["x" => input])?;
        let computed = outputs["y"].try_extract_tensor::<f32>()?.1;
        judge(computed, self.is_in_f32()).map_err(ort::Error::new)
    }

    /// Whether the provider is to compute in 32 bits; of a plugin's nothing is known.
    fn is_in_f32(&self) -> bool {
        match self.target {
            Target::Known(provider) => {
                precision(provider, &self.request).is_some_and(|(precision, _)| *precision == Precision::F32)
            }
            Target::Plugin(..) => false,
        }
    }
}

/// A factor that numbers of 32 bits keep to the last digit and those of TF32 and 16 bits lose.
const FINE: f32 = 1.0 + 1.0 / 4096.0;

/// Whether the trial's sums, of 1 to 4 times [`FINE`], are right, and `exact` to 32 bits.
///
/// What a provider takes for a convolution it may decide by its size: this finds one that always computes in less.
fn judge(computed: &[f32], exact: bool) -> Result<(), String> {
    let off = |value: &f32| (value / (10.0 * FINE) - 1.0).abs();
    let most = computed.iter().map(off).fold(0.0, f32::max);
    // NaN is no number that is small.
    if computed.iter().any(|value| value.is_nan()) || most > 0.01 {
        return Err(format!("it computes {computed:?} where {} is right", 10.0 * FINE));
    }
    if exact && most > 1e-6 {
        return Err(format!(
            "it rounds to fewer than 32 bits ({computed:?} where {} is right)",
            10.0 * FINE
        ));
    }
    Ok(())
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
    fn a_trial_tells_32_bits_from_fewer_and_both_from_what_is_wrong() {
        let (exact, rounded) = ([10.0 * FINE; 4], [10.0; 4]);
        assert_eq!(judge(&exact, true), Ok(()));
        assert!(judge(&rounded, true).unwrap_err().contains("fewer than 32 bits"));
        assert_eq!(judge(&rounded, false), Ok(()));
        for wrong in [[9.0; 4], [f32::NAN; 4], [0.0; 4], [f32::INFINITY; 4]] {
            assert!(
                judge(&wrong, false).unwrap_err().contains("is right"),
                "{wrong:?}"
            );
        }
    }

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
