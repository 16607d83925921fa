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
    """h*w, real-valued scalar"""


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
    """F F^T / (h*w) of an activation [1, C, h, w]; F is the activation as [C, h*w]."""
    features = g.op("Reshape", activation, g.ints(activation.shape[1], -1), name="features")
    area = _area(g, activation)
    product = g.op("Gemm", features, features, transB=1, name="product")
    return Gram(g.op("Div", product, area, name="matrix"), features, area)


def style_deviation(g: Graph, matrix: Value, target: Value) -> Deviation:
    """Of a Gram matrix [C, C] from its target [C, C]."""
    channels = matrix.shape[0]
    return _deviation(g, matrix, target, g.real(channels**2, "count"), axes=[[1], [0]])


def content_deviation(g: Graph, activation: Value, target: Value) -> Deviation:
    """Of an activation [1, C, h, w] from its target [1, C, h, w]."""
    channels = g.real(activation.shape[1], "channels")
    count = g.op("Mul", _area(g, activation), channels, name="count")
    return _deviation(g, activation, target, count, axes=[[3], [2], [0, 1]])


def _deviation(g: Graph, head: Value, target: Value, count: Value, axes: list[list[int]]) -> Deviation:
    """Sums one axis after another: one float32 sum over everything loses two digits in ONNX Runtime."""
    difference = g.op("Sub", head, target, name="difference")
    total = g.op("Mul", difference, difference, name="square")
    for group in axes:
        total = g.op("ReduceSum", total, g.ints(*group), name="sum")
    total = g.op("Reshape", total, g.ints(1), name="sum")
    return Deviation(difference, count, g.op("Div", total, count, name="mean_square"))


def _area(g: Graph, activation: Value) -> Value:
    """h*w as a real number; ONNX Runtime folds it once height and width are fixed."""
    size = g.op("Slice", g.op("Shape", activation), g.ints(2), g.ints(4), name="size")
    area = g.op("ReduceProd", size, keepdims=0, name="area")
    return g.op("Cast", area, to=activation.elem_type, name="area")
