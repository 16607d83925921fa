"""The trunk: VGG19's convolutions, ReLUs and pools, as deep as needed.

Source: Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
configuration E. The classifier is not part of it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx

from .graph import INT64_MAX, Graph, Value

CONVOLUTIONS_PER_BLOCK = (2, 2, 4, 4, 4)
CHANNELS_PER_BLOCK = (64, 128, 256, 512, 512)
POOLINGS = {"max": "MaxPool", "avg": "AveragePool"}

LAYERS = tuple(
    f"relu{block}_{index}"
    for block, count in enumerate(CONVOLUTIONS_PER_BLOCK, start=1)
    for index in range(1, count + 1)
)
"""The layers a loss can look at, in network order: the ReLU after every convolution."""


@dataclass(frozen=True)
class Codebook:
    """A tensor as indices into a table: uint8 indices of the tensor's shape, float32[256] entries."""

    indices: np.ndarray
    entries: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.indices.shape


@dataclass(frozen=True)
class Convolution:
    """Frozen weights [out, in, 3, 3], plain float32 or as a codebook, and float32 bias [out]."""

    weight: np.ndarray | Codebook
    bias: np.ndarray

    def tensors(self, name: str) -> dict[str, np.ndarray]:
        """What the weights file stores, by the names that the graphs use."""
        if isinstance(self.weight, Codebook):
            weight = {f"{name}.indices": self.weight.indices, f"{name}.codebook": self.weight.entries}
        else:
            weight = {f"{name}.weight": self.weight}
        return {**weight, f"{name}.bias": self.bias}


@dataclass(frozen=True)
class Affine:
    """What the weights want done to the program's image first: colour = scale * image[order] + offset."""

    order: tuple[int, int, int]
    scale: tuple[float, float, float]
    offset: tuple[float, float, float]


@dataclass(frozen=True)
class Vgg19Weights:
    """All sixteen convolutions by name, `conv1_1` to `conv5_4`, in network order, and where they are from."""

    convolutions: dict[str, Convolution]
    input_affine: Affine | None
    source: str
    sha256: str


def convolution_of(layer: str) -> str:
    """The convolution whose ReLU `layer` is."""
    return layer.replace("relu", "conv")


def block_of(layer: str) -> int:
    return int(layer[len("relu")])


def channels_of(layer: str, weights: Vgg19Weights) -> int:
    return len(weights.convolutions[convolution_of(layer)].bias)


def deepest(layers: Collection[str]) -> str:
    return max(layers, key=LAYERS.index)


def minimum_size(layers: Collection[str]) -> int:
    """The smallest height and width that leave the deepest of `layers` one pixel: every pool halves."""
    return 2 ** (block_of(deepest(layers)) - 1)


def trunk(
    g: Graph, image: Value, padding: Value, weights: Vgg19Weights, observed: Collection[str], pooling: str
) -> dict[str, Value]:
    """Run `image` [1, 3, height, width] (BGR, mean subtracted, 0..255) up to the deepest layer observed.

    `padding` says what the first convolution sees around the picture, see `framed`; the others see zeros.
    Returns the activations [1, channels, h, w] by layer.
    """
    activations = {}
    x = input_affine(g, image, weights.input_affine) if weights.input_affine else image
    x = framed(g, x, padding)
    layers = LAYERS[: LAYERS.index(deepest(observed)) + 1]
    for layer, following in zip(layers, [*layers[1:], layers[-1]], strict=True):
        convolution = weights.convolutions[convolution_of(layer)]
        x = convolve(g, x, convolution, convolution_of(layer), padding=0 if layer == layers[0] else 1)
        block = block_of(layer)
        is_pooled, is_seen = block_of(following) > block, layer in observed
        # The maximum of ReLUs is the ReLU of the maximum, of a quarter of the values.
        pools_first = is_pooled and not is_seen and pooling == "max"
        if pools_first:
            x = pool(g, x, pooling, f"pool{block}")
        x = activations[layer] = g.op("Relu", x, name=layer)
        if is_pooled and not pools_first:
            x = pool(g, x, pooling, f"pool{block}")
    return {layer: activations[layer] for layer in observed}


def framed(g: Graph, x: Value, padding: Value) -> Value:
    """`x` [1, C, h, w] in a frame one pixel wide, [1, C, h + 2, w + 2]: its edge times `padding`, 0 or 1."""
    with g.scope("frame"), g.group("Frame", x, padding) as group:
        for axis in (2, 3):
            first = g.op("Slice", x, g.ints(0), g.ints(1), g.ints(axis), name="first")
            last = g.op("Slice", x, g.ints(-1), g.ints(INT64_MAX), g.ints(axis), name="last")
            ends = [g.op("Mul", end, padding, name="end") for end in (first, last)]
            x = g.op("Concat", ends[0], x, ends[1], axis=axis, name="framed")
        group.outputs = (x,)
    return x


def convolve(g: Graph, x: Value, convolution: Convolution, name: str, padding: int) -> Value:
    """3x3, stride 1, on `x` with so many rows and columns of zeros around it."""
    *weight, bias = (g.frozen_tensor(array, key) for key, array in convolution.tensors(name).items())
    with g.scope("weights"):
        weight = _look_up(g, *weight, name) if len(weight) == 2 else weight[0]
    return g.op("Conv", x, weight, bias, name=name, kernel_shape=[3, 3], pads=[padding] * 4)


def pool(g: Graph, x: Value, pooling: str, name: str) -> Value:
    """2x2, stride 2; the last row or column of an odd size is dropped."""
    return g.op(POOLINGS[pooling], x, name=name, kernel_shape=[2, 2], strides=[2, 2])


def _look_up(g: Graph, indices: Value, codebook: Value, name: str) -> Value:
    """Codebook weights as real numbers. All inputs are constants: ONNX Runtime does this once, at load."""
    wide = g.op("Cast", indices, name=f"{name}.indices", to=onnx.TensorProto.INT32)
    return g.op("Gather", codebook, wide, name=name, axis=0)


def input_affine(g: Graph, image: Value, affine: Affine) -> Value:
    """A 1x1 convolution, so that the backward pass needs no rule of its own for it."""
    kernel = np.zeros((3, 3, 1, 1))
    kernel[range(3), affine.order, 0, 0] = affine.scale
    with g.scope("input_affine"):
        weight, bias = g.real(kernel, "weight"), g.real(affine.offset, "bias")
        return g.op("Conv", image, weight, bias, kernel_shape=[1, 1], name="conv", shape=image.shape)
