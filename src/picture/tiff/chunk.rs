//! A strip or tile of a TIFF file: from its compressed bytes to its rows.

use std::{borrow::Cow, io::Read};

use flate2::read::ZlibDecoder;
use weezl::{BitOrder, LzwStatus, decode::Decoder as LzwDecoder};

use super::{
    header::{Compression, Header, Predictor},
    tags::Order,
};
use crate::picture::{fault::Fault, jpeg};

/// What decompression needs to know of a chunk.
pub(super) struct Chunk<'a> {
    pub header: &'a Header,
    /// The tables that the JPEG files of all chunks share.
    pub jpeg_tables: &'a [u8],
    /// Rows of it that lie in the picture.
    pub rows: usize,
    pub row_bytes: usize,
}

impl Chunk<'_> {
    /// The rows without compression and predictor, exactly as many bytes as they have.
    pub(super) fn decode(&self, stored: &[u8]) -> Result<Vec<u8>, Fault> {
        let compression = self.header.compression;
        let stored = if self.header.bits_reversed && compression != Compression::Jpeg {
            Cow::Owned(stored.iter().map(|byte| byte.reverse_bits()).collect())
        } else {
            Cow::Borrowed(stored)
        };
        let length = self.rows * self.row_bytes;
        let mut bytes = match compression {
            Compression::None => stored[..length.min(stored.len())].to_vec(),
            Compression::PackBits => unpack_bits(&stored, length),
            Compression::Lzw => lzw(&stored, length),
            Compression::Deflate => deflate(&stored, length)?,
            Compression::Jpeg => self.jpeg(&stored)?,
            Compression::Fax3 | Compression::Fax4 => self.fax(&stored)?,
        };
        if bytes.len() < length {
            return Err(Fault::damaged("a strip or tile is cut off"));
        }
        bytes.truncate(length);
        for row in bytes.chunks_exact_mut(self.row_bytes) {
            self.undo_predictor(row);
        }
        Ok(bytes)
    }

    /// Each chunk is a JPEG file, without the tables where they are shared.
    fn jpeg(&self, stored: &[u8]) -> Result<Vec<u8>, Fault> {
        let body = stored.strip_prefix(&[0xFF, 0xD8]);
        let tables = self.jpeg_tables.strip_suffix(&[0xFF, 0xD9]);
        let file = match (tables, body) {
            (Some(tables), Some(body)) => Cow::Owned([tables, body].concat()),
            _ => Cow::Borrowed(stored),
        };
        let part = jpeg::decode_stored(&file)?;
        let header = self.header;
        if part.width != header.chunks.width || part.channels != header.samples_in_chunk() {
            return Err(Fault::damaged(
                "the JPEG data has another width or number of channels than the TIFF",
            ));
        }
        Ok(part.samples)
    }

    /// One bit a pixel, white 0.
    fn fax(&self, stored: &[u8]) -> Result<Vec<u8>, Fault> {
        let width = u16::try_from(self.header.chunks.width).map_err(|_| Fault::TooManyBytes)?;
        let mut bytes = Vec::new();
        let mut add = |transitions: &[u16]| {
            let mut row = vec![0_u8; self.row_bytes];
            for (x, color) in fax::decoder::pels(transitions, width).enumerate() {
                if color == fax::Color::Black {
                    row[x / 8] |= 0x80 >> (x % 8);
                }
            }
            bytes.extend(row);
        };
        // How it ends, after the last row, does not matter.
        if self.header.compression == Compression::Fax4 {
            let rows = u16::try_from(self.rows).ok();
            let _ = fax::decoder::decode_g4(stored.iter().copied(), width, rows, add);
            return Ok(bytes);
        }
        // The decoder takes what comes first for a mark of the end of a row, which has eleven zeros.
        if !matches!(stored, [0, byte, ..] if *byte < 0x20) {
            return Err(Fault::unsupported(
                "CCITT Group 3 without marks between rows in a TIFF",
            ));
        }
        // It also wants one after the last row.
        let stored = stored.iter().copied().chain([0, 1]);
        let (mut rows, mut whole) = (0, true);
        let _ = fax::decoder::decode_g3(stored, |transitions| {
            rows += 1;
            if rows <= self.rows {
                whole &= transitions.last() == Some(&width);
                add(transitions);
            }
        });
        if !whole {
            return Err(Fault::damaged("a row has another width than the picture"));
        }
        Ok(bytes)
    }

    fn undo_predictor(&self, row: &mut [u8]) {
        let storage = self.header.storage;
        let samples = self.header.samples_in_chunk();
        let width = storage.bits / 8;
        match self.header.predictor {
            Predictor::None => {}
            Predictor::Horizontal => {
                for at in (samples * width..row.len()).step_by(width) {
                    let before = at - samples * width;
                    let sum = storage
                        .order
                        .number(&row[at..at + width])
                        .wrapping_add(storage.order.number(&row[before..before + width]));
                    let bytes = sum.to_le_bytes();
                    row[at..at + width].copy_from_slice(&bytes[..width]);
                    if storage.order == Order::Big {
                        row[at..at + width].reverse();
                    }
                }
            }
            Predictor::Float => {
                for at in samples..row.len() {
                    row[at] = row[at].wrapping_add(row[at - samples]);
                }
                // The most significant bytes of all floats come first.
                let planes = row.to_vec();
                let count = planes.len() / width;
                for (i, float) in row.chunks_exact_mut(width).enumerate() {
                    for (significance, byte) in float.iter_mut().enumerate() {
                        *byte = planes[significance * count + i];
                    }
                    if storage.order == Order::Little {
                        float.reverse();
                    }
                }
            }
        }
    }
}

/// PackBits (TIFF 6.0, page 42): a byte says how many bytes follow, or how often the next one is repeated.
fn unpack_bits(stored: &[u8], length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = stored;
    while let Some((&control, tail)) = rest.split_first()
        && bytes.len() < length
    {
        rest = tail;
        match control {
            0..=127 => {
                let (literal, tail) = rest.split_at(rest.len().min(usize::from(control) + 1));
                bytes.extend(literal);
                rest = tail;
            }
            128 => {}
            129.. => {
                if let Some((&byte, tail)) = rest.split_first() {
                    bytes.resize(bytes.len() + 257 - usize::from(control), byte);
                    rest = tail;
                }
            }
        }
    }
    bytes
}

fn lzw(stored: &[u8], length: usize) -> Vec<u8> {
    let mut decoder = LzwDecoder::with_tiff_size_switch(BitOrder::Msb, 8);
    let mut bytes = vec![0; length];
    let (mut read, mut written) = (0, 0);
    while written < length {
        let step = decoder.decode_bytes(&stored[read..], &mut bytes[written..]);
        read += step.consumed_in;
        written += step.consumed_out;
        if !matches!(step.status, Ok(LzwStatus::Ok)) {
            break;
        }
    }
    bytes.truncate(written);
    bytes
}

fn deflate(stored: &[u8], length: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    ZlibDecoder::new(stored)
        .take(length as u64)
        .read_to_end(&mut bytes)
        .map_err(Fault::damaged)?;
    Ok(bytes)
}
