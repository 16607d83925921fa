//! `impasto providers`, and the flags that choose one.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use impasto::config::{Options, Settings};
use impasto::files::shown;
use impasto::model::{GraphFile, default_folder, list_graphs};
use impasto::picture::Picture;
use impasto::runtime::{self, Engine, LibraryQuery, ProviderChoice, Remedy, Runtime, State, Survey};
use impasto::stylize::{Judged, Stylizer};

use super::outputs::print;
use super::quiet::quietly;
use super::{Ended, say};

/// List what can run the graphs on this machine, and why the rest cannot
#[derive(Debug, Args)]
pub struct Providers {
    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Evaluate a small picture on each provider that works and compare with the CPU
    #[arg(long = "try")]
    pub evaluate: bool,

    #[command(flatten)]
    pub options: Options,
}

/// What `impasto providers` tells.
#[derive(Serialize)]
struct Report {
    onnxruntime: Library,
    threads: usize,
    #[serde(flatten)]
    survey: Survey,
    graphs: Vec<GraphFile>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    comparisons: Vec<Comparison>,
}

#[derive(Serialize)]
struct Library {
    path: PathBuf,
    version: String,
    found_by: String,
    passed_over: Vec<String>,
}

/// One small evaluation against the processor's.
#[derive(Serialize)]
struct Comparison {
    provider: &'static str,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Compared {
        /// |loss - CPU's loss| / CPU's loss.
        loss_difference: f64,
        /// |gradient - CPU's gradient| / |CPU's gradient|, L2.
        gradient_difference: f64,
        /// With the session's start.
        seconds: f64,
    },
    Failed(String),
}

/// Prints what there is.
pub fn run(args: &Providers) -> anyhow::Result<Ended> {
    let sought = LibraryQuery {
        file: args.options.onnxruntime.clone(),
        name: args.options.runtime.clone(),
        provider: ProviderChoice::Auto,
    };
    let threads = Options::default().resolve()?.threads;
    let (runtime, survey) = quietly(|| {
        let runtime = Runtime::load(&sought)?;
        let survey = runtime::find(&runtime, threads);
        anyhow::Ok((runtime, survey))
    })?;
    let folder = args
        .options
        .graphs
        .clone()
        .map_or_else(|| default_folder("gatys"), Ok);
    let report = Report {
        onnxruntime: Library {
            path: runtime.path().to_path_buf(),
            version: runtime.version().to_owned(),
            found_by: runtime.found_by().to_string(),
            passed_over: runtime.passed_over().to_vec(),
        },
        threads,
        comparisons: if args.evaluate {
            compare(args, &survey)?
        } else {
            Vec::new()
        },
        graphs: folder.map(|folder| list_graphs(&folder)).unwrap_or_default(),
        survey,
    };
    let text = if args.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        table(&report)
    };
    print(&text)?;
    Ok(Ended::Done)
}

