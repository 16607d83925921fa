"""The temporal term: how far a frame of a film is from the last one, moved to where things are now.

Of an image x, the last frame y, moved, and a mask m over the pixels, 0 where y says nothing of x:

    weight * sum(m (x - y)^2) / (3 height width)

Source: Ruder, Dosovitskiy & Brox, "Artistic style transfer for videos", GCPR 2016, equation 7.
"""

from __future__ import annotations

import numpy as np
import onnx

from . import contract
from .backward import backward
from .graph import Graph, Value


def build(float_type: type[np.floating] = np.float32) -> onnx.ModelProto:
    """image, moved, mask, weight -> the weighted term, and its gradient by the rules."""
    g = Graph(float_type)
    image, moved, mask, weight = (g.input(*pair) for pair in contract.TEMPORAL_INPUTS.items())
    factor = g.op("Div", weight, _values_of(g, image), name="factor")
    before = len(g.items())
    difference = g.op("Sub", image, moved, name="difference").with_shape(image.shape)
    square = g.op("Mul", difference, difference, name="square").with_shape(image.shape)
    total = g.op("Mul", square, mask, name="masked").with_shape(image.shape)
    # One float32 sum over everything loses two digits in ONNX Runtime.
    for axis in (3, 2, 1):
        total = g.op("ReduceSum", total, g.ints(axis), keepdims=1, name="sum")
    (gradient,) = backward(g, g.items()[before:], {total: lambda _: factor}, [image])
    value = g.op("Mul", g.op("Reshape", total, g.ints(), name="total"), factor, name="loss")
    return g.to_model({
        contract.TEMPORAL_LOSS: value.with_shape(()),
        contract.GRADIENT: gradient.with_shape(image.shape),
    })  # fmt: skip


def _values_of(g: Graph, image: Value) -> Value:
    """How many values an image has, a real number; ONNX Runtime folds it once height and width are fixed."""
    count = g.op("ReduceProd", g.op("Shape", image, name="size"), keepdims=0, name="count")
    return g.op("Cast", count, to=g.float_elem_type, name="values")
