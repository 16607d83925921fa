//! `impasto texture`.

use clap::{Arg, Args, Command};

use super::Ended;
use super::args::{Painting, refused};
use super::task::Task;
use super::{progress, stylize};

/// What ends the long help.
const EXAMPLES: &str = "\
Examples:
  impasto texture painting.jpg -o texture.png --size 1024x768
  impasto texture painting.jpg fabric.jpg -o both.png --size 512 --style-blend 3,7
  impasto texture painting.jpg -o large-strokes.png --size 512 --style-size 1024 --seed 7
  impasto texture painting.jpg -o tile.png --size 512 --seamless
  impasto texture painting.jpg -o remade.png --size 640x480 --init photo.jpg";

/// Paint a picture from one STYLE alone or several, without a photo
///
/// The loss is that of stylize with a content weight of 0: what the styles' textures are, anywhere in the picture.
#[derive(Debug, Args)]
#[command(args_override_self = true, allow_negative_numbers = true, after_long_help = EXAMPLES)]
pub struct Texture {
    #[command(flatten)]
    painting: Painting,
}

/// Paints, saves the picture and what else was asked for.
pub fn run(args: &Texture) -> anyhow::Result<Ended> {
    progress::choose(args.painting.progress);
    stylize::paint(&args.painting, &Task::of_texture(&args.painting)?, None)
}

/// Whether an option does not speak of a photo.
pub fn is_of_use(arg: &Arg) -> bool {
    const OF_A_PHOTO: [&str; 13] = [
        "fit",
        "content_weight",
        "content_layer_weights",
        "color",
        "mask",
        "keep",
        "mask_content_weights",
        "mask_colors",
        "previous",
        "flow",
        "forward_flow",
        "flow_mask",
        "temporal_weight",
    ];
    !OF_A_PHOTO.contains(&arg.get_id().as_str())
}

/// What is said otherwise here than of `stylize`.
pub fn own_help(command: Command) -> Command {
    command
        .mut_arg("guides", |arg| refused(arg, "texture"))
        .mut_arg("size", |arg| {
            arg.value_name("WxH")
                .help("Width x height in pixels, or one number for a square [default: 512]")
                .long_help(
                    "The picture's width and height in pixels, such as 1024x768, or one number for a square [default: 512]\n\n\
                     1 to 65536 each. Time and memory grow with the number of pixels.",
                )
        })
        .mut_arg("seamless", |arg| arg.hide_short_help(false))
        .mut_arg("init", |arg| {
            arg.help("Start: random, gray, style-stats or FILE [default: random]").long_help(INIT)
        })
}

const INIT: &str = "\
Start: random, gray, style-stats or FILE [default: random]

random: faint noise around mid grey, made from --seed. gray: mid grey, with which --seed is of no use. style-stats: noise with \
the first style picture's colours, as strong as they differ; at 256 pixels a grain was left of it after 200 evaluations, \
where random had smooth strokes at a loss 5 % higher. A picture is resized to the painted one and remade from the styles' \
texture, at one scale.";
