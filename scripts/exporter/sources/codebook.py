"""The default weights: the original VGG19 as an 8-bit codebook, 256 float32 entries a layer.

Per convolution the file has uint8 indices `blockB_convI_W_q` [out, in, 3, 3], their float32 table
`blockB_convI_W_table` [256], and a float32 bias `blockB_convI_b` [out].
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..vgg19 import Codebook, Convolution
from . import legacy_torch
from .layers import CONVOLUTIONS, WeightsError, check


def read(path: Path) -> dict[str, Convolution]:
    tensors = legacy_torch.read(path)
    return check(path, {name: _convolution(path, tensors, name) for name in CONVOLUTIONS})


def _convolution(path: Path, tensors: dict[str, np.ndarray], name: str) -> Convolution:
    block, index = name[len("conv") :].split("_")
    prefix = f"block{block}_conv{index}"
    weight = Codebook(
        _tensor(path, tensors, f"{prefix}_W_q", np.uint8),
        _tensor(path, tensors, f"{prefix}_W_table", np.float32),
    )
    if weight.entries.shape != (256,):
        raise WeightsError(
            f"{path}: the codebook of {name} has {list(weight.entries.shape)} entries, expected [256]"
        )
    return Convolution(weight, _tensor(path, tensors, f"{prefix}_b", np.float32))


def _tensor(path: Path, tensors: dict[str, np.ndarray], key: str, dtype: type[np.generic]) -> np.ndarray:
    tensor = tensors.get(key)
    if tensor is None or tensor.dtype != dtype:
        raise WeightsError(f"{path}: no {np.dtype(dtype)} tensor '{key}'; is this the codebook file?")
    return tensor
