"""What a style loss is, and what their formulas share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..graph import Graph, Value
from ..moments import Moments

Targets = Mapping[str, Value]
"""What a layer's term compares with, made once of the style's moments, by name."""


@dataclass(frozen=True)
class Term:
    """The term of a layer before it is weighted, by region."""

    value: Value
    """[regions, 1, 1]"""
    slopes: tuple[Value, Value] | None = None
    """Its derivatives by the Gram matrix [regions, C, C] and by the mean [regions, C], where a closed form is
    cheaper than what the rules of `backward.py` make of the value.
    """


@dataclass(frozen=True)
class StyleLoss:
    """A style loss; everything is done for all regions at once."""

    name: str
    targets: Callable[[Graph, Moments], Targets]
    term: Callable[[Graph, Moments, Targets], Term]
    unit: Callable[[int, int, int], float]
    """A layer's weight where the style weight is 1, by its place, the number of layers and its channels."""
    style_weight: float
    """The style weight that it is meant for."""
    content_weight: float | None = None
    """The content weight that it is meant for; None: whatever a preset has."""


def column(g: Graph, x: Value) -> Value:
    """[regions, C] -> [regions, C, 1]"""
    regions, channels = x.shape
    return g.op("Reshape", x, g.ints(0, channels, 1), name="column").with_shape((regions, channels, 1))


def total(g: Graph, x: Value) -> Value:
    """The sum of matrices [regions, a, b], [regions, 1, 1]: in float32 along one axis after the other."""
    rows = g.op("ReduceSum", x, g.ints(2), keepdims=1, name="sum")
    return g.op("ReduceSum", rows, g.ints(1), keepdims=1, name="sum").with_shape((x.shape[0], 1, 1))


def mean_square(g: Graph, x: Value, target: Value) -> Value:
    """mean((X - target)^2) of matrices [regions, a, b], [regions, 1, 1]."""
    difference = g.op("Sub", x, target, name="difference")
    squares = total(g, g.op("Mul", difference, difference, name="square"))
    return g.op("Mul", squares, g.real(1 / (x.shape[1] * x.shape[2]), "share"), name="mean_square")


def diagonal(g: Graph, x: Value) -> Value:
    """[regions, C, C] -> [regions, C, 1]: the first column of the same numbers in rows of C + 1."""
    regions, channels, _ = x.shape
    flat = g.op("Reshape", x, g.ints(0, -1), name="flat").with_shape((regions, channels**2))
    longer = g.op("Pad", flat, g.ints(0, 0, 0, channels), name="longer").with_shape(
        (regions, channels**2 + channels)
    )
    rows = g.op("Reshape", longer, g.ints(0, channels, channels + 1), name="rows")
    rows = rows.with_shape((regions, channels, channels + 1))
    return g.op("Slice", rows, g.ints(0), g.ints(1), g.ints(2), name="diagonal").with_shape(
        (regions, channels, 1)
    )
