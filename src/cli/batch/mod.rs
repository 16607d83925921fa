//! `impasto batch`: many pictures.

mod earlier;
mod jobs;
mod painter;
mod tally;
mod turns;

use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::SystemTime;

use anyhow::Context as _;
use clap::Args;
use clap::builder::RangedU64ValueParser;

use impasto::batch::{BatchError, Costs, Job, Log, NumberPattern, Pattern, Shard};
use impasto::config::Options;
use impasto::picture::OutputFormat;

use super::interrupt::Interrupt;
use super::sources::Config;
use super::{Ended, say};
use painter::Painter;
use tally::{Tally, lock};
use turns::Turns;

/// What ends the long help.
const EXAMPLES: &str = "\
Exit codes: 0 when all pictures are there, 3 when some could not be painted, 130 after Ctrl-C; 1 and 2 when nothing was begun.

Examples:
  A folder of photos in each style of another
    impasto batch photos/ --styles paintings/ -o 'out/{content}-{style}.png'

  Names from another program; settings to compare
    find . -name '*.jpg' | impasto batch - --styles waves.jpg -o 'out/{content}.png'
    impasto batch cat.jpg --styles waves.jpg --settings oil.toml ink.toml -o 'out/{settings}.png'

  The frames of a film, each moved along an optical flow (docs/frames.md)
    impasto batch --frames 'in/%05d.png' --styles waves.jpg --flow 'flow/%05d.flo' -o 'out/%05d.png'

  The second of three machines
    impasto batch photos/ --styles waves.jpg -o 'out/{content}.png' --shard 2/3

  Jobs of any kind, a line each, and a log of what came of them
    echo '{\"content\": \"cat.jpg\", \"style\": [\"a.jpg\", \"b.jpg\"], \"style-blend\": [3, 7], \"output\": \"cat.png\"}' > jobs.jsonl
    impasto batch --jobs-file jobs.jsonl --log log.jsonl
    impasto batch --jobs-file jobs.jsonl --log log.jsonl --retry-failed";

/// Paint many pictures: every CONTENT in every style
///
/// ONNX Runtime and the graphs are loaded once; every picture has the bytes that stylize alone gives it. One that cannot be
/// painted stops no other. Ctrl-C ends after the iteration under way and keeps a checkpoint beside the output of each picture
/// under way; the same command goes on there.
#[derive(Debug, Args)]
#[command(args_override_self = true, allow_negative_numbers = true, after_long_help = EXAMPLES)]
pub struct Batch {
    /// The photos: files, folders, patterns such as 'photos/*.jpg'; - for a list
    ///
    /// - takes names from standard input. A folder stands for all pictures in it, by name. The list has a name a line.
    #[arg(required_unless_present_any = ["jobs_file", "frames"], conflicts_with_all = ["jobs_file", "frames"])]
    content: Vec<PathBuf>,

    /// The frames of a film in place of CONTENT, such as 'in/%05d.png'
    ///
    /// %d is a frame's number, %05d one of five digits with zeros before it; no number may be missing between others. Frames are
    /// painted in their order. Each starts from the one before it as it was written (--init previous), moved along
    /// --flow if that is given, at the finest scale alone. In -o, --flow, --forward-flow and --flow-mask %05d is the number
    /// of the frame that is painted. A lossy format loses a little from frame to frame: write PNG or TIFF.
    #[arg(long, value_name = "PATTERN", value_parser = parse::<NumberPattern>, conflicts_with = "jobs_file", help_heading = "Jobs", hide_short_help = true)]
    frames: Option<NumberPattern>,

