//! What to do about an error, by the names of flags, and what was probably meant by a command line that cannot be
//! understood.

use std::error::Error as StdError;
use std::ffi::OsString;
use std::path::Path;

use anyhow::bail;
use impasto::Error;
use impasto::files::OutputError;
use impasto::memory::Bytes;
use impasto::model::{Enlarge, ModelError};
use impasto::picture::PictureError;
use impasto::record::RecordError;
use impasto::runtime::{EngineError, Remedy, RequestError, RuntimeError};

/// What to do where memory does not suffice.
pub const LESS_MEMORY: &str =
    "use a smaller --memory, which leads to tiles, a smaller --size or smaller pictures";

/// The first argument that is a file's name and looks like flags, and how to write it.
pub fn of_a_name_with_a_dash(mut arguments: impl Iterator<Item = OsString>) -> Option<String> {
    let is_meant = |name: &str| {
        let path = Path::new(name);
        let is_number = name.parse::<f64>().is_ok();
        name.starts_with('-') && !is_number && (path.is_file() || super::has_picture_extension(path))
    };
    arguments.find_map(|argument| {
        let name = argument.to_str().filter(|name| is_meant(name))?;
        Some(format!("if {name} is a file's name, write ./{name}"))
    })
}

/// What to do where a picture has no room.
fn more_memory(needed: Bytes, largest: Option<u32>, is_for_targets: bool) -> String {
    let style = if is_for_targets {
        "a smaller --style-size, "
    } else {
        ""
    };
    let smaller = largest.map_or(style.to_owned(), |size| format!("{style}--size {size} or "));
    let whole = Bytes(needed.0.next_multiple_of(1 << 20));
    format!("use {smaller}--memory {whole}")
}

/// The path, unless it is a list of pictures with commas, which are a part of a name here.
pub fn one_picture(path: &Path) -> anyhow::Result<&Path> {
    let names = path.to_string_lossy();
    if !path.exists() && names.contains(',') {
        bail!(
            "{names}: no such file; several pictures are named one by one: {}",
            names.split(',').map(str::trim).collect::<Vec<_>>().join(" ")
        );
    }
    Ok(path)
}

/// The flags that may help against an error of the library.
pub fn of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(of_cause)
}

fn of_cause(cause: &(dyn StdError + 'static)) -> Option<String> {
    match cause.downcast_ref::<Error>() {
        Some(Error::Picture(error)) => of_picture(error),
        Some(Error::Runtime(error)) => of_runtime(error),
        Some(Error::Request(error)) => of_request(error),
        Some(Error::Engine(error)) => of_engine(error),
        Some(Error::Model(error)) => of_model(error),
        Some(Error::Memory {
            needed,
            largest,
            is_for_targets,
            ..
        }) => Some(more_memory(*needed, *largest, *is_for_targets)),
        Some(_) => None,
        None => (cause.downcast_ref().and_then(of_picture))
            .or_else(|| cause.downcast_ref().and_then(of_output))
            .or_else(|| cause.downcast_ref().and_then(of_record))
            .or_else(|| cause.downcast_ref().and_then(of_model)),
    }
}

fn of_picture(error: &PictureError) -> Option<String> {
    match error {
        PictureError::NoExtension => Some("add --format png, jpeg, webp or tiff".to_owned()),
        PictureError::UnknownExtension { .. } => Some("or add --format".to_owned()),
        PictureError::Output(error) => of_output(error),
        _ => None,
    }
}

fn of_output(error: &OutputError) -> Option<String> {
    let exists = matches!(error, OutputError::Exists { .. });
    exists.then(|| "use --force to overwrite it, or another name".to_owned())
}

fn of_record(error: &RecordError) -> Option<String> {
    let flags = match error {
        RecordError::OtherVersions { .. } => "use --force to go on all the same",
        RecordError::Missing { role, .. } if ["content", "style"].contains(&&**role) => {
            "or say where: --repeat FILE CONTENT STYLE"
        }
        RecordError::NoRecord { .. } => {
            "it was made by another program, with --no-record, or saved again since"
        }
        RecordError::Picture(error) => return of_picture(error),
        _ => return None,
    };
    Some(flags.to_owned())
}

fn of_runtime(error: &RuntimeError) -> Option<String> {
    let not_found = matches!(error, RuntimeError::NotFound { .. });
    not_found.then(|| "or name the library with --onnxruntime FILE".to_owned())
}

fn of_request(error: &RequestError) -> Option<String> {
    Some(match error {
        RequestError::NoProvider { option } => format!("--{option} goes with --provider"),
        RequestError::TwoProviders { provider } => format!("leave out --provider {provider}"),
        RequestError::NoDevices { .. } => "leave out --device-id".to_owned(),
        _ => return None,
    })
}

fn of_engine(error: &EngineError) -> Option<String> {
    Some(match error {
        EngineError::NotBuiltIn { remedy, .. } => match remedy {
            Remedy::Ready(runtime) => format!("take it with --runtime {runtime}"),
            Remedy::Build(_) => "name another ONNX Runtime with --onnxruntime".to_owned(),
        },
        EngineError::Cache { option, switch, .. } => {
            format!("write --provider-option {option}=DIR, or --provider-option {switch}=0")
        }
        EngineError::NoCache { option } => format!("write --provider-option {option}=DIR"),
        _ => return None,
    })
}

fn of_model(error: &ModelError) -> Option<String> {
    let flags = match error {
        ModelError::NoGraphs { .. } => "or name their folder with --graphs DIR",
        ModelError::OutOfMemory { .. } => LESS_MEMORY,
        ModelError::TooSmall { remedy, .. } => match remedy {
            Enlarge::Size => "use a larger --size, or --fit short",
            Enlarge::StyleSize => "use a larger --style-size",
            Enlarge::SizeOrScales => "use a larger --size, or fewer --scales",
            Enlarge::StyleSizeOrScales => "use a larger --style-size, or fewer --scales",
            Enlarge::Picture => "use a larger picture",
        },
        ModelError::Engine(error) => return of_engine(error),
        _ => return None,
    };
    Some(flags.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_library_gets_the_flags_that_help() {
        let hint = |error: Error| of(&error.into()).unwrap();
        let refused = ModelError::OutOfMemory {
            path: "a.onnx".into(),
        };
        assert!(hint(refused.into()).contains("--memory"));
        let small = ModelError::TooSmall {
            what: "style image",
            width: 3,
            height: 4,
            graph: "gatys".into(),
            min_size: 16,
            remedy: Enlarge::StyleSize,
        };
        assert!(hint(small.into()).contains("--style-size"));
        let exists = OutputError::Exists { path: "a.png".into() };
        assert!(hint(PictureError::Output(exists).into()).contains("--force"));
        let context = anyhow::Error::from(OutputError::Exists { path: "a".into() }).context("--trace");
        assert!(of(&context).unwrap().contains("--force"));
    }
}
