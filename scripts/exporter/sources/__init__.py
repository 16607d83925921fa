"""Weights files of several kinds, all read into one `Vgg19Weights`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np

from ..vgg19 import Vgg19Weights
from . import codebook, npz, safetensors, seeded, state_dict
from .layers import CAFFE, CONVENTIONS, TORCHVISION, WeightsError, named_convolutions

__all__ = ["CONVENTIONS", "WeightsError", "load"]

TORCHVISION_SHA256_PREFIX = "dcbb9e9d"
"""Of torchvision's published VGG19 checkpoint, whose file name carries it: vgg19-dcbb9e9d.pth."""

READERS: dict[str, Callable[[Path], Mapping[str, np.ndarray]]] = {
    ".npz": npz.read,
    ".safetensors": safetensors.read,
    ".pth": state_dict.read,
    ".pt": state_dict.read,
}


def load(specification: str, width_divisor: int = 1, convention: str | None = None) -> Vgg19Weights:
    """Read `specification`: a file, or `random:SEED` for seeded weights with channel counts divided.

    `convention` says what input float weights were trained for; None chooses by the file.
    """
    kind, _, seed = specification.partition(":")
    if kind == "random":
        return seeded.weights(seed, width_divisor)
    if width_divisor != 1:
        raise WeightsError(
            "a width divisor goes with random:SEED only; weights of a file have their own widths"
        )
    return _load_file(Path(specification), convention)


def _load_file(path: Path, convention: str | None) -> Vgg19Weights:
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file")
    digest = sha256(path.read_bytes()).hexdigest()
    if path.suffix == ".bin":
        convolutions, kind, convention = codebook.read(path), "8-bit codebook", convention or CAFFE
    elif path.suffix in READERS:
        convolutions, kind = named_convolutions(path, READERS[path.suffix](path)), "float32"
        convention = convention or _default_convention(digest)
    else:
        known = ", ".join([".bin", *READERS])
        raise WeightsError(f"{path}: unknown kind of weights file; known are {known} and random:SEED")
    source = f"{path.name} ({kind}, {convention} convention)"
    return Vgg19Weights(convolutions, CONVENTIONS[convention], source, digest)


def _default_convention(digest: str) -> str:
    return TORCHVISION if digest.startswith(TORCHVISION_SHA256_PREFIX) else CAFFE
