"""The complete graphs, put together from the same parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from . import contract, injection, vgg19
from .backward import backward
from .graph import Graph, Value
from .head import head
from .injection import Injection
from .losses import LOSSES
from .losses.loss import StyleLoss
from .lowering import lowered
from .moments import Moments, Sums, count, means, sums
from .presets import Preset
from .vgg19 import Vgg19Weights


class Model:
    """A graph of a preset under construction."""

    def __init__(self, preset: Preset, weights: Vgg19Weights, float_type: type[np.floating]):
        self.g = Graph(float_type)
        self.preset, self.weights = preset, weights
        self.outputs: dict[str, Value] = {}
        self.seeds: dict[Value, Injection] = {}

    def trunk(self, pooling: str) -> None:
        self.image = self.g.input(contract.IMAGE, contract.IMAGE_SHAPE)
        padding = self.g.input(contract.PADDING, ())
        layers = self.preset.layers
        self.activations = vgg19.trunk(self.g, self.image, padding, self.weights, layers, pooling)
        self.items = self.g.items()

    def channels(self, layer: str) -> int:
        return vgg19.channels_of(layer, self.weights)

    def style_guides(self) -> None:
        self.guides = {layer: self.guide("style", layer) for layer in self.preset.style_layers}

    def guide(self, kind: str, layer: str) -> Value:
        return self.g.input(contract.guide_name(kind, layer), contract.guide_shape(kind, layer))

    def sums_of_image(self) -> dict[str, Sums]:
        made = {}
        for layer in self.preset.style_layers:
            with self.g.scope(f"style/{layer}"):
                made[layer] = sums(self.g, self.activations[layer], self.guides[layer])
        return made

    def sums_given(self) -> dict[str, Sums]:
        return {
            layer: Sums(*self.inputs(contract.sums_shapes(layer, self.channels(layer))).values())
            for layer in self.preset.style_layers
        }

    def inputs(self, shapes: dict[str, contract.Shape]) -> dict[str, Value]:
        return {name: self.g.input(name, shape) for name, shape in shapes.items()}

    def style_heads(self, loss: StyleLoss, seen: dict[str, Sums]) -> dict[str, tuple[Value, Value | None]]:
        """Adds the style losses to the outputs; A and b by layer."""
        weights = self.g.input(contract.STYLE_WEIGHT, (contract.REGIONS, len(seen)))
        heads = {}
        for index, (layer, layer_sums) in enumerate(seen.items()):
            shapes = target_shapes(loss, self.channels(layer))
            targets = {
                name: self.g.input(contract.target_name(layer, name), shape) for name, shape in shapes.items()
            }
            with self.g.scope(f"style/{layer}"):
                weight = _column(self.g, weights, index)
                heads[layer] = head(self.g, loss, layer_sums, targets, weight)
        terms = [made.term for made in heads.values()]
        losses = self.g.op("Concat", *terms, axis=1, name="style_losses")
        self.outputs[contract.STYLE_LOSSES] = losses.with_shape((contract.REGIONS, len(terms)))
        return {layer: (made.matrix, made.vector) for layer, made in heads.items()}

    def inject_style(self, slopes: dict[str, tuple[Value, Value | None]]) -> None:
        for layer, (matrix, vector) in slopes.items():
            activation, guide = self.activations[layer], self.guides[layer]
            inject = injection.style_injection(self.g, activation, guide, matrix, vector)
            self.seed(activation, f"style/{layer}", inject)

    def content(self, count_of: Callable[[str, Value], Value]) -> None:
        """Adds the content terms; `count_of` tells the places of a layer under its guide, [1]."""
        layers = self.preset.content_layers
        weights, terms = self.g.input(contract.CONTENT_WEIGHT, (len(layers),)), []
        for index, layer in enumerate(layers):
            activation, guide = self.activations[layer], self.guide("content", layer)
            shape = contract.content_shape(layer, activation.shape[1])
            target = self.g.input(contract.content_name(layer), shape)
            with self.g.scope(f"content/{layer}"):
                places = count_of(layer, guide)
                weight = self.g.op(
                    "Slice", weights, self.g.ints(index), self.g.ints(index + 1), name="weight"
                )
                terms.append(injection.content_term(self.g, activation, target, guide, places, weight))
            self.seed(activation, f"content/{layer}", terms[-1].injection)
        losses = self.g.op("Concat", *(term.value for term in terms), axis=0, name="content_losses")
        self.outputs[contract.CONTENT_LOSSES] = losses

    def total_variation(self) -> None:
        guide = self.g.input(contract.guide_name("tv"), contract.guide_shape("tv"))
        weight = self.g.input(contract.TV_WEIGHT, ())
        with self.g.scope("tv"):
            term = injection.tv_term(self.g, self.image, guide, weight)
            self.outputs[contract.TV_LOSS] = self.g.op("ReduceSum", term.value, keepdims=0, name="loss")
        self.seed(self.image, "tv", term.injection)

    def seed(self, value: Value, scope: str, inject: Injection) -> None:
        """A layer may carry both style and content."""
        present = self.seeds.get(value)

        def inject_all(upstream: Value | None) -> Value:
            upstream = present(upstream) if present else upstream
            with self.g.scope(scope):
                return inject(upstream)

        self.seeds[value] = inject_all

    def gradient(self) -> None:
        (gradient,) = backward(self.g, self.items, self.seeds, [self.image])
        self.outputs[contract.GRADIENT] = gradient.with_shape(contract.IMAGE_SHAPE)

    def finish(self, flavour: str) -> onnx.ModelProto:
        g, outputs = (self.g, self.outputs) if flavour == contract.PORTABLE else lowered(self.g, self.outputs)
        return g.to_model(outputs)


def forward(model: Model, pooling: str, _: StyleLoss) -> None:
    """image, guides -> sums of style layers, activations of content layers."""
    model.trunk(pooling)
    model.style_guides()
    for layer, made in model.sums_of_image().items():
        names = contract.sums_shapes(layer, model.channels(layer))
        model.outputs |= dict(zip(names, (made.products, made.sums, made.count), strict=True))
    for layer in model.preset.content_layers:
        activation = model.activations[layer]
        shape = contract.content_shape(layer, activation.shape[1])
        model.outputs[contract.content_name(layer)] = activation.with_shape(shape)


def targets(model: Model, _: str, loss: StyleLoss) -> None:
    """sums of the style -> what the head compares with."""
    for layer, given in model.sums_given().items():
        with model.g.scope(f"style/{layer}"):
            made = loss.targets(model.g, means(model.g, given))
        model.outputs |= {contract.target_name(layer, name): value for name, value in made.items()}


def head_of(model: Model, _: str, loss: StyleLoss) -> None:
    """sums of the image, targets, weights -> style terms, and A and b, by which the gradient is injected."""
    given = model.sums_given()
    for layer, (matrix, vector) in model.style_heads(loss, given).items():
        if vector is None:
            vector = model.g.op("Mul", given[layer].sums, model.g.real(0, "zero"), name=f"style/{layer}/none")
        model.outputs[contract.matrix_name(layer)] = matrix
        model.outputs[contract.vector_name(layer)] = vector


def backward_of(model: Model, pooling: str, _: StyleLoss) -> None:
    """image, guides, A, b, content targets, weights -> gradient, and the terms that need no head."""
    model.trunk(pooling)
    model.style_guides()
    slopes = {}
    for layer in model.preset.style_layers:
        shapes = contract.slope_shapes(layer, model.channels(layer))
        slopes[layer] = tuple(model.inputs(shapes).values())
    model.inject_style(slopes)
    model.content(lambda layer, _: model.g.input(contract.content_count_name(layer), (1,)))
    model.total_variation()
    model.gradient()


def loss_gradient(model: Model, pooling: str, loss: StyleLoss) -> None:
    """All in one run: image, guides, targets, weights -> loss, terms and gradient."""
    model.trunk(pooling)
    model.style_guides()
    slopes = model.style_heads(loss, model.sums_of_image())
    model.inject_style(slopes)
    model.content(lambda _, guide: count(model.g, guide))
    model.total_variation()
    g, outputs = model.g, model.outputs
    names = (contract.STYLE_LOSSES, contract.CONTENT_LOSSES)
    parts = [g.op("ReduceSum", outputs[name], keepdims=0, name="sum") for name in names]
    loss_value = g.op("Add", g.op("Add", *parts, name="total"), outputs[contract.TV_LOSS], name="total")
    model.outputs[contract.LOSS] = loss_value
    model.gradient()


GRAPHS: dict[str, Callable[[Model, str, StyleLoss], None]] = {
    contract.FORWARD: forward,
    contract.TARGETS: targets,
    contract.HEAD: head_of,
    contract.BACKWARD: backward_of,
    contract.LOSS_GRAD: loss_gradient,
}


def build(
    graph: contract.Graph, preset: Preset, weights: Vgg19Weights, float_type: type[np.floating] = np.float32
) -> onnx.ModelProto:
    model = Model(preset, weights, float_type)
    GRAPHS[graph.kind](model, graph.pooling, LOSSES[graph.loss])
    return model.finish(graph.flavour)


def target_shapes(loss: StyleLoss, channels: int) -> dict[str, contract.Shape]:
    """Of a layer's targets, by name."""
    g = Graph()
    matrices, vectors, _ = contract.sums_shapes("layer", channels).values()
    style = Moments(g.input("gram", matrices), g.input("mean", vectors))
    return {name: value.shape for name, value in loss.targets(g, style).items()}


def _column(g: Graph, matrix: Value, index: int) -> Value:
    """[regions, n] -> [regions, 1]"""
    ends = g.ints(index), g.ints(index + 1)
    return g.op("Slice", matrix, *ends, g.ints(1), name="weight").with_shape((matrix.shape[0], 1))
