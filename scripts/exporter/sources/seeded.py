"""Seeded random weights, for tests: a network of VGG19's shape with its channel counts divided.

Weights are uniform with He's variance, 2 / fan-in (He et al., "Delving Deep into Rectifiers", ICCV 2015), so
that activations keep their size through the layers; biases are uniform within 8, some grey levels.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from ..vgg19 import CHANNELS_PER_BLOCK, LAYERS, Convolution, Vgg19Weights, block_of, convolution_of
from .layers import WeightsError

BIAS_RANGE = 8.0


def weights(seed: str, width_divisor: int) -> Vgg19Weights:
    if not seed.isdecimal():
        raise WeightsError(f"random:{seed}: the seed must be a whole number from 0")
    if width_divisor < 1 or any(channels % width_divisor for channels in CHANNELS_PER_BLOCK):
        raise WeightsError(
            f"width divisor {width_divisor}: it must divide 64, VGG19's smallest channel count"
        )
    generator = np.random.PCG64(int(seed))
    convolutions, inputs, digest = {}, 3, sha256()
    for layer in LAYERS:
        outputs = CHANNELS_PER_BLOCK[block_of(layer) - 1] // width_divisor
        bound = np.sqrt(6 / (9 * inputs))
        weight = _uniform(generator, (outputs, inputs, 3, 3), bound)
        bias = _uniform(generator, (outputs,), BIAS_RANGE)
        convolutions[convolution_of(layer)] = Convolution(weight, bias)
        digest.update(weight.tobytes() + bias.tobytes())
        inputs = outputs
    source = f"random:{seed}, widths divided by {width_divisor}"
    return Vgg19Weights(convolutions, None, source, digest.hexdigest())


def _uniform(generator: np.random.PCG64, shape: tuple[int, ...], bound: float) -> np.ndarray:
    """Within +-bound. From the raw bits: numpy promises those, not its distributions, across versions."""
    raw = generator.random_raw(int(np.prod(shape))) >> np.uint64(40)
    return ((raw / 2**23 - 1) * bound).astype(np.float32).reshape(shape)
