"""Graphs on ONNX Runtime's CPU provider, as the program runs them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx.reference import ReferenceEvaluator
from reference import Evaluation, regions

from exporter import contract
from inference import onnxruntime

Arrays = dict[str, np.ndarray]


def session(graph: Path | bytes, size: tuple[int, int], optimized: Path | None = None, regions: int = 1):
    """With height, width and the number of regions fixed; `optimized` receives the graph as ONNX Runtime made
    it over.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    for name, extent in zip(("height", "width", "regions"), (*size, regions), strict=True):
        options.add_free_dimension_override_by_name(name, extent)
    if optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(optimized)
    source = graph if isinstance(graph, bytes) else str(graph)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def run(graph: Path | bytes, feed: Arrays, exact: bool = False) -> Arrays:
    """`feed` by name -> outputs by name. Unless `feed` has them, padding is zero and guides are ones.

    With `exact`, a graph of float64 in ONNX's reference implementation.
    """
    size = feed[contract.IMAGE].shape[2:] if contract.IMAGE in feed else (1, 1)
    runner = ReferenceEvaluator(graph) if exact else session(graph, size, regions=regions_of(feed))
    values = runner.input_names if exact else [value.name for value in runner.get_inputs()]
    for name in values:
        if name == contract.PADDING:
            feed = {name: 0} | feed
        elif name.startswith("guide/"):
            feed = {name: np.ones(contract.whole_guide_shape(name, size))} | feed
    feed = {name: np.asarray(array, np.float64 if exact else np.float32) for name, array in feed.items()}
    names = runner.output_names if exact else [output.name for output in runner.get_outputs()]
    return dict(zip(names, runner.run(names, feed), strict=True))


def regions_of(feed: Arrays) -> int:
    weights = feed.get(contract.STYLE_WEIGHT)
    return 1 if weights is None else len(weights)


@dataclass(frozen=True)
class Graphs:
    """What an evaluation needs, as files or as bytes."""

    forward: Path | bytes
    targets: Path | bytes
    loss_grad: Path | bytes


def evaluate(
    graphs: Graphs, problem, image: np.ndarray, content: np.ndarray, style: np.ndarray, exact: bool = False
) -> Evaluation:
    """What reference.evaluate computes, by a preset's graphs. Images are [3, h, w]."""
    outputs = run(graphs.loss_grad, inputs(graphs, problem, image, content, style, exact), exact)
    evaluation = Evaluation(
        outputs[contract.STYLE_LOSSES].sum(axis=0),
        outputs[contract.CONTENT_LOSSES],
        outputs[contract.TV_LOSS],
        outputs[contract.GRADIENT][0],
    )
    np.testing.assert_allclose(outputs[contract.LOSS], evaluation.loss, rtol=1e-6)
    return evaluation


def inputs(
    graphs: Graphs, problem, image: np.ndarray, content: np.ndarray, style: np.ndarray, exact: bool = False
) -> Arrays:
    """Of the loss graph: image, padding, weights, targets, guides of regions."""
    padding = {contract.PADDING: problem.padding}
    seen = run(graphs.forward, {contract.IMAGE: style[None]} | padding, exact)
    targets = run(graphs.targets, sums_of(seen), exact)
    content_features = run(graphs.forward, {contract.IMAGE: content[None]} | padding, exact)
    shares, guides = regions_in(problem, image.shape[1:])
    return {
        **padding,
        contract.IMAGE: image[None],
        contract.TV_WEIGHT: problem.tv_weight,
        contract.STYLE_WEIGHT: shares * problem.style_weights,
        contract.CONTENT_WEIGHT: np.array(problem.content_weights),
        **{name: np.repeat(target, len(shares), axis=0) for name, target in targets.items()},
        **guides,
        **{name: value for name, value in content_features.items() if name.startswith("content/")},
    }


def regions_in(problem, size: tuple[int, int]) -> tuple[np.ndarray, Arrays]:
    """The shares of a problem's regions, [regions, layers], and their guides by name; of one region, none."""
    if not problem.masks:
        return np.ones((1, len(problem.style_layers))), {}
    shares, guides = [], {}
    for layer in problem.style_layers:
        places = contract.whole_guide_shape(f"guide/style/{layer}", size)[2:]
        of_layer = list(regions(problem.masks, layer, places))
        shares.append([share for share, _ in of_layer])
        guides[f"guide/style/{layer}"] = np.array([guide.reshape(1, *places) for _, guide in of_layer])
    return np.array(shares).T, guides


def sums_of(outputs: Arrays) -> Arrays:
    """The sums among the outputs of `forward`."""
    return {name: value for name, value in outputs.items() if not name.startswith("content/")}
