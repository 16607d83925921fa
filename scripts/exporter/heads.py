"""The heads: what the loss sees of an activation, and how far that is from its target.

Source: Gatys, Ecker & Bethge, CVPR 2016, with means in place of the paper's sums (the constants go into the
weights): the style term of a layer is mean((G - A)^2), its content term mean((F - P)^2).
"""

from __future__ import annotations

from dataclasses import dataclass

from .graph import Graph, Value


@dataclass(frozen=True)
class Gram:
    """A Gram matrix and what it was made of; the injection of its gradient needs both."""

    matrix: Value
    """F F^T / area, [C, C]"""
    features: Value
    """F, [C, h*w]"""
    area: Value
    """h*w, real-valued, [1]"""


@dataclass(frozen=True)
class Deviation:
    """How far a head is from its target."""

    difference: Value
    """head - target, the head's shape"""
    count: Value
    """number of elements, real-valued, scalar or [1]"""
    mean_square: Value
    """mean(difference^2), [1]"""


def gram(g: Graph, activation: Value) -> Gram:
    """F F^T / (h*w) of an activation [1, C, h, w]; F is the activation as [C, h*w].

    The product is summed in groups of blocks of positions. In a flat area all addends are equal, and so are
    their rounding errors: one long float32 sum over 512x512 such positions is off by 2e-5, this by 3e-6.
    Deep layers have many channels and few positions: they get fewer blocks, whose products are larger.
    """
    channels = activation.shape[1]
    groups = min(32, 2048 // channels)
    features = g.op("Reshape", activation, g.ints(channels, -1), name="features")
    area = _area(g, activation)
    blocks = _blocks(g, features, area, groups**2)
    transposed = g.op("Transpose", blocks, perm=[0, 2, 1], name="transposed")
    products = g.op("MatMul", blocks, transposed, name="products")
    product = g.op("Reshape", products, g.ints(groups, groups, channels, channels), name="product")
    for _ in ("blocks", "groups"):
        product = g.op("ReduceSum", product, g.ints(0), keepdims=0, name="product")
    area = g.op("Cast", area, to=activation.elem_type, name="area")
    return Gram(g.op("Div", product, area, name="matrix"), features, area)


def style_deviation(g: Graph, matrix: Value, target: Value) -> Deviation:
    """Of a Gram matrix [C, C] from its target [C, C]."""
    channels = matrix.shape[0]
    return _deviation(g, matrix, target, g.real(channels**2, "count"))


def content_deviation(g: Graph, activation: Value, target: Value) -> Deviation:
    """Of an activation [1, C, h, w] from its target [1, C, h, w]."""
    area = g.op("Cast", _area(g, activation), to=activation.elem_type, name="area")
    count = g.op("Mul", area, g.real(activation.shape[1], "channels"), name="count")
    return _deviation(g, activation, target, count)


def _deviation(g: Graph, head: Value, target: Value, count: Value) -> Deviation:
    difference = g.op("Sub", head, target, name="difference")
    total = total_of(g, g.op("Mul", difference, difference, name="square"))
    return Deviation(difference, count, g.op("Div", total, count, name="mean_square"))


def total_of(g: Graph, x: Value) -> Value:
    """The sum of a matrix or of a picture's tensor, [1].

    One axis after another: one float32 sum over everything loses two digits in ONNX Runtime.
    """
    for axes in [[1], [0]] if len(x.shape) == 2 else [[3], [2], [0, 1]]:
        x = g.op("ReduceSum", x, g.ints(*axes), name="sum")
    return g.op("Reshape", x, g.ints(1), name="sum")


def _area(g: Graph, activation: Value) -> Value:
    """h*w as int64 [1]; ONNX Runtime folds it once height and width are fixed."""
    size = g.op("Slice", g.op("Shape", activation), g.ints(2), g.ints(4), name="size")
    return g.op("ReduceProd", size, name="positions")


def _blocks(g: Graph, features: Value, area: Value, count: int) -> Value:
    """[C, h*w] -> [count, C, positions], filled up with zeros."""
    whole_blocks = g.op("Div", g.op("Add", area, g.ints(count - 1)), g.ints(count))
    missing = g.op("Sub", g.op("Mul", whole_blocks, g.ints(count)), area, name="missing")
    filled = g.op("Pad", features, g.op("Concat", g.ints(0, 0, 0), missing, axis=0), name="filled")
    rows = g.op("Reshape", filled, g.ints(features.shape[0], count, -1), name="rows")
    return g.op("Transpose", rows, perm=[1, 0, 2], name="blocks")
