"""The parts of the graphs, built of the program's own operators for the processor (`operators.py`)."""

from __future__ import annotations

from collections.abc import Callable, Collection

from . import operators
from .graph import Graph, Node, Value
from .injection import Injection, Term
from .vgg19 import LAYERS, Convolution, Vgg19Weights, convolution_of, deepest, input_affine


def trunk(
    g: Graph, image: Value, padding: Value, weights: Vgg19Weights, observed: Collection[str], pooling: str
) -> dict[str, Value]:
    """As `vgg19.trunk`, but of layers that are not observed, pools and gates are kept for the gradient."""
    activations = {}
    x = input_affine(g, image, weights.input_affine) if weights.input_affine else image
    layers = LAYERS[: LAYERS.index(deepest(observed)) + 1]
    for layer, following in zip(layers, [*layers[1:], ""], strict=True):
        convolution = weights.convolutions[convolution_of(layer)]
        is_pooled = following.endswith("_1")
        if is_pooled and layer not in observed:
            x = _op(g, "ConvReluPool", x, *_tensors(g, convolution, layer), **_names(layer), pool=pooling)
            continue
        op_type = "ConvRelu" if layer in observed else "ConvReluGate"
        frame = padding if layer == LAYERS[0] else None
        x = _op(g, op_type, x, frame, *_tensors(g, convolution, layer), **_names(layer))
        if layer in observed:
            activations[layer] = x
        if is_pooled:
            x = _op(g, "Pool", x, pool=pooling)
    return activations


def _tensors(g: Graph, convolution: Convolution, layer: str) -> list[Value]:
    """Bias and weights."""
    tensors = convolution.tensors(convolution_of(layer))
    *weight, bias = (g.frozen_tensor(array, key) for key, array in tensors.items())
    return [bias, *weight]


def _names(layer: str) -> dict[str, str]:
    return {"name": layer, "layer": convolution_of(layer)}


def gram(g: Graph, activation: Value) -> Value:
    """F F^T / (h*w), [C, C]."""
    return _op(g, "Gram", activation)


def style_term(g: Graph, activation: Value, target: Value, normalized: bool) -> Term:
    """mean((Gram(F) - target)^2); its injection brings the gradient through the ReLU whose output F is."""
    matrix = gram(g, activation)
    op_type = "NormalizedGramGradient" if normalized else "GramGradient"

    def inject(weight: Value) -> Injection:
        return lambda add: _op(g, op_type, activation, matrix, target, weight, add)

    return Term(_op(g, "MeanSquare", matrix, target), inject)


def content_term(g: Graph, activation: Value, target: Value, normalized: bool) -> Term:
    """mean((F - target)^2); likewise."""
    op_type = "NormalizedContentGradient" if normalized else "ContentGradient"

    def inject(weight: Value) -> Injection:
        return lambda add: _op(g, op_type, activation, target, weight, add)

    return Term(_op(g, "MeanSquare", activation, target), inject)


def tv_term(g: Graph, image: Value) -> Term:
    """As `injection.tv_term`."""

    def inject(weight: Value) -> Injection:
        return lambda add: _op(g, "TotalVariationGradient", image, weight, add)

    return Term(_op(g, "TotalVariation", image), inject)


def _conv_relu(g: Graph, node: Node) -> Callable[[Value], Value]:
    """The terms that observe the layer bring the gradient through the ReLU."""
    return _conv_gradient(g, node, None)


def _conv_relu_gate(g: Graph, node: Node) -> Callable[[Value], Value]:
    return _conv_gradient(g, node, node.outputs[1])


def _conv_gradient(g: Graph, node: Node, gate: Value | None) -> Callable[[Value], Value]:
    x, padding, *_ = node.inputs
    return lambda dy: _op(g, "ConvGradient", dy, gate, padding, shape=x.shape, **node.attributes)


def _conv_relu_pool(g: Graph, node: Node) -> Callable[[Value], Value]:
    (x, *_), (_, gate, size) = node.inputs, node.outputs
    return lambda dy: _op(g, "ConvReluPoolGradient", dy, gate, size, shape=x.shape, **node.attributes)


def _pool(g: Graph, node: Node) -> Callable[[Value], Value]:
    return lambda dy: _op(g, "PoolGradient", dy, node.inputs[0], **node.attributes)


RULES = {
    "ConvRelu": _conv_relu,
    "ConvReluGate": _conv_relu_gate,
    "ConvReluPool": _conv_relu_pool,
    "Pool": _pool,
}
"""Backward rules; `backward.py` says what they are."""

OBSERVED = frozenset({"ConvRelu"})
"""Operators whose rules want the gradient as a term has left it: at the input of the ReLU."""


def _op(
    g: Graph, op_type: str, *inputs: Value | None, name: str | None = None, **attributes: object
) -> Value:
    return g.op(op_type, *inputs, name=name, domain=operators.DOMAIN, **attributes)
