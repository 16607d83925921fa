"""The complete graphs of a preset."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from . import contract, cpu, heads, injection, vgg19
from .backward import backward
from .graph import Graph, Value
from .injection import Injection, Term
from .presets import Preset
from .vgg19 import Vgg19Weights


@dataclass(frozen=True)
class Parts:
    """What a flavour of the graphs is built of."""

    trunk: Callable[[Graph, Value, Value, Vgg19Weights, Collection[str], str], dict[str, Value]]
    gram: Callable[[Graph, Value], Value]
    style_term: Callable[[Graph, Value, Value, bool], Term]
    content_term: Callable[[Graph, Value, Value, bool], Term]
    tv_term: Callable[[Graph, Value], Term]


PARTS = {
    contract.PORTABLE: Parts(
        vgg19.trunk,
        lambda g, x: heads.gram(g, x).matrix,
        injection.style_term,
        injection.content_term,
        injection.tv_term,
    ),
    contract.CPU: Parts(cpu.trunk, cpu.gram, cpu.style_term, cpu.content_term, cpu.tv_term),
}


def features(
    preset: Preset,
    weights: Vgg19Weights,
    pooling: str,
    float_type: type[np.floating] = np.float32,
    flavour: str = contract.PORTABLE,
) -> onnx.ModelProto:
    """image -> Gram matrices of style layers, activations of content layers: the targets of a loss."""
    g, parts = Graph(float_type), PARTS[flavour]
    image, padding = g.input(contract.IMAGE, contract.IMAGE_SHAPE), g.input(contract.PADDING, ())
    activations = parts.trunk(g, image, padding, weights, preset.layers, pooling)
    outputs = {}
    for layer in preset.style_layers:
        with g.scope(f"style/{layer}"):
            outputs[contract.gram_name(layer)] = parts.gram(g, activations[layer])
    for layer in preset.content_layers:
        activation = activations[layer]
        shape = contract.content_shape(layer, activation.shape[1])
        outputs[contract.content_name(layer)] = activation.with_shape(shape)
    return g.to_model(outputs)


def loss_gradient(
    preset: Preset,
    weights: Vgg19Weights,
    pooling: str,
    float_type: type[np.floating] = np.float32,
    flavour: str = contract.PORTABLE,
    normalized: bool = False,
) -> onnx.ModelProto:
    """image, targets and weights -> loss, its weighted terms, and its gradient with respect to the image.

    With `normalized`, what a layer's term adds to the gradient has the L1 norm of its weight
    (`injection.normalize`).
    """
    g, parts = Graph(float_type), PARTS[flavour]
    image, padding = g.input(contract.IMAGE, contract.IMAGE_SHAPE), g.input(contract.PADDING, ())
    activations = parts.trunk(g, image, padding, weights, preset.layers, pooling)
    trunk_nodes = list(g.nodes)

    seeds: dict[Value, Injection] = {}
    style_losses = _style_terms(g, parts, preset, activations, seeds, normalized)
    content_losses = _content_terms(g, parts, preset, activations, seeds, normalized)
    tv_loss = _tv_term(g, parts, image, seeds)
    sums = [g.op("ReduceSum", terms, keepdims=0, name="sum") for terms in (style_losses, content_losses)]
    return g.to_model(
        {
            contract.LOSS: g.op("Add", g.op("Add", *sums, name="total"), tv_loss, name="total"),
            contract.STYLE_LOSSES: style_losses,
            contract.CONTENT_LOSSES: content_losses,
            contract.TV_LOSS: tv_loss,
            contract.GRADIENT: backward(g, trunk_nodes, seeds, image).with_shape(contract.IMAGE_SHAPE),
        }
    )


def _style_terms(
    g: Graph,
    parts: Parts,
    preset: Preset,
    activations: dict[str, Value],
    seeds: dict[Value, Injection],
    normalized: bool,
) -> Value:
    """The weighted style terms [layers]; adds their gradients to `seeds`."""
    channels = {layer: activations[layer].shape[1] for layer in preset.style_layers}
    targets = {layer: g.input(contract.gram_name(layer), (c, c)) for layer, c in channels.items()}
    weights = g.input(contract.STYLE_WEIGHT, (len(targets),))
    term = partial(parts.style_term, normalized=normalized)
    return _terms(g, "style", term, activations, targets, weights, seeds)


def _content_terms(
    g: Graph,
    parts: Parts,
    preset: Preset,
    activations: dict[str, Value],
    seeds: dict[Value, Injection],
    normalized: bool,
) -> Value:
    """The weighted content terms [layers]; adds their gradients to `seeds`."""
    channels = {layer: activations[layer].shape[1] for layer in preset.content_layers}
    targets = {
        layer: g.input(contract.content_name(layer), contract.content_shape(layer, c))
        for layer, c in channels.items()
    }
    weights = g.input(contract.CONTENT_WEIGHT, (len(targets),))
    term = partial(parts.content_term, normalized=normalized)
    return _terms(g, "content", term, activations, targets, weights, seeds)


def _terms(
    g: Graph,
    kind: str,
    term: Callable[[Graph, Value, Value], Term],
    activations: dict[str, Value],
    targets: dict[str, Value],
    weights: Value,
    seeds: dict[Value, Injection],
) -> Value:
    """The weighted terms [layers] of one kind; adds their gradients to `seeds`."""
    terms = []
    for index, (layer, target) in enumerate(targets.items()):
        with g.scope(f"{kind}/{layer}"):
            terms.append(term(g, activations[layer], target))
            _seed(seeds, activations[layer], terms[-1].inject(_element(g, weights, index)))
    values = g.op("Concat", *(term.value for term in terms), axis=0, name="values")
    return g.op("Mul", values, weights, name="weighted")


def _tv_term(g: Graph, parts: Parts, image: Value, seeds: dict[Value, Injection]) -> Value:
    """The weighted total variation, a scalar; adds its gradient to `seeds`."""
    weight = g.input(contract.TV_WEIGHT, ())
    with g.scope("tv"):
        term = parts.tv_term(g, image)
        _seed(seeds, image, term.inject(weight))
        return g.op("Mul", g.op("ReduceSum", term.value, keepdims=0, name="sum"), weight, name="weighted")


def _element(g: Graph, vector: Value, index: int) -> Value:
    return g.op("Slice", vector, g.ints(index), g.ints(index + 1), name="weight")


def _seed(seeds: dict[Value, Injection], activation: Value, inject: Injection) -> None:
    """A layer may carry both style and content."""
    present = seeds.get(activation)
    seeds[activation] = (lambda upstream: inject(present(upstream))) if present else inject
