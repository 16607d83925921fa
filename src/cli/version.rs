//! `impasto --version`.

use impasto::files::shown;
use impasto::model::metadata::CONTRACT_VERSION;
use impasto::runtime::{LibraryQuery, Located, locate_library};

use super::quiet::quietly;

/// The program, the graph contract that it understands, and the ONNX Runtime that it would load.
pub fn describe() -> String {
    let library = match quietly(|| locate_library(&LibraryQuery::default())) {
        Ok(Located {
            path,
            found_by,
            version,
        }) => {
            format!("ONNX Runtime {version} ({}, {found_by})", shown(&path))
        }
        Err(error) => format!("no ONNX Runtime: {error}"),
    };
    format!(
        "impasto {}\ngraph contract {CONTRACT_VERSION}\n{library}\n",
        env!("CARGO_PKG_VERSION")
    )
}
