//! Every kind of picture that is read, written by other encoders.
//!
//! `matrix/matrix.py` writes the files, with the Python packages that `make setup` has brought, and what they show.

use std::process::Command;

use serde_json::Value;

use crate::*;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Has the files written into a folder that vanishes; the list of them.
fn written() -> (TempDir, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("python3")
        .arg(repository().join("tests/pictures/matrix/matrix.py"))
        .arg(folder.path())
        .env("PYTHONPATH", repository().join("runtime/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python3 is needed, and `make setup`");
    assert!(
        output.status.success(),
        "the pictures were not written; run `make setup`: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let cases = fs::read(folder.path().join("cases.json")).unwrap();
    (folder, serde_json::from_slice(&cases).unwrap())
}

/// What is wrong with the picture that was read, if anything.
fn difference(picture: &Picture, shown: &[f32], case: &Value) -> Option<String> {
    let size = case["size"].as_array().unwrap();
    if size != &[picture.width(), picture.height()] {
        return Some(format!("it is {:?}", picture.size()));
    }
    let within = case["within"].as_f64().unwrap() as f32;
    let pixels = picture.rgb().chunks_exact(3).zip(shown.chunks_exact(4));
    pixels.enumerate().find_map(|(i, (colors, shown))| {
        let alpha = picture.alpha().map_or(255.0, |alpha| alpha[i]);
        let off = colors
            .iter()
            .zip(shown)
            .map(|(color, shown)| (color - shown).abs());
        // What cannot be seen has no colour of its own.
        let wrong = shown[3] >= 0.5 && off.fold(0.0, f32::max) > within;
        let wrong = wrong || (alpha - shown[3]).abs() > 1e-3;
        wrong.then(|| format!("pixel {i} is {colors:?} with alpha {alpha}, not {shown:?}"))
    })
}

#[test]
fn every_kind_of_picture_that_other_encoders_write_is_read_right_or_refused_by_name() {
    let (folder, cases) = written();
    assert!(cases.len() > 700, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let name = case["file"].as_str().unwrap();
        let path = folder.path().join(name);
        let fault = match (picture::load(&path), case["reason"].as_str()) {
            (Err(error), Some(reason)) => (!error.to_string().contains(reason)).then(|| error.to_string()),
            (Ok(_), Some(_)) => Some("it is not refused".into()),
            (Err(error), None) => Some(error.to_string()),
            (Ok(loaded), None) => {
                let shown = fs::read(folder.path().join(format!("{name}.f32"))).unwrap();
                let shown: Vec<f32> = bytemuck::pod_collect_to_vec(&shown);
                let warned = match (loaded.warnings.as_slice(), case["warning"].as_str()) {
                    ([], None) => true,
                    ([warning], Some(wanted)) => warning.contains(wanted),
                    _ => false,
                };
                let warnings = (!warned).then(|| format!("its warnings are {:?}", loaded.warnings));
                warnings.or_else(|| difference(&loaded.picture, &shown, case))
            }
        };
        wrong.extend(fault.map(|fault| format!("{name}: {fault}")));
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}
