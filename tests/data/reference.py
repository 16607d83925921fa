"""Style-transfer loss and gradient in float64 numpy, written without the exporter's rules and its graphs.

Everything is slow and plain: a convolution is a sum over taps and input channels of whole planes. That also
gives every pixel the same order of additions, so that equal neighbourhoods give exactly equal activations:
ties in flat areas are ties here as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Layers = dict[str, np.ndarray]
Weights = dict[str, tuple[np.ndarray, np.ndarray]]
CONVOLUTIONS_PER_BLOCK = (2, 2, 4, 4, 4)


@dataclass(frozen=True)
class Problem:
    """`weights` maps conv1_1 and so on to ([out, in, 3, 3], [out])."""

    weights: Weights
    pooling: str
    style_layers: tuple[str, ...]
    content_layers: tuple[str, ...]
    style_weights: tuple[float, ...]
    content_weights: tuple[float, ...]


@dataclass(frozen=True)
class Evaluation:
    """Weighted terms in the order of the layers, and the gradient of their sum, [3, h, w]."""

    style_losses: np.ndarray
    content_losses: np.ndarray
    gradient: np.ndarray

    @property
    def loss(self) -> float:
        return float(self.style_losses.sum() + self.content_losses.sum())


def evaluate(problem: Problem, image: np.ndarray, content: np.ndarray, style: np.ndarray) -> Evaluation:
    """Loss and gradient at `image`. Images are float64 [3, h, w], BGR, mean subtracted; `content` has the
    size of `image`, `style` any."""
    style_activations, _ = forward(problem, style)
    content_activations, _ = forward(problem, content)
    activations, steps = forward(problem, image)
    seeds: Layers = {}
    style_losses, content_losses = [], []
    for layer, weight in zip(problem.style_layers, problem.style_weights, strict=True):
        features = flat(activations[layer])
        difference = gram(activations[layer]) - gram(style_activations[layer])
        style_losses.append(weight * np.mean(difference**2))
        slope = 4 * weight / difference.size / features.shape[1] * difference @ features
        seeds[layer] = seeds.get(layer, 0) + slope.reshape(activations[layer].shape)
    for layer, weight in zip(problem.content_layers, problem.content_weights, strict=True):
        difference = activations[layer] - content_activations[layer]
        content_losses.append(weight * np.mean(difference**2))
        seeds[layer] = seeds.get(layer, 0) + 2 * weight / difference.size * difference
    return Evaluation(np.array(style_losses), np.array(content_losses), backward(problem, steps, seeds))


def flat(activation: np.ndarray) -> np.ndarray:
    return activation.reshape(len(activation), -1)


def gram(activation: np.ndarray) -> np.ndarray:
    features = flat(activation)
    return features @ features.T / features.shape[1]


def forward(problem: Problem, image: np.ndarray) -> tuple[Layers, list[tuple[str, np.ndarray]]]:
    """Activations by ReLU, and every step as (name, its input) in order."""
    needed = set(problem.style_layers + problem.content_layers)
    activations, steps, x = {}, [], image
    for block, count in enumerate(CONVOLUTIONS_PER_BLOCK, start=1):
        for index in range(1, count + 1):
            name = f"{block}_{index}"
            steps.append((f"conv{name}", x))
            x = convolve(x, *problem.weights[f"conv{name}"])
            steps.append((f"relu{name}", x))
            x = activations[f"relu{name}"] = np.where(x > 0, x, 0.0)
            if needed <= activations.keys():
                return activations, steps
        steps.append((f"pool{block}", x))
        x = windows(x).max(-1) if problem.pooling == "max" else windows(x).mean(-1)
    raise ValueError(f"unknown layers {sorted(needed - activations.keys())}")


def backward(problem: Problem, steps: list[tuple[str, np.ndarray]], seeds: Layers) -> np.ndarray:
    slope: np.ndarray | float = 0.0
    for name, x in reversed(steps):
        if name.startswith("relu"):
            slope = np.where(x > 0, slope + seeds.get(name, 0.0), 0.0)
        elif name.startswith("conv"):
            slope = convolve_transposed(slope, problem.weights[name][0])
        elif problem.pooling == "max":
            slope = spread_to_maximum(x, slope)
        else:
            slope = spread_evenly(x, slope)
    return slope


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    y = np.zeros((len(weight), height, width))
    for channel, row, column in np.ndindex(len(x), 3, 3):
        plane = padded[channel, row : row + height, column : column + width]
        y += weight[:, channel, row, column, None, None].astype(np.float64) * plane
    return y + bias[:, None, None]


def convolve_transposed(dy: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Every output's slope goes back to the inputs it was made of."""
    _, height, width = dy.shape
    padded = np.zeros((weight.shape[1], height + 2, width + 2))
    for row, column in np.ndindex(3, 3):
        taps = weight[:, :, row, column].astype(np.float64)
        padded[:, row : row + height, column : column + width] += np.einsum("oi,ohw->ihw", taps, dy)
    return padded[:, 1:-1, 1:-1]


def windows(x: np.ndarray) -> np.ndarray:
    """[c, h, w] -> [c, h // 2, w // 2, 4], a window's elements in row-major order."""
    channels, height, width = x.shape
    even = x[:, : height // 2 * 2, : width // 2 * 2]
    blocks = even.reshape(channels, height // 2, 2, width // 2, 2)
    return blocks.transpose(0, 1, 3, 2, 4).reshape(channels, height // 2, width // 2, 4)


def spread_to_maximum(x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """numpy's argmax is the first of equal maxima."""
    dx = np.zeros_like(x)
    first = windows(x).argmax(-1)
    for channel, row, column in np.ndindex(*dy.shape):
        down, right = divmod(first[channel, row, column], 2)
        dx[channel, 2 * row + down, 2 * column + right] = dy[channel, row, column]
    return dx


def spread_evenly(x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    dx = np.zeros_like(x)
    _, height, width = dy.shape
    dx[:, : 2 * height, : 2 * width] = dy.repeat(2, axis=1).repeat(2, axis=2) / 4
    return dx
