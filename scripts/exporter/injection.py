"""From the heads back into the trunk: gradients of the weighted terms with respect to the activations."""

from __future__ import annotations

from .graph import Graph, Value
from .heads import Deviation, Gram


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
