"""State dictionaries saved by torch; the only reader that needs it."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from .layers import WeightsError


def read(path: Path) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError as error:
        remedy = "install torch, or convert the file to .safetensors or .npz"
        raise WeightsError(f"{path}: reading a .pth file needs torch; {remedy}") from error
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor.numpy() for name, tensor in saved.items()}
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError, AttributeError, TypeError) as error:
        raise WeightsError(f"{path}: truncated, corrupt, or not a state dictionary ({error})") from error
