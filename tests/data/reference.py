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
    tv_weight: float = 0.0
    padding: float = 0.0
    """What the first convolution sees around the picture: its edge times this."""
    normalized: bool = False
    """Whether a layer's term adds a gradient of the L1 norm of its weight, as neural-style has it."""


@dataclass(frozen=True)
class Evaluation:
    """Weighted terms, those of layers in their order, and the gradient of their sum, [3, h, w]."""

    style_losses: np.ndarray
    content_losses: np.ndarray
    tv_loss: float
    gradient: np.ndarray

    @property
    def loss(self) -> float:
        return float(self.style_losses.sum() + self.content_losses.sum() + self.tv_loss)


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
        slope = 4 / difference.size / features.shape[1] * difference @ features
        # neural-style divides the Gram matrix by the channels too: its weight is channels^2 times ours.
        slope = weighted(problem, slope, weight, difference.size)
        seeds[layer] = seeds.get(layer, 0) + slope.reshape(activations[layer].shape)
    for layer, weight in zip(problem.content_layers, problem.content_weights, strict=True):
        difference = activations[layer] - content_activations[layer]
        content_losses.append(weight * np.mean(difference**2))
        slope = weighted(problem, 2 / difference.size * difference, weight)
        seeds[layer] = seeds.get(layer, 0) + slope
    tv_loss, tv_slope = total_variation(image)
    return Evaluation(
        np.array(style_losses),
        np.array(content_losses),
        problem.tv_weight * tv_loss,
        backward(problem, steps, seeds) + problem.tv_weight * tv_slope,
    )


def weighted(problem: Problem, slope: np.ndarray, weight: float, unit: float = 1) -> np.ndarray:
    """Of a term that is `unit` times neural-style's; the latter's gradient is what is normalised."""
    if not problem.normalized:
        return weight * slope
    return weight * unit * slope / unit / (np.abs(slope / unit).sum() + 1e-8)


def total_variation(image: np.ndarray) -> tuple[float, np.ndarray]:
    """Half the squared steps to the right and down, but from the last row and column, and their slope."""
    slope, total = np.zeros_like(image), 0.0
    _, height, width = image.shape
    for row, column in np.ndindex(height - 1, width - 1):
        for down, right in ((0, 1), (1, 0)):
            step = image[:, row, column] - image[:, row + down, column + right]
            total += np.sum(step**2) / 2
            slope[:, row, column] += step
            slope[:, row + down, column + right] -= step
    return total, slope


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
            frame = problem.padding if name == "1_1" else 0
            x = convolve(x, *problem.weights[f"conv{name}"], frame)
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
            frame = problem.padding if name == "conv1_1" else 0
            slope = convolve_transposed(slope, problem.weights[name][0], frame)
        elif problem.pooling == "max":
            slope = spread_to_maximum(x, slope)
        else:
            slope = spread_evenly(x, slope)
    return slope


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, frame: float) -> np.ndarray:
    _, height, width = x.shape
    padded = frame * np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="edge")
    padded[:, 1:-1, 1:-1] = x
    y = np.zeros((len(weight), height, width))
    for channel, row, column in np.ndindex(len(x), 3, 3):
        plane = padded[channel, row : row + height, column : column + width]
        y += weight[:, channel, row, column, None, None].astype(np.float64) * plane
    return y + bias[:, None, None]


def convolve_transposed(dy: np.ndarray, weight: np.ndarray, frame: float) -> np.ndarray:
    """Every output's slope goes back to the inputs it was made of."""
    _, height, width = dy.shape
    padded = np.zeros((weight.shape[1], height + 2, width + 2))
    for row, column in np.ndindex(3, 3):
        taps = weight[:, :, row, column].astype(np.float64)
        padded[:, row : row + height, column : column + width] += np.einsum("oi,ohw->ihw", taps, dy)
    dx = np.zeros((len(padded), height, width))
    for row, column in np.ndindex(height + 2, width + 2):
        inside = 1 <= row <= height and 1 <= column <= width
        down, right = min(max(row - 1, 0), height - 1), min(max(column - 1, 0), width - 1)
        dx[:, down, right] += (1 if inside else frame) * padded[:, row, column]
    return dx


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
