"""Central differences, and inputs that are far from every kink."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STEP = 1e-4


def separated(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Numbers of both signs, no two closer than 0.1 and none closer than 0.05 to zero."""
    count = int(np.prod(shape))
    numbers = (np.arange(count) - count // 2 + 0.5) * 0.1
    return np.random.default_rng(seed).permutation(numbers).reshape(shape)


def central_differences(function: Callable[[np.ndarray], float], x: np.ndarray) -> np.ndarray:
    """The slope of `function` at `x`, one element at a time."""
    slopes = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[index] = STEP
        slopes[index] = (function(x + step) - function(x - step)) / (2 * STEP)
    return slopes
