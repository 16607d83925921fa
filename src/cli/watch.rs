//! What those who watch a run asked for: the plot, the animation, the preview in the terminal.

use std::path::PathBuf;

use clap::Args;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use impasto::observe::{Animation, Observer, Plot, Remember};
use impasto::picture::Picture;

use super::outputs::check_file;
use super::preview::{Preview, PreviewArg};

/// Ways to watch the run; none of them changes the picture.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
pub struct Watching {
    /// Plot the loss and its terms: a name ending in .svg or .png
    ///
    /// Against evaluations, on a logarithmic scale; a faint line marks where a scale begins.
    #[arg(long, value_name = "PLOT", help_heading = "Watching", hide_short_help = true)]
    pub plot: Option<PathBuf>,

    /// Keep the run as an animation: .gif, .webp or .apng
    ///
    /// Up to 40 frames, evenly in the logarithm of the iteration, so that the fast changes at a scale's beginning are
    /// seen; 80 ms each, the result for 2 s, then again. GIF has 256 colours a frame; WebP and APNG are lossless, and two
    /// to three times as large: at 360x240 pixels some 7 MB, where GIF has 3. Transparency is left out.
    #[arg(long, value_name = "ANIMATION", help_heading = "Watching")]
    pub animation: Option<PathBuf>,

    /// The animation's longer side in pixels, 16 to 4096, never more than the picture's [default: 360]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(16..=4096), requires = "animation", help_heading = "Watching", hide_short_help = true)]
    pub animation_size: Option<u32>,

    /// Show the picture in the terminal while it is painted
    ///
    /// Every two seconds at most. PROTOCOL is kitty, iterm2, sixel, blocks (two coarse pixels a character, in any
    /// terminal with 24-bit colours) or auto, the one that the terminal is known for. Without PROTOCOL it is auto;
    /// without a terminal there is no preview, and a note says so.
    #[arg(long, value_name = "PROTOCOL", num_args = 0..=1, require_equals = true, default_missing_value = "auto", conflicts_with = "quiet", hide_possible_values = true, help_heading = "Watching")]
    #[serde(skip)]
    pub preview: Option<PreviewArg>,
}

/// The animation's longer side in pixels, unless another is asked for.
const ANIMATION_SIZE: u32 = 360;

/// The observers that were asked for.
pub struct Watch {
    plot: Option<Plot>,
    animation: Option<Animation>,
    preview: Option<Preview>,
}

impl Watch {
    /// Checks that what is asked for can be written at the end of the run.
    pub fn check(args: &Watching, overwrite: bool) -> anyhow::Result<()> {
        if let Some(path) = &args.plot {
            Plot::check(path)?;
            check_file(path, overwrite, "--plot")?;
        }
        if let Some(path) = &args.animation {
            Animation::check(path)?;
            check_file(path, overwrite, "--animation")?;
        }
        Ok(())
    }

    /// The observers that are asked for; the plot is called `title`, the preview stands above `bar`.
    pub fn new(watching: &Watching, title: String, bar: &ProgressBar) -> Watch {
        let side = watching.animation_size.unwrap_or(ANIMATION_SIZE);
        Watch {
            plot: watching.plot.as_ref().map(|_| Plot::new(title)),
            animation: watching.animation.as_ref().map(|_| Animation::new(side)),
            preview: watching.preview.and_then(|wanted| Preview::open(wanted, bar)),
        }
    }

    /// The observers among them: those with a memory, and the other.
    pub fn observers(&mut self) -> (impl Iterator<Item = &mut dyn Remember>, Option<&mut dyn Observer>) {
        let plot = self.plot.as_mut().map(|plot| plot as &mut dyn Remember);
        let animation = self.animation.as_mut().map(|animation| animation as _);
        let preview = self.preview.as_mut().map(|preview| preview as _);
        ([plot, animation].into_iter().flatten(), preview)
    }

    /// Shows the painted picture and writes the files.
    pub fn finish(&mut self, args: &Watching, overwrite: bool, painted: &Picture) -> anyhow::Result<()> {
        if let Some(preview) = &mut self.preview {
            preview.draw(painted);
        }
        if let (Some(plot), Some(path)) = (&self.plot, &args.plot) {
            plot.write(path, overwrite)?;
        }
        if let (Some(animation), Some(path)) = (&self.animation, &args.animation) {
            animation.write(path, overwrite, painted)?;
        }
        Ok(())
    }
}
