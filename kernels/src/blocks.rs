//! How a layer's tiles are cut into blocks.

use super::Size;
use super::winograd::TILE;
use std::ops::Range;

/// Tiles that follow one another in a row of tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Place of the first tile among those of the task.
    pub first: usize,
    /// Row of tiles.
    pub row: usize,
    /// Column of the first tile.
    pub col: usize,
    /// Number of tiles.
    pub count: usize,
}

impl Run {
    /// Cuts the run where a vector of `lanes` tiles of the task ends.
    #[inline(always)]
    pub(crate) fn by_vector(self, lanes: usize) -> impl Iterator<Item = Run> {
        let mut done = 0;
        std::iter::from_fn(move || {
            let first = self.first + done;
            let count = (self.count - done).min(lanes - first % lanes);
            let run = Run {
                first,
                col: self.col + done,
                count,
                ..self
            };
            done += count;
            (count > 0).then_some(run)
        })
    }
}

/// The tiles of a layer in strips of columns: going down a strip, the rows that two tiles share
/// are still in cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    rows: usize,
    cols: usize,
    /// Columns of a strip; the last one may have fewer.
    strip: usize,
}

/// Some columns of tiles, numbered in row-major order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strip {
    rows: usize,
    first_col: usize,
    cols: usize,
}

impl Grid {
    /// Strips of about `most` columns, and whole vectors of `lanes`.
    pub(crate) fn new(size: Size, most: usize, lanes: usize) -> Self {
        let (rows, cols) = (size.height.div_ceil(TILE), size.width.div_ceil(TILE));
        let strip = even_parts(cols, most).next_multiple_of(lanes).min(cols);
        Self { rows, cols, strip }
    }

    pub(crate) fn strips(self) -> usize {
        self.cols.div_ceil(self.strip)
    }

    pub(crate) fn strip(self, index: usize) -> Strip {
        let first_col = index * self.strip;
        Strip {
            rows: self.rows,
            first_col,
            cols: self.strip.min(self.cols - first_col),
        }
    }
}

impl Strip {
    pub(crate) fn tiles(self) -> usize {
        self.rows * self.cols
    }

    /// The runs that a range of tiles consists of.
    #[inline(always)]
    pub(crate) fn runs(self, tiles: Range<usize>) -> impl Iterator<Item = Run> {
        let (mut row, mut col) = (tiles.start / self.cols, tiles.start % self.cols);
        let mut first = 0;
        std::iter::from_fn(move || {
            let count = (tiles.len() - first).min(self.cols - col);
            let run = Run {
                first,
                row,
                col: self.first_col + col,
                count,
            };
            (first, row, col) = (first + count, row + 1, 0);
            (count > 0).then_some(run)
        })
    }
}

/// Vectors in panels of at most `most`, as equal as can be; yields (first vector, vectors).
#[inline(always)]
pub(crate) fn panels(vectors: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let panels = vectors.div_ceil(most);
    (0..panels).map(move |i| {
        let (start, end) = (i * vectors / panels, (i + 1) * vectors / panels);
        (start, end - start)
    })
}

/// `total` in parts of at most `most`, as equal as can be: the size of the parts.
pub(crate) fn even_parts(total: usize, most: usize) -> usize {
    total.div_ceil(total.div_ceil(most).max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_a_range_of_tiles_and_end_with_rows_and_vectors() {
        let strip = Grid::new(Size { height: 9, width: 20 }, 8, 4).strip(0);
        let runs: Vec<_> = strip.runs(3..12).collect();
        let run = |first, row, col, count| Run {
            first,
            row,
            col,
            count,
        };
        assert_eq!(runs, [run(0, 0, 3, 2), run(2, 1, 0, 5), run(7, 2, 0, 2)]);
        let parts: Vec<_> = runs[1].by_vector(4).collect();
        assert_eq!(parts, [run(2, 1, 0, 2), run(4, 1, 2, 3)]);
    }

    #[test]
    fn panels_are_even() {
        assert_eq!(panels(7, 3).collect::<Vec<_>>(), [(0, 2), (2, 2), (4, 3)]);
        assert_eq!(even_parts(16, 6), 6);
        assert_eq!(even_parts(16, 4), 4);
        assert_eq!(even_parts(1, 6), 1);
    }
}
