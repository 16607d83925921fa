//! What was probably meant by a command line that cannot be understood.

use std::ffi::OsString;
use std::path::Path;

use anyhow::bail;

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
