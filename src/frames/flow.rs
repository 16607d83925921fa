//! Optical flow, as Middlebury's `.flo` files have it.
//!
//! Source: Baker, Scharstein, Lewis, Roth, Black, Szeliski, "A database and evaluation methodology for optical flow", 2011;
//! the format is that of the `README` of its flow code: `PIEH` (202021.25 as a 32-bit float), width and height as 32-bit integers,
//! then for each pixel, row by row, its two components as 32-bit floats, all little-endian. A component beyond 1e9 says that
//! nothing is known there.

use std::path::{Path, PathBuf};

use super::FrameError;
use crate::files::{self, Input};
use crate::picture::{MAX_FILE_BYTES, MAX_SIDE, Picture};

const MAGIC: [u8; 4] = *b"PIEH";
const HEADER: usize = 12;
/// From here on a component stands for nothing known.
const UNKNOWN: f32 = 1e9;

/// For each pixel of one frame, how far it is from there to its place in another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    path: PathBuf,
    /// Width and height.
    size: (u32, u32),
    /// To the right and down, in pixels, row by row; 0 where nothing is known.
    vectors: Vec<f32>,
    /// Whether a pixel's vector is known.
    known: Vec<bool>,
}

impl Flow {
    /// Reads a `.flo` file.
    ///
    /// # Errors
    /// It cannot be read, or is no flow.
    pub fn load(path: &Path) -> Result<Flow, FrameError> {
        Flow::parse(&files::read(path, MAX_FILE_BYTES)?)
    }

    /// Decodes a file that has been read.
    ///
    /// # Errors
    /// It is no flow, is cut short, or has a vector that is not a number.
    pub fn parse(input: &Input) -> Result<Flow, FrameError> {
        let path = || input.name();
        let bytes = input.bytes();
        if bytes.len() < HEADER || bytes[..4] != MAGIC {
            return Err(FrameError::NotAFlow { path: path() });
        }
        let side = |at: usize| i32::from_le_bytes([0, 1, 2, 3].map(|byte| bytes[at + byte]));
        let (width, height) = (side(4), side(8));
        let valid = |side: i32| {
            u32::try_from(side)
                .ok()
                .filter(|side| (1..=MAX_SIDE).contains(side))
        };
        let Some(size) = valid(width).zip(valid(height)) else {
            return Err(FrameError::Sides {
                path: path(),
                width,
                height,
            });
        };
        let expected = HEADER as u64 + 8 * u64::from(size.0) * u64::from(size.1);
        if bytes.len() as u64 != expected {
            return Err(FrameError::Length {
                path: path(),
                size,
                expected,
                found: bytes.len() as u64,
            });
        }
        let component = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let mut vectors: Vec<f32> = bytes[HEADER..].chunks_exact(4).map(component).collect();
        if let Some(place) = vectors.iter().position(|value| !value.is_finite()) {
            let pixel = place / 2;
            return Err(FrameError::NotFinite {
                path: path(),
                at: (pixel % size.0 as usize, pixel / size.0 as usize),
            });
        }
        let is_known = |vector: &[f32]| vector.iter().all(|value| value.abs() <= UNKNOWN);
        let known: Vec<bool> = vectors.chunks_exact(2).map(is_known).collect();
        let unknown = vectors
            .chunks_exact_mut(2)
            .zip(&known)
            .filter(|(_, known)| !**known);
        unknown.for_each(|(vector, _)| vector.fill(0.0));
        Ok(Flow {
            path: path(),
            size,
            vectors,
            known,
        })
    }

    /// The file that it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Whether the vector of a pixel is known, row by row.
    pub(super) fn known(&self) -> &[bool] {
        &self.known
    }

    /// The vector between pixels, in pixels; the centre of the first one is at 0, 0.
    pub(super) fn at(&self, place: [f64; 2]) -> [f64; 2] {
        sample(&self.vectors, self.size, place)
    }

    /// The picture of this frame's place that has the pixels of the other one: each comes from where its vector points. The
    /// vectors are resized with the picture, which may have another size than the flow.
    pub(super) fn moved(&self, other: &Picture) -> Picture {
        let (width, height) = other.size();
        let scale = [
            f64::from(self.size.0) / f64::from(width),
            f64::from(self.size.1) / f64::from(height),
        ];
        let color = |x: u32, y: u32| {
            let place = [f64::from(x), f64::from(y)];
            let vector = self.at([0, 1].map(|axis| (place[axis] + 0.5) * scale[axis] - 0.5));
            let from = [0, 1].map(|axis| place[axis] + vector[axis] / scale[axis]);
            sample::<3>(other.rgb(), other.size(), from).map(|value| value as f32)
        };
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| color(x, y)));
        Picture::from_rgb(width, height, rgb.collect())
    }
}