/// Evaluates a small picture on every provider that works.
fn compare(args: &Providers, survey: &Survey) -> anyhow::Result<Vec<Comparison>> {
    let evaluate = |name: &str| -> anyhow::Result<Judged> {
        let options = Options {
            provider: Some(name.parse()?),
            ..args.options.clone()
        };
        let (image, content, style) = (waves(96, 64, 1), waves(96, 64, 2), waves(64, 80, 5));
        quietly(|| Stylizer::new(&options)?.evaluate(&image, &content, std::slice::from_ref(&style)))
    };
    let expected = evaluate("cpu")?;
    let usable = survey
        .providers
        .iter()
        .filter(|found| found.state == State::Usable);
    let compared = usable.map(|found| {
        let begin = Instant::now();
        let outcome = match evaluate(found.name) {
            Ok(judged) => Outcome::Compared {
                loss_difference: (judged.evaluation.loss / expected.evaluation.loss - 1.0).abs(),
                gradient_difference: distance(&judged, &expected),
                seconds: begin.elapsed().as_secs_f64(),
            },
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        Comparison {
            provider: found.name,
            outcome,
        }
    });
    Ok(compared.collect())
}

/// The relative L2 distance of two gradients.
fn distance(judged: &Judged, expected: &Judged) -> f64 {
    let squares =
        |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let pairs = judged.gradient.iter().zip(&expected.gradient);
    let difference = squares(&mut pairs.map(|(a, b)| f64::from(a - b)));
    difference / squares(&mut expected.gradient.iter().map(|&value| f64::from(value)))
}

/// A smooth colourful picture, the same for the same numbers.
fn waves(width: u32, height: u32, seed: u32) -> Picture {
    let values = (0..height).flat_map(|y| {
        (0..width).flat_map(move |x| {
            [(2, 1), (1, 3), (3, 2)].map(|(kx, ky)| {
                let phase = (x * kx + y * ky) as f32 * 0.11 + seed as f32;
                127.5 + 100.0 * phase.sin() + 27.0 * (phase * 5.3).cos()
            })
        })
    });
    Picture::from_rgb(width, height, values.collect())
}

fn table(report: &Report) -> String {
    let library = &report.onnxruntime;
    let mut text = format!(
        "ONNX Runtime {}, {} ({})\n",
        library.version,
        shown(&library.path),
        library.found_by
    );
    for reason in &library.passed_over {
        let _ = writeln!(text, "  passed over: {reason}");
    }
    let _ = writeln!(text, "{} thread(s)\n", report.threads);
    for found in &report.survey.providers {
        let state = match &found.state {
            State::Usable => "usable".to_owned(),
            State::Unusable { reason } => format!("built in, but not usable: {reason}"),
            State::Absent {
                remedy: Remedy::Ready(runtime),
            } => {
                format!("not built in; get it with --runtime {runtime}")
            }
            State::Absent { remedy } => format!("not built in; get it with {remedy}"),
        };
        let _ = writeln!(text, "{:<13} {:<50} {state}", found.name, found.runs_on);
    }
    if !report.survey.devices.is_empty() {
        text.push_str("\ndevices\n");
    }
    for device in &report.survey.devices {
        let _ = writeln!(
            text,
            "  {} {} {} ({})",
            device.provider, device.kind, device.vendor, device.id
        );
    }
    if !report.comparisons.is_empty() {
        text.push_str("\nagainst the CPU      loss     gradient  seconds\n");
    }
    for Comparison { provider, outcome } in &report.comparisons {
        let _ = match outcome {
            Outcome::Compared {
                loss_difference,
                gradient_difference,
                seconds,
            } => {
                writeln!(
                    text,
                    "{provider:<15} {loss_difference:>9.1e} {gradient_difference:>12.1e} {seconds:>8.2}"
                )
            }
            Outcome::Failed(reason) => writeln!(text, "{provider:<15} failed: {reason}"),
        };
    }
    text.push_str("\ngraphs\n");
    for graph in &report.graphs {
        let _ = writeln!(text, "  {} sha256 {}", shown(&graph.path), graph.sha256);
    }
    if report.graphs.is_empty() {
        text.push_str("  none; run `make setup`\n");
    }
    text
}

/// Says what runs the graphs, unless it is what is expected.
pub fn announce_if_unusual(stylizer: &Stylizer) {
    let engine = stylizer.engine();
    if !engine.is_cpu() || !engine.refusals().is_empty() {
        announce_engine(stylizer.engine(), stylizer.settings());
    } else {
        warn(stylizer.settings());
    }
}

/// What was asked for and is not done.
fn warn(settings: &Settings) {
    for warning in &settings.warnings {
        say(&format!("warning: {warning}"));
    }
}

/// One line that says what runs, and why nothing better does.
pub fn announce_engine(engine: &Engine, settings: &Settings) {
    let runtime = engine.runtime();
    let refused: Vec<String> = engine
        .refusals()
        .iter()
        .map(|refusal| format!("{}: {}", refusal.provider, refusal.reason))
        .collect();
    let why = if refused.is_empty() {
        String::new()
    } else {
        format!("; not on {}", refused.join("; "))
    };
    for reason in runtime.passed_over() {
        say(&format!("warning: {reason}"));
    }
    warn(settings);
    say(&format!(
        "ONNX Runtime {} on {}, {} thread(s){why}",
        runtime.version(),
        engine.provider(),
        engine.threads()
    ));
    if let Some(notice) = engine.first_run_notice() {
        say(&notice);
    }
}
