//! What the tags of a TIFF file say: how its samples are stored and what they mean. What is not read is refused here.

use super::tags::{self, Order, Tags};
use crate::picture::{MAX_FILE_BYTES, decoded::check_size, fault::Fault};

/// The longest side of a tile that is read.
const MAX_TILE_SIDE: u64 = 65_535;
/// The most bytes of a tile's rows: its width may be far beyond the picture's.
const MAX_TILE_BYTES: u64 = 1 << 28;

/// How a picture is stored.
pub(super) struct Header {
    pub width: u32,
    pub height: u32,
    /// EXIF's orientation, 1 to 8.
    pub orientation: u64,
    /// Samples of a pixel, used or not.
    pub samples: usize,
    pub storage: Storage,
    pub chunks: Chunks,
    pub compression: Compression,
    pub predictor: Predictor,
    /// FillOrder 2: the bits of every byte are stored the other way round.
    pub bits_reversed: bool,
    /// Each sample has chunks of its own.
    pub planar: bool,
    pub color: Color,
    pub alpha: Option<Alpha>,
}

/// How a sample is stored.
#[derive(Clone, Copy)]
pub(super) struct Storage {
    pub bits: usize,
    pub float: bool,
    pub order: Order,
}

/// The rectangles in which a picture is stored: strips as wide as the picture, or tiles.
pub(super) struct Chunks {
    pub width: usize,
    pub height: usize,
    /// The most bytes that the rows of one may have.
    pub max_bytes: u64,
    /// Where each begins in the file, and its bytes.
    pub places: Vec<(u64, u64)>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Compression {
    None,
    Fax3,
    Fax4,
    Lzw,
    Jpeg,
    Deflate,
    PackBits,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Predictor {
    None,
    /// Differences from pixel to pixel.
    Horizontal,
    /// The same of the bytes of floats, sorted by their significance.
    Float,
}

/// What the samples mean.
pub(super) enum Color {
    Gray {
        white_is_zero: bool,
    },
    Rgb,
    /// Red, green and blue of each index, from 0 to 255.
    Palette(Vec<[f32; 3]>),
    Cmyk,
    YCbCr {
        coefficients: [f32; 3],
        reference: [f32; 6],
    },
}

impl Color {
    /// The samples of a pixel that are its colour.
    pub(super) fn samples(&self) -> usize {
        match self {
            Self::Gray { .. } | Self::Palette(_) => 1,
            Self::Rgb | Self::YCbCr { .. } => 3,
            Self::Cmyk => 4,
        }
    }
}

/// The sample that is alpha.
pub(super) struct Alpha {
    /// The colours are multiplied by it.
    pub premultiplied: bool,
}

impl Header {
    pub(super) fn read(tags: &Tags) -> Result<Self, Fault> {
        refuse_raw(tags)?;
        let [width, height] = [(tags::WIDTH, "width"), (tags::HEIGHT, "height")].map(|(tag, name)| {
            tags.required(tag, name)
                .map(|side| u32::try_from(side).unwrap_or(u32::MAX))
        });
        let (width, height) = (width?, height?);
        check_size(width, height)?;
        let compression = compression(tags)?;
        let storage = storage(tags, compression)?;
        let samples = usize::try_from(tags.number(tags::SAMPLES, 1)?).unwrap_or(usize::MAX);
        let color = color(tags, storage, compression)?;
        let planar = tags.number(tags::PLANAR, 1)? == 2 && samples > 1;
        if matches!(compression, Compression::Fax3 | Compression::Fax4) && samples > 1 && !planar {
            return Err(Fault::unsupported(
                "CCITT compression of several channels in a TIFF",
            ));
        }
        let Some(extra) = samples.checked_sub(color.samples()).filter(|&extra| extra < 256) else {
            return Err(Fault::damaged(format!(
                "{samples} channels do not make its kind of colour"
            )));
        };
        Ok(Self {
            width,
            height,
            orientation: tags.number(tags::ORIENTATION, 1)?,
            samples,
            storage,
            chunks: chunks(tags, width, height)?,
            compression,
            predictor: predictor(tags, storage, compression)?,
            bits_reversed: tags.number(tags::FILL_ORDER, 1)? == 2,
            planar,
            alpha: alpha(tags, &color, extra)?,
            color,
        })
    }

    /// Samples of a pixel in one chunk.
    pub(super) fn samples_in_chunk(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }

    /// The samples of a pixel that are used: its colour, then alpha.
    pub(super) fn used(&self) -> usize {
        self.color.samples() + usize::from(self.alpha.is_some())
    }

    /// Bytes of a row in a chunk.
    pub(super) fn row_bytes(&self) -> Result<usize, Fault> {
        let bits = self.chunks.width as u64 * (self.samples_in_chunk() * self.storage.bits) as u64;
        let bytes = bits.div_ceil(8);
        let rows = self.chunks.height.min(self.height as usize) as u64;
        if bytes.saturating_mul(rows) > self.chunks.max_bytes {
            return Err(Fault::TooManyBytes);
        }
        usize::try_from(bytes).map_err(|_| Fault::TooManyBytes)
    }
}

/// Raw files of cameras are TIFF files whose first picture is a small preview.
fn refuse_raw(tags: &Tags) -> Result<(), Fault> {
    if tags.has(tags::DNG_VERSION) {
        return Err(Fault::unsupported("a camera's raw file (DNG)"));
    }
    if tags.number(tags::SUBFILE_TYPE, 0)? & 1 == 1 {
        return Err(Fault::unsupported(
            "a TIFF that begins with a preview, as raw files of cameras do",
        ));
    }
    Ok(())
}

fn compression(tags: &Tags) -> Result<Compression, Fault> {
    let other = match tags.number(tags::COMPRESSION, 1)? {
        1 => return Ok(Compression::None),
        3 if tags.number(tags::T4_OPTIONS, 0)? & 1 == 1 => "two-dimensional CCITT Group 3",
        3 => return Ok(Compression::Fax3),
        4 => return Ok(Compression::Fax4),
        5 => return Ok(Compression::Lzw),
        7 => return Ok(Compression::Jpeg),
        8 | 32_946 => return Ok(Compression::Deflate),
        32_773 => return Ok(Compression::PackBits),
        2 => "CCITT run lengths",
        6 => "JPEG of the old kind",
        33_003 | 33_004 | 33_005 | 34_712 => "JPEG 2000",
        34_676 | 34_677 => "SGI LogLuv",
        34_887 => "LERC",
        34_925 => "LZMA",
        50_000 => "Zstandard",
        50_001 => "WebP",
        50_002 | 52_546 => "JPEG XL",
        number => return Err(Fault::unsupported(format!("compression {number} in a TIFF"))),
    };
    Err(Fault::unsupported(format!("compression {other} in a TIFF")))
}

fn storage(tags: &Tags, compression: Compression) -> Result<Storage, Fault> {
    let bits = tags.shared(tags::BITS, 1, "depth")?;
    let (float, kind) = match tags.shared(tags::SAMPLE_FORMAT, 1, "format")? {
        // 4 is undefined: unsigned integers, as other readers take it.
        1 | 4 => (false, "unsigned integers"),
        2 => (false, "signed integers"),
        3 => (true, "floats"),
        _ => (false, "complex numbers"),
    };
    let fits = match compression {
        Compression::Fax3 | Compression::Fax4 => bits == 1,
        Compression::Jpeg => bits == 8,
        _ => true,
    };
    let known = match kind {
        "unsigned integers" => matches!(bits, 1..=16 | 24 | 32),
        "floats" => matches!(bits, 16 | 32 | 64),
        _ => false,
    };
    if !known || !fits {
        let compressed = if fits { "" } else { ", so compressed," };
        return Err(Fault::unsupported(format!(
            "{kind} of {bits} bits{compressed} in a TIFF"
        )));
    }
    Ok(Storage {
        bits: bits as usize,
        float,
        order: tags.order,
    })
}

fn predictor(tags: &Tags, storage: Storage, compression: Compression) -> Result<Predictor, Fault> {
    // For other compressions the tag has no meaning.
    if !matches!(compression, Compression::Lzw | Compression::Deflate) {
        return Ok(Predictor::None);
    }
    match tags.number(tags::PREDICTOR, 1)? {
        1 => Ok(Predictor::None),
        2 if matches!(storage.bits, 8 | 16 | 32 | 64) => Ok(Predictor::Horizontal),
        3 if storage.float => Ok(Predictor::Float),
        number => Err(Fault::unsupported(format!(
            "predictor {number} for {} bits in a TIFF",
            storage.bits
        ))),
    }
}

fn color(tags: &Tags, storage: Storage, compression: Compression) -> Result<Color, Fault> {
    let other = match tags.required(tags::PHOTOMETRIC, "kind of colour (PhotometricInterpretation)")? {
        number @ (0 | 1) => {
            return Ok(Color::Gray {
                white_is_zero: number == 0,
            });
        }
        2 => return Ok(Color::Rgb),
        3 => return palette(tags, storage).map(Color::Palette),
        5 if tags.number(tags::INK_SET, 1)? == 1 => return Ok(Color::Cmyk),
        6 => return ycbcr(tags, storage, compression),
        4 => "a mask of transparency as the picture",
        5 => "inks other than cyan, magenta, yellow and black",
        8..=10 => "L*a*b* colours",
        32_803 | 34_892 => "a sensor's raw values",
        32_844 | 32_845 => "LogLuv colours",
        number => {
            return Err(Fault::unsupported(format!(
                "kind of colour (PhotometricInterpretation) {number} in a TIFF"
            )));
        }
    };
    Err(Fault::unsupported(format!("{other} in a TIFF")))
}

/// A palette's colours have 16 bits, of which the high ones count; some programs write 8 bits.
fn palette(tags: &Tags, storage: Storage) -> Result<Vec<[f32; 3]>, Fault> {
    let map = tags.numbers(tags::COLOR_MAP)?.unwrap_or_default();
    let count = 1 << storage.bits.min(16);
    if storage.float || storage.bits > 16 || map.len() < 3 * count {
        return Err(Fault::damaged("its palette is missing or too short"));
    }
    let shift = if map.iter().all(|&value| value < 256) {
        0
    } else {
        8
    };
    let value = |at: usize| (map[at] >> shift) as f32;
    Ok((0..count)
        .map(|i| [value(i), value(count + i), value(2 * count + i)])
        .collect())
}

fn ycbcr(tags: &Tags, storage: Storage, compression: Compression) -> Result<Color, Fault> {
    let subsampling = tags.numbers(tags::YCBCR_SUBSAMPLING)?.unwrap_or(vec![2, 2]);
    if storage.bits != 8 {
        return Err(Fault::unsupported(format!(
            "luma and colour differences of {} bits in a TIFF",
            storage.bits
        )));
    }
    if compression != Compression::Jpeg && subsampling != [1, 1] {
        return Err(Fault::unsupported(
            "subsampled colour differences in a TIFF without JPEG compression",
        ));
    }
    let wrong = |_| Fault::damaged("its luma or reference colours are wrong");
    let coefficients = tags.fractions(tags::YCBCR_COEFFICIENTS)?;
    let reference = tags.fractions(tags::REFERENCE_BLACK_WHITE)?;
    Ok(Color::YCbCr {
        coefficients: coefficients
            .unwrap_or(vec![0.299, 0.587, 0.114])
            .try_into()
            .map_err(wrong)?,
        reference: reference
            .unwrap_or(vec![0.0, 255.0, 128.0, 255.0, 128.0, 255.0])
            .try_into()
            .map_err(wrong)?,
    })
}

/// The first of the further samples, when it is alpha. Without a word on it, it is, as other readers take it.
fn alpha(tags: &Tags, color: &Color, extra: usize) -> Result<Option<Alpha>, Fault> {
    let meaning = match tags.numbers(tags::EXTRA_SAMPLES)? {
        _ if extra == 0 || matches!(color, Color::Cmyk | Color::Palette(_)) => None,
        None => Some(2),
        Some(meanings) => meanings.first().copied(),
    };
    Ok(match meaning {
        Some(1) => Some(Alpha { premultiplied: true }),
        Some(2) => Some(Alpha { premultiplied: false }),
        _ => None,
    })
}

fn chunks(tags: &Tags, width: u32, height: u32) -> Result<Chunks, Fault> {
    let tiles = tags.has(tags::TILE_WIDTH);
    let (offsets, lengths, width, rows) = if tiles {
        (
            tags::TILE_OFFSETS,
            tags::TILE_LENGTHS,
            tags.required(tags::TILE_WIDTH, "width of a tile")?,
            tags.required(tags::TILE_HEIGHT, "height of a tile")?,
        )
    } else {
        let rows = tags.number(tags::ROWS_PER_STRIP, u64::MAX)?;
        (
            tags::STRIP_OFFSETS,
            tags::STRIP_LENGTHS,
            u64::from(width),
            rows.min(u64::from(height)),
        )
    };
    if tiles && width.max(rows) > MAX_TILE_SIDE {
        return Err(Fault::TooManyBytes);
    }
    if width == 0 || rows == 0 {
        return Err(Fault::damaged("its strips or tiles have no pixels"));
    }
    let offsets = tags.numbers(offsets)?.unwrap_or_default();
    // Some old files do not say how long strips are: then they are what they decode to.
    let lengths = tags.numbers(lengths)?.unwrap_or(vec![u64::MAX; offsets.len()]);
    let side = |side: u64| usize::try_from(side).map_err(|_| Fault::TooManyBytes);
    Ok(Chunks {
        width: side(width)?,
        height: side(rows)?,
        max_bytes: if tiles { MAX_TILE_BYTES } else { MAX_FILE_BYTES },
        places: offsets.into_iter().zip(lengths).collect(),
    })
}
