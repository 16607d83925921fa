"""The loop of a PyTorch tutorial listing, with the objective of preset `gatys`: the peer that is timed.

VGG19 in PyTorch's eager mode, its gradient by autograd, `torch.optim.LBFGS` with its defaults; the start is
the content image. The log holds seconds since the pictures were read and the loss, evaluation by evaluation.
Layers that the objective does not look at are left out, and nothing is kept that the loop does not need.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from exporter.presets import GATYS
from exporter.sources import load
from exporter.vgg19 import LAYERS, Codebook, convolution_of

MEAN = torch.tensor([103.939, 116.779, 123.68]).view(3, 1, 1)
"""Of ImageNet's pictures, BGR, 0 to 255: what the original VGG19 expects to be taken off."""

STYLE_WEIGHT = 1000.0


class Vgg19:
    """The network up to its deepest layer that the objective looks at."""

    def __init__(self, weights: Path, memory_format: torch.memory_format) -> None:
        self.memory_format = memory_format
        self.layers = LAYERS[: LAYERS.index(GATYS.style_layers[-1]) + 1]
        convolutions = load(str(weights)).convolutions
        self.convolutions = {}
        for layer in self.layers:
            convolution = convolutions[convolution_of(layer)]
            weight = tensor(convolution.weight).contiguous(memory_format=memory_format)
            self.convolutions[layer] = (weight, tensor(convolution.bias))

    def __call__(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        features = {}
        x = x.contiguous(memory_format=self.memory_format)
        for layer in self.layers:
            if layer.endswith("_1") and features:
                x = functional.max_pool2d(x, 2)
            weight, bias = self.convolutions[layer]
            x = functional.relu(functional.conv2d(x, weight, bias, padding=1), inplace=True)
            if layer in GATYS.layers:
                features[layer] = x
        return features


def tensor(part: np.ndarray | Codebook) -> torch.Tensor:
    values = part.entries[part.indices] if isinstance(part, Codebook) else part
    return torch.from_numpy(values.astype(np.float32))


def gram(features: torch.Tensor) -> torch.Tensor:
    rows = features.flatten(2)[0]
    return rows @ rows.T / rows.shape[1]


def objective(
    vgg: Vgg19, content: torch.Tensor, style: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The loss as a function of the image."""
    with torch.no_grad():
        seen = vgg(style)
        grams = {layer: gram(seen[layer]) for layer in GATYS.style_layers}
        contents = {layer: vgg(content)[layer].clone() for layer in GATYS.content_layers}

    def loss(image: torch.Tensor) -> torch.Tensor:
        features = vgg(image)
        terms = [
            STYLE_WEIGHT / len(target) ** 2 * functional.mse_loss(gram(features[layer]), target)
            for layer, target in grams.items()
        ]
        terms += [functional.mse_loss(features[layer], target) for layer, target in contents.items()]
        return sum(terms)

    return loss


def run(options: argparse.Namespace) -> list[tuple[float, float]]:
    """Seconds and loss of every evaluation."""
    torch.set_num_threads(options.threads)
    memory_format = torch.channels_last if options.channels_last else torch.contiguous_format
    content, style = (read(path) for path in (options.content, options.style))
    begin = time.perf_counter()
    loss = objective(Vgg19(options.weights, memory_format), content, style)
    image = content.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([image])
    log: list[tuple[float, float]] = []

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss(image)
        value.backward()
        log.append((time.perf_counter() - begin, value.item()))
        if len(log) == options.evaluations:
            raise Done
        return value

    with suppress(Done):
        while True:
            optimizer.step(closure)
    return log


class Done(Exception):
    """All evaluations that were asked for are done."""


def read(path: Path) -> torch.Tensor:
    """A picture as f32 [1, 3, h, w], BGR, 0 to 255, mean taken off."""
    pixels = torch.from_numpy(np.asarray(Image.open(path).convert("RGB"), np.float32)[..., ::-1].copy())
    return pixels.permute(2, 0, 1).contiguous().sub(MEAN)[None]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("content", type=Path)
    parser.add_argument("style", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--evaluations", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--channels-last", action="store_true")
    options = parser.parse_args()
    options.log.write_text(json.dumps(run(options)))


if __name__ == "__main__":
    main()
