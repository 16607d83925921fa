"""The head: from the moments of the image and the targets to a layer's term and what it injects.

With D and d the derivatives of the weighted term by G and mu, the gradient at the places p of the layer is

    w_p (A F_p + b),  A = (D + D^T) / n,  b = d / n
"""

from __future__ import annotations

from dataclasses import dataclass

from .backward import backward, transposed, whole
from .graph import Graph, Value
from .losses.loss import StyleLoss, Targets
from .moments import Moments, Sums, means, over_count


@dataclass(frozen=True)
class Head:
    """What becomes of a style layer, by region."""

    term: Value
    """The weighted term, [regions, 1]"""
    matrix: Value
    """A, [regions, C, C]"""
    vector: Value | None
    """b, [regions, C]; None where the loss does not look at means"""


def head(g: Graph, loss: StyleLoss, sums: Sums, targets: Targets, weight: Value) -> Head:
    """`weight` is [regions, 1]."""
    image = means(g, sums)
    regions = image.gram.shape[0]
    each = g.op("Reshape", weight, g.ints(0, 1, 1), name="weight").with_shape((regions, 1, 1))
    by_gram, by_mean, value = _slopes(g, loss, image, targets, each)
    value = g.op("Reshape", g.op("Mul", value, each, name="weighted"), g.ints(0, 1), name="weighted")
    symmetric = g.op("Add", by_gram, transposed(g, by_gram), name="symmetric").with_shape(image.gram.shape)
    return Head(
        value.with_shape((regions, 1)),
        over_count(g, symmetric, sums.count, name="matrix"),
        by_mean and over_count(g, by_mean, sums.count, name="vector"),
    )


def _slopes(
    g: Graph, loss: StyleLoss, image: Moments, targets: Targets, weight: Value
) -> tuple[Value, Value | None, Value]:
    """D, d and the term without its weight."""
    before = len(g.items())
    term = loss.term(g, image, targets)
    if term.slopes:
        by_gram = g.op("Mul", term.slopes[0], weight, name="by_gram")
        flat = g.op("Reshape", weight, g.ints(0, 1), name="weight")
        return by_gram, g.op("Mul", term.slopes[1], flat, name="by_mean"), term.value
    seed = {term.value: lambda _: weight}
    by_gram, by_mean = backward(g, g.items()[before:], seed, (image.gram, image.mean))
    return whole(g, by_gram, image.gram), by_mean and whole(g, by_mean, image.mean), term.value
