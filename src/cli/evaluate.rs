//! `impasto evaluate`.

use std::path::Path;

use anyhow::{Context as _, bail};
use ndarray::Axis;
use ndarray_npy::WriteNpyExt as _;

use impasto::evaluate::repeated;
use impasto::files::{self, STANDARD};
use impasto::picture::check_output;
use impasto::regions::Masks;
use impasto::stylize::{Judged, Stylizer};

use super::args::Evaluate;
use super::outputs::{check_distinct, check_file, check_inputs_stay, print};
use super::progress::{tell, warn_of_placement};
use super::providers::announce_if_unusual;
use super::quiet::quietly;
use super::report::{Report, evaluator, json, table};
use super::sources::{mask_files, read_beside};
use super::{Ended, check_standard_input, load, load_styles, sources, style_files};

/// Prints the loss and its terms, and how far the picture is from its targets.
pub fn run(args: &Evaluate) -> anyhow::Result<Ended> {
    let (options, settings) =
        sources::resolve_to_judge(args.options.clone(), &args.config, args.content.is_some())?;
    let mask_files = mask_files(&settings);
    let style_files = style_files(&args.style)?;
    let named = [&args.image].into_iter().chain(&args.content).chain(&style_files);
    check_standard_input(named.chain(&mask_files))?;
    if let Some(path) = &args.gradient {
        check_file(path, args.force, "--gradient")?;
        if check_distinct([path.as_path(), Path::new(STANDARD)]).is_err() {
            bail!("--gradient: the figures go to standard output; name a file");
        }
    }
    if let Some(path) = &args.sheet {
        check_output(path, args.force)?;
    }
    let image = load(&args.image, false)?;
    let content = args.content.as_ref().map(|path| load(path, false)).transpose()?;
    let styles = load_styles(&style_files, false)?;
    let masks = Masks::load(&settings.regions, |path| load(path, false))?;
    let stylizer = quietly(|| Stylizer::with_masks(&options, masks))?;
    let mut inputs = vec![args.image.clone()];
    inputs.extend(args.content.clone());
    inputs.extend(style_files);
    inputs.extend(mask_files);
    inputs.extend(read_beside(&args.config, &stylizer));
    let outputs = || args.gradient.as_deref().into_iter().chain(args.sheet.as_deref());
    check_inputs_stay(outputs(), &inputs)?;
    check_distinct(outputs())?;
    announce_if_unusual(&stylizer);
    // What is not looked at has the weight 0.
    let judged = stylizer.evaluate(&image, content.as_ref().unwrap_or(&image), &styles)?;
    warn_of_placement(judged.placement.as_ref());
    judged.notes.iter().for_each(tell);
    if let Some(path) = &args.gradient {
        write_gradient(path, args.force, &judged)?;
    }
    if let Some(path) = &args.sheet {
        repeated(&image).save(path, args.force)?;
    }
    let metrics = evaluator(&stylizer, content.as_ref(), &styles)?.evaluate(&image)?;
    let mut report = Report::new(&judged, metrics);
    if args.seam {
        report = report.with_seams(&image);
    }
    let text = if args.json {
        json(&report)?
    } else {
        table(&[&report])
    };
    print(&text)?;
    Ok(Ended::Done)
}

/// Writes the gradient as `.npy`.
fn write_gradient(path: &Path, overwrite: bool, judged: &Judged) -> anyhow::Result<()> {
    let mut file = Vec::new();
    let gradient = judged.gradient.index_axis(Axis(0), 0);
    gradient
        .write_npy(&mut file)
        .context("the gradient cannot be written")?;
    Ok(files::write(path, overwrite, &file)?)
}
