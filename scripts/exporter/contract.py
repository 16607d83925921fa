"""What the program relies on: names, shapes, metadata and operators. onnx/README.md tells it to people."""

from __future__ import annotations

import json
from dataclasses import dataclass

from . import __version__
from .losses import LOSSES
from .losses.loss import StyleLoss
from .presets import GATYS, Preset
from .vgg19 import Vgg19Weights, block_of, channels_of, minimum_size

VERSION = "5"
"""Changes whenever a graph of the old kind could be misunderstood; the program refuses other versions."""

FORWARD, TARGETS, HEAD, BACKWARD, LOSS_GRAD = "forward", "targets", "head", "backward", "loss_grad"
KINDS = (FORWARD, TARGETS, HEAD, BACKWARD, LOSS_GRAD)
ON_IMAGES = (FORWARD, BACKWARD, LOSS_GRAD)
"""The graphs that hold the network."""
OF_A_LOSS = (TARGETS, HEAD, LOSS_GRAD)
"""The graphs that depend on the style loss."""

IMAGE, PADDING = "image", "padding"
STYLE_WEIGHT, CONTENT_WEIGHT, TV_WEIGHT = "style_weight", "content_weight", "tv_weight"
LOSS, GRADIENT = "loss", "gradient"
STYLE_LOSSES, CONTENT_LOSSES, TV_LOSS = "style_losses", "content_losses", "tv_loss"

TEMPORAL, TEMPORAL_LOSS = "temporal", "temporal_loss"

REGIONS = "regions"
"""The number of regions, a symbol."""
IMAGE_SHAPE = (1, 3, "height", "width")
INPUT_CONVENTION = "BGR, 0..255, minus mean 103.939,116.779,123.68, NCHW float32"

IMAGE_OPERATORS = frozenset({
    "Add", "AveragePool", "Cast", "Concat", "Conv", "Div", "Equal", "Expand", "Gemm", "Greater", "MatMul",
    "MaxPool", "Mul", "Neg", "Pad", "ReduceSum", "Relu", "Reshape", "Resize", "Slice", "Sqrt", "Sub",
    "Transpose", "Where",
})  # fmt: skip
"""Those that work on pictures; the CPU, CUDA and TensorRT providers of ONNX Runtime all run them."""

FOLDED_OPERATORS = frozenset({"Cast", "Gather", "Range", "ReduceProd", "Shape"})
"""Those that only work on weights or on sizes; ONNX Runtime folds them once height and width are fixed."""

PORTABLE, CPU = "portable", "cpu"
"""Flavours of a graph: of ONNX's operators, for every provider; of the program's own, for the processor."""

Shape = tuple[int | str, ...]

TEMPORAL_FILE = f"{TEMPORAL}.onnx"
"""A graph without a network: it is the same for all presets."""
TEMPORAL_INPUTS: dict[str, Shape] = {
    IMAGE: IMAGE_SHAPE,
    "moved": IMAGE_SHAPE,
    "mask": (1, 1, *IMAGE_SHAPE[2:]),
    "temporal_weight": (),
}


@dataclass(frozen=True)
class Graph:
    """Which graph of a preset."""

    kind: str
    pooling: str = "max"
    loss: str = next(iter(LOSSES))
    flavour: str = PORTABLE

    def file_name(self, preset: Preset) -> str:
        """PRESET[-POOLING][-LOSS].KIND[.cpu].onnx; max pooling and the first loss are not named."""
        usual = Graph(self.kind)
        parts = [part for part in (self.pooling, self.loss) if part not in (usual.pooling, usual.loss)]
        stem = "-".join([preset.name, *parts])
        flavour = "" if self.flavour == PORTABLE else f".{self.flavour}"
        return f"{stem}.{self.kind}{flavour}.onnx"


def sums_shapes(layer: str, channels: int) -> dict[str, Shape]:
    """S, s and n of a layer."""
    return {
        f"products/{layer}": (REGIONS, channels, channels),
        f"sums/{layer}": (REGIONS, channels),
        f"count/{layer}": (REGIONS,),
    }


def matrix_name(layer: str) -> str:
    return f"matrix/{layer}"


def vector_name(layer: str) -> str:
    return f"vector/{layer}"


def slope_shapes(layer: str, channels: int) -> dict[str, Shape]:
    """A and b of a layer."""
    return {
        matrix_name(layer): (REGIONS, channels, channels),
        vector_name(layer): (REGIONS, channels),
    }


def target_name(layer: str, name: str) -> str:
    return f"target/{layer}/{name}"


