"""The complete graphs of a preset."""

from __future__ import annotations

import numpy as np
import onnx

from . import contract
from .backward import backward
from .graph import Graph, Value
from .heads import Deviation, content_deviation, gram, style_deviation
from .injection import deviation_gradient, gram_injection
from .presets import Preset
from .vgg19 import Vgg19Weights, deepest, trunk


def features(
    preset: Preset, weights: Vgg19Weights, pooling: str, float_type: type[np.floating] = np.float32
) -> onnx.ModelProto:
    """image -> Gram matrices of style layers, activations of content layers: the targets of a loss."""
    g = Graph(float_type)
    image = g.input(contract.IMAGE, contract.IMAGE_SHAPE)
    activations = trunk(g, image, weights, deepest(preset.layers), pooling)
    outputs = {}
    for layer in preset.style_layers:
        with g.scope(f"style/{layer}"):
            outputs[contract.gram_name(layer)] = gram(g, activations[layer]).matrix
    for layer in preset.content_layers:
        activation = activations[layer]
        shape = contract.content_shape(layer, activation.shape[1])
        outputs[contract.content_name(layer)] = activation.with_shape(shape)
    return g.to_model(outputs)


def loss_gradient(
    preset: Preset, weights: Vgg19Weights, pooling: str, float_type: type[np.floating] = np.float32
) -> onnx.ModelProto:
    """image, targets and weights -> loss, its weighted terms, and its gradient with respect to the image."""
    g = Graph(float_type)
    image = g.input(contract.IMAGE, contract.IMAGE_SHAPE)
    activations = trunk(g, image, weights, deepest(preset.layers), pooling)
    trunk_nodes = list(g.nodes)

    seeds: dict[Value, Value] = {}
    style_losses = _style_terms(g, preset, activations, seeds)
    content_losses = _content_terms(g, preset, activations, seeds)
    sums = [g.op("ReduceSum", terms, keepdims=0, name="sum") for terms in (style_losses, content_losses)]
    return g.to_model(
        {
            contract.LOSS: g.op("Add", *sums, name="total"),
            contract.STYLE_LOSSES: style_losses,
            contract.CONTENT_LOSSES: content_losses,
            contract.GRADIENT: backward(g, trunk_nodes, seeds, image).with_shape(contract.IMAGE_SHAPE),
        }
    )


def _style_terms(g: Graph, preset: Preset, activations: dict[str, Value], seeds: dict[Value, Value]) -> Value:
    """The weighted style terms [layers]; adds their gradients to `seeds`."""
    channels = {layer: activations[layer].shape[1] for layer in preset.style_layers}
    targets = {layer: g.input(contract.gram_name(layer), (c, c)) for layer, c in channels.items()}
    weights = g.input(contract.STYLE_WEIGHT, (len(targets),))
    terms = []
    for index, (layer, target) in enumerate(targets.items()):
        activation = activations[layer]
        with g.scope(f"style/{layer}"):
            head = gram(g, activation)
            deviation = style_deviation(g, head.matrix, target)
            gradient = deviation_gradient(g, deviation, _element(g, weights, index))
            _seed(g, seeds, activation, gram_injection(g, head, gradient, activation))
        terms.append(deviation)
    return _weighted(g, terms, weights)


def _content_terms(
    g: Graph, preset: Preset, activations: dict[str, Value], seeds: dict[Value, Value]
) -> Value:
    """The weighted content terms [layers]; adds their gradients to `seeds`."""
    channels = {layer: activations[layer].shape[1] for layer in preset.content_layers}
    targets = {
        layer: g.input(contract.content_name(layer), contract.content_shape(layer, c))
        for layer, c in channels.items()
    }
    weights = g.input(contract.CONTENT_WEIGHT, (len(targets),))
    terms = []
    for index, (layer, target) in enumerate(targets.items()):
        activation = activations[layer]
        with g.scope(f"content/{layer}"):
            deviation = content_deviation(g, activation, target)
            _seed(g, seeds, activation, deviation_gradient(g, deviation, _element(g, weights, index)))
        terms.append(deviation)
    return _weighted(g, terms, weights)


def _weighted(g: Graph, terms: list[Deviation], weights: Value) -> Value:
    mean_squares = g.op("Concat", *(term.mean_square for term in terms), axis=0, name="mean_squares")
    return g.op("Mul", mean_squares, weights, name="weighted")


def _element(g: Graph, vector: Value, index: int) -> Value:
    return g.op("Slice", vector, g.ints(index), g.ints(index + 1), name="weight")


def _seed(g: Graph, seeds: dict[Value, Value], activation: Value, gradient: Value) -> None:
    """A layer may carry both style and content."""
    present = seeds.get(activation)
    seeds[activation] = g.op("Add", present, gradient, name="seed") if present else gradient
