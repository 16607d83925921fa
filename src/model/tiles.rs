//! How a picture is cut into tiles that compute exactly what the whole picture does. (The 4x4 tiles of the Winograd convolution
//! are another thing, in the crate `impasto-kernels`.)
//!
//! A tile is a window, whose places are its own, and a halo around it as wide as the receptive field of the deepest layer
//! reaches; at the picture's edge there is none. Windows partition the places of every layer: they begin where every pool does. All tiles of a
//! picture have one shape, so that one session runs them, and begin at multiples of [`GRID`], so that the convolutions'
//! blocks lie as in the whole picture. B. Galerne, L. Raad, J. Lezama, J.-M. Morel, "Scaling painting style transfer" (2024)
//! compute in two passes so; there the gradient's halo is wider, since what a window injects is not added up.

use std::ops::Range;

use ndarray::{Array4, s};

use super::layers::{halo, layer_size};

/// What tiles begin at multiples of, in pixels: four places, a tile of the convolutions, of the deepest layer.
const GRID: u32 = 64;

/// The width and the height of the windows that pictures are cut into, in pixels, before they are rounded to what the grid
/// allows; along a side with 0 a picture is not cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Across.
    pub width: u32,
    /// Down.
    pub height: u32,
}

impl Window {
    /// Pictures are not cut.
    pub const WHOLE: Window = Window::square(0);

    /// As high as wide.
    pub const fn square(side: u32) -> Window {
        Window {
            width: side,
            height: side,
        }
    }
}

/// The tiles of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tiling {
    /// Width and height of every tile in pixels.
    pub tile: (u32, u32),
    /// Row by row.
    pub tiles: Vec<Tile>,
}

/// A part of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    /// Across, and down.
    spans: [Span; 2],
}

/// A tile along one side of the picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: u32,
    /// The window's ends, from the tile's start on.
    window: (u32, u32),
}

impl Tiling {
    /// Tiles with such windows, for pictures of `size` (width, height) of which these layers are seen; one for the whole
    /// picture if it is not to be cut or nothing is gained.
    pub(crate) fn new<'a>(
        size: (u32, u32),
        window: Window,
        layers: impl IntoIterator<Item = &'a String>,
    ) -> Self {
        let halo = halo(layers);
        let (width, columns) = spans(size.0, window.width, halo);
        let (height, rows) = spans(size.1, window.height, halo);
        let tiles = rows
            .iter()
            .flat_map(|&row| columns.iter().map(move |&column| Tile { spans: [column, row] }));
        Self {
            tile: (width, height),
            tiles: tiles.collect(),
        }
    }

    /// The rows and the columns of the picture that a tile has, at a layer or in pixels.
    pub(crate) fn place(&self, tile: &Tile, layer: Option<&str>) -> [Range<usize>; 2] {
        let (width, height) = at(layer, self.tile);
        let (x, y) = at(layer, (tile.spans[0].start, tile.spans[1].start));
        [range(y, y + height), range(x, x + width)]
    }

    /// The guide of a tile, at a layer or in pixels, `[regions, 1, h, w]`: in its window that of the whole picture,
    /// ones without it; else zeros.
    pub(crate) fn guide(&self, tile: &Tile, layer: Option<&str>, whole: Option<&Array4<f32>>) -> Array4<f32> {
        let (width, height) = at(layer, self.tile);
        let regions = whole.map_or(1, |whole| whole.dim().0);
        let mut guide = Array4::zeros((regions, 1, height as usize, width as usize));
        let [own_rows, own_columns] = tile.window(layer);
        let mut window = guide.slice_mut(s![.., .., own_rows.clone(), own_columns.clone()]);
        match whole {
            None => window.fill(1.0),
            Some(whole) => {
                let [rows, columns] = self.place(tile, layer);
                let part = whole.slice(s![.., .., rows, columns]);
                window.assign(&part.slice(s![.., .., own_rows, own_columns]));
            }
        }
        guide
    }

    /// Whether the picture is one tile.
    pub(crate) fn is_whole(&self) -> bool {
        self.tiles.len() == 1
    }
}

