#!/usr/bin/env python3
"""Compare exported graphs with PyTorch's automatic differentiation. For developers; not part of the tests.

Export first, then name the same weights. Needs torch and onnxruntime. The pictures are noise and rectangles
of one colour (ties in the max pools), of even and odd sizes; PyTorch computes in float64. Fails when a term
is off by more than 5e-6 (relative) or a gradient by more than 1e-4 (relative L2).
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from exporter import contract, sources
from exporter.presets import BOOK, GATYS, Preset
from exporter.vgg19 import LAYERS, POOLINGS, Codebook, Vgg19Weights, convolution_of
from inference import onnxruntime

TERM_BAR, GRADIENT_BAR = 5e-6, 1e-4
TV_WEIGHT = 1e-3
SIZES = [(64, 64), (49, 70), (97, 61)]
POOLS = {"max": functional.max_pool2d, "avg": functional.avg_pool2d}

Arrays = dict[str, np.ndarray]


def main() -> int:
    options = parse_arguments()
    weights = sources.load(options.weights, options.width_divisor, options.convention)
    failures = 0
    for preset, pooling in itertools.product((GATYS, BOOK), POOLINGS):
        for name, image, content, style in pictures():
            actual = evaluate_graphs(options.graphs, preset, pooling, image, content, style)
            expected = evaluate_torch(weights, preset, pooling, image, content, style)
            term, gradient = deviations(actual, expected)
            within = term <= TERM_BAR and gradient <= GRADIENT_BAR
            failures += not within
            verdict = "ok" if within else "FAILED"
            print(f"{preset.name:6}{pooling:4}{name:16} terms {term:.1e}  gradient {gradient:.1e}  {verdict}")
    return 1 if failures else 0


def pictures() -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Name, image, content, style; float32 [1, 3, h, w], BGR, mean subtracted."""
    generator = np.random.default_rng(0)
    for size in SIZES:
        content = generator.uniform(-110, 140, (1, 3, *size)).astype(np.float32)
        style = generator.uniform(-100, 30, (1, 3, 83, 58)).astype(np.float32)
        noise = generator.uniform(-110, 140, (1, 3, *size)).astype(np.float32)
        flat = np.full_like(noise, 90)
        flat[..., size[0] // 3 :, : size[1] // 2] = -60
        shape = "x".join(map(str, size))
        yield f"noise {shape}", noise, content, style
        yield f"flat {shape}", flat, content, style


def evaluate_graphs(
    graphs: Path,
    preset: Preset,
    pooling: str,
    image: np.ndarray,
    content: np.ndarray,
    style: np.ndarray,
) -> Arrays:
    forward, targets, loss_grad = (
        graphs / contract.Graph(kind, pooling).file_name(preset)
        for kind in (contract.FORWARD, contract.TARGETS, contract.LOSS_GRAD)
    )
    padding = {contract.PADDING: np.zeros((), np.float32)}
    seen, content_seen = (run(forward, {contract.IMAGE: x} | padding) for x in (style, content))
    sums = {name: value for name, value in seen.items() if not name.startswith("content/")}
    feed = run(targets, sums)
    feed |= {name: value for name, value in content_seen.items() if name.startswith("content/")}
    channels = [len(sums[f"sums/{layer}"][0]) for layer in preset.style_layers]
    feed |= {
        contract.STYLE_WEIGHT: np.array([[style_weight(c) for c in channels]], np.float32),
        contract.CONTENT_WEIGHT: np.ones(len(preset.content_layers), np.float32),
        contract.TV_WEIGHT: np.array(TV_WEIGHT, np.float32),
    }
    return run(loss_grad, {contract.IMAGE: image} | padding | feed)


def run(graph: Path, feed: Arrays) -> Arrays:
    """Under guides of ones."""
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    for value in session.get_inputs():
        if value.name.startswith("guide/"):
            shape = contract.whole_guide_shape(value.name, feed[contract.IMAGE].shape[2:])
            feed = feed | {value.name: np.ones(shape, np.float32)}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def evaluate_torch(
    weights: Vgg19Weights,
    preset: Preset,
    pooling: str,
    image: np.ndarray,
    content: np.ndarray,
    style: np.ndarray,
) -> Arrays:
    x = torch.from_numpy(image.astype(np.float64)).requires_grad_()
    activations = activate(weights, pooling, x)
    with torch.no_grad():
        style_activations, content_activations = (
            activate(weights, pooling, torch.from_numpy(target.astype(np.float64)))
            for target in (style, content)
        )
    style_losses = torch.stack(
        [
            style_weight(activations[layer].shape[1])
            * functional.mse_loss(gram(activations[layer]), gram(style_activations[layer]))
            for layer in preset.style_layers
        ]
    )
    content_losses = torch.stack(
        [
            functional.mse_loss(activations[layer], content_activations[layer])
            for layer in preset.content_layers
        ]
    )
    tv_loss = TV_WEIGHT * total_variation(x)
    loss = style_losses.sum() + content_losses.sum() + tv_loss
    (gradient,) = torch.autograd.grad(loss, x)
    outputs = (loss, style_losses[None], content_losses, tv_loss, gradient)
    names = (
        contract.LOSS,
        contract.STYLE_LOSSES,
        contract.CONTENT_LOSSES,
        contract.TV_LOSS,
        contract.GRADIENT,
    )
    return {name: output.detach().numpy() for name, output in zip(names, outputs, strict=True)}


def activate(weights: Vgg19Weights, pooling: str, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """All of VGG19, by ReLU."""
    if affine := weights.input_affine:
        scale, offset = (
            torch.tensor(part, dtype=x.dtype)[:, None, None] for part in (affine.scale, affine.offset)
        )
        x = x[:, list(affine.order)] * scale + offset
    activations: dict[str, torch.Tensor] = {}
    for layer in LAYERS:
        if activations and layer.endswith("_1"):
            x = POOLS[pooling](x, 2)
        convolution = weights.convolutions[convolution_of(layer)]
        weight, bias = (torch.tensor(dense(part)).double() for part in (convolution.weight, convolution.bias))
        x = activations[layer] = functional.relu(functional.conv2d(x, weight, bias, padding=1))
    return activations


def dense(tensor: np.ndarray | Codebook) -> np.ndarray:
    return tensor.entries[tensor.indices] if isinstance(tensor, Codebook) else tensor


def gram(activation: torch.Tensor) -> torch.Tensor:
    features = activation.flatten(2)[0]
    return features @ features.T / features.shape[1]


def total_variation(image: torch.Tensor) -> torch.Tensor:
    inner = image[..., :-1, :-1]
    return ((inner - image[..., :-1, 1:]).square().sum() + (inner - image[..., 1:, :-1]).square().sum()) / 2


def style_weight(channels: int) -> float:
    return 1000 / channels**2


def deviations(actual: Arrays, expected: Arrays) -> tuple[float, float]:
    """The largest relative error of a term or the loss, and the gradient's relative L2 error."""
    terms = [
        np.abs(actual[name] / expected[name] - 1).max()
        for name in (contract.LOSS, contract.STYLE_LOSSES, contract.CONTENT_LOSSES, contract.TV_LOSS)
    ]
    gradient = expected[contract.GRADIENT]
    distance = np.linalg.norm(actual[contract.GRADIENT] - gradient) / np.linalg.norm(gradient)
    return float(max(terms)), float(distance)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--weights",
        required=True,
        metavar="FILE|random:SEED",
        help="as given to the export",
    )
    parser.add_argument(
        "--width-divisor",
        type=int,
        default=1,
        metavar="N",
        help="as given to the export",
    )
    parser.add_argument("--convention", choices=sources.CONVENTIONS, help="as given to the export")
    parser.add_argument("--graphs", type=Path, default=Path("onnx"), metavar="DIR", help="default onnx/")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
