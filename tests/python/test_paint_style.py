"""The demo's style picture, painted small."""

import zlib

import numpy as np
import pytest

import paint_style


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(paint_style, "SIZE", 64)
    monkeypatch.setattr(paint_style, "LAYERS", [(12, 30, 80, 0.05), (5, 14, 60, 0.1)])


def test_the_same_seed_gives_the_same_painting(small):
    assert np.array_equal(paint_style.paint(seed=5), paint_style.paint(seed=5))
    assert not np.array_equal(paint_style.paint(seed=5), paint_style.paint(seed=6))


def test_the_canvas_is_covered_with_colours_in_range(small):
    picture = paint_style.paint(seed=5)
    assert picture.shape == (64, 64, 3)
    assert picture.min() >= 0 and picture.max() <= 1
    assert picture.std(axis=(0, 1)).min() > 0.1


def test_an_arc_passes_through_the_points_that_its_coordinates_tell():
    start, angle, curvature = np.array([20.0, 30.0]), 0.7, 0.04
    box = (slice(0, 80), slice(0, 80))
    along, across = paint_style.arc_coordinates(box, start, angle, curvature)
    for distance in (0.0, 10.0, 25.0):
        column, row = (
            paint_style.arc_points(start, angle, curvature, np.array([distance]))[0].round().astype(int)
        )
        assert abs(along[row, column] - distance) < 1
        assert abs(across[row, column]) < 1


def test_the_png_holds_the_pixels(tmp_path):
    picture = np.linspace(0, 1, 2 * 3 * 3).reshape(2, 3, 3)
    paint_style.write_png(tmp_path / "picture.png", picture)
    data = (tmp_path / "picture.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    start = data.index(b"IDAT") + 4
    rows = zlib.decompress(data[start : data.index(b"IEND") - 8])
    assert rows == b"".join(b"\0" + bytes(row.ravel()) for row in np.round(picture * 255).astype(np.uint8))
