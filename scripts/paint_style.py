"""Paints the style picture of the demo: a night landscape in thick, swirling strokes of oil paint.

    python3 scripts/paint_style.py OUT.png [SEED]

The scene gives every point a colour and a direction. Strokes are arcs that follow the directions, laid from
broad to fine; each has bristle streaks, two half-mixed colours and a thickness. At the end a lamp from the
upper left lights the relief of the paint. The same seed gives the same painting.
"""

import struct
import sys
import zlib
from pathlib import Path

import numpy as np

SIZE = 768

# Width and length of the strokes in pixels, their number, and how far their colour may stray.
LAYERS = [
    (26, 110, 1500, 0.05),
    (15, 72, 4200, 0.08),
    (9, 46, 3600, 0.10),
    (5, 28, 1400, 0.10),
]

# Centre, radius and strength of the whirls in the sky; the sign is the sense of rotation.
WHIRLS = [
    (0.40, 0.27, 0.15, 2.6),
    (0.60, 0.37, 0.10, -2.4),
    (0.13, 0.42, 0.08, 1.6),
]
# Centre and radius of the lights; the first is the moon.
LIGHTS = [
    (0.84, 0.15, 0.075),
    (0.17, 0.12, 0.040),
    (0.62, 0.10, 0.030),
    (0.30, 0.46, 0.026),
    (0.83, 0.42, 0.034),
    (0.05, 0.28, 0.024),
    (0.47, 0.06, 0.020),
]


def rgb(*codes):
    return np.array([[int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)] for code in codes])


NIGHT = rgb("0b1440", "16277a", "1f49a8", "3f7cc9", "8fbfe0", "d9e8d8")
GLOW = rgb("fff6c9", "ffe06a", "f7b52c", "d9862b", "7d8f6a")
HILLS = rgb("0d1f3f", "17415c", "1f6a6a", "3f8a63", "86a95a")
FIELD = rgb("5b3a14", "a8691c", "d9982a", "f2c744", "fbe89a")
CYPRESS = rgb("07130f", "10301f", "23512a", "56702c", "8a6a28")


def palette(colours, t):
    """Colours along a ramp at t in 0..1, per point."""
    t = np.clip(t, 0, 1) * (len(colours) - 1)
    low = np.minimum(t.astype(int), len(colours) - 2)
    part = (t - low)[..., None]
    return colours[low] * (1 - part) + colours[low + 1] * part


def smooth_noise(rng, shape, cells):
    """Value noise in -1..1 with about `cells` features along each axis."""
    grid = rng.uniform(-1, 1, (cells[0] + 2, cells[1] + 2))
    y, x = (np.linspace(0, count, length, endpoint=False) for count, length in zip(cells, shape, strict=True))
    rows = interpolate(grid, y)
    return interpolate(rows.T, x).T


def interpolate(grid, position):
    low = position.astype(int)
    part = position - low
    part = (part * part * (3 - 2 * part))[:, None]
    return grid[low] * (1 - part) + grid[low + 1] * part