def content_name(layer: str) -> str:
    return f"content/{layer}"


def content_count_name(layer: str) -> str:
    return f"count/content/{layer}"


def content_shape(layer: str, channels: int) -> Shape:
    """[1, channels, h, w]; its symbols say what the image's size is divided by (rounded down)."""
    divisor = minimum_size([layer])
    suffix = f"_over_{divisor}" if block_of(layer) > 1 else ""
    return 1, channels, f"height{suffix}", f"width{suffix}"


def guide_name(kind: str, layer: str | None = None) -> str:
    return f"guide/{kind}/{layer}" if layer else f"guide/{kind}"


def guide_shape(kind: str, layer: str | None = None) -> Shape:
    size = content_shape(layer, 1)[2:] if layer else IMAGE_SHAPE[2:]
    return REGIONS if kind == "style" else 1, 1, *size


def whole_guide_shape(name: str, size: tuple[int, int]) -> tuple[int, ...]:
    """That of the input `name` for one region, in a picture of `size`, height and width."""
    layer = name.split("/")[-1]
    divisor = minimum_size([layer]) if name != guide_name("tv") else 1
    return 1, 1, *(extent // divisor for extent in size)


def weights_file(last: str) -> str:
    """The file of the weights up to the layer `last`, in network order.

    All graphs up to relu5_1 share one file, which stays as it is when a deeper graph is exported.
    """
    return "vgg19.weights" if last == GATYS.style_layers[-1] else f"vgg19-{last}.weights"


def metadata(graph: Graph, preset: Preset, weights: Vgg19Weights, file: tuple[str, str]) -> dict[str, str]:
    """`file` is the weights file's name and sha256. A graph that does not name its operators is portable."""
    operators = {} if graph.flavour == PORTABLE else {"impasto.operators": graph.flavour}
    of_loss = loss_metadata(LOSSES[graph.loss], preset, weights) if graph.kind in OF_A_LOSS else {}
    said = {
        "impasto.contract": VERSION,
        "impasto.exporter": __version__,
        "impasto.preset": preset.name,
        "impasto.graph": graph.kind,
        "impasto.style_layers": ",".join(preset.style_layers),
        "impasto.content_layers": ",".join(preset.content_layers),
        "impasto.pooling": graph.pooling,
        "impasto.min_size": str(minimum_size(preset.layers)),
        "impasto.input": INPUT_CONVENTION,
        "impasto.weights": weights.source,
        "impasto.weights_sha256": weights.sha256,
        "impasto.external_data": file[0],
        "impasto.external_data_sha256": file[1],
    }
    return operators | of_loss | said


def temporal_metadata() -> dict[str, str]:
    return {
        "impasto.contract": VERSION,
        "impasto.exporter": __version__,
        "impasto.graph": TEMPORAL,
        "impasto.input": INPUT_CONVENTION,
    }


def loss_metadata(loss: StyleLoss, preset: Preset, weights: Vgg19Weights) -> dict[str, str]:
    return {
        "impasto.style_loss": loss.name,
        "impasto.terms": json.dumps(terms(loss, preset, weights)),
    }


def terms(loss: StyleLoss, preset: Preset, weights: Vgg19Weights) -> list[dict[str, object]]:
    """The terms of a loss, each with the input that has its weight, the output that has its value, its place
    in both, its weight at a style, content or total variation weight of 1, and what that weight is where
    neither the user nor a preset says otherwise.
    """
    style, content = preset.style_layers, preset.content_layers
    units = [loss.unit(i, len(style), channels_of(layer, weights)) for i, layer in enumerate(style)]
    names = {"style": (STYLE_WEIGHT, STYLE_LOSSES), "content": (CONTENT_WEIGHT, CONTENT_LOSSES)}

    def term(kind: str, layer: str, index: int, unit: float, default: float | None) -> dict[str, object]:
        weight, value = names[kind]
        bound = {"weight": weight, "loss": value, "index": index, "unit": unit, "default": default}
        return {"name": f"{kind}/{layer}", "kind": kind, "layer": layer} | bound

    tv = {"weight": TV_WEIGHT, "loss": TV_LOSS, "index": 0, "unit": 1.0, "default": None}
    return [
        *(term("style", layer, i, units[i], loss.style_weight) for i, layer in enumerate(style)),
        *(term("content", layer, i, 1.0, loss.content_weight) for i, layer in enumerate(content)),
        {"name": "tv", "kind": "tv", "layer": None} | tv,
    ]
