//! TIFF: the samples as they are stored, brought to one scale and upright.
//!
//! The reader is ours because what is hard is the meaning of the numbers: `tiff`, the decoder behind `image`, passes over
//! the order of bits and the kind of alpha, takes integers for floats, and knows no palettes. libtiff hands out strips
//! as they are, too, and is C that reads hostile bytes. Compression is undone by the crates that `tiff` uses as well.

mod chunk;
mod header;
mod samples;
mod tags;

use super::{decoded::Decoded, fault::Fault};
use chunk::Chunk;
use header::{Color, Header};
use samples::{Canvas, Turn, check_range};
pub(super) use tags::{Tags, XMP, is_tiff};

/// Reads the first picture of a TIFF file.
pub(super) fn decode(file: &[u8]) -> Result<Decoded, Fault> {
    let tags = Tags::read(file)?;
    let header = Header::read(&tags)?;
    let turn = Turn::new(header.orientation, (header.width, header.height));
    let (width, height) = turn.size;
    let mut canvas = Canvas::new(&header, turn);
    fill(&mut canvas, file, &tags, &header)?;
    if !matches!(header.color, Color::Palette(_)) {
        check_range(&canvas.samples, header.storage)?;
    }
    let (colors, alpha) = samples::colors(canvas.samples, &header);
    Ok(Decoded {
        width,
        height,
        colors,
        alpha,
        // A profile that cannot be read is as good as none.
        profile: tags.bytes(tags::PROFILE).unwrap_or_default().map(<[u8]>::to_vec),
        warnings: left_out(&tags, &header),
    })
}

/// Decodes all chunks that hold samples which are used.
fn fill(canvas: &mut Canvas, file: &[u8], tags: &Tags, header: &Header) -> Result<(), Fault> {
    let (width, height) = (header.width as usize, header.height as usize);
    let size = &header.chunks;
    let (across, down) = (width.div_ceil(size.width), height.div_ceil(size.height));
    let samples = header.samples_in_chunk();
    let indices = matches!(header.color, Color::Palette(_));
    let planes = if header.planar { header.used() } else { 1 };
    let row_bytes = header.row_bytes()?;
    let jpeg_tables = tags.bytes(tags::JPEG_TABLES)?.unwrap_or_default();
    for plane in 0..planes {
        for i in 0..across * down {
            let (x, y) = (i % across * size.width, i / across * size.height);
            let (columns, rows) = (size.width.min(width - x), size.height.min(height - y));
            let chunk = Chunk {
                header,
                jpeg_tables,
                rows,
                row_bytes,
            };
            let bytes = chunk.decode(stored(file, header, plane * across * down + i)?)?;
            for (r, row) in bytes.chunks_exact(row_bytes).enumerate() {
                let row = samples::unpack(row, header.storage, indices, columns * samples);
                canvas.put((x, y + r), &row, header.planar.then_some(plane), samples);
            }
        }
    }
    Ok(())
}

/// The bytes of a chunk as they lie in the file, as far as they do.
fn stored<'a>(file: &'a [u8], header: &Header, chunk: usize) -> Result<&'a [u8], Fault> {
    let place = header.chunks.places.get(chunk);
    let &(offset, length) = place.ok_or_else(|| Fault::damaged("a strip or tile is missing"))?;
    let [start, end] = [offset, offset.saturating_add(length)]
        .map(|at| usize::try_from(at).map_or(file.len(), |at| at.min(file.len())));
    Ok(&file[start..end])
}

/// What of the file is not in the picture.
fn left_out(tags: &Tags, header: &Header) -> Vec<String> {
    let mut warnings = Vec::new();
    if tags.more {
        warnings.push("it has several pages; only the first is used".into());
    }
    let unused = header.samples - header.used();
    if unused > 0 {
        warnings.push(format!(
            "it has {} channels; only the first {} are used",
            header.samples,
            header.used()
        ));
    }
    warnings
}
