//! `impasto resume`.

use std::path::{Path, PathBuf};

use clap::Args;

use impasto::config::Options;
use impasto::files::STANDARD;
use impasto::picture;
use impasto::record::Checkpoint;

use super::Ended;
use super::args::Painting;
use super::stylize;
use super::task::Task;

/// Go on with a run from its checkpoint, to the bytes it would have come to without a stop
///
/// Picture, trace and what else it writes go where they would have gone; what it has written there before is replaced.
/// Further checkpoints go to CHECKPOINT, which is removed at the end. Pictures, graphs and weights must be what they were.
#[derive(Debug, Args)]
#[command(args_override_self = true, allow_negative_numbers = true)]
pub struct Resume {
    /// What --checkpoint has written
    pub checkpoint: PathBuf,

    /// Another place for the picture
    #[arg(short, long, value_name = "OUT", help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// Replace OUT; go on with another version of the program or ONNX Runtime, or on another processor
    ///
    /// The bytes may then differ from those of a run that was never stopped.
    #[arg(short, long, help_heading = "Output")]
    pub force: bool,

    /// Print nothing but errors
    #[arg(short, long, help_heading = "Watching")]
    pub quiet: bool,

    /// Say which files run, what each scale takes of memory, and how long each part of the run takes
    #[arg(short, long, conflicts_with = "quiet", help_heading = "Watching")]
    pub verbose: bool,

    #[command(flatten)]
    pub options: Options,
}

/// Paints what a run has left undone, by its own command line.
pub fn run(args: &Resume) -> anyhow::Result<Ended> {
    let checkpoint: Checkpoint<Painting> = Checkpoint::open(&args.checkpoint)?;
    let Checkpoint {
        recorded,
        folder,
        arguments,
        mut state,
    } = checkpoint;
    let task = Task::resuming(recorded, &args.options, args.force)?;
    let mut painting = arguments;
    painting.quiet = args.quiet;
    painting.verbose = args.verbose;
    painting.checkpoint = Some(args.checkpoint.clone());
    for path in painting.places() {
        *path = as_it_was(path, &folder);
    }
    if let Some(output) = &args.output {
        painting.output = output.clone();
        picture::check_output_as(output, args.force, &painting.encoding(&task.settings))?;
    }
    // What is there now, the run has written.
    painting.force = true;
    stylize::paint(&painting, &task, Some(&mut state))
}

/// The path of an output that was named in this folder.
fn as_it_was(path: &Path, folder: &Path) -> PathBuf {
    let is_here = std::env::current_dir().is_ok_and(|here| here == folder);
    match is_here || path == Path::new(STANDARD) {
        true => path.into(),
        false => folder.join(path),
    }
}
