//! How many pixels a file holds, in formats that let a picture have more than the file says anything of: a small frame on
//! a large screen, runs of pixels that end early. A few bytes would otherwise take memory and minutes for nothing.

use super::fault::Fault;

/// A picture of no more pixels is read whatever the file holds of it.
const SMALL: u64 = 1 << 24;

/// Refuses a large picture of which the file holds less than a hundredth.
pub(super) fn check_held((width, height): (u32, u32), held: u64) -> Result<(), Fault> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > SMALL && held < pixels / 100 {
        return Err(Fault::damaged(format!(
            "its data is for {held} pixels, not for {width}x{height}"
        )));
    }
    Ok(())
}

/// The sizes of a GIF's frames, in pixels, as far as the file can be followed.
pub(super) fn frames_of_gif(file: &[u8]) -> impl Iterator<Item = u64> {
    /// From the length of the first block to behind the empty one.
    fn behind_blocks(mut rest: &[u8]) -> Option<&[u8]> {
        loop {
            let (&length, blocks) = rest.split_first()?;
            if length == 0 {
                return Some(blocks);
            }
            rest = blocks.get(usize::from(length)..)?;
        }
    }
    /// The bytes of the palette that flags announce.
    fn palette(flags: u8) -> usize {
        if flags & 0x80 == 0 { 0 } else { 6 << (flags & 7) }
    }
    let flags = file.get(10).copied().unwrap_or_default();
    let mut rest = file.get(13 + palette(flags)..).unwrap_or_default();
    std::iter::from_fn(move || {
        while let [b'!', _, blocks @ ..] = rest {
            rest = behind_blocks(blocks)?;
        }
        let [b',', _, _, _, _, w, wide, h, high, flags, data @ ..] = rest else {
            return None;
        };
        // The smallest code of the compression stands before the blocks.
        let blocks = data.get(palette(*flags) + 1..).unwrap_or_default();
        rest = behind_blocks(blocks).unwrap_or_default();
        Some(u64::from(u16::from_le_bytes([*w, *wide])) * u64::from(u16::from_le_bytes([*h, *high])))
    })
}

/// The size of an animated WebP's first frame, in pixels.
pub(super) fn first_frame_of_webp(file: &[u8]) -> Option<u64> {
    let mut rest = file.get(12..)?;
    loop {
        let length = u32::from_le_bytes(*rest.get(4..)?.first_chunk()?) as usize;
        let content = rest.get(8..)?;
        if rest.starts_with(b"ANMF") {
            let side = |at: usize| {
                Some(1 + u64::from(u32::from_le_bytes(*content.get(at..)?.first_chunk()?) & 0xFF_FFFF))
            };
            return Some(side(6)? * side(9)?);
        }
        rest = content.get(length.next_multiple_of(2)..)?;
    }
}

/// The most pixels that a BMP holds when they are stored as runs, each of at most 255 in two bytes; nothing when they
/// are stored one by one.
pub(super) fn pixels_of_runs(file: &[u8]) -> Option<u64> {
    const RUNS: [u32; 2] = [1, 2];
    let compression = u32::from_le_bytes(*file.get(30..)?.first_chunk()?);
    RUNS.contains(&compression).then_some(128 * file.len() as u64)
}
