"""What the formats share: a case, and pixels to store."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Case:
    """A file and what it shows, upright: colours from 0 to 255, alpha too if there is any."""

    name: str
    content: bytes
    rgb: np.ndarray
    alpha: np.ndarray | None = None
    # The most that a colour may be off, of 255.
    within: float = 0.0
    # What its only warning says, if there is one.
    warning: str | None = None


@dataclass
class Refused:
    """A file that is not read, and what of the reason the message says."""

    name: str
    content: bytes
    reason: str


def speckle(shape, bits):
    """Whole numbers without any pattern over the whole range of so many bits."""
    generator = np.random.default_rng([bits, *shape])
    values = generator.integers(0, 2**bits, shape)
    values.flat[:2] = [0, 2**bits - 1]
    return values


def scaled(values, bits):
    return values.astype(np.float64) * 255 / (2**bits - 1)


def smooth(height, width):
    """Colours that change slowly, in 8 bits: what lossy formats keep well."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [x * 200 / width + 20, y * 200 / height + 30, 230 - (x + y) * 150 / (width + height)]
    return np.stack(channels, axis=2).round().astype(np.uint8)


def upright(picture, orientation):
    """The stored rows and columns as EXIF's orientation turns them."""
    turned = [
        picture,
        picture[:, ::-1],
        picture[::-1, ::-1],
        picture[::-1],
        picture.swapaxes(0, 1),
        np.rot90(picture, -1),
        picture[::-1, ::-1].swapaxes(0, 1),
        np.rot90(picture),
    ]
    return turned[orientation - 1]
