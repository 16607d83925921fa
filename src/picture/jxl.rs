//! JPEG XL files.

use jxl::{
    api::{
        AlphaMode, Endianness, Event, ExtraChannel, JxlBasicInfo, JxlColorEncoding, JxlColorProfile,
        JxlColorType, JxlDataFormat, JxlDecoder, JxlDecoderOptions, JxlOutputBuffer, JxlParallelRunner,
        JxlParallelRunnerFun, JxlPixelFormat, JxlTransferFunction, ProfileLevel,
    },
    error::Error,
};
use rayon::prelude::*;

use super::{
    decoded::{Decoded, check_size},
    fault::Fault,
    raster::{ANIMATED, from_16, split_alpha},
};

/// Frames may be larger than the picture, those of a small one by this many samples.
const SPARE_SAMPLES: usize = 1 << 24;

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::OutOfMemory(_) | Error::ImageOutOfMemory(..) | Error::ImageSizeTooLarge(..) => {
                Self::TooManyBytes
            }
            error => Self::damaged(error),
        }
    }
}

/// Whether a file begins as a bare codestream does, or as the container that may be around one.
pub(super) fn is_jxl(file: &[u8]) -> bool {
    file.starts_with(b"\xFF\x0A") || file.starts_with(b"\0\0\0\x0CJXL \r\n\x87\n")
}

/// Decodes the first frame of a JPEG XL file, with all of its layers.
pub(super) fn decode(file: &[u8]) -> Result<Decoded, Fault> {
    let (_, _, info) = opened(file, None)?;
    let (width, height) = info.size;
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    check_size(side(width), side(height))?;
    let channels = 3 + info.extra_channels.len();
    let (mut decoder, mut rest, _) = opened(file, Some(width * height * channels + SPARE_SAMPLES))?;

    let layout = layout(&decoder, &info)?;
    decoder.set_pixel_format(JxlPixelFormat {
        color_type: layout,
        color_data_format: Some(JxlDataFormat::U16 {
            endianness: Endianness::native(),
            bit_depth: 16,
        }),
        extra_channel_format: vec![None; info.extra_channels.len()],
    })?;
    let profile = decoder.output_color_profile().map(icc).transpose()?.flatten();
    let channels = layout.samples_per_pixel();
    let mut samples = vec![0_u16; width * height * channels];
    let animated = first_frame(&mut decoder, &mut rest, &mut samples, info.size)?;
    let samples = from_16(&samples);
    let (colors, alpha) = match layout {
        // Full ink is 0.
        JxlColorType::Cmyk => (samples.into_iter().map(|ink| 255.0 - ink).collect(), None),
        _ => split_alpha(samples, channels),
    };
    Ok(Decoded {
        width: side(width),
        height: side(height),
        colors,
        alpha,
        profile,
        warnings: animated.then(|| ANIMATED.to_owned()).into_iter().collect(),
    })
}

/// A decoder that has read the header, what it has not read yet, and what the header says.
fn opened(file: &[u8], sample_limit: Option<usize>) -> Result<(JxlDecoder, &[u8], JxlBasicInfo), Fault> {
    let mut options = JxlDecoderOptions::default();
    options.sample_limit = sample_limit;
    options.alpha_mode = AlphaMode::Unpremultiplied;
    options.max_profile_level = ProfileLevel::Main10;
    let (mut decoder, mut rest) = (JxlDecoder::new(options), file);
    next_event(&mut decoder, &mut rest, None)?;
    let info = decoder.basic_info().ok_or_else(cut)?.clone();
    Ok((decoder, rest, info))
}

/// The channels that the colours come in.
fn layout(decoder: &JxlDecoder, info: &JxlBasicInfo) -> Result<JxlColorType, Fault> {
    let gray = decoder
        .current_pixel_format()
        .is_some_and(|format| format.color_type.is_grayscale());
    let has = |kind| info.extra_channels.iter().any(|channel| channel.ec_type == kind);
    let inks = decoder
        .output_color_profile()
        .is_some_and(JxlColorProfile::is_cmyk);
    match (inks, gray, has(ExtraChannel::Alpha)) {
        (true, _, true) => Err(Fault::unsupported("alpha beside four inks")),
        (true, _, false) => Ok(JxlColorType::Cmyk),
        (false, true, true) => Ok(JxlColorType::GrayscaleAlpha),
        (false, true, false) => Ok(JxlColorType::Grayscale),
        (false, false, true) => Ok(JxlColorType::Rgba),
        (false, false, false) => Ok(JxlColorType::Rgb),
    }
}

/// The profile of the colours; those of high dynamic range are not for a screen of 0 to 255.
fn icc(profile: &JxlColorProfile) -> Result<Option<Vec<u8>>, Fault> {
    match profile.transfer_function() {
        Some(JxlTransferFunction::PQ | JxlTransferFunction::HLG) => {
            Err(Fault::unsupported("colours of high dynamic range (PQ or HLG)"))
        }
        _ if is_srgb(profile) => Ok(None),
        _ => Ok(profile.try_as_icc().map(|icc| icc.into_owned())),
    }
}

fn is_srgb(profile: &JxlColorProfile) -> bool {
    [false, true]
        .map(JxlColorEncoding::srgb)
        .into_iter()
        .any(|srgb| profile.same_color_encoding(&JxlColorProfile::Simple(srgb)))
}

/// Decodes the first frame; whether there are more.
fn first_frame(
    decoder: &mut JxlDecoder,
    rest: &mut &[u8],
    samples: &mut [u16],
    (width, height): (usize, usize),
) -> Result<bool, Fault> {
    let bytes_per_row = samples.len() / width / height * width * size_of::<u16>();
    let samples = bytemuck::cast_slice_mut(samples);
    loop {
        let buffer = JxlOutputBuffer::new(samples, height, bytes_per_row);
        match next_event(decoder, rest, Some(buffer))? {
            Event::FrameComplete { has_more_frames } => return Ok(has_more_frames),
            Event::Complete => return Err(Fault::damaged("it has no frame")),
            _ => {}
        }
    }
}

fn next_event(
    decoder: &mut JxlDecoder,
    rest: &mut &[u8],
    buffer: Option<JxlOutputBuffer>,
) -> Result<Event, Fault> {
    let mut buffers = buffer.map(|buffer| [buffer]);
    let buffers = buffers.as_mut().map(|buffers| &mut buffers[..]);
    match decoder.process(rest, buffers, Some(&mut Cores))? {
        Event::NeedMoreInput { .. } => Err(cut()),
        event => Ok(event),
    }
}

fn cut() -> Fault {
    Fault::damaged("it ends early")
}

/// Runs the decoder's tasks on all cores.
struct Cores;

impl JxlParallelRunner for Cores {
    fn run(&mut self, tasks: usize, task: &JxlParallelRunnerFun) -> Result<(), Error> {
        (0..tasks).into_par_iter().try_for_each(task)
    }

    fn num_threads(&self) -> usize {
        rayon::current_num_threads()
    }
}
