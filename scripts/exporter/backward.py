"""Reverse-mode differentiation of the trunk: one rule per operator, in one table.

A rule takes the graph and a node Y = op(X, frozen weights...) and returns its pullback: a function from the
gradient dY at the output to the gradient dX at X, or to several where the operator joins X1, X2, ...
What needs no dY (masks, turned weights) the rule appends itself; the pullback appends the rest. dX and dY
have the shapes of X and Y. For the operators in `cpu.OBSERVED`, dY is what the terms that act on Y make of
it: the gradient before the ReLU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from . import cpu
from .graph import INT64_MAX, Graph, Node, Value
from .injection import Injection

Pullback = Callable[[Value], Value | tuple[Value, ...]]
Rule = Callable[[Graph, Node], Pullback]

INT64_MIN = np.iinfo(np.int64).min


class MissingRule(NotImplementedError):
    """The trunk holds a node that cannot be differentiated."""


def backward(g: Graph, trunk: Iterable[Node], seeds: Mapping[Value, Injection], image: Value) -> Value:
    """The gradient at `image` of a loss that acts on some of the trunk's values directly, as `seeds` say.

    `trunk` holds the nodes that lead from the image to those values, in topological order.

    All rules come before all pullbacks because ONNX Runtime runs, of two independent inputs, the one that was
    appended later first. With the masks appended last it would make all of them during the forward pass and
    keep them: 2.0 GB instead of 1.3 at 512x512.
    """
    path = _path(trunk, image)
    for node in path:
        if node.op_type in cpu.OBSERVED and node.output not in seeds:
            raise MissingRule(f"no term brings the gradient through the ReLU of node '{node.name}'")
    pullbacks = [_pullback(g, node) for node in path]
    seeds, gradients = dict(seeds), {}
    for node, pullback in zip(reversed(path), reversed(pullbacks), strict=True):
        y = node.output
        with g.scope(f"backward/{node.name}"):
            dy = gradients[y] if y in gradients else seeds.pop(y)(None)
            dxs = pullback(dy)
            for x, dx in zip(node.inputs, dxs if isinstance(dxs, tuple) else (dxs,), strict=False):
                if x in gradients:
                    gradients[x] = g.op("Add", gradients[x], dx, name="sum")
                else:
                    gradients[x] = seeds.pop(x)(dx) if x in seeds else dx
    return gradients[image]


def _path(trunk: Iterable[Node], image: Value) -> list[Node]:
    """The nodes that depend on the image."""
    reached, path = {image}, []
    for node in trunk:
        if reached.intersection(node.inputs):
            reached.add(node.output)
            path.append(node)
    return path


def _pullback(g: Graph, node: Node) -> Pullback:
    rule = RULES.get(node.op_type)
    if rule is None:
        raise MissingRule(f"no backward rule for operator {node.op_type} (node '{node.name}')")
    with g.scope(f"backward/{node.name}"):
        return rule(g, node)


def conv(g: Graph, node: Node) -> Pullback:
    """Y = Conv(X, W), stride 1: dX = Conv(dY, W'), W' = W with in and out swapped and both axes reversed.

    W' is made in the graph, so that the weights file holds every weight once; ONNX Runtime folds it at load.
    """
    kernel, pads = _stride_one_kernel(node)
    swapped = g.op("Transpose", node.inputs[1], perm=[1, 0, 2, 3], name="swap_in_out")
    ends = g.ints(INT64_MIN, INT64_MIN)
    turned = g.op("Slice", swapped, g.ints(-1, -1), ends, g.ints(2, 3), g.ints(-1, -1), name="reverse")
    opposite_pads = [k - 1 - p for k, p in zip(kernel * 2, pads, strict=True)]
    return lambda dy: g.op("Conv", dy, turned, kernel_shape=kernel, pads=opposite_pads)


def relu(g: Graph, node: Node) -> Pullback:
    """Y = max(X, 0): dX = dY where Y > 0, else 0.

    As a product with the mask: on the CPU a third of the time that Where takes. The mask is taken from Y, so
    that X need not be kept.
    """
    mask = _as_number(g, g.op("Greater", node.output, g.real(0, "zero")))
    return lambda dy: g.op("Mul", dy, mask)


def average_pool(g: Graph, node: Node) -> Pullback:
    """Y = mean of 2x2: every element of the window gets a quarter of dY."""
    _require_two_by_two(node)
    quarter = g.real(0.25, "quarter")
    scales = g.constant(np.array([1, 1, 2, 2], np.float32), "scales")
    nearest = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}

    def pullback(dy: Value) -> Value:
        spread = g.op("Resize", g.op("Mul", dy, quarter), None, scales, **nearest)
        return _pad_to_odd_size(g, spread, node.inputs[0])

    return pullback


def max_pool(g: Graph, node: Node) -> Pullback:
    """Y = max of 2x2: dY goes to the first maximum of the window in row-major order.

    X is taken apart into its four phases (top left, top right, bottom left, bottom right of every window),
    each of Y's size. One phase after another takes dY where it equals the maximum and leaves the rest to
    those that follow; what is left in the end belongs to the last. x * 1, x * 0 and x - x are exact, so no
    value changes and none is counted twice.
    """
    _require_two_by_two(node)
    x, y = node.inputs[0], node.output
    phases = [_phase(g, x, 0, 0), _phase(g, x, 0, 1), _phase(g, x, 1, 0)]
    masks = [_as_number(g, g.op("Equal", phase, y)) for phase in phases]

    def pullback(dy: Value) -> Value:
        left_over, shares = dy, []
        for mask in masks:
            shares.append(g.op("Mul", left_over, mask, name="share"))
            left_over = g.op("Sub", left_over, shares[-1], name="left_over")
        return _pad_to_odd_size(g, _interleave(g, *shares, left_over), x)

    return pullback


def multiply(g: Graph, node: Node) -> Pullback:
    """Y = K X, K a number that does not depend on the image: dX = K dY."""
    if node.inputs[1].shape:
        raise MissingRule(f"the backward rule of Mul is for X times one number (node '{node.name}')")
    return lambda dy: g.op("Mul", dy, node.inputs[1])


def cut(g: Graph, node: Node) -> Pullback:
    """Y = the beginning of X, or its end: dX is dY, and zero where X was cut off."""
    starts, ends = (set(g.ints_of(value) or []) for value in node.inputs[1:3])
    from_start, to_end = starts == {0}, ends == {INT64_MAX}
    if not (from_start or to_end) or len(node.inputs) > 4:
        raise MissingRule(f"the backward rule of Slice is for beginnings and ends (node '{node.name}')")
    x = node.inputs[0]

    def pullback(dy: Value) -> Value:
        missing = g.op("Sub", g.op("Shape", x), g.op("Shape", dy), name="missing")
        none = g.ints(*[0] * len(x.shape))
        pads = g.op("Concat", *((none, missing) if from_start else (missing, none)), axis=0, name="pads")
        return g.op("Pad", dy, pads)

    return pullback


def join(g: Graph, node: Node) -> Pullback:
    """Y = X1, X2, ... one after the other along an axis: each gets its part of dY."""
    axis = g.ints(node.attributes["axis"])

    def pullback(dy: Value) -> tuple[Value, ...]:
        parts, start = [], g.ints(0)
        for x in node.inputs:
            extent = g.op("Gather", g.op("Shape", x), axis, axis=0, name="extent")
            end = g.op("Add", start, extent, name="end")
            parts.append(g.op("Slice", dy, start, end, axis, name="part"))
            start = end
        return tuple(parts)

    return pullback


def _phase(g: Graph, x: Value, row: int, column: int) -> Value:
    """Element (row, column) of every 2x2 window of X.

    From offset 0 the slice ends before the last element, from offset 1 at the end: both give floor(size / 2)
    elements, for even and for odd sizes.
    """
    ends = [INT64_MAX if offset else -1 for offset in (row, column)]
    return g.op("Slice", x, g.ints(row, column), g.ints(*ends), g.ints(2, 3), g.ints(2, 2), name="phase")


def _interleave(
    g: Graph, top_left: Value, top_right: Value, bottom_left: Value, bottom_right: Value
) -> Value:
    """The inverse of the four phases: [1, C, h, w] each -> [1, C, 2h, 2w]."""
    top = _interleave_columns(g, top_left, top_right)
    bottom = _interleave_columns(g, bottom_left, bottom_right)
    # Two rows of 2w elements, one after the other, lie in memory as one row of 4w.
    row_pairs = g.op("Concat", top, bottom, axis=3, name="rows")
    doubled = g.op("Add", g.op("Shape", top_left), g.op("Shape", top_left))
    size = g.op("Slice", doubled, g.ints(2), g.ints(4), name="size")
    shape = g.op("Concat", g.ints(1, top_left.shape[1]), size, axis=0, name="shape")
    return g.op("Reshape", row_pairs, shape, name="interleaved")


def _interleave_columns(g: Graph, left: Value, right: Value) -> Value:
    """[1, C, h, w] twice -> [1, C, h, 2w]."""
    columns = [g.op("Reshape", side, g.ints(0, 0, 0, -1, 1), name="column") for side in (left, right)]
    pairs = g.op("Concat", *columns, axis=4, name="columns")
    return g.op("Reshape", pairs, g.ints(0, 0, 0, -1), name="columns")


def _pad_to_odd_size(g: Graph, dx: Value, x: Value) -> Value:
    """Zeros for the last row or column of X when its size is odd: the pool does not see them."""
    missing = g.op("Sub", g.op("Shape", x), g.op("Shape", dx), name="missing")
    pads = g.op("Concat", g.ints(0, 0, 0, 0), missing, axis=0, name="pads")
    return g.op("Pad", dx, pads, name="padded")


def _as_number(g: Graph, mask: Value) -> Value:
    """1 where true, 0 where false."""
    return g.op("Cast", mask, to=g.float_elem_type)


def _stride_one_kernel(node: Node) -> tuple[list[int], list[int]]:
    kernel = list(node.attributes["kernel_shape"])
    strides = node.attributes.get("strides", [1, 1])
    if list(strides) != [1, 1] or {"dilations", "group", "auto_pad"} & set(node.attributes):
        raise MissingRule(
            f"the backward rule of Conv is for stride 1, one group, undilated (node '{node.name}')"
        )
    return kernel, list(node.attributes.get("pads", [0, 0, 0, 0]))


def _require_two_by_two(node: Node) -> None:
    if node.attributes != {"kernel_shape": [2, 2], "strides": [2, 2]}:
        raise MissingRule(f"the backward rule of {node.op_type} is for 2x2, stride 2 (node '{node.name}')")


RULES: dict[str, Rule] = {
    "AveragePool": average_pool,
    "Concat": join,
    "Conv": conv,
    "MaxPool": max_pool,
    "Mul": multiply,
    "Relu": relu,
    "Slice": cut,
    **cpu.RULES,
}
