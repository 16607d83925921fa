"""Where the loss looks at an activation, or at the image: its terms there, and what they inject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .graph import INT64_MAX, Graph, Value
from .moments import area_of, channels_first, guided, place_sums

Injection = Callable[[Value | None], Value]
"""From the gradient that comes to a value from deeper layers, None at the deepest, to the whole."""


@dataclass(frozen=True)
class Term:
    """A term of the loss, and what it does where the loss looks."""

    value: Value
    """Weighted, [1]"""
    injection: Injection


def style_injection(
    g: Graph, activation: Value, guide: Value, matrix: Value, vector: Value | None
) -> Injection:
    """The sum over regions of w_p (A F_p + b), for an activation [1, C, h, w]."""
    channels = activation.shape[1]

    def inject(upstream: Value | None) -> Value:
        with g.group("MomentsGradient", activation, guide, matrix, vector, upstream) as group:
            rows = g.op("Concat", g.ints(-1), area_of(g, activation), axis=0, name="rows")

            def flat(x: Value | None) -> Value | None:
                """[.., .., h, w] -> [.., places]"""
                return x and g.op("Reshape", x, rows, name="flat")

            # One product: the regions' matrices side by side with the guided features one above the other.
            features = guided(g, channels_first(g, activation), guide)
            beside = g.op("Transpose", matrix, perm=[1, 2, 0], name="beside")
            beside = g.op("Reshape", beside, g.ints(channels, -1), name="beside")
            slope = g.op("Gemm", beside, flat(features), flat(upstream), name="slope")
            if vector:
                slope = g.op("Gemm", vector, flat(guide), slope, transA=1, name="slope")
            gradient = g.op("Reshape", slope, g.op("Shape", activation), name="gradient")
            group.outputs = (gradient.with_shape(activation.shape),)
        return group.output

    return inject


def content_term(
    g: Graph, activation: Value, target: Value, guide: Value, count: Value, weight: Value
) -> Term:
    """weight * sum(w_p |F_p - P_p|^2) / (C n), of an activation [1, C, h, w]; `count` is n, [1]."""
    channels = activation.shape[1]
    with g.group("SquareDifference", activation, target, guide) as group:
        difference = g.op("Sub", activation, target, name="difference").with_shape(activation.shape)
        weighted = g.op("Mul", difference, guide, name="weighted")
        group.outputs = (total_of(g, g.op("Mul", difference, weighted, name="square")),)
    values = g.op("Mul", count, g.real(channels, "channels"), name="values")
    factor = g.op("Div", weight, values, name="factor")
    value = g.op("Mul", group.output, factor, name="weighted")
    coefficient = g.op("Add", factor, factor, name="coefficient")

    def inject(upstream: Value | None) -> Value:
        with g.group("ContentGradient", activation, target, guide, coefficient, upstream) as group:
            gradient = g.op("Mul", weighted, coefficient, name="gradient").with_shape(activation.shape)
            group.outputs = (added(g, gradient, upstream),)
        return group.output

    return Term(value, inject)


def tv_term(g: Graph, image: Value, guide: Value, weight: Value) -> Term:
    """Total variation, weight * sum(w_p ((right - X_p)^2 + (below - X_p)^2)) / 2 over all pixels but those of
    the last row and column.

    Its gradient is what TVLoss in neural_style.lua of J. Johnson's neural-style (2015) adds to the image's.
    """

    def window(x: Value, row: int, column: int) -> Value:
        ends = [INT64_MAX if offset else -1 for offset in (row, column)]
        return g.op("Slice", x, g.ints(row, column), g.ints(*ends), g.ints(2, 3), name="window")

    def back(difference: Value, row: int, column: int) -> Value:
        """The adjoint of `window`."""
        pads = g.ints(0, 0, row, column, 0, 0, 1 - row, 1 - column)
        return g.op("Pad", difference, pads, name="back")

    with g.group("TotalVariation", image, guide) as group:
        here = window(image, 0, 0)
        steps = [g.op("Sub", here, window(image, *place), name="step") for place in ((0, 1), (1, 0))]
        guided = [g.op("Mul", step, window(guide, 0, 0), name="guided") for step in steps]
        squares = [g.op("Mul", *pair, name="square") for pair in zip(steps, guided, strict=True)]
        total = total_of(g, g.op("Add", *squares, name="square"))
        group.outputs = (g.op("Mul", total, g.real([0.5], "half"), name="value"),)
    value = g.op("Mul", group.output, weight, name="weighted")

    def inject(upstream: Value | None) -> Value:
        with g.group("TotalVariationGradient", image, guide, weight, upstream) as group:
            across, down = guided
            here = back(g.op("Add", across, down, name="both"), 0, 0)
            there = g.op("Add", back(across, 0, 1), back(down, 1, 0), name="neighbours")
            slope = g.op("Sub", here, there, name="slope")
            gradient = g.op("Mul", slope, weight, name="gradient").with_shape(image.shape)
            group.outputs = (added(g, gradient, upstream),)
        return group.output

    return Term(value, inject)


def added(g: Graph, gradient: Value, upstream: Value | None) -> Value:
    return g.op("Add", gradient, upstream, name="sum") if upstream else gradient


def total_of(g: Graph, x: Value) -> Value:
    """The sum of a picture's tensor [1, C, h, w], [1]."""
    return g.op("ReduceSum", place_sums(g, x), g.ints(1), keepdims=0, name="sum")
