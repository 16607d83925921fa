//! Which jobs there are, and which of them are to be painted here.

use std::collections::HashSet;
use std::env;
use std::io::{self, BufRead as _};
use std::iter::repeat_n;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

use impasto::batch::{
    BatchError, Costs, Defaults, Frames, Grid, Job, Shard, chains, check_names, pictures, read_jobs,
};
use impasto::config::{ConfigError, Options};
use impasto::files::{STANDARD, shown, sweep_before};
use impasto::picture::Encoding;

use super::Batch;
use crate::cli::outputs::check_inputs_stay;
use crate::cli::sources::{self, mask_files};
use crate::cli::{say, sources::Config};

/// All jobs in their order; their options can be used, and are those of photos.
pub fn all(args: &Batch) -> anyhow::Result<Vec<Job>> {
    let jobs = match &args.jobs_file {
        Some(file) => read_jobs(file, &defaults(args)?)?,
        None => grid(args)?,
    };
    let of_photo = |job: Job| Job {
        options: job.options.with_photo(),
        ..job
    };
    Ok(jobs.into_iter().map(of_photo).collect())
}

/// What the jobs of a file need not say.
fn defaults(args: &Batch) -> anyhow::Result<Defaults> {
    Ok(Defaults {
        pattern: args.output.clone(),
        below: args.config.options()?,
        above: args.options.clone(),
    })
}

fn grid(args: &Batch) -> anyhow::Result<Vec<Job>> {
    let (styles, settings) = (expanded(&args.styles)?, settings(args)?);
    let pattern = args.output.clone().context("-o is missing")?;
    if let Some(frames) = &args.frames {
        return Ok(Frames::find(frames, &args.cuts)?.jobs(&styles, &settings, &pattern)?);
    }
    let grid = Grid {
        contents: contents(&args.content)?,
        styles,
        settings,
        pattern,
    };
    Ok(grid.jobs())
}

/// The options of frames, each of which has the one before it; others as they are.
fn of_frames(args: &Batch, options: Options) -> Result<Options, ConfigError> {
    let Some(frames) = &args.frames else {
        return Ok(options);
    };
    match &options.previous {
        Some(previous) => Err(ConfigError {
            option: "previous",
            value: shown(previous).to_string(),
            expected: "left out with frames, each of which has the one before it".into(),
        }),
        None => Ok(Options {
            previous: Some(frames.text().into()),
            ..options
        }),
    }
}

/// The options of each settings file; without any one set of options.
fn settings(args: &Batch) -> anyhow::Result<Vec<(Option<PathBuf>, Options)>> {
    let resolve = |config: &Config, below: Options| {
        let finish = |options| of_frames(args, options);
        sources::resolve(args.options.clone(), config, |_| below, finish).map(|(options, _)| options)
    };
    if args.settings.is_empty() {
        return Ok(vec![(None, resolve(&args.config, Options::default())?)]);
    }
    let below = args.config.options()?;
    let of_file = |file: &PathBuf| -> anyhow::Result<_> {
        let config = Config {
            file: Some(file.clone()),
            no_config: true,
        };
        Ok((Some(file.clone()), resolve(&config, below.clone())?))
    };
    args.settings.iter().map(of_file).collect()
}

/// The photos; the list on standard input comes where `-` stands.
fn contents(names: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for name in names {
        match name == Path::new(STANDARD) {
            true => all.extend(expanded(&listed()?)?),
            false => all.extend(pictures(name)?),
        }
    }
    Ok(all)
}

fn listed() -> anyhow::Result<Vec<PathBuf>> {
    let lines = io::stdin().lock().lines();
    let lines: Vec<String> = lines
        .collect::<Result<_, _>>()
        .context("the list on standard input cannot be read")?;
    Ok(lines
        .into_iter()
        .filter(|line| !line.is_empty())
        .map(PathBuf::from)
        .collect())
}

fn expanded(names: &[PathBuf]) -> Result<Vec<PathBuf>, BatchError> {
    let files = names.iter().map(|name| pictures(name));
    Ok(files.collect::<Result<Vec<_>, _>>()?.concat())
}

