"""The shared weights file, the checks, and atomic writing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from . import contract, operators
from .presets import GATYS
from .vgg19 import LAYERS, Vgg19Weights, convolution_of, deepest

ALIGNMENT = 64
"""Bytes; a tensor starts on a cache line."""


class CheckFailed(ValueError):
    """A graph that must not be written."""


@dataclass(frozen=True)
class WeightsFile:
    """The weights file's name, its bytes, and where in them each tensor is: tensor -> (offset, length)."""

    name: str
    data: bytes
    places: dict[str, tuple[int, int]]

    @property
    def identity(self) -> tuple[str, str]:
        """Its name and sha256."""
        return self.name, sha256(self.data).hexdigest()


def pack(weights: Vgg19Weights, last: str) -> WeightsFile:
    """The tensors of all convolutions up to the layer `last`, and to relu5_1 at least, in network order."""
    last = deepest([last, *GATYS.layers])
    data, places = bytearray(), {}
    for layer in LAYERS[: LAYERS.index(last) + 1]:
        name = convolution_of(layer)
        for key, array in weights.convolutions[name].tensors(name).items():
            data += bytes(-len(data) % ALIGNMENT)
            places[key] = len(data), array.nbytes
            data += array.astype(array.dtype.newbyteorder("<")).tobytes()
    return WeightsFile(contract.weights_file(last), bytes(data), places)


def finish(model: onnx.ModelProto, metadata: Mapping[str, str], weights: WeightsFile | None = None) -> bytes:
    """Check `model`, which still has its tensors inside, move its weights out, and serialise it."""
    onnx.helper.set_model_props(model, dict(metadata))
    check(model)
    for tensor in model.graph.initializer:
        if weights and tensor.name in weights.places:
            _move_outside(tensor, weights.name, *weights.places[tensor.name])
    return model.SerializeToString(deterministic=True)


def check(model: onnx.ModelProto) -> None:
    """ONNX's own full check, strict shape inference, and the contract's list of operators."""
    try:
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise CheckFailed(f"the graph is not valid ONNX: {error}") from error
    own = {p.value for p in model.metadata_props if p.key == "impasto.operators"} == {contract.CPU}
    for node in model.graph.node:
        if node.domain == operators.DOMAIN and own:
            continue
        if node.domain or node.op_type not in contract.IMAGE_OPERATORS | contract.FOLDED_OPERATORS:
            raise CheckFailed(f"node '{node.name}': {node.op_type} is no operator that every provider runs")


def write(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write all of `files` or none: under temporary names first, then renamed in order."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=directory) as staging:
        for name, data in files.items():
            Path(staging, name).write_bytes(data)
        for name in files:
            os.replace(Path(staging, name), directory / name)


def stale_graphs(directory: Path, weights: Iterable[WeightsFile], written: Iterable[str]) -> list[str]:
    """Graphs of ours in `directory` that refer to a weights file whose place one of `weights` has taken."""
    others = sorted({path.name for path in directory.glob("*.onnx")} - set(written))
    now = dict(file.identity for file in weights)
    said = {name: _weights_identity(directory / name) for name in others}
    return [name for name, (file, digest) in said.items() if now.get(file, digest) != digest]


def _weights_identity(path: Path) -> tuple[str | None, str | None]:
    """What a graph says of its weights file, name and sha256; None if it is no graph or not one of ours."""
    try:
        properties = onnx.load(path, load_external_data=False).metadata_props
    except DecodeError:
        return None, None
    said = {p.key: p.value for p in properties}
    return said.get("impasto.external_data"), said.get("impasto.external_data_sha256")


def _move_outside(tensor: onnx.TensorProto, location: str, offset: int, length: int) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
