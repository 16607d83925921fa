"""Graphs on ONNX Runtime's CPU provider, as the program runs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from reference import Evaluation

from exporter import contract
from inference import onnxruntime

Arrays = dict[str, np.ndarray]


def session(graph: Path | bytes, size: tuple[int, int], optimized: Path | None = None):
    """With height and width fixed; `optimized` receives the graph as ONNX Runtime made it over."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    for name, extent in zip(("height", "width"), size, strict=True):
        options.add_free_dimension_override_by_name(name, extent)
    if optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(optimized)
    source = graph if isinstance(graph, bytes) else str(graph)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def run(graph: Path | bytes, feed: Arrays) -> Arrays:
    """`feed` by name -> outputs by name, all float32. Unless `feed` has a padding, it is zero."""
    feed = {contract.PADDING: 0} | feed
    feed = {name: np.asarray(array, np.float32) for name, array in feed.items()}
    runner = session(graph, feed[contract.IMAGE].shape[2:])
    names = [output.name for output in runner.get_outputs()]
    return dict(zip(names, runner.run(names, feed), strict=True))


def evaluate(
    features, loss_grad, problem, image: np.ndarray, content: np.ndarray, style: np.ndarray
) -> Evaluation:
    """What reference.evaluate computes, by a preset's two graphs. Images are [3, h, w]."""
    padding = {contract.PADDING: problem.padding}
    style_targets = run(features, {contract.IMAGE: style[None]} | padding)
    content_targets = run(features, {contract.IMAGE: content[None]} | padding)
    outputs = run(
        loss_grad,
        {
            **padding,
            contract.IMAGE: image[None],
            contract.TV_WEIGHT: problem.tv_weight,
            contract.STYLE_WEIGHT: np.array(problem.style_weights),
            contract.CONTENT_WEIGHT: np.array(problem.content_weights),
            **{name: value for name, value in style_targets.items() if name.startswith("gram/")},
            **{name: value for name, value in content_targets.items() if name.startswith("content/")},
        },
    )
    evaluation = Evaluation(
        outputs[contract.STYLE_LOSSES],
        outputs[contract.CONTENT_LOSSES],
        outputs[contract.TV_LOSS],
        outputs[contract.GRADIENT][0],
    )
    np.testing.assert_allclose(outputs[contract.LOSS], evaluation.loss, rtol=1e-6)
    return evaluation
