"""The seam of the loss: sums over the places of a layer, which add up over tiles, regions and pictures.

For activations F_p of C channels at the places p, and a guide w_p >= 0 over them (a region's mask, a tile's
own places, or both; ones for a whole picture):

    products S = sum w_p F_p F_p^T    sums s = sum w_p F_p    count n = sum w_p

Source: Gatys, Ecker, Bethge, Hertzmann & Shechtman, "Controlling Perceptual Factors in Neural Style
Transfer", CVPR 2017 (guided Gram matrices).
"""

from __future__ import annotations

from dataclasses import dataclass

from .graph import Graph, Value


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

    The product is summed in groups of blocks of places. In a flat area all addends are equal, and so are
    their rounding errors: one long float32 sum over 512x512 such places is off by 2e-5, this by 3e-6. Deep
    layers have many channels and few places: they get fewer blocks, whose products are larger.
    """
    regions, channels = guide.shape[0], activation.shape[1]
    groups = min(32, 2048 // channels)
    with g.group("Moments", activation, guide) as group:
        # Its product with its own transpose has the guide in it once.
        guided = g.op("Mul", *_rows(g, activation, g.op("Sqrt", guide, name="root")), name="guided")
        blocks = _blocks(g, guided, area_of(g, activation), groups**2)
        # Channels first: ONNX Runtime makes one product of both transpositions and this.
        left = g.op("Transpose", blocks, perm=[1, 2, 0, 3], name="left")
        right = g.op("Transpose", blocks, perm=[1, 2, 3, 0], name="right")
        products = g.op("MatMul", left, right, name="products")
        shape = g.ints(0, groups, groups, channels, channels)
        products = g.op("Reshape", products, shape, name="products")
        for _ in ("blocks", "groups"):
            products = g.op("ReduceSum", products, g.ints(1), keepdims=0, name="products")
        first = place_sums(g, g.op("Mul", activation, guide, name="weighted"))
        group.outputs = (
            products.with_shape((regions, channels, channels)),
            first.with_shape((regions, channels)),
        )
    return Sums(*group.outputs, count(g, guide))


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


def _rows(g: Graph, activation: Value, guide: Value) -> tuple[Value, Value]:
    """[1, C, h, w] -> [C, 1, places], and [regions, 1, h, w] -> [regions, places]."""
    features = g.op("Reshape", activation, g.ints(activation.shape[1], 1, -1), name="features")
    return features, g.op("Reshape", guide, g.ints(0, -1), name="guides")


def _blocks(g: Graph, guided: Value, area: Value, number: int) -> Value:
    """[C, regions, `area`] -> [C, regions, number, places], filled up with zeros."""
    whole_blocks = g.op("Div", g.op("Add", area, g.ints(number - 1)), g.ints(number))
    missing = g.op("Sub", g.op("Mul", whole_blocks, g.ints(number)), area, name="missing")
    pads = g.op("Concat", g.ints(0, 0, 0, 0, 0), missing, axis=0)
    filled = g.op("Pad", guided, pads, name="filled")
    return g.op("Reshape", filled, g.ints(0, 0, number, -1), name="blocks")


def area_of(g: Graph, x: Value) -> Value:
    """The places of [.., .., h, w] as int64 [1]; ONNX Runtime folds it once height and width are fixed."""
    size = g.op("Slice", g.op("Shape", x), g.ints(2), g.ints(4), name="size")
    return g.op("ReduceProd", size, name="places")