/// The values between pixels that have `N` each, interpolated linearly; the edge goes on beyond it.
fn sample<const N: usize>(values: &[f32], size: (u32, u32), place: [f64; 2]) -> [f64; N] {
    let most = [f64::from(size.0 - 1), f64::from(size.1 - 1)];
    let [x, y] = [0, 1].map(|axis| place[axis].clamp(0.0, most[axis]));
    let (left, top) = (x.floor(), y.floor());
    let (across, down) = (x - left, y - top);
    let pixel = |x: f64, y: f64| {
        let place = y.min(most[1]) as usize * size.0 as usize + x.min(most[0]) as usize;
        <[f32; N]>::try_from(&values[N * place..N * (place + 1)])
            .unwrap_or([0.0; N])
            .map(f64::from)
    };
    let mixed = |a: [f64; N], b: [f64; N], share: f64| {
        std::array::from_fn(|index| a[index] * (1.0 - share) + b[index] * share)
    };
    let above = mixed(pixel(left, top), pixel(left + 1.0, top), across);
    let below = mixed(pixel(left, top + 1.0), pixel(left + 1.0, top + 1.0), across);
    mixed(above, below, down)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A flow file of this size, whose pixels have vectors by column and row.
    pub fn file(size: (u32, u32), vector: impl Fn(u32, u32) -> [f32; 2]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([size.0, size.1].iter().flat_map(|side| side.to_le_bytes()));
        for y in 0..size.1 {
            bytes.extend((0..size.0).flat_map(|x| vector(x, y)).flat_map(f32::to_le_bytes));
        }
        bytes
    }

    pub fn read(bytes: &[u8]) -> Result<Flow, FrameError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.flo");
        std::fs::write(&path, bytes).unwrap();
        Flow::load(&path)
    }

    pub fn constant(size: (u32, u32), vector: [f32; 2]) -> Flow {
        read(&file(size, |_, _| vector)).unwrap()
    }

    #[test]
    fn a_flow_is_read_with_its_size_and_vectors() {
        let flow = read(&file((3, 2), |x, y| [x as f32, -(y as f32)])).unwrap();
        assert_eq!(flow.size(), (3, 2));
        assert_eq!(flow.at([2.0, 1.0]), [2.0, -1.0]);
        assert_eq!(flow.at([0.5, 0.25]), [0.5, -0.25]);
        assert_eq!(flow.at([-4.0, 9.0]), [0.0, -1.0], "beyond an edge");
        assert_eq!(202_021.25_f32.to_le_bytes(), MAGIC);
    }

    #[test]
    fn what_is_not_known_does_not_move() {
        let flow = read(&file((2, 1), |x, _| [x as f32 * 1e10, 1.0])).unwrap();
        assert_eq!(flow.known(), [true, false]);
        assert_eq!(flow.at([1.0, 0.0]), [0.0, 0.0]);
    }

    #[test]
    fn what_is_no_flow_is_refused_with_the_reason() {
        let right = file((3, 2), |_, _| [0.0; 2]);
        let with = |at: usize, bytes: [u8; 4]| {
            let mut file = right.clone();
            file[at..at + 4].copy_from_slice(&bytes);
            file
        };
        let longer = [&right[..], &[0]].concat();
        for (file, reason) in [
            (b"PNG".to_vec(), "PIEH"),
            (with(0, *b"HEIP"), "PIEH"),
            (with(4, (-3_i32).to_le_bytes()), "-3x2 pixels cannot be"),
            (with(8, i32::MAX.to_le_bytes()), "3x2147483647 pixels cannot be"),
            (right[..59].to_vec(), "has 60 bytes, but this has 59"),
            (longer, "has 60 bytes, but this has 61"),
            (with(12 + 8 * 4 + 4, f32::NAN.to_le_bytes()), "column 1, row 1"),
            (with(12, f32::INFINITY.to_le_bytes()), "column 0, row 0"),
        ] {
            let error = read(&file).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("a.flo"), "{error}");
        }
        let missing = Flow::load(Path::new("not/there.flo")).unwrap_err().to_string();
        assert!(missing.contains("not/there.flo"), "{missing}");
    }
}
