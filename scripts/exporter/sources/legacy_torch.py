"""A reader of torch's legacy (pre-zip) save format that needs no torch and runs no code from the file.

The file is a row of pickles (magic number, protocol version, system information, the saved object, a list of
storage keys), then the storages in the order of that list: a little-endian int64 count, then the elements.
Tensors in the saved object refer to storages by persistent id. Only a dictionary of uint8 and float32 tensors
is understood; any other global in a pickle is refused by name before it is looked up.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from .layers import WeightsError

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
STORAGE_DTYPES = {"ByteStorage": np.dtype("u1"), "FloatStorage": np.dtype("<f4")}


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read(path: Path) -> dict[str, np.ndarray]:
    """The saved dictionary's tensors by name."""
    file = BytesIO(path.read_bytes())
    try:
        if _Unpickler(file).load() != MAGIC_NUMBER or _Unpickler(file).load() != PROTOCOL_VERSION:
            raise ValueError("not in torch's legacy save format")
        _Unpickler(file).load()
        saved, keys = _Unpickler(file).load(), _Unpickler(file).load()
        dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in saved.values()}
        storages = {key: _read_storage(file, dtypes[key]) for key in keys}
        return {name: _materialise(tensor, storages[tensor.storage.key]) for name, tensor in saved.items()}
    except Exception as error:
        # Corrupt bytes can make a pickle fail in any way at all.
        raise WeightsError(f"{path}: truncated, corrupt, or not a weights file ({error})") from error


class _Unpickler(pickle.Unpickler):
    """Knows the four globals of a file of plain tensors, and stands in for each with something inert."""

    def find_class(self, module: str, name: str) -> object:
        if module == "torch" and name in STORAGE_DTYPES:
            return name
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        raise pickle.UnpicklingError(f"it asks for '{module}.{name}', which plain tensors have no use for")

    def persistent_load(self, pid: object) -> _Storage:
        _, type_name, key, _, _, _ = pid
        return _Storage(key, STORAGE_DTYPES[type_name])


def _rebuild_tensor(storage: _Storage, offset: int, shape: tuple, strides: tuple, *_: object) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


def _read_storage(file: BytesIO, dtype: np.dtype) -> np.ndarray:
    count = int.from_bytes(_read_exactly(file, 8), "little", signed=True)
    return np.frombuffer(_read_exactly(file, count * dtype.itemsize), dtype)


def _read_exactly(file: BytesIO, size: int) -> bytes:
    data = file.read(size) if size >= 0 else b""
    if len(data) != size:
        raise EOFError(f"{size} bytes expected, {len(data)} found")
    return data


def _materialise(tensor: _Tensor, storage: np.ndarray) -> np.ndarray:
    count = int(np.prod(tensor.shape))
    if tensor.strides != _row_major_strides(tensor.shape) or tensor.offset < 0:
        raise ValueError("a tensor that is not contiguous")
    return storage[tensor.offset : tensor.offset + count].reshape(tensor.shape)


def _row_major_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