def scene(rng):
    """Colour [H,W,3] and direction (angle, [H,W]) of every point."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    noise = smooth_noise(rng, (SIZE, SIZE), (5, 5)) + 0.5 * smooth_noise(rng, (SIZE, SIZE), (13, 13))
    colour, angle = sky(x, y, noise)
    for part in (far_hills, near_hills, field, cypress):
        mask, part_colour, part_angle = part(x, y, noise)
        colour = np.where(mask[..., None], part_colour, colour)
        angle = np.where(mask, part_angle, angle)
    return colour, angle


def sky(x, y, noise):
    flow_x, flow_y = np.ones_like(x), 0.35 * np.cos(7 * x + 2 * noise)
    tone = 0.30 + 0.18 * noise + 0.35 * (y - 0.2) + 0.10 * np.sin(42 * y + 7 * np.sin(5 * x) + 2 * noise)
    for centre_x, centre_y, radius, strength in WHIRLS:
        dx, dy = x - centre_x, y - centre_y
        distance = np.hypot(dx, dy) + 1e-6
        pull = np.abs(strength) * np.exp(-((distance / radius / 1.25) ** 2))
        turn = np.sign(strength)
        flow_x += pull * (-dy / distance * turn - 0.25 * dx / distance) * 1.6
        flow_y += pull * (dx / distance * turn - 0.25 * dy / distance) * 1.6
        arms = np.sin(2 * np.arctan2(dy, dx) - turn * 16 * np.log(distance / radius + 0.35))
        tone += np.minimum(pull, 1) * (0.30 * arms + 0.22)
    colour = palette(NIGHT, tone)
    for centre_x, centre_y, radius in LIGHTS:
        dx, dy = x - centre_x, y - centre_y
        distance = np.hypot(dx, dy) + 1e-6
        pull = 5 * np.exp(-((distance / radius / 1.5) ** 2))
        flow_x += pull * -dy / distance
        flow_y += pull * dx / distance
        rings = distance / radius + 0.12 * np.sin(26 * distance / radius) + 0.08 * noise
        glow = np.clip(1.25 - rings / 1.9, 0, 1)[..., None]
        colour = colour * (1 - glow) + palette(GLOW, rings / 1.9) * glow
    return colour, np.arctan2(flow_y, flow_x)


def ridge(x, base, height, waves, shift):
    return base - height * (np.sin(waves * x + shift) + 0.4 * np.sin(2.3 * waves * x + 2 * shift))


def slope_angle(edge):
    return np.arctan(np.gradient(edge, axis=1) * SIZE)


def far_hills(x, y, noise):
    edge = ridge(x, 0.60, 0.035, 6.5, 0.6)
    depth = y - edge
    tone = 0.62 - 4.2 * depth + 0.16 * noise + 0.16 * np.sin(70 * depth + 9 * x)
    return depth > 0, palette(HILLS, tone) * [0.85, 0.95, 1.25], slope_angle(edge) + 0.3 * noise


def near_hills(x, y, noise):
    edge = ridge(x, 0.70, 0.04, 5.0, 3.4)
    depth = y - edge
    tone = 0.85 - 4.5 * depth + 0.22 * noise + 0.2 * np.sin(60 * depth - 11 * x)
    return depth > 0, palette(HILLS, tone), slope_angle(edge) - 0.9 * depth / 0.1 + 0.35 * noise


def field(x, y, noise):
    edge = ridge(x, 0.80, 0.02, 4.0, 1.2)
    depth = y - edge
    # Rows of wheat run towards a point on the horizon.
    row = np.arctan2(y - 0.62, x - 0.66)
    tone = 0.58 + 0.22 * noise + 0.32 * np.sin(46 * row) + 0.4 * (0.1 - depth)
    colour = palette(FIELD, tone)
    poppies = (np.sin(61 * x + 5 * noise) * np.sin(83 * y + 3 * x) > 0.82) & (depth > 0.03)
    colour = np.where(poppies[..., None], rgb("c8361d")[0], colour)
    return depth > 0, colour, row + 0.45 * np.sin(20 * x + 3 * noise)


def cypress(x, y, noise):
    top, foot = 0.10, 0.93
    along = np.clip((y - top) / (foot - top), 0, 1)
    middle = 0.215 + 0.014 * np.sin(11 * y)
    half = 0.085 * np.sin(np.pi * along**1.5) ** 0.9 * (1 + 0.25 * np.sin(38 * y + 4 * noise)) + 0.008 * along
    across = (x - middle) / np.maximum(half, 1e-6)
    inside = (np.abs(across) < 1) & (y > top) & (y < foot)
    tone = 0.34 + 0.22 * np.sin(9 * across + 22 * y + 2 * noise) - 0.25 * across
    return inside, palette(CYPRESS, tone), np.pi / 2 + 0.75 * np.sin(16 * y + 3 * across) - 0.2 * across


class Canvas:
    """The colour that lies on top, and how high the paint stands."""

    def __init__(self, rng, ground):
        self.colour = np.broadcast_to(ground, (SIZE, SIZE, 3)).copy()
        self.height = 0.1 * weave()
        self.bristles = [bristle_texture(rng) for _ in range(8)]

    def stroke(self, rng, start, angle, curvature, width, length, colours):
        """An arc from `start`; `colours` are the two half-mixed paints on the brush."""
        box = self.box(start, angle, curvature, width, length)
        if box is None:
            return
        along, across = arc_coordinates(box, start, angle, curvature)
        side = across / (width / 2)
        end = along / length
        texture = self.bristles[rng.integers(len(self.bristles))]
        streak = texture[
            np.clip((end * 180 + rng.integers(60)).astype(int), 0, 255),
            np.clip((across * 2 + 32).astype(int), 0, 63),
        ]
        opacity = coverage(side, end, streak, width)
        mix = np.clip(0.5 + 0.55 * streak + 0.25 * side, 0, 1)[..., None]
        paint = colours[0] * (1 - mix) + colours[1] * mix
        self.blend(box, opacity, paint, relief(side, end, streak) * (0.35 + width / 26))

    def box(self, start, angle, curvature, width, length):
        """The pixels that the arc can touch, or None outside the canvas."""
        points = arc_points(start, angle, curvature, np.linspace(0, length, 6))
        low = np.maximum(points.min(axis=0) - 0.75 * width, 0).astype(int)
        high = np.minimum(points.max(axis=0) + 0.75 * width + 1, SIZE).astype(int)
        if (low >= high).any():
            return None
        return slice(low[1], high[1]), slice(low[0], high[0])

    def blend(self, box, opacity, paint, thickness):
        top = opacity[..., None]
        self.colour[box] = self.colour[box] * (1 - top) + paint * top
        # The brush flattens what was there and leaves its own relief.
        self.height[box] = self.height[box] * (1 - 0.65 * opacity) + thickness * opacity

    def lit(self):
        """Lamplight from the upper left on the relief: shade, and a shine on the wet ridges."""
        dy, dx = np.gradient(self.height * 2.5)
        normal = unit(np.stack([-dx, -dy, np.ones_like(dx)], axis=-1))
        lamp = unit(np.array([-0.45, -0.6, 0.66]))
        between = unit(lamp + [0, 0, 1])
        shade = normal @ lamp / lamp[2]
        # A flat canvas does not shine: only what is brighter than it is added.
        shine = np.clip(normal @ between, 0, 1) ** 40 - between[2] ** 40
        light = (0.35 + 0.65 * np.clip(shade, 0, 1.6))[..., None]
        return np.clip(self.colour * light + 0.30 * np.clip(shine, 0, 1)[..., None], 0, 1)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def weave():
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    return np.sin(2.1 * x) * np.sin(2.1 * y)


def bristle_texture(rng):
    """Streaks along the first axis, -1..1: what the hairs of a brush leave behind."""
    fine = smooth_noise(rng, (256, 64), (6, 22))
    coarse = smooth_noise(rng, (256, 64), (3, 9))
    return np.clip(0.7 * fine + 0.7 * coarse, -1, 1)


def arc_points(start, angle, curvature, distances):
    """Points [n,2] on an arc that leaves `start` with heading `angle`."""
    half_turn = curvature * distances / 2
    chord = distances * np.sinc(half_turn / np.pi)
    return start + np.stack([chord * np.cos(angle + half_turn), chord * np.sin(angle + half_turn)], axis=-1)


def arc_coordinates(box, start, angle, curvature):
    """Distance along and across an arc, for every pixel of the box."""
    y, x = np.ogrid[box]
    dx, dy = x - start[0], y - start[1]
    forward = dx * np.cos(angle) + dy * np.sin(angle)
    left = dy * np.cos(angle) - dx * np.sin(angle)
    bend = np.sign(curvature) or 1.0
    radius = 1 / max(abs(curvature), 1e-5)
    from_centre = radius - bend * left
    along = radius * np.arctan2(forward, from_centre)
    return along, bend * (radius - np.hypot(forward, from_centre))


def coverage(side, end, streak, width):
    """Opacity: round ends, hairy sides, and a tail where the brush runs dry."""
    taper = np.sqrt(np.clip(1 - np.clip(2 * np.abs(end - 0.5), 0, 1) ** 6, 0, 1))
    edge = (taper * (1 + 0.14 * streak) - np.abs(side)) * width / 2
    dry = 1 - np.clip((end - 0.72 + 0.30 * streak) * 3.2, 0, 1)
    inside = (end > 0) & (end < 1)
    return np.clip(edge + 0.5, 0, 1) * inside * (0.12 + 0.88 * dry)


def relief(side, end, streak):
    """Paint is pushed to the sides of the stroke and to where the brush was lifted."""
    ridges = 0.55 + 0.6 * np.clip(np.abs(side), 0, 1) ** 4
    return ridges + 0.5 * streak + 0.35 * np.exp(-((end - 0.9) ** 2) / 0.01)


def paint(seed=1889):
    rng = np.random.default_rng(seed)
    colour, angle = scene(rng)
    canvas = Canvas(rng, rgb("6b4a2b")[0])
    for width, length, count, stray in LAYERS:
        for start in scattered(rng, count):
            lay_stroke(canvas, rng, colour, angle, start, width, length, stray)
    return canvas.lit()


def scattered(rng, count):
    """Points on a jittered grid, in random order: everything gets covered, nothing looks ruled."""
    side = int(np.ceil(np.sqrt(count)))
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    points = (grid + rng.uniform(0, 1, grid.shape)) / side * SIZE
    return rng.permutation(points)


def lay_stroke(canvas, rng, colour, angle, middle, width, length, stray):
    column, row = middle.astype(int)
    heading = angle[row, column] + rng.normal(0, 0.08)
    direction = np.array([np.cos(heading), np.sin(heading)])
    curvature = np.clip(turning(angle, middle, direction), -0.06, 0.06)
    length *= rng.uniform(0.7, 1.3)
    # Half of the arc lies before the middle, where the heading is the scene's.
    start = arc_points(middle, heading, curvature, np.array([-length / 2]))[0]
    start_heading = heading - curvature * length / 2
    base = colour[row, column] + rng.normal(0, stray * 0.6)
    colours = [
        np.clip(base + rng.normal(0, stray) + rng.normal(0, stray * 0.6, 3), 0.02, 1) for _ in range(2)
    ]
    canvas.stroke(rng, start, start_heading, curvature, width * rng.uniform(0.75, 1.2), length, colours)


def turning(angle, middle, direction, step=9):
    """Change of direction per pixel along the flow."""
    ahead, behind = (
        angle[tuple(np.clip(middle + sign * step * direction, 0, SIZE - 1).astype(int)[::-1])]
        for sign in (1, -1)
    )
    return np.angle(np.exp(1j * (ahead - behind))) / (2 * step)


def write_png(path, picture):
    pixels = np.round(picture * 255).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b"")]
    with Path(path).open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in chunks:
            file.write(
                struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            )


if __name__ == "__main__":
    write_png(sys.argv[1], paint(*map(int, sys.argv[2:3])))
