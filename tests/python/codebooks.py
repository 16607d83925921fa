"""A small weights file in the format of the default one, written opcode by opcode, without torch."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np

from exporter import sources
from exporter.sources.legacy_torch import MAGIC_NUMBER, PROTOCOL_VERSION
from exporter.vgg19 import Codebook, Convolution, Vgg19Weights

ENTRIES = np.linspace(-1, 1, 256, dtype=np.float32)
STORAGE_NAMES = {np.dtype("u1"): "ByteStorage", np.dtype("<f4"): "FloatStorage"}


def weights(width_divisor: int) -> Vgg19Weights:
    """Seeded weights, each rounded to one of the 256 entries."""
    seeded = sources.load("random:1", width_divisor)
    rounded = {
        name: Convolution(Codebook(_nearest(convolution.weight), ENTRIES), convolution.bias)
        for name, convolution in seeded.convolutions.items()
    }
    return dataclasses.replace(seeded, convolutions=rounded)


def file_tensors(convolutions: dict[str, Convolution]) -> dict[str, np.ndarray]:
    """By the names that the default file uses."""
    tensors = {}
    for name, convolution in convolutions.items():
        prefix = name.replace("conv", "block").replace("_", "_conv")
        tensors[f"{prefix}_W_q"] = convolution.weight.indices
        tensors[f"{prefix}_W_table"] = convolution.weight.entries
        tensors[f"{prefix}_b"] = convolution.bias
    return tensors


def legacy_save(tensors: dict[str, np.ndarray]) -> bytes:
    """What torch wrote before its zip format."""
    items = b"".join(
        _text(name) + _tensor(str(key), array) for key, (name, array) in enumerate(tensors.items())
    )
    saved = b"\x80\x02}(" + items + b"u."
    head = b"".join(
        pickle.dumps(part, 2) for part in (MAGIC_NUMBER, PROTOCOL_VERSION, {"little_endian": True})
    )
    keys = pickle.dumps([str(key) for key in range(len(tensors))], 2)
    storages = b"".join(array.size.to_bytes(8, "little") + array.tobytes() for array in tensors.values())
    return head + saved + keys + storages


def with_object(opcodes: bytes) -> bytes:
    """A legacy file whose saved object is a pickle of these opcodes."""
    return pickle.dumps(MAGIC_NUMBER, 2) + pickle.dumps(PROTOCOL_VERSION, 2) + pickle.dumps({}, 2) + opcodes


def _tensor(key: str, array: np.ndarray) -> bytes:
    storage = _tuple(
        _text("storage"),
        _global("torch", STORAGE_NAMES[array.dtype]),
        _text(key),
        _text("cpu"),
        _int(array.size),
        b"N",
    )
    strides = [stride // array.itemsize for stride in array.strides]
    hooks = _global("collections", "OrderedDict") + b")R"
    shape, strides = (_tuple(*map(_int, numbers)) for numbers in (array.shape, strides))
    return (
        _global("torch._utils", "_rebuild_tensor_v2")
        + _tuple(storage + b"Q", _int(0), shape, strides, b"\x89", hooks)
        + b"R"
    )


def _tuple(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def _text(text: str) -> bytes:
    return b"X" + len(text).to_bytes(4, "little") + text.encode()


def _int(number: int) -> bytes:
    return b"J" + number.to_bytes(4, "little", signed=True)


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _nearest(weight: np.ndarray) -> np.ndarray:
    return ((weight + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