/// Refuses jobs that cannot all be right: two of one name, a name without a format, a picture over an input.
pub fn check(args: &Batch, jobs: &[Job]) -> anyhow::Result<()> {
    check_names(jobs)?;
    let mut inputs = Vec::new();
    for job in jobs {
        let settings = job.options.resolve()?;
        let encoding = Encoding {
            format: args.format,
            ..settings.encoding
        };
        encoding.format_at(&job.output)?;
        inputs.push(job.content.clone());
        inputs.extend(job.styles.iter().cloned().chain(mask_files(&settings)));
        let of_last = settings.frame.files().filter(|(role, _)| *role != "previous");
        inputs.extend(of_last.map(|(_, path)| path.clone()));
    }
    inputs.sort();
    inputs.dedup();
    check_inputs_stay(jobs.iter().map(|job| job.output.as_path()), &inputs)
}

/// The jobs of this shard; says first which one it is.
pub fn of_shard(args: &Batch, jobs: Vec<Job>, costs: &mut Costs) -> anyhow::Result<Vec<Job>> {
    let all = jobs.len();
    let (shard, found_by) = match args.shard {
        Some(shard) => (shard, String::new()),
        None => match Shard::from_environment(|name| env::var(name).ok())? {
            Some((shard, variable, value)) => (shard, format!(" ({variable}={value})")),
            None => return Ok(jobs),
        },
    };
    let (chains, costs) = (chains(&jobs), costs.of(&jobs));
    let of_chains: Vec<f64> = chains
        .iter()
        .map(|chain| costs[chain.clone()].iter().sum())
        .collect();
    let own = shard.part(&of_chains).into_iter().zip(chains);
    let own = own.flat_map(|(own, chain)| repeat_n(own, chain.len()));
    let jobs: Vec<Job> = jobs
        .into_iter()
        .zip(own)
        .filter(|(_, own)| *own)
        .map(|(job, _)| job)
        .collect();
    if !args.quiet {
        say(&format!(
            "shard {shard}{found_by}: {} of {all} pictures",
            jobs.len()
        ));
    }
    Ok(jobs)
}

/// Whether some begin with what others have written: frames of a film.
pub fn depend(jobs: &[Job]) -> bool {
    jobs.iter().any(|job| job.options.previous.is_some())
}

/// The most pixels of a picture of which several are painted at a time unless it is said how many. Two at a time took 0.86, 0.91,
/// 0.95 and 1.01 of the time of one after the other at 192x144, 256x192, 384x288 and 512x384 (AVX-512, two processors).
const SMALL: f64 = 384.0 * 288.0;

/// How many of the jobs are painted at a time: as many as are asked for; else one for each thread where all pictures are
/// small and `on_processor`, one otherwise. Each has its part of the threads from then on.
pub fn at_a_time(
    args: &Batch,
    jobs: &mut [Job],
    costs: &mut Costs,
    on_processor: bool,
) -> anyhow::Result<usize> {
    let threads: Vec<usize> = jobs
        .iter()
        .map(|job| Ok(job.options.resolve()?.threads))
        .collect::<anyhow::Result<_>>()?;
    let mut are_small = || costs.pixels(jobs).iter().all(|&pixels| pixels <= SMALL);
    let most = match args.jobs {
        _ if depend(jobs) => 1,
        Some(asked) => asked,
        None if on_processor && are_small() => threads.iter().copied().max().unwrap_or(1),
        None => 1,
    };
    let most = most.min(jobs.len().max(1));
    if most > 1 {
        for (job, threads) in jobs.iter_mut().zip(threads) {
            job.options.threads = Some((threads / most).max(1));
        }
    }
    Ok(most)
}

/// Removes the temporary files that earlier runs have left, which were killed, beside the outputs of these jobs.
pub fn clean_up(jobs: &[Job], begin: SystemTime) {
    let folders: HashSet<PathBuf> = jobs.iter().map(|job| folder_of(&job.output)).collect();
    folders.iter().for_each(|folder| sweep_before(folder, begin));
}

/// The folder that a picture is to lie in.
pub fn folder_of(output: &Path) -> PathBuf {
    let folder = output.parent().filter(|folder| *folder != Path::new(""));
    folder.unwrap_or(Path::new(".")).into()
}