impl Tile {
    /// The rows and the columns of the tile that are its window, at a layer or in pixels.
    pub(crate) fn window(&self, layer: Option<&str>) -> [Range<usize>; 2] {
        let [across, down] = self.spans.map(|span| span.window);
        let (left, top) = at(layer, (across.0, down.0));
        let (right, bottom) = at(layer, (across.1, down.1));
        [range(top, bottom), range(left, right)]
    }
}

fn range(start: u32, end: u32) -> Range<usize> {
    start as usize..end as usize
}

/// A size or a place in pixels at a layer.
fn at(layer: Option<&str>, pixels: (u32, u32)) -> (u32, u32) {
    layer.map_or(pixels, |layer| layer_size(layer, pixels))
}

/// The length of the tiles along a side of `extent` pixels, and the tiles.
fn spans(extent: u32, side: u32, halo: u32) -> (u32, Vec<Span>) {
    let step = (side / GRID).max(1) * GRID;
    // As long as the whole in what the grid leaves, so that the last tile ends with it.
    let least = step + 2 * halo;
    let length = least + (GRID + extent % GRID - least % GRID) % GRID;
    if side == 0 || length >= extent {
        let whole = Span {
            start: 0,
            window: (0, extent),
        };
        return (extent, vec![whole]);
    }
    let last = extent - length;
    let starts: Vec<u32> = (0..last).step_by(step as usize).chain([last]).collect();
    let begin = |index: usize| if index == 0 { 0 } else { starts[index] + halo };
    let spans = starts.iter().enumerate().map(|(index, &start)| {
        let end = if index + 1 < starts.len() {
            begin(index + 1)
        } else {
            extent
        };
        Span {
            start,
            window: (begin(index) - start, end - start),
        }
    });
    (length, spans.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_partition_every_layer_and_are_far_enough_from_the_tiles_ends() {
        let layers = ["relu1_1", "relu3_1", "relu5_1"].map(str::to_owned);
        for size in [(640, 480), (613, 459), (1024, 300), (257, 1000), (80, 2048)] {
            for (width, height) in [
                (1, 1),
                (64, 64),
                (100, 100),
                (256, 256),
                (512, 512),
                (512, 128),
                (0, 256),
            ] {
                let window = Window { width, height };
                let tiling = Tiling::new(size, window, &layers);
                for layer in [None, Some("relu1_1"), Some("relu3_1"), Some("relu5_1")] {
                    let (width, height) = at(layer, size);
                    let mut seen = ndarray::Array2::zeros((height as usize, width as usize));
                    for tile in &tiling.tiles {
                        let [rows, columns] = tiling.place(tile, layer);
                        let guide = tiling.guide(tile, layer, None);
                        let mut part = seen.slice_mut(s![rows, columns]);
                        part += &guide.slice(s![0, 0, .., ..]);
                    }
                    assert!(
                        seen.iter().all(|&count: &f32| count == 1.0),
                        "{size:?} {window:?} {layer:?}"
                    );
                }
                for tile in &tiling.tiles {
                    let [rows, columns] = tiling.place(tile, None);
                    let [own_rows, own_columns] = tile.window(None);
                    for (place, own, extent) in [(columns, own_columns, size.0), (rows, own_rows, size.1)] {
                        let (start, begin, end, length) = (place.start, own.start, own.end, place.len());
                        assert!(start % 64 == 0 && (begin + start) % 16 == 0 && begin < end);
                        assert!(start == 0 || begin >= 70);
                        let ends = start + length == extent as usize;
                        assert!(ends || end + 70 <= length);
                    }
                }
            }
        }
    }

    #[test]
    fn a_picture_that_is_hardly_larger_than_a_tile_is_whole() {
        let layers = ["relu5_1".to_owned()];
        assert!(Tiling::new((640, 480), Window::WHOLE, &layers).is_whole());
        let tiling = Tiling::new((256, 200), Window::square(128), &layers);
        assert!(tiling.is_whole() && tiling.tile == (256, 200));
        let tiling = Tiling::new((640, 200), Window::square(128), &layers);
        assert_eq!((tiling.tile, tiling.tiles.len()), ((320, 200), 4));
    }
}
