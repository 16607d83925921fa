//! What holds of any input whatever. The fuzz targets and the seeded tests ask the same.

use std::fmt::{Debug, Display};
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use impasto::config::{ConfigFile, Options, Settings};
use impasto::init::Init;
use impasto::model::metadata::{GraphMetadata, Kind, Operators};
use impasto::model::{KernelSet, LayerFactors, Weights};
use impasto::picture::{self, Loaded, MAX_SIDE, PictureError};
use impasto::record::Recorded;
use impasto::scales::Scales;
use tempfile::TempDir;

/// A picture is read whole, with values that can be shown, or refused in one line that names the file. It has a record, or none.
pub fn picture(bytes: &[u8]) -> Option<Loaded> {
    let input = Input::new(bytes);
    drop(Recorded::read(&input.path));
    let loaded = match picture::load(&input.path) {
        Ok(loaded) => loaded,
        Err(error) => {
            input.is_named_in(&error.to_string());
            let ours = bytes.starts_with(b"II") || bytes.starts_with(b"MM");
            let panicked = matches!(error, PictureError::DecoderFailed { .. });
            assert!(!(ours && panicked), "the program's own reader panicked: {error}");
            return None;
        }
    };
    let (width, height) = loaded.picture.size();
    let (rgb, alpha) = (loaded.picture.rgb(), loaded.picture.alpha());
    assert_eq!(rgb.len() as u64, 3 * u64::from(width) * u64::from(height));
    let mut values = rgb.iter().chain(alpha.unwrap_or_default());
    assert!(
        values.all(|value| (0.0..=255.0).contains(value)),
        "a value beyond 0 to 255"
    );
    loaded
        .warnings
        .iter()
        .for_each(|warning| input.is_named_in(warning));
    Some(loaded)
}

/// A settings file resolves to settings in their ranges, or is refused.
pub fn settings(bytes: &[u8]) {
    let input = Input::new(bytes);
    let Ok(file) = ConfigFile::read(&input.path) else {
        return;
    };
    match file.options().resolve() {
        Ok(settings) => are_in_range(&settings),
        Err(error) => {
            let line = file
                .locate(&error)
                .unwrap_or_else(|| panic!("no place for: {error}"));
            input.is_named_in(&line.to_string());
        }
    }
}

/// A trace tells of a run whose settings are in their ranges, or is refused.
pub fn trace(bytes: &[u8]) {
    let input = Input::new(bytes);
    let Ok(recorded) = Recorded::read(&input.path) else {
        return;
    };
    let defaults = Options::default().resolve().expect("the defaults are in range");
    let upper = Options {
        preset: Some("book".to_owned()),
        ..Options::default()
    };
    for options in [
        recorded.options(),
        upper.clone().or(recorded.options_below(&upper)),
    ] {
        if let Ok(settings) = options.resolve() {
            are_in_range(&settings);
        }
    }
    drop(recorded.varied(&defaults));
    drop(["content", "style"].map(|role| recorded.inputs(role)));
    drop(recorded.check_graphs(&[]));
}

/// A graph's metadata makes a contract whose layers can be weighed, or is refused.
pub fn graph(bytes: &[u8]) {
    let input = Input::new(bytes);
    fs::write(input.path.with_file_name("empty.weights"), b"").expect("the folder can be written");
    for kind in [Kind::Forward, Kind::Targets, Kind::LossGradient] {
        let Ok(metadata) = GraphMetadata::read(&input.path, kind) else {
            continue;
        };
        let factors = LayerFactors(vec![(metadata.style_layers[0].clone(), 2.0)]);
        let weights = Weights::uniform(&metadata, 1.0, 1.0, 0.0);
        let weighted = weights.with_factors(&metadata, &factors, &LayerFactors::default());
        assert_eq!(weighted.expect("the layer is there").unit(), 2.0);
        assert!(metadata.read_other(&input.path, kind, Operators::Cpu).is_err());
    }
}

/// A text that is understood comes back as it was understood.
pub fn lists(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    comes_back::<LayerFactors>(&text);
    comes_back::<Scales>(&text);
    comes_back::<Init>(&text);
    comes_back::<KernelSet>(&text);
}

fn comes_back<T: FromStr<Err: Debug> + Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let written = value.to_string();
        let again: T = written
            .parse()
            .unwrap_or_else(|error| panic!("{written:?} is refused: {error:?}"));
        assert_eq!(again.to_string(), written);
    }
}

/// The ranges of the flags; as JSON they read back.
fn are_in_range(settings: &Settings) {
    const MOST_ITERATIONS: u64 = 1_000_000;
    for scale in settings.scales.schedule(
        settings.side(),
        (settings.iterations, settings.emphasis()),
        |_| true,
    ) {
        assert!(
            scale.size <= MAX_SIDE && scale.iterations <= MOST_ITERATIONS,
            "{scale}"
        );
    }
    let json = serde_json::to_value(settings).expect("settings are JSON");
    let again: Options = serde_json::from_value(json.clone()).expect("settings read back");
    let again = again.resolve().expect("settings resolve again");
    assert_eq!(serde_json::to_value(again).expect("settings are JSON"), json);
}

/// An input as a file in a folder of its own.
struct Input {
    _folder: TempDir,
    path: PathBuf,
}

impl Input {
    fn new(bytes: &[u8]) -> Input {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let path = folder.path().join("input");
        fs::write(&path, bytes).expect("the folder can be written");
        Input {
            _folder: folder,
            path,
        }
    }

    fn is_named_in(&self, line: &str) {
        let name = self.path.display().to_string();
        assert!(line.starts_with(&name) && !line.contains('\n'), "{line:?}");
    }
}
