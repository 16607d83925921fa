"""From the heads back into the trunk: gradients of the weighted terms with respect to the activations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .graph import Graph, Value
from .heads import Deviation, Gram, content_deviation, gram, style_deviation

Injection = Callable[[Value | None], Value]
"""From the gradient that comes to an activation from deeper layers, None at the deepest, to the whole."""


@dataclass(frozen=True)
class Term:
    """A term of the loss before it is weighted."""

    mean_square: Value
    """[1]"""
    inject: Callable[[Value], Injection]
    """From the term's weight [1] to what it does at its activation."""


def style_term(g: Graph, activation: Value, target: Value) -> Term:
    """mean((Gram(F) - target)^2)"""
    head = gram(g, activation)
    deviation = style_deviation(g, head.matrix, target)

    def inject(weight: Value) -> Injection:
        gradient = deviation_gradient(g, deviation, weight)
        return added(g, gram_injection(g, head, gradient, activation))

    return Term(deviation.mean_square, inject)


def content_term(g: Graph, activation: Value, target: Value) -> Term:
    """mean((F - target)^2)"""
    deviation = content_deviation(g, activation, target)
    return Term(deviation.mean_square, lambda weight: added(g, deviation_gradient(g, deviation, weight)))


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
