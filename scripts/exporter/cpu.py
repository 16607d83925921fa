"""The parts of the graphs, built of the program's own operators for the processor (`operators.py`)."""

from __future__ import annotations

from collections.abc import Callable, Collection

from . import operators
from .graph import Graph, Node, Value
from .injection import Injection, Term
from .vgg19 import LAYERS, Convolution, Vgg19Weights, convolution_of, deepest, input_affine


def trunk(
    g: Graph, image: Value, weights: Vgg19Weights, observed: Collection[str], pooling: str
) -> dict[str, Value]:
    """As `vgg19.trunk`, but where a pool follows a layer that is not observed, only its pool is kept."""
    activations = {}
    x = input_affine(g, image, weights.input_affine) if weights.input_affine else image
    layers = LAYERS[: LAYERS.index(deepest(observed)) + 1]
    for layer, following in zip(layers, [*layers[1:], ""], strict=True):
        convolution = weights.convolutions[convolution_of(layer)]
        is_pooled = following.endswith("_1")
        if is_pooled and layer not in observed:
            x = _convolve(g, "ConvReluPool", x, convolution, layer, pool=pooling)
            continue
        x = activations[layer] = _convolve(g, "ConvRelu", x, convolution, layer)
        if is_pooled:
            x = _op(g, "Pool", x, pool=pooling)
    return activations


def _convolve(
    g: Graph, op_type: str, x: Value, convolution: Convolution, layer: str, **attributes: str
) -> Value:
    name = convolution_of(layer)
    *weight, bias = (g.frozen_tensor(array, key) for key, array in convolution.tensors(name).items())
    return _op(g, op_type, x, bias, *weight, name=layer, layer=name, **attributes)


def gram(g: Graph, activation: Value) -> Value:
    """F F^T / (h*w), [C, C]."""
    return _op(g, "Gram", activation)


def style_term(g: Graph, activation: Value, target: Value) -> Term:
    """mean((Gram(F) - target)^2)"""
    matrix = gram(g, activation)

    def inject(weight: Value) -> Injection:
        return lambda add: _op(g, "GramGradient", activation, matrix, target, weight, add)

    return Term(_op(g, "MeanSquare", matrix, target), inject)


def content_term(g: Graph, activation: Value, target: Value) -> Term:
    """mean((F - target)^2)"""

    def inject(weight: Value) -> Injection:
        return lambda add: _op(g, "ContentGradient", activation, target, weight, add)

    return Term(_op(g, "MeanSquare", activation, target), inject)


def _conv_relu(g: Graph, node: Node) -> Callable[[Value], Value]:
    layer = node.attributes["layer"]
    return lambda dy: _op(g, "ConvReluGradient", dy, node.output, layer=layer)


def _conv_relu_pool(g: Graph, node: Node) -> Callable[[Value], Value]:
    _, gate, size = node.outputs
    return lambda dy: _op(g, "ConvReluPoolGradient", dy, gate, size, **node.attributes)


def _pool(g: Graph, node: Node) -> Callable[[Value], Value]:
    return lambda dy: _op(g, "PoolGradient", dy, node.inputs[0], **node.attributes)


RULES = {"ConvRelu": _conv_relu, "ConvReluPool": _conv_relu_pool, "Pool": _pool}
"""Backward rules; `backward.py` says what they are."""


def _op(g: Graph, op_type: str, *inputs: Value | None, name: str | None = None, **attributes: object) -> Value:
    return g.op(op_type, *inputs, name=name, domain=operators.DOMAIN, **attributes)