    /// Cut the film before these frames: 120,345; each begins as a picture by itself
    ///
    /// What lies between two cuts is a chain: --shard gives whole chains.
    #[arg(
        long,
        value_name = "N,…",
        value_delimiter = ',',
        requires = "frames",
        help_heading = "Jobs",
        hide_short_help = true
    )]
    cuts: Vec<u64>,

    /// The paintings, each a style of its own: files, folders, patterns
    #[arg(
        long,
        value_name = "STYLE",
        num_args = 1..,
        required_unless_present = "jobs_file",
        conflicts_with = "jobs_file",
        help_heading = "Jobs"
    )]
    styles: Vec<PathBuf>,

    /// Paint all with the settings of each of these files
    ///
    /// TOML as of --config, which lies below them; flags win over both.
    #[arg(long, value_name = "FILE.toml", num_args = 1.., conflicts_with = "jobs_file", help_heading = "Jobs")]
    settings: Vec<PathBuf>,

    /// Read jobs from a file: JSON lines, or TOML
    ///
    /// A JSON object a line or, in a file whose name ends in .toml, a table [[job]] each: content, style (one name, or several
    /// in a list to blend), output unless -o says it, and any long flag of stylize that says how to paint, such as size. Paths
    /// are taken from the working directory; flags win, --config lies below.
    #[arg(long, value_name = "FILE", help_heading = "Jobs")]
    jobs_file: Option<PathBuf>,

    /// Paint part I of N alone [default: as a scheduler says, or all]
    ///
    /// 1/3, 2/3 and 3/3 are all of three parts. Parts are balanced by pixels and evaluations, and each shard finds its own by itself, so all must see the same inputs
    /// and flags. Without it the environment tells: array jobs of Slurm, Grid Engine, LSF, AWS Batch, and Kubernetes' indexed
    /// jobs with JOB_COMPLETIONS set to their number. PBS does not tell the number of tasks: --shard is needed there.
    #[arg(long, value_name = "I/N", value_parser = parse::<Shard>, help_heading = "Jobs")]
    shard: Option<Shard>,

    /// Paint K pictures at a time [default: by their size]
    ///
    /// 1 to 1024. Each has its part of --threads, at least one. By default small pictures are painted one on each thread, others one after
    /// the other on all of them. Where --memory has no room for so many at a time, fewer are, which a line says. The bytes of
    /// the pictures are the same; they are begun in the jobs' order, and told and logged in it. The frames of a film are painted
    /// one after the other.
    #[arg(long, value_name = "K", conflicts_with = "frames", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024), help_heading = "Jobs")]
    jobs: Option<usize>,

    /// Paint only what failed last time, by --log
    #[arg(long, requires = "log", help_heading = "Jobs", hide_short_help = true)]
    retry_failed: bool,

    /// The names of the pictures, such as 'out/{content}-{style}.png'
    ///
    /// {content}, {style} and {settings} are the files' names without folder and extension. Folders are created. Two jobs of
    /// one name are refused.
    #[arg(
        short,
        long,
        value_name = "PATTERN",
        value_parser = parse::<Pattern>,
        required_unless_present = "jobs_file",
        help_heading = "Output"
    )]
    output: Option<Pattern>,

    /// The format, where the names do not end in one: png, jpeg, webp or tiff
    #[arg(
        long,
        value_name = "FORMAT",
        hide_possible_values = true,
        help_heading = "Output",
        hide_short_help = true
    )]
    format: Option<OutputFormat>,

    /// Replace existing pictures that were made otherwise
    ///
    /// One that says of itself that it was made of the same files with the same settings is left as it is; without --force
    /// any other counts as failed.
    #[arg(short, long, help_heading = "Output")]
    force: bool,

    /// Add a line to a file for each job: what came of it, as JSON
    ///
    /// In the jobs' order: each when it has ended and all before it have.
    /// {"output", "content", "styles", "status": painted, skipped, failed or interrupted, "message", "seconds",
    /// "evaluations", "loss"}. Shards need a file each.
    #[arg(long, value_name = "FILE", help_heading = "Records", hide_short_help = true)]
    log: Option<PathBuf>,

    /// Let the pictures not say how they were made; they are then not known again
    #[arg(long, help_heading = "Records", hide_short_help = true)]
    no_record: bool,

    /// The seconds from one checkpoint of a picture to the next, 0 to 1000000 [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=1_000_000), help_heading = "Records", hide_short_help = true)]
    checkpoint_every: Option<u64>,

    /// Print nothing but errors and the summary
    #[arg(short, long, help_heading = "Watching", hide_short_help = true)]
    quiet: bool,

    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    options: Options,
}

/// As clap takes parsers: the error in words.
fn parse<T: std::str::FromStr<Err = BatchError>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: BatchError| error.to_string())
}

/// Paints all jobs, or this shard's.
pub fn run(args: &Batch) -> anyhow::Result<Ended> {
    let jobs = jobs::all(args)?;
    jobs::check(args, &jobs)?;
    let mut costs = Costs::default();
    let jobs = jobs::of_shard(args, jobs, &mut costs)?;
    let mut jobs = match &args.log {
        Some(log) if args.retry_failed => Log::failed(log, jobs)?,
        _ => jobs,
    };
    let begin = SystemTime::now();
    let log = args.log.as_deref().map(Log::open).transpose()?;
    let tally = Mutex::new(Tally::new(costs.of(&jobs), log, args.quiet));
    let bar = lock(&tally).bar().clone();
    let interrupt = Interrupt::listen(&bar, true).context("cannot listen to Ctrl-C")?;
    let painter = Painter::new(args, interrupt, &tally);
    let most = match jobs.first() {
        Some(job) => {
            let on_processor = painter.load(job)?;
            jobs::at_a_time(args, &mut jobs, &mut costs, on_processor)?
        }
        None => 1,
    };
    if most > 1 && !args.quiet {
        lock(&tally).say(&format!("{most} pictures at a time"));
    }
    let done = paint(&jobs, most, &painter, &tally);
    lock(&tally).finish()?;
    done?;
    jobs::clean_up(&jobs, begin);
    let tally = lock(&tally);
    say(&tally.summary());
    Ok(match (painter.is_interrupted(), tally.has_failures()) {
        (true, _) => Ended::Interrupted,
        (false, true) => Ended::SomeFailed,
        (false, false) => Ended::Done,
    })
}

/// Paints jobs, `most` at a time. One thread more than that reads the pictures of the next or writes that of the last, unless
/// a job begins with what another has written.
fn paint(jobs: &[Job], most: usize, painter: &Painter<'_>, tally: &Mutex<Tally>) -> Result<(), BatchError> {
    let turns = Turns::new(jobs.len(), most);
    let work = || -> Result<(), BatchError> {
        while let Some(mut turn) = turns.take() {
            if painter.is_interrupted() {
                break;
            }
            let index = turn.job;
            if let Some(entry) = painter.paint(&jobs[index], &mut turn) {
                lock(tally).count(index, entry).inspect_err(|_| turns.stop())?;
            }
        }
        Ok(())
    };
    let beside = match jobs::depend(jobs) {
        true => 0,
        false => most.min(jobs.len()),
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..beside).map(|_| scope.spawn(work)).collect();
        let own = work();
        let all = threads.into_iter().map(|thread| match thread.join() {
            Ok(done) => done,
            Err(panic) => resume_unwind(panic),
        });
        own.and(all.collect())
    })
}
