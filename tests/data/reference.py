"""Style-transfer loss and gradient in float64 numpy, written without the exporter's rules and its graphs.

Everything is slow and plain: a convolution is a sum over taps and input channels of whole planes. That also
gives every pixel the same order of additions, so that equal neighbourhoods give exactly equal activations:
ties in flat areas are ties here as well.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    style_loss: str = "gram"
    masks: tuple[np.ndarray, ...] = ()
    """Of the regions, [h, w], 0 to 1; none: the picture is one. All have the same style."""


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
        features, wanted = flat(activations[layer]), flat(style_activations[layer])
        value, slope = 0.0, np.zeros_like(features)
        for share, guide in regions(problem.masks, layer, activations[layer].shape[1:]):
            if share == 0:
                continue
            term, by_gram, by_mean = STYLE_TERMS[problem.style_loss](features, wanted, guide)
            value += share * term
            slope += share * guide * ((by_gram + by_gram.T) @ features + by_mean[:, None]) / guide.sum()
        style_losses.append(weight * value)
        seeds[layer] = seeds.get(layer, 0) + weight * slope.reshape(activations[layer].shape)
    for layer, weight in zip(problem.content_layers, problem.content_weights, strict=True):
        difference = activations[layer] - content_activations[layer]
        content_losses.append(weight * np.mean(difference**2))
        seeds[layer] = seeds.get(layer, 0) + weight * 2 / difference.size * difference
    tv_loss, tv_slope = total_variation(image)
    return Evaluation(
        np.array(style_losses),
        np.array(content_losses),
        problem.tv_weight * tv_loss,
        backward(problem, steps, seeds) + problem.tv_weight * tv_slope,
    )


def regions(
    masks: tuple[np.ndarray, ...], layer: str, size: tuple[int, int]
) -> Iterator[tuple[float, np.ndarray]]:
    """Each region's share of the picture, 0 without a place, and the weights of a layer's places, flat."""
    if not masks:
        yield 1.0, np.ones(size[0] * size[1])
    side = 2 ** (int(layer[4]) - 1)
    places = [mean_over_places(mask, side, size) for mask in masks]
    for index, mask in enumerate(masks):
        share = np.mean(np.where(is_largest(masks, index), mask, 0))
        guide = places[index] ** 2 * seeing_only(is_largest(places, index), -(-reach(layer) // side))
        yield share * guide.any(), guide.ravel()


def mean_over_places(mask: np.ndarray, side: int, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    return np.array(
        [
            [mask[y * side : (y + 1) * side, x * side : (x + 1) * side].mean() for x in range(width)]
            for y in range(height)
        ]
    )


def is_largest(masks: list[np.ndarray] | tuple[np.ndarray, ...], index: int) -> np.ndarray:
    return (np.argmax(masks, axis=0) == index) & (masks[index] > 0)


def reach(layer: str) -> int:
    """Pixels that a place sees beyond its own: each convolution adds a place of its block."""
    block, index = int(layer[4]), int(layer[6:])
    before = sum(count * 2**i for i, count in enumerate(CONVOLUTIONS_PER_BLOCK[: block - 1]))
    return before + index * 2 ** (block - 1)


def seeing_only(own: np.ndarray, radius: int) -> np.ndarray:
    """The places of a region farther than `radius` from all others, and what is within 3 of these; if that is
    less than half of the region, with the next smaller radius."""
    for distance in range(radius, 0, -1):
        inner = own & (steps_to(~own) > distance)
        grown = own & (steps_to(inner) <= 3)
        if 2 * grown.sum() >= own.sum():
            return grown
    return own


def steps_to(places: np.ndarray) -> np.ndarray:
    """Rows or columns, whichever are more, to the nearest of `places`."""
    steps = np.full(places.shape, np.inf)
    for row, column in np.argwhere(places):
        rows, columns = np.indices(places.shape)
        steps = np.minimum(steps, np.maximum(abs(rows - row), abs(columns - column)))
    return steps


def gram_term(
    image: np.ndarray, style: np.ndarray, guide: np.ndarray | None = None
) -> tuple[float, np.ndarray, np.ndarray]:
    """Of features [C, places]: the term and its derivatives by the Gram matrix and by the mean."""
    difference = moments(image, guide)[0] - moments(style)[0]
    return np.mean(difference**2), 2 * difference / difference.size, np.zeros(len(image))


def moments_term(
    image: np.ndarray, style: np.ndarray, guide: np.ndarray | None = None
) -> tuple[float, np.ndarray, np.ndarray]:
    """The same with means and standard deviations."""
    _, mean = moments(image, guide)
    deviation, wanted = np.sqrt(np.diag(covariance(image, guide))), style.std(axis=1)
    apart, wider, channels = mean - moments(style)[1], deviation - wanted, len(mean)
    over = np.divide(wider, deviation, out=np.zeros_like(wider), where=deviation > 0)
    value, by_gram, _ = gram_term(image, style, guide)
    return (
        value / channels**2 + 10 * np.mean(apart**2) + 10 * np.mean(wider**2),
        by_gram / channels**2 + 10 * np.diag(over) / channels,
        20 * (apart - over * mean) / channels,
    )


def wasserstein_term(
    image: np.ndarray, style: np.ndarray, guide: np.ndarray | None = None
) -> tuple[float, np.ndarray, np.ndarray]:
    """The distance of two Gaussians, by eigenvalues."""
    (_, mean), (_, wanted) = moments(image, guide), moments(style)
    channels, there = len(mean), covariance(style)
    lift = 1e-6 * np.trace(there) / channels * np.eye(channels)
    here, root = covariance(image, guide) + lift, power(there + lift, 0.5)
    apart = mean - wanted
    overlap = np.trace(power(root @ here @ root, 0.5))
    by_gram = (np.eye(channels) - root @ power(root @ here @ root, -0.5) @ root) / channels
    value = np.mean(apart**2) + (np.trace(there + lift) + np.trace(here) - 2 * overlap) / channels
    return value, by_gram, 2 * apart / channels - 2 * by_gram @ mean


STYLE_TERMS = {"gram": gram_term, "moments": moments_term, "wasserstein": wasserstein_term}


def moments(features: np.ndarray, guide: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    weights = np.ones(features.shape[1]) if guide is None else guide
    return (weights * features) @ features.T / weights.sum(), features @ weights / weights.sum()


def covariance(features: np.ndarray, guide: np.ndarray | None = None) -> np.ndarray:
    return np.cov(features, bias=True, aweights=guide)


def power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """Of a symmetric, positive matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.maximum(values, 1e-300) ** exponent @ vectors.T


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
    return moments(flat(activation))[0]


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
