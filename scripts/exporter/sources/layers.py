"""What all readers share: names, conventions, and the check that arrays make up a VGG19."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..vgg19 import LAYERS, Affine, Codebook, Convolution, convolution_of

CONVOLUTIONS = tuple(convolution_of(layer) for layer in LAYERS)

TORCHVISION_INDICES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
"""Positions of the convolutions in torchvision's `vgg19().features`, ReLUs and pools counted."""

CAFFE, TORCHVISION = "caffe", "torchvision"


class WeightsError(ValueError):
    """A weights file that cannot be used, and why."""


def _torchvision_affine() -> Affine:
    """From BGR, 0..255, mean subtracted to RGB, (x / 255 - mean) / std.

    The means and deviations are those of torchvision's ImageNet models, in RGB order.
    """
    bgr_mean = np.array([103.939, 116.779, 123.68])
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    order = (2, 1, 0)
    offset = (bgr_mean[list(order)] / 255 - mean) / std
    return Affine(order, tuple(1 / (255 * std)), tuple(offset))


CONVENTIONS: dict[str, Affine | None] = {CAFFE: None, TORCHVISION: _torchvision_affine()}
"""What is done to the program's image before the first convolution, by what the weights were trained for."""


def named_convolutions(path: Path, arrays: Mapping[str, np.ndarray]) -> dict[str, Convolution]:
    """Float weights named `features.N.weight` and `.bias`, as torchvision counts, or `convB_I.weight`."""
    convolutions = {}
    for name, index in zip(CONVOLUTIONS, TORCHVISION_INDICES, strict=True):
        prefix = name if f"{name}.weight" in arrays else f"features.{index}"
        weight, bias = (_float32(path, arrays, f"{prefix}.{part}") for part in ("weight", "bias"))
        convolutions[name] = Convolution(weight, bias)
    return check(path, convolutions)


def check(path: Path, convolutions: dict[str, Convolution]) -> dict[str, Convolution]:
    """Every convolution must take what the one before it gives, and hold finite numbers."""
    channels = 3
    for name, convolution in convolutions.items():
        shape = convolution.weight.shape
        if len(shape) != 4 or shape[0] == 0 or shape[1:] != (channels, 3, 3):
            raise WeightsError(f"{path}: {name} has weights {list(shape)}, expected [out, {channels}, 3, 3]")
        channels = shape[0]
        if convolution.bias.shape != (channels,):
            raise WeightsError(
                f"{path}: {name} has bias {list(convolution.bias.shape)}, expected [{channels}]"
            )
        if not all(_is_finite(part) for part in (convolution.weight, convolution.bias)):
            raise WeightsError(f"{path}: {name} holds numbers that are not finite")
    return convolutions


def _float32(path: Path, arrays: Mapping[str, np.ndarray], key: str) -> np.ndarray:
    if key not in arrays:
        raise WeightsError(f"{path}: no tensor '{key}'; is this a VGG19?")
    array = arrays[key]
    if array.dtype.kind != "f":
        raise WeightsError(f"{path}: tensor '{key}' is {array.dtype}, expected real numbers")
    return np.ascontiguousarray(array, np.float32)


def _is_finite(tensor: np.ndarray | Codebook) -> bool:
    return bool(np.isfinite(tensor.entries if isinstance(tensor, Codebook) else tensor).all())
