"""Reverse-mode differentiation of a part of a graph: one rule per operator, in one table.

A rule takes the graph and a node Y = op(X1, X2, ...) and returns its pullback: a function from the gradient
dY at the output to the gradients at the inputs, in their order; those after the last that it gives are
frozen. What needs no dY (masks, turned weights) the rule appends itself; the pullback appends the rest.

dY may come with dimensions of 1 where Y is larger, all values along them being equal: `whole` spreads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from .graph import INT64_MAX, Graph, Group, Item, Node, Value
from .injection import Injection

Pullback = Callable[[Value], Value | tuple[Value, ...]]
Rule = Callable[[Graph, Node], Pullback]

INT64_MIN = np.iinfo(np.int64).min


class MissingRule(NotImplementedError):
    """A node cannot be differentiated."""


def backward(
    g: Graph, items: Iterable[Item], seeds: Mapping[Value, Injection], sources: Sequence[Value]
) -> list[Value | None]:
    """The gradients at `sources` of a loss that acts on some values directly, as `seeds` say.

    `items` lead from the sources to those values, in topological order. A gradient is None where the loss
    does not depend on the source.

    All rules come before all pullbacks because ONNX Runtime runs, of two independent inputs, the one that was
    appended later first. With the masks appended last it would make all of them during the forward pass and
    keep them: 2.0 GB instead of 1.3 at 512x512.
    """
    reached, path = _path(items, sources)
    pullbacks = [_pullback(g, item) for item in path]
    seeds, gradients = dict(seeds), {}
    for item, pullback in zip(reversed(path), reversed(pullbacks), strict=True):
        y = item.output
        dy = gradients.pop(y) if y in gradients else seeds.pop(y)(None) if y in seeds else None
        if dy is None:
            continue
        dxs = pullback(dy)
        for x, dx in zip(item.inputs, dxs if isinstance(dxs, tuple) else (dxs,), strict=False):
            if x not in reached:
                continue
            if x in gradients:
                with g.scope(f"backward/{item.name}"):
                    gradients[x] = g.op("Add", gradients[x], dx, name="sum")
            else:
                gradients[x] = seeds.pop(x)(dx) if x in seeds else dx
    return [gradients.get(source) for source in sources]


def _path(items: Iterable[Item], sources: Sequence[Value]) -> tuple[set[Value], list[Item]]:
    """The values that depend on the sources, and the items that make them."""
    reached, path = set(sources), []
    for item in items:
        if reached.intersection(item.inputs):
            reached.add(item.output)
            path.append(item)
    return reached, path


def _pullback(g: Graph, item: Item) -> Pullback:
    """The pullback of a node, or of a group through its nodes; what it appends is one group again."""
    with g.scope(f"backward/{item.name}"), g.group(f"{item.op_type}Gradient", of=item) as group:
        pullback = _through(g, item) if isinstance(item, Group) else _rule(item)(g, item)

    def grouped(dy: Value) -> Value | tuple[Value, ...]:
        with g.scope(f"backward/{item.name}"), g.inside(group):
            dxs = pullback(dy)
        group.inputs, group.outputs = (dy,), dxs if isinstance(dxs, tuple) else (dxs,)
        return dxs

    return grouped


def _through(g: Graph, group: Group) -> Pullback:
    def pullback(dy: Value) -> Value:
        (dx,) = backward(g, group.nodes, {group.output: lambda _: dy}, group.inputs[:1])
        return dx

    return pullback


def _rule(node: Node) -> Rule:
    rule = RULES.get(node.op_type)
    if rule is None:
        raise MissingRule(f"no backward rule for operator {node.op_type} (node '{node.name}')")
    return rule


def whole(g: Graph, dy: Value, y: Value) -> Value:
    """dY, spread to the shape of Y."""
    if dy.shape == y.shape:
        return dy
    return g.op("Expand", dy, g.op("Shape", y), name="spread").with_shape(y.shape)


def _gathered(g: Graph, dy: Value, x: Value, y: Value) -> Value:
    """The gradient at an X that was spread to the shape of Y: summed where X lacks a dimension or has 1."""
    surplus = len(y.shape) - len(x.shape)
    axes = [surplus + axis for axis, dim in enumerate(x.shape) if dim == 1 and y.shape[surplus + axis] != 1]
    if axes or surplus:
        dy = whole(g, dy, y)
    if axes:
        dy = g.op("ReduceSum", dy, g.ints(*axes), keepdims=1, name="gathered")
    if surplus:
        dy = g.op("ReduceSum", dy, g.ints(*range(surplus)), keepdims=0, name="gathered")
    return dy


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

    The mask is taken from Y, so that X need not be kept.
    """
    zero = g.real(0, "zero")
    mask = g.op("Greater", node.output, zero, name="mask")
    return lambda dy: g.op("Where", mask, whole(g, dy, node.output), zero)


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

    X is taken apart into its phases (top left, top right, bottom left, bottom right of every window), each of
    Y's size; the last is the maximum where no other is. dY is spread over the window, and kept at the
    maximum's place.
    """
    _require_two_by_two(node)
    x, y, zero = node.inputs[0], node.output, g.real(0, "zero")
    place = g.real(3, "place")
    for number, (row, column) in reversed(list(enumerate([(0, 0), (0, 1), (1, 0)]))):
        is_maximum = g.op("Equal", _phase(g, x, row, column), y, name="mask")
        place = g.op("Where", is_maximum, g.real(number, "place"), place, name="place")
    places = g.real(np.arange(4).reshape(2, 1, 2), "places")

    def pullback(dy: Value) -> Value:
        is_place = g.op("Equal", _between(g, place), places, name="is_place")
        kept = g.op("Where", is_place, _between(g, whole(g, dy, y)), zero, name="kept")
        return _pad_to_odd_size(g, _joined(g, kept, y), x)

    return pullback


def add(g: Graph, node: Node) -> Pullback:
    """Y = A + B: dA = dB = dY."""
    a, b, y = *node.inputs, node.output
    return lambda dy: (_gathered(g, dy, a, y), _gathered(g, dy, b, y))


def subtract(g: Graph, node: Node) -> Pullback:
    """Y = A - B: dA = dY, dB = -dY."""
    a, b, y = *node.inputs, node.output
    return lambda dy: (_gathered(g, dy, a, y), _gathered(g, g.op("Neg", dy), b, y))


def multiply(g: Graph, node: Node) -> Pullback:
    """Y = A B, element by element: dA = B dY, dB = A dY; of a square, dA = A 2 dY."""
    a, b, y = *node.inputs, node.output
    if a == b:
        return lambda dy: g.op("Mul", a, g.op("Add", dy, dy, name="twice"))
    return lambda dy: (_gathered(g, g.op("Mul", dy, b), a, y), _gathered(g, g.op("Mul", dy, a), b, y))


def divide(g: Graph, node: Node) -> Pullback:
    """Y = A / B: dA = dY / B; B is frozen."""
    a, b, y = *node.inputs, node.output
    return lambda dy: _gathered(g, g.op("Div", dy, b), a, y)


def square_root(g: Graph, node: Node) -> Pullback:
    """Y = sqrt(X): dX = dY / (2 Y), and 0 where Y is 0."""
    mask = _as_number(g, g.op("Greater", node.output, g.real(0, "zero")))
    one_at_zero = g.op("Sub", g.real(1, "one"), mask)
    divisor = g.op("Add", g.op("Add", node.output, node.output, name="twice"), one_at_zero, name="divisor")
    return lambda dy: g.op("Div", g.op("Mul", dy, mask), divisor)


def matrix_product(g: Graph, node: Node) -> Pullback:
    """Y = A B, matrices, as many of each: dA = dY B^T, dB = A^T dY."""
    a, b = node.inputs

    def pullback(dy: Value) -> tuple[Value, Value]:
        dy = whole(g, dy, node.output)
        return g.op("MatMul", dy, transposed(g, b)), g.op("MatMul", transposed(g, a), dy)

    return pullback


def transposed(g: Graph, x: Value) -> Value:
    """The last two axes of X swapped."""
    rank = len(x.shape)
    return g.op("Transpose", x, perm=[*range(rank - 2), rank - 1, rank - 2], name="transposed")


def transpose(g: Graph, node: Node) -> Pullback:
    """Y = X with its axes in another order: dX = dY with them put back."""
    perm = node.attributes["perm"]
    back = [perm.index(axis) for axis in range(len(perm))]
    return lambda dy: g.op("Transpose", whole(g, dy, node.output), perm=back)


def reshape(g: Graph, node: Node) -> Pullback:
    """Y = X in another shape: dX = dY in the shape of X."""
    x = node.inputs[0]
    # At most one dimension is a symbol, and then it is what is left.
    shape = g.ints(*(dim if isinstance(dim, int) else -1 for dim in x.shape))
    return lambda dy: g.op("Reshape", whole(g, dy, node.output), shape).with_shape(x.shape)


def total(g: Graph, node: Node) -> Pullback:
    """Y = X summed along axes, which stay as dimensions of 1: dX = dY, spread."""
    if not node.attributes.get("keepdims", 1):
        raise MissingRule(f"the backward rule of ReduceSum keeps dimensions (node '{node.name}')")
    return lambda dy: dy


def pad(g: Graph, node: Node) -> Pullback:
    """Y = X and zeros after it: dX is the beginning of dY."""
    x, numbers = node.inputs[0], g.ints_of(node.inputs[1])
    rank = len(x.shape)
    if numbers is None or any(numbers[:rank]) or len(node.inputs) > 2:
        raise MissingRule(f"the backward rule of Pad is for zeros at the ends (node '{node.name}')")

    def pullback(dy: Value) -> Value:
        axes = [axis for axis in range(rank) if numbers[rank + axis]]
        starts, ends = [0] * len(axes), [-numbers[rank + axis] for axis in axes]
        dy = whole(g, dy, node.output)
        return g.op("Slice", dy, g.ints(*starts), g.ints(*ends), g.ints(*axes)).with_shape(x.shape)

    return pullback


def cut(g: Graph, node: Node) -> Pullback:
    """Y = the beginning of X, or its end: dX is dY, and zero where X was cut off."""
    starts, ends = (set(g.ints_of(value) or []) for value in node.inputs[1:3])
    from_start, to_end = starts == {0}, ends == {INT64_MAX}
    if not (from_start or to_end) or len(node.inputs) > 4:
        raise MissingRule(f"the backward rule of Slice is for beginnings and ends (node '{node.name}')")
    x = node.inputs[0]

    def pullback(dy: Value) -> Value:
        dy = whole(g, dy, node.output)
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


def _between(g: Graph, x: Value) -> Value:
    """[1, C, h, w] -> [1, C, h, 1, w, 1]: room for the rows and the columns of windows."""
    return g.op("Reshape", x, g.ints(0, 0, 0, 1, -1, 1), name="between")


def _joined(g: Graph, windows: Value, y: Value) -> Value:
    """Windows [1, C, h, 2, w, 2] of Y's places -> [1, C, 2h, 2w]."""
    doubled = g.op("Add", g.op("Shape", y), g.op("Shape", y))
    size = g.op("Slice", doubled, g.ints(2), g.ints(4), name="size")
    shape = g.op("Concat", g.ints(1, y.shape[1]), size, axis=0, name="shape")
    return g.op("Reshape", windows, shape, name="joined")


def _pad_to_odd_size(g: Graph, dx: Value, x: Value) -> Value:
    """Zeros for the last row or column of X when its size is odd: the pool does not see them.

    ONNX Runtime makes them padding of the convolution that follows.
    """
    missing = g.op("Sub", g.op("Shape", x), g.op("Shape", dx), name="missing")
    pads = g.op("Concat", g.ints(0, 0, 0, 0), missing, axis=0, name="pads")
    return g.op("Pad", dx, pads, g.real(0, "zero"), name="padded")


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
    "Add": add,
    "AveragePool": average_pool,
    "Concat": join,
    "Conv": conv,
    "Div": divide,
    "MatMul": matrix_product,
    "MaxPool": max_pool,
    "Mul": multiply,
    "Pad": pad,
    "ReduceSum": total,
    "Relu": relu,
    "Reshape": reshape,
    "Slice": cut,
    "Sqrt": square_root,
    "Sub": subtract,
    "Transpose": transpose,
}
