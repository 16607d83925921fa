//! The command line: the commands, and which flags each of them takes.

use std::env;

use clap::builder::Resettable;
use clap::{Arg, ArgMatches, Args as _, CommandFactory as _, Id, Parser, Subcommand};

use super::about::About;
use super::args::{Evaluate, Stylize, refused};
use super::batch::Batch;
use super::compare::Compare;
use super::completions::Completions;
use super::manual::Manual;
use super::providers::Providers;
use super::regions::Regions;
use super::resume::Resume;
use super::texture::{self, Texture};

use impasto::config::Options;

/// Paint a photo in the style of a painting.
///
/// Impasto optimises the pixels of a picture until a VGG19 sees the photo's content in the painting's style (Gatys
/// et al. 2016). It runs on ONNX Runtime: no PyTorch, no Python, no GPU needed.
#[derive(Debug, Parser)]
#[command(
    name = "impasto",
    version,
    arg_required_else_help = true,
    subcommand_required = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Stylize(Box<Stylize>),
    Batch(Box<Batch>),
    Texture(Box<Texture>),
    Resume(Box<Resume>),
    Evaluate(Box<Evaluate>),
    Compare(Box<Compare>),
    About(About),
    Regions(Box<Regions>),
    Providers(Box<Providers>),
    Completions(Completions),
    Manual(Manual),
}

/// The whole command line.
///
/// All commands share one definition of the options; those that a command has no use for are hidden there, and refused.
pub fn command() -> clap::Command {
    let judges = |arg: &Arg| {
        matches!(
            arg.get_help_heading(),
            Some("Objective" | "Colour" | "Regions" | "Engine")
        )
    };
    let sees = |arg: &Arg| {
        matches!(arg.get_help_heading(), Some("Engine"))
            || ["size", "fit", "seed"].contains(&arg.get_id().as_str())
    };
    let looks = |arg: &Arg| ["onnxruntime", "runtime", "graphs"].contains(&arg.get_id().as_str());
    let lengthens = |arg: &Arg| ["iterations", "max_seconds"].contains(&arg.get_id().as_str());
    Cli::command()
        .mut_subcommand("stylize", |command| {
            command.mut_arg("seamless", |arg| refused(arg, "stylize"))
        })
        .mut_subcommand("batch", |command| {
            command.mut_arg("seamless", |arg| refused(arg, "batch"))
        })
        .mut_subcommand("texture", |command| {
            texture::own_help(with_options(command, texture::is_of_use))
        })
        .mut_subcommand("resume", |command| with_options(command, lengthens))
        .mut_subcommand("evaluate", |command| {
            with_options(command, judges).mut_args(|arg| match texture::is_of_use(&arg) {
                true => arg,
                false => arg.requires("content"),
            })
        })
        .mut_subcommand("compare", |command| with_options(command, judges))
        .mut_subcommand("regions", |command| with_options(command, sees))
        .mut_subcommand("providers", |command| with_options(command, looks))
}

/// The command line as it is understood. Where a recorded run is repeated, no variable of the environment takes the place of a
/// recorded setting.
pub fn matches() -> Result<ArgMatches, clap::Error> {
    let repeats = |(_, matches): (&str, &ArgMatches)| matches!(matches.try_contains_id("repeat"), Ok(true));
    if env::args_os().any(|argument| argument.to_string_lossy().starts_with("--repeat")) {
        let without_variables = command()
            .mut_subcommands(|command| command.mut_args(without_variable))
            .try_get_matches();
        match without_variables {
            Ok(matches) if matches.subcommand().is_some_and(repeats) => return Ok(matches),
            // Its help names the variables.
            _ => {}
        }
    }
    command().try_get_matches()
}

/// The argument without its variable, unless its value changes no byte of a picture.
fn without_variable(arg: Arg) -> Arg {
    match ["threads", "graphs"].contains(&arg.get_id().as_str()) {
        true => arg,
        false => arg.env(Resettable::Reset),
    }
}

fn with_options(command: clap::Command, are_of_use: impl Fn(&Arg) -> bool) -> clap::Command {
    let all = Options::augment_args(clap::Command::new("options"));
    let others = all.get_arguments().filter(|arg| !are_of_use(arg));
    let others: Vec<Id> = others.map(|arg| arg.get_id().clone()).collect();
    let name = command.get_name().to_owned();
    command.mut_args(|arg| match others.contains(arg.get_id()) {
        true => refused(arg, &name),
        false => arg,
    })
}
