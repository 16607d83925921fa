"""From the heads back into the trunk: gradients of the weighted terms with respect to the activations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .graph import INT64_MAX, Graph, Value
from .heads import Deviation, Gram, content_deviation, gram, style_deviation, total_of

Injection = Callable[[Value | None], Value]
"""From the gradient that comes to an activation from deeper layers, None at the deepest, to the whole."""


@dataclass(frozen=True)
class Term:
    """A term of the loss before it is weighted."""

    value: Value
    """[1]"""
    inject: Callable[[Value], Injection]
    """From the term's weight, [1] or [], to what it does at its activation."""


def style_term(g: Graph, activation: Value, target: Value, normalized: bool) -> Term:
    """mean((Gram(F) - target)^2)"""
    head = gram(g, activation)
    deviation = style_deviation(g, head.matrix, target)

    def at_activation(weight: Value) -> Value:
        return gram_injection(g, head, deviation_gradient(g, deviation, weight), activation)

    def inject(weight: Value) -> Injection:
        if not normalized:
            return added(g, at_activation(weight))
        # neural-style's Gram matrix is ours divided by C, its weight therefore ours times C^2.
        squared = activation.shape[1] ** 2
        strength = g.op("Mul", weight, g.real([squared], "channels_squared"), name="strength")
        return added(g, normalize(g, at_activation(g.real([1 / squared], "one")), strength))

    return Term(deviation.mean_square, inject)


def content_term(g: Graph, activation: Value, target: Value, normalized: bool) -> Term:
    """mean((F - target)^2)"""
    deviation = content_deviation(g, activation, target)

    def inject(weight: Value) -> Injection:
        if not normalized:
            return added(g, deviation_gradient(g, deviation, weight))
        return added(g, normalize(g, deviation_gradient(g, deviation, g.real([1], "one")), weight))

    return Term(deviation.mean_square, inject)


def tv_term(g: Graph, image: Value) -> Term:
    """Total variation, sum((right - X)^2 + (below - X)^2) / 2 over all pixels but the last row and column.

    Its gradient is what TVLoss in neural_style.lua of J. Johnson's neural-style (2015) adds to the image's.
    """

    def window(row: int, column: int) -> Value:
        ends = [INT64_MAX if offset else -1 for offset in (row, column)]
        return g.op("Slice", image, g.ints(row, column), g.ints(*ends), g.ints(2, 3), name="window")

    def back(difference: Value, row: int, column: int) -> Value:
        """The adjoint of `window`."""
        pads = g.ints(0, 0, row, column, 0, 0, 1 - row, 1 - column)
        return g.op("Pad", difference, pads, name="back")

    across = g.op("Sub", window(0, 0), window(0, 1), name="across")
    down = g.op("Sub", window(0, 0), window(1, 0), name="down")
    squares = [g.op("Mul", difference, difference, name="square") for difference in (across, down)]
    total = total_of(g, g.op("Add", *squares, name="square"))
    value = g.op("Mul", total, g.real([0.5], "half"), name="value")

    def inject(weight: Value) -> Injection:
        here = back(g.op("Add", across, down, name="both"), 0, 0)
        there = g.op("Add", back(across, 0, 1), back(down, 1, 0), name="neighbours")
        slope = g.op("Sub", here, there, name="slope")
        return added(g, g.op("Mul", slope, weight, name="gradient"))

    return Term(value, inject)


def normalize(g: Graph, gradient: Value, strength: Value) -> Value:
    """strength * gradient / (sum |gradient| + 1e-8), as neural_style.lua's -normalize_gradients has it."""
    rows = g.op("ReduceL1", gradient, g.ints(3), name="norm")
    norm = g.op("Add", total_of(g, rows), g.real([1e-8], "epsilon"), name="norm")
    return g.op("Mul", gradient, g.op("Div", strength, norm, name="factor"), name="normalized")


def added(g: Graph, gradient: Value) -> Injection:
    """Adds a gradient that does not depend on the rest."""
    return lambda upstream: g.op("Add", gradient, upstream, name="sum") if upstream else gradient


def deviation_gradient(g: Graph, deviation: Deviation, weight: Value) -> Value:
    """Of weight * mean((X - T)^2) with respect to X: 2 weight / count * (X - T). `weight` is [1]."""
    factor = g.op("Div", g.op("Add", weight, weight), deviation.count, name="factor")
    return g.op("Mul", deviation.difference, factor, name="gradient")


def gram_injection(g: Graph, gram: Gram, gram_gradient: Value, activation: Value) -> Value:
    """The gradient at an activation [1, C, h, w] whose Gram matrix has the gradient D [C, C].

    G = F F^T / area, so dF = (D + D^T) F / area. D is symmetric whenever the target is, but the transpose
    costs nothing and makes this right for every target.
    """
    transposed = g.op("Transpose", gram_gradient, perm=[1, 0], name="transpose")
    symmetric = g.op("Add", gram_gradient, transposed, name="symmetric")
    scaled = g.op("Div", symmetric, gram.area, name="scaled")
    flat = g.op("MatMul", scaled, gram.features, name="flat")
    return g.op("Reshape", flat, g.op("Shape", activation), name="at_activation")
