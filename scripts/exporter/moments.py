"""The seam of the loss: sums over the places of a layer, which add up over tiles, regions and pictures.

For activations F_p of C channels at the places p, and a guide w_p >= 0 over them (a region's mask, a tile's
own places, or both; ones for a whole picture):

    products S = sum w_p F_p F_p^T    sums s = sum w_p F_p    count n = sum w_p

Source: Gatys, Ecker, Bethge, Hertzmann & Shechtman, "Controlling Perceptual Factors in Neural Style
Transfer", CVPR 2017 (guided Gram matrices).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .graph import Graph, Value

GROUPS = 32
"""Of rows, whose products are summed one after another."""


@dataclass(frozen=True)
class Sums:
    """What the loss sees of a style layer, by region."""

    products: Value
    """[regions, C, C]"""
    sums: Value
    """[regions, C]"""
    count: Value
    """[regions]"""


@dataclass(frozen=True)
class Moments:
    """Means over the places of a layer, by region; 0 where a region has none."""

    gram: Value
    """G = S / n, the Gram matrix, [regions, C, C]"""
    mean: Value
    """s / n, [regions, C]"""


def sums(g: Graph, activation: Value, guide: Value) -> Sums:
    """Of an activation [1, C, h, w] under guides [regions, 1, h, w].

    The product is summed row by row of places, then over groups of rows, then over all. In a flat area all
    addends are equal, and so are their rounding errors: one long float32 sum over 512x512 such places is off
    by 2e-5, this by a fifth of that. Sums over more than 32 matrices are products, since ReduceSum of so many
    does not give the same bits twice on every card.
    """
    regions, channels = guide.shape[0], activation.shape[1]
    with g.group("Moments", activation, guide) as group:
        features = channels_first(g, activation)
        weighted = guided(g, features, guide)
        # ONNX Runtime makes one product of both transpositions and this.
        left = g.op("Transpose", weighted, perm=[1, 2, 0, 3], name="left")
        right = g.op("Transpose", features, perm=[1, 2, 3, 0], name="right")
        products = g.op("MatMul", left, right, name="products")
        flat = g.op("Reshape", products, g.ints(0, 0, channels**2), name="products")
        sums_of_groups = g.op("MatMul", _groups_of_rows(g, activation), flat, name="groups")
        total = g.op("ReduceSum", sums_of_groups, g.ints(1), keepdims=0, name="products")
        total = g.op("Reshape", total, g.ints(0, channels, channels), name="products")
        first = g.op("Transpose", place_sums(g, weighted), perm=[1, 0], name="first")
        group.outputs = (
            total.with_shape((regions, channels, channels)),
            first.with_shape((regions, channels)),
        )
    return Sums(*group.outputs, count(g, guide))


def channels_first(g: Graph, activation: Value) -> Value:
    """[1, C, h, w] -> [C, 1, h, w]"""
    return g.op("Reshape", activation, g.ints(activation.shape[1], 1, 0, 0), name="features")


def guided(g: Graph, features: Value, guide: Value) -> Value:
    """Features [C, 1, h, w] times their guides [regions, 1, h, w], [C, regions, h, w]."""
    return g.op("Mul", features, g.op("Transpose", guide, perm=[1, 0, 2, 3], name="guides"), name="guided")


def count(g: Graph, guide: Value) -> Value:
    """n of guides [regions, 1, h, w], [regions]."""
    total = g.op("ReduceSum", place_sums(g, guide), g.ints(1), keepdims=0, name="count")
    return total.with_shape(guide.shape[:1])


def place_sums(g: Graph, x: Value) -> Value:
    """[regions, C, h, w] summed over the places, [regions, C]: along rows, then along columns.

    One float32 sum over everything loses two digits in ONNX Runtime.
    """
    for axis in (3, 2):
        x = g.op("ReduceSum", x, g.ints(axis), keepdims=0, name="sum")
    return x


def means(g: Graph, sums: Sums) -> Moments:
    return Moments(
        over_count(g, sums.products, sums.count, name="gram"),
        over_count(g, sums.sums, sums.count, name="mean"),
    )


def over_count(g: Graph, x: Value, count: Value, name: str) -> Value:
    """X [regions, ...] / n; where n is 0, X is too, and is left so."""
    is_empty = g.op("Equal", count, g.real(0, "zero"), name="is_empty")
    count = g.op("Where", is_empty, g.real(1, "one"), count, name="count")
    count = g.op("Reshape", count, g.ints(-1, *[1] * (len(x.shape) - 1)), name="count")
    return g.op("Div", x, count, name=name).with_shape(x.shape)


def _groups_of_rows(g: Graph, x: Value) -> Value:
    """[GROUPS, h]: 1 where a row of [.., .., h, w] belongs to a group, else 0."""
    height = g.op("Slice", g.op("Shape", x), g.ints(2), g.ints(3), name="height")
    height = g.op("Reshape", height, g.ints(), name="height")
    zero, one = (g.constant(np.array(number, np.int64), "number") for number in (0, 1))
    rows = g.op("Range", zero, height, one, name="rows")
    group_of_row = g.op("Div", g.op("Mul", rows, g.ints(GROUPS)), height, name="group")
    groups = g.constant(np.arange(GROUPS)[:, None], "groups")
    return g.op("Cast", g.op("Equal", group_of_row, groups), to=g.float_elem_type, name="rows")


def area_of(g: Graph, x: Value) -> Value:
    """The places of [.., .., h, w] as int64 [1]; ONNX Runtime folds it once height and width are fixed."""
    size = g.op("Slice", g.op("Shape", x), g.ints(2), g.ints(4), name="size")
    return g.op("ReduceProd", size, name="places")
