//! A seeded share of the fuzzing that `fuzz/` does: the files of `fuzz/corpus.py`, damaged.
//!
//! A failure names its seed, and where the damaged file lies.

// The helpers of the tests, too, may panic.
#![allow(clippy::unwrap_used)]

mod damage;
mod memory;
mod properties;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use impasto::picture::Picture;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use tempfile::TempDir;

#[test]
fn a_damaged_picture_is_read_or_refused_in_time_and_memory() {
    try_damaged("picture", 6000, damage::of_bytes, |bytes| {
        let (loaded, taken) = memory::taken_by(|| properties::picture(bytes));
        let pixels = loaded
            .as_ref()
            .map_or(0, |loaded| loaded.picture.rgb().len() as u64 / 3);
        let most = MOST_MEMORY + BYTES_A_PIXEL * pixels;
        assert!(taken <= most, "{taken} bytes of memory for {pixels} pixels");
        let jpeg = bytes.starts_with(b"\xFF\xD8");
        if let Some(loaded) = loaded.filter(|loaded| jpeg && loaded.warnings.is_empty()) {
            let flat = flat_share(&loaded.picture);
            assert!(flat <= 0.05, "{:.0} % of the JPEG is missing", 100.0 * flat);
        }
    });
}

#[test]
fn a_picture_that_says_to_be_large_takes_no_memory_for_what_it_does_not_hold() {
    const LARGE: (u16, u16) = (11_000, 12_000);
    let _turn = TURN.lock();
    for (name, file) in corpus("picture") {
        let bytes = damage::of_size(&file, (61, 43), LARGE);
        let (_, taken) = memory::taken_by(|| properties::picture(&bytes));
        assert!(taken <= MOST_MEMORY, "{name}: {taken} bytes of memory");
    }
}

#[test]
fn a_damaged_settings_file_is_refused_or_in_range() {
    try_damaged("settings", 6000, damage::of_text, properties::settings);
}

#[test]
fn a_damaged_trace_is_refused_or_in_range() {
    try_damaged("trace", 3000, damage::of_text, properties::trace);
}

#[test]
fn a_damaged_graph_is_refused_or_keeps_its_contract() {
    try_damaged("graph", 3000, damage::of_bytes, properties::graph);
}

#[test]
fn a_damaged_list_is_refused_or_comes_back() {
    try_damaged("lists", 20_000, damage::of_text, properties::lists);
}

/// What no input takes more of, in bytes, but for the pixels that it has.
const MOST_MEMORY: u64 = 1 << 30;
/// What a picture that is read takes at most, while it is read: samples, colours and alpha as floats, and what the
/// decoder holds.
const BYTES_A_PIXEL: u64 = 48;
/// What no input takes longer than. The program takes a fraction, but tests are built to be debugged and share the
/// machine.
const LONGEST: Duration = Duration::from_secs(30);

/// Memory is that of the process, so that tests of one process take turns.
static TURN: Mutex<()> = Mutex::new(());

/// Damages files of a kind in `cases` ways, and holds each against the property.
fn try_damaged(
    kind: &str,
    cases: u64,
    damage: fn(&mut ChaCha8Rng, &[u8], &[u8]) -> Vec<u8>,
    property: impl Fn(&[u8]) + Send + Sync + 'static,
) {
    let _turn = TURN.lock();
    let property = Arc::new(property);
    let files = corpus(kind);
    let formats: Vec<_> = files
        .chunk_by(|a, b| extension(&a.0) == extension(&b.0))
        .collect();
    let mut failures = Vec::new();
    for seed in 0..cases {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let alike = &formats[seed as usize % formats.len()];
        let (name, file) = &alike[damage::below(&mut rng, alike.len())];
        let (_, other) = &files[damage::below(&mut rng, files.len())];
        let bytes = damage(&mut rng, file, other);
        if let Err(reason) = hold(bytes.clone(), property.clone()) {
            let path = keep(&format!("{kind}-{seed}"), &bytes);
            failures.push(format!("seed {seed}, from {name}, {reason}: {}", path.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Whether the property holds, in time.
fn hold(bytes: Vec<u8>, property: Arc<impl Fn(&[u8]) + Send + Sync + 'static>) -> Result<(), &'static str> {
    let (done, waiting) = mpsc::channel();
    thread::spawn(move || {
        property(&bytes);
        done.send(()).unwrap();
    });
    waiting.recv_timeout(LONGEST).map_err(|error| match error {
        mpsc::RecvTimeoutError::Timeout => "takes too long",
        mpsc::RecvTimeoutError::Disconnected => "panicked",
    })
}

fn extension(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

/// Name and content of the files of a kind, those of a format together.
fn corpus(kind: &str) -> Vec<(String, Vec<u8>)> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = TempDir::new().unwrap();
    let made = Command::new("python3")
        .env("PYTHONPATH", repository.join("runtime/python"))
        .args([&repository.join("fuzz/corpus.py"), folder.path(), Path::new(kind)])
        .status();
    assert!(made.unwrap().success(), "fuzz/corpus.py fails: run `make setup`");
    let entries = fs::read_dir(folder.path().join(kind)).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    files.sort_by(|(a, _), (b, _)| (extension(a), a).cmp(&(extension(b), b)));
    files
}

/// Writes an input that fails where cargo builds.
fn keep(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// The share of blocks of 8x8 pixels without any detail: what a decoder leaves out.
fn flat_share(picture: &Picture) -> f64 {
    let (columns, rows) = (picture.width() / 8, picture.height() / 8);
    let blocks = (0..rows).flat_map(|row| (0..columns).map(move |column| (8 * column, 8 * row)));
    let flat = blocks.filter(|&(x, y)| is_flat(picture, x, y)).count();
    flat as f64 / f64::from(columns * rows).max(1.0)
}

fn is_flat(picture: &Picture, left: u32, top: u32) -> bool {
    let first = picture.pixel(left, top);
    let pixels = (0..64).map(|place| picture.pixel(left + place % 8, top + place / 8));
    pixels
        .flat_map(|pixel| pixel.into_iter().zip(first))
        .all(|(value, first)| (value - first).abs() <= 2.0)
}
