"""safetensors: a little-endian uint64 header length, a JSON header, then the tensors' bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from .layers import WeightsError

DTYPES = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


def read(path: Path) -> dict[str, np.ndarray]:
    """The real-valued tensors by name; others are of no use here and are passed over."""
    data = path.read_bytes()
    try:
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        header.pop("__metadata__", None)
        return {
            name: _tensor(data[start:], entry) for name, entry in header.items() if entry["dtype"] in DTYPES
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: truncated, corrupt, or not a .safetensors file ({error})") from error


def _tensor(body: bytes, entry: dict) -> np.ndarray:
    begin, end = entry["data_offsets"]
    return np.frombuffer(body[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
