"""What the program relies on: names, shapes, metadata and operators. onnx/README.md tells it to people."""

from __future__ import annotations

from . import __version__
from .presets import GATYS, Preset
from .vgg19 import Vgg19Weights, block_of, minimum_size

VERSION = "3"
"""Changes whenever a graph of the old kind could be misunderstood; the program refuses other versions."""

FEATURES, LOSS_GRAD, NORMALIZED_GRAD = "features", "loss_grad", "normalized_grad"

IMAGE, PADDING = "image", "padding"
STYLE_WEIGHT, CONTENT_WEIGHT, TV_WEIGHT = "style_weight", "content_weight", "tv_weight"
LOSS, GRADIENT = "loss", "gradient"
STYLE_LOSSES, CONTENT_LOSSES, TV_LOSS = "style_losses", "content_losses", "tv_loss"

IMAGE_SHAPE = (1, 3, "height", "width")
INPUT_CONVENTION = "BGR, 0..255, minus mean 103.939,116.779,123.68, NCHW float32"

IMAGE_OPERATORS = frozenset({
    "Add", "AveragePool", "Cast", "Concat", "Conv", "Div", "Equal", "Greater", "MatMul", "MaxPool",
    "Mul", "Pad", "ReduceL1", "ReduceSum", "Relu", "Reshape", "Resize", "Slice", "Sub", "Transpose",
})  # fmt: skip
"""Those that work on pictures; the CPU, CUDA and TensorRT providers of ONNX Runtime all run them."""

FOLDED_OPERATORS = frozenset({"Cast", "Gather", "ReduceProd", "Shape"})
"""Those that only work on weights or on sizes; ONNX Runtime folds them once height and width are fixed."""


PORTABLE, CPU = "portable", "cpu"
"""Flavours of a graph: of ONNX's operators, for every provider; of the program's own, for the processor."""


def gram_name(layer: str) -> str:
    return f"gram/{layer}"


def content_name(layer: str) -> str:
    return f"content/{layer}"


def content_shape(layer: str, channels: int) -> tuple[int | str, ...]:
    """[1, channels, h, w]; its symbols say what the image's size is divided by (rounded down)."""
    divisor = minimum_size([layer])
    suffix = f"_over_{divisor}" if block_of(layer) > 1 else ""
    return 1, channels, f"height{suffix}", f"width{suffix}"


def file_name(preset: Preset, pooling: str, graph: str, flavour: str) -> str:
    stem = preset.name if pooling == "max" else f"{preset.name}-{pooling}"
    return f"{stem}.{graph}.onnx" if flavour == PORTABLE else f"{stem}.{graph}.{flavour}.onnx"


def weights_file(last: str) -> str:
    """The file of the weights up to the layer `last`, in network order.

    All graphs up to relu5_1 share one file, which stays as it is when a deeper graph is exported.
    """
    return "vgg19.weights" if last == GATYS.style_layers[-1] else f"vgg19-{last}.weights"


def metadata(
    preset: Preset, pooling: str, graph: str, flavour: str, weights: Vgg19Weights, file: tuple[str, str]
) -> dict[str, str]:
    """`file` is the weights file's name and sha256. A graph that does not name its operators is portable."""
    operators = {} if flavour == PORTABLE else {"impasto.operators": flavour}
    return operators | {
        "impasto.contract": VERSION,
        "impasto.exporter": __version__,
        "impasto.preset": preset.name,
        "impasto.graph": graph,
        "impasto.style_layers": ",".join(preset.style_layers),
        "impasto.content_layers": ",".join(preset.content_layers),
        "impasto.pooling": pooling,
        "impasto.min_size": str(minimum_size(preset.layers)),
        "impasto.input": INPUT_CONVENTION,
        "impasto.weights": weights.source,
        "impasto.weights_sha256": weights.sha256,
        "impasto.external_data": file[0],
        "impasto.external_data_sha256": file[1],
    }
