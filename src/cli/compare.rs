//! `impasto compare`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use impasto::config::Options;
use impasto::evaluate::Sheet;
use impasto::files::escaped;
use impasto::picture::{Picture, check_output};
use impasto::regions::{Masks, RegionNote};
use impasto::stylize::Stylizer;

use super::outputs::{check_inputs_stay, print};
use super::progress::tell;
use super::providers::announce_if_unusual;
use super::quiet::quietly;
use super::report::{Report, evaluator, json, table};
use super::sources::{self, Config};
use super::{Ended, check_standard_input, file_name, load, load_all, load_styles, style_files};

/// Judge several results side by side, in figures and on a contact sheet; nothing is painted
///
/// Each picture is taken at its own size, the content picture is resized to it where it differs, the style picture
/// keeps its own size unless --style-size is given. The figures are those of evaluate; the best of a row has a star.
/// Losses of pictures of different sizes can be compared only roughly.
#[derive(Debug, Args)]
#[command(args_override_self = true, allow_negative_numbers = true)]
pub struct Compare {
    /// The pictures to judge
    #[arg(required = true, value_name = "PICTURE")]
    pub pictures: Vec<PathBuf>,

    /// The photo that gives the content
    #[arg(long, value_name = "PICTURE")]
    pub content: PathBuf,

    /// The painting that gives the style; give it several times to blend, or a folder
    #[arg(long, required = true, value_name = "PICTURE")]
    pub style: Vec<PathBuf>,

    /// Print JSON: {"pictures": [{"picture": …, "total": …, …}, …]}
    ///
    /// Each entry has the picture's name, its width and height, and the figures as evaluate prints them.
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Write a contact sheet: content, style and the pictures in a grid
    ///
    /// Each is scaled down to 400 pixels if it is larger, and has its file's name below, the pictures with their
    /// numbers in the table.
    #[arg(long, value_name = "SHEET", help_heading = "Output")]
    pub sheet: Option<PathBuf>,

    /// Replace existing files
    #[arg(short, long, help_heading = "Output")]
    pub force: bool,

    #[command(flatten)]
    pub config: Config,

    #[command(flatten)]
    pub options: Options,
}

/// The whole comparison, as JSON has it.
#[derive(Serialize)]
struct Comparison {
    pictures: Vec<Entry>,
}

/// One picture of it.
#[derive(Serialize)]
struct Entry {
    picture: String,
    width: u32,
    height: u32,
    #[serde(flatten)]
    report: Report,
}

/// Prints the figures of all pictures and draws the contact sheet.
pub fn run(args: &Compare) -> anyhow::Result<Ended> {
    let (options, settings) = sources::resolve_to_judge(args.options.clone(), &args.config, true)?;
    let mask_files = sources::mask_files(&settings);
    let style_files = style_files(&args.style)?;
    let named = args.pictures.iter().chain([&args.content]).chain(&style_files);
    let named = named.chain(&mask_files);
    let mut inputs: Vec<PathBuf> = named.cloned().collect();
    check_standard_input(&inputs)?;
    if let Some(path) = &args.sheet {
        check_output(path, args.force)?;
    }
    let content = load(&args.content, false)?;
    let styles = load_styles(&style_files, false)?;
    let pictures = load_all(&args.pictures, false)?;
    let masks = Masks::load(&settings.regions, |path| load(path, false))?;
    let stylizer = quietly(|| Stylizer::with_masks(&options, masks))?;
    inputs.extend(sources::read_beside(&args.config, &stylizer));
    check_inputs_stay(args.sheet.as_deref(), &inputs)?;
    announce_if_unusual(&stylizer);
    let evaluator = evaluator(&stylizer, Some(&content), &styles)?;
    let mut entries = Vec::new();
    let mut told: Vec<RegionNote> = Vec::new();
    for (path, picture) in args.pictures.iter().zip(&pictures) {
        let judged = stylizer.evaluate(picture, &content, &styles)?;
        for note in &judged.notes {
            if !told.contains(note) {
                tell(note);
                told.push(note.clone());
            }
        }
        entries.push(Entry {
            picture: path.display().to_string(),
            width: picture.width(),
            height: picture.height(),
            report: Report::new(&judged, evaluator.evaluate(picture)?),
        });
    }
    if let Some(path) = &args.sheet {
        let sheet = contact_sheet(args, &style_files, &content, &styles, &pictures);
        sheet.save(path, args.force)?;
    }
    let comparison = Comparison { pictures: entries };
    let text = if args.json {
        json(&comparison)?
    } else {
        comparison.table()
    };
    print(&text)?;
    Ok(Ended::Done)
}

/// The content, the styles and the pictures with their numbers, and the files' names.
fn contact_sheet(
    args: &Compare,
    style_files: &[PathBuf],
    content: &Picture,
    styles: &[Picture],
    pictures: &[Picture],
) -> Picture {
    let mut sheet = Sheet::new();
    sheet.add(format!("content: {}", file_name(&args.content)), content);
    for (path, style) in style_files.iter().zip(styles) {
        sheet.add(format!("style: {}", file_name(path)), style);
    }
    for ((number, path), picture) in (1..).zip(&args.pictures).zip(pictures) {
        sheet.add(format!("[{number}] {}", file_name(path)), picture);
    }
    sheet.draw()
}

impl Comparison {
    /// The pictures under their numbers, then their figures.
    fn table(&self) -> String {
        let names = self.pictures.iter().zip(1..).map(|(entry, number)| {
            format!(
                "[{number}] {} ({}x{})\n",
                escaped(&entry.picture),
                entry.width,
                entry.height
            )
        });
        let reports: Vec<&Report> = self.pictures.iter().map(|entry| &entry.report).collect();
        names.chain(["\n".to_owned(), table(&reports)]).collect()
    }
}
