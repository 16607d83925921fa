"""Every backward rule alone, in float64, against central differences; its behaviour at kinks by example."""

import numpy as np
import pytest
from differences import central_differences, separated
from onnx.reference import ReferenceEvaluator

from exporter import vgg19
from exporter.backward import RULES, MissingRule, backward
from exporter.graph import INT64_MAX, Graph
from exporter.injection import added

POOL = {"kernel_shape": [2, 2], "strides": [2, 2]}


def forward_and_pullback(op_type, channels, weights, attributes, ints=()):
    """x -> Y = op(x, weights), and x, dY -> dX."""
    g = Graph(np.float64)
    x = g.input("x", (1, channels, "height", "width"))
    inputs = [*(g.real(weight, "weight") for weight in weights), *(g.ints(*numbers) for numbers in ints)]
    return forward_and_backward(g, x, g.op(op_type, x, *inputs, **attributes))


def forward_and_backward(g, x, y):
    """x -> Y, and x, dY -> dX, for the graph that leads from x to y."""
    forward = ReferenceEvaluator(g.to_model({"y": y}))
    trunk = g.items()
    dy = g.input("dy", y.shape)
    pullback = ReferenceEvaluator(g.to_model({"dx": backward(g, trunk, {y: seed(g, dy)}, [x])[0]}))
    return (
        lambda x: forward.run(None, {"x": x})[0],
        lambda x, dy: pullback.run(None, {"x": x, "dy": dy})[0],
    )


def seed(g, dy):
    """The gradient dY, and what comes from elsewhere."""
    return lambda upstream: added(g, dy, upstream)


def assert_rule_matches_differences(op_type, x_shape, weights=(), ints=(), **attributes):
    assert_matches_differences(*forward_and_pullback(op_type, x_shape[1], weights, attributes, ints), x_shape)


def assert_graph_matches_differences(g, x, y, x_shape):
    assert_matches_differences(*forward_and_backward(g, x, y), x_shape)


def assert_matches_differences(forward, pullback, x_shape):
    x = separated(x_shape, seed=1)
    dy = np.random.default_rng(2).standard_normal(forward(x).shape)
    expected = central_differences(lambda x: np.sum(dy * forward(x)), x)
    slopes = np.broadcast_to(pullback(x, dy), x.shape)
    np.testing.assert_allclose(slopes, expected, rtol=1e-7, atol=1e-8)


def max_pool_gradient(x, dy):
    _, pullback = forward_and_pullback("MaxPool", 1, (), POOL)
    return pullback(np.array(x, np.float64)[None, None], np.array(dy, np.float64)[None, None])[0, 0]


def weights(*shape):
    return np.random.default_rng(3).standard_normal(shape)


@pytest.mark.parametrize("size", [(4, 5), (1, 1), (1, 3)])
def test_gradient_of_a_padded_3x3_convolution_matches_differences(size):
    parts = weights(4, 2, 3, 3), weights(4)
    assert_rule_matches_differences("Conv", (1, 2, *size), parts, kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def test_gradient_of_an_unpadded_3x3_convolution_matches_differences():
    assert_rule_matches_differences("Conv", (1, 2, 5, 4), [weights(3, 2, 3, 3)], kernel_shape=[3, 3])


def test_gradient_of_an_unevenly_padded_convolution_matches_differences():
    attributes = {"kernel_shape": [3, 2], "pads": [0, 1, 2, 0]}
    assert_rule_matches_differences("Conv", (1, 2, 5, 4), [weights(3, 2, 3, 2)], **attributes)


def test_gradient_of_a_1x1_convolution_matches_differences():
    assert_rule_matches_differences("Conv", (1, 3, 3, 4), [weights(3, 3, 1, 1)], kernel_shape=[1, 1])


def test_gradient_of_relu_matches_differences():
    assert_rule_matches_differences("Relu", (1, 2, 3, 5))


def test_gradient_of_relu_at_zero_is_zero():
    _, pullback = forward_and_pullback("Relu", 1, (), {})
    x = np.array([[[[-1.0, 0.0, 2.0]]]])
    np.testing.assert_array_equal(pullback(x, np.full_like(x, 7)), [[[[0, 0, 7]]]])


@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("size", [(4, 6), (5, 6), (4, 7), (5, 7), (2, 2), (3, 3)])
def test_gradient_of_a_pool_matches_differences_for_even_and_odd_sizes(op_type, size):
    assert_rule_matches_differences(op_type, (1, 3, *size), **POOL)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ([[1, 1], [1, 1]], [[5, 0], [0, 0]]),
        ([[0, 1], [1, 1]], [[0, 5], [0, 0]]),
        ([[0, 0], [1, 1]], [[0, 0], [5, 0]]),
        ([[0, 0], [0, 1]], [[0, 0], [0, 5]]),
        ([[1, 0], [0, 1]], [[5, 0], [0, 0]]),
        ([[0, 1], [1, 0]], [[0, 5], [0, 0]]),
        ([[-2, -3], [-1, -1]], [[0, 0], [5, 0]]),
    ],
)
def test_max_pool_gives_the_gradient_to_the_first_of_equal_maxima(window, expected):
    np.testing.assert_array_equal(max_pool_gradient(window, [[5]]), expected)


def test_max_pool_keeps_windows_apart_and_leaves_the_odd_edge_without_gradient():
    x = [[1, 2, 9, 9, 7], [2, 0, 9, 9, 7], [8, 8, 8, 8, 8]]
    np.testing.assert_array_equal(
        max_pool_gradient(x, [[3, 4]]), [[0, 3, 4, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    )


@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("size", [(5, 6), (4, 7), (4, 6)])
def test_what_an_odd_size_lacks_is_padding_of_the_convolution_before_the_pool(op_type, size):
    g = Graph(np.float64)
    x = g.input("x", (1, 2, "height", "width"))
    kernel = g.real(weights(3, 2, 3, 3), "weight")
    y = g.op(op_type, g.op("Conv", x, kernel, kernel_shape=[3, 3], pads=[1] * 4), **POOL)
    assert_graph_matches_differences(g, x, y, (1, 2, *size))


@pytest.mark.parametrize("level", [-3.0, 0.0, 2.0])
def test_a_pool_before_its_relu_passes_the_gradient_that_a_pool_after_it_does(level):
    """In flat areas too, where all of a window are equal, or all are zero after the ReLU."""
    x = np.random.default_rng(4).integers(-2, 3, (1, 2, 7, 6)) + level
    dy = np.random.default_rng(5).standard_normal((1, 2, 3, 3))
    gradients = []
    for first, second in (("MaxPool", "Relu"), ("Relu", "MaxPool")):
        g = Graph(np.float64)
        value = image = g.input("x", (1, 2, "height", "width"))
        for op_type in (first, second):
            value = g.op(op_type, value, **(POOL if op_type == "MaxPool" else {}))
        _, pullback = forward_and_backward(g, image, value)
        gradients.append(pullback(x, dy))
    np.testing.assert_array_equal(*gradients)


@pytest.mark.parametrize("size", [(4, 5), (1, 1), (1, 3)])
@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize(("start", "end"), [(0, 1), (-1, INT64_MAX)])
def test_gradient_of_the_first_and_last_row_or_column_matches_differences(start, end, axis, size):
    bounds = [np.array([number]) for number in (start, end, axis)]
    assert_rule_matches_differences("Slice", (1, 2, *size), ints=bounds)


def test_gradient_of_a_multiple_matches_differences():
    assert_rule_matches_differences("Mul", (1, 2, 3, 5), [np.array(0.7)])


@pytest.mark.parametrize("axis", [2, 3])
def test_gradients_of_joined_parts_match_differences(axis):
    """The parts are of different sizes, so that each must get its own share."""
    g = Graph(np.float64)
    x = g.input("x", (1, 2, "height", "width"))
    first = g.op("Slice", x, g.ints(0), g.ints(1), g.ints(axis))
    y = g.op("Concat", x, first, x, axis=axis)
    assert_graph_matches_differences(g, x, y, (1, 2, 3, 4))


@pytest.mark.parametrize("size", [(4, 5), (5, 4), (1, 1), (1, 3)])
@pytest.mark.parametrize("padding", [0.0, 1.0])
def test_gradient_of_a_framed_convolution_matches_differences(padding, size):
    g = Graph(np.float64)
    x = g.input("x", (1, 2, "height", "width"))
    framed = vgg19.framed(g, x, g.real(padding, "padding"))
    y = g.op("Conv", framed, g.real(weights(4, 2, 3, 3), "weight"), kernel_shape=[3, 3])
    assert_graph_matches_differences(g, x, y, (1, 2, *size))


def test_the_frame_repeats_the_edge_or_is_zero():
    g = Graph(np.float64)
    x, padding = g.input("x", (1, 1, "height", "width")), g.input("padding", ())
    framed = ReferenceEvaluator(g.to_model({"y": vgg19.framed(g, x, padding)}))
    image = np.arange(1.0, 7.0).reshape(1, 1, 2, 3)
    for number, mode in ((1.0, "edge"), (0.0, "constant")):
        (y,) = framed.run(None, {"x": image, "padding": np.array(number)})
        np.testing.assert_array_equal(y[0, 0], np.pad(image[0, 0], 1, mode=mode))


def test_gradients_that_meet_at_one_value_add_up():
    g = Graph(np.float64)
    x = g.input("x", (1, 1, "height", "width"))
    first = g.op("Relu", x)
    second = g.op("AveragePool", first, **POOL)
    trunk = g.items()
    inputs = {y: g.input(f"d_{name}", y.shape) for name, y in (("first", first), ("second", second))}
    seeds = {y: seed(g, dy) for y, dy in inputs.items()}
    model = ReferenceEvaluator(g.to_model({"dx": backward(g, trunk, seeds, [x])[0]}))
    x = np.array([[1.0, -1.0], [1.0, 1.0]])[None, None]
    (dx,) = model.run(None, {"x": x, "d_first": np.full_like(x, 10), "d_second": np.array([[[[4.0]]]])})
    np.testing.assert_array_equal(dx[0, 0], [[11, 0], [11, 11]])


def of_a_matrix(make):
    """x [2, 3, 4] -> y, a graph that `make` builds."""
    g = Graph(np.float64)
    x = g.input("x", (2, 3, 4))
    return g, x, make(g, x)


MATRICES = {
    "a sum": lambda g, x: g.op("Add", x, g.op("Add", x, x)),
    "a sum with a row for all": lambda g, x: g.op("Add", x, rows_of(g, x)),
    "a difference": lambda g, x: g.op("Sub", g.real(weights(2, 3, 4), "w"), x),
    "a difference from a row for all": lambda g, x: g.op("Sub", x, rows_of(g, x)),
    "a square": lambda g, x: g.op("Mul", x, x),
    "a product with a number for each matrix": lambda g, x: g.op("Mul", x, totals_of(g, x)),
    "a product with fewer dimensions": lambda g, x: g.op(
        "Mul", x, g.op("Reshape", totals_of(g, first(g, x)), g.ints(1))
    ),
    "a quotient": lambda g, x: g.op("Div", x, g.real(2 + weights(2, 1, 4) ** 2, "w")),
    "a root": lambda g, x: g.op("Sqrt", g.op("Mul", x, x)),
    "a product of matrices": lambda g, x: g.op("MatMul", x, g.op("Transpose", x, perm=[0, 2, 1])),
    "a product with a constant matrix": lambda g, x: g.op("MatMul", x, g.real(weights(2, 4, 2), "w")),
    "another shape": lambda g, x: g.op("Reshape", x, g.ints(2, 12)),
    "axes in another order": lambda g, x: g.op("Transpose", x, perm=[2, 0, 1]),
    "zeros after it": lambda g, x: g.op("Pad", x, g.ints(0, 0, 0, 0, 1, 2)),
    "sums": lambda g, x: g.op("Mul", rows_of(g, x), g.real(weights(2, 1, 4), "w")),
    "a sum of everything, squared": lambda g, x: g.op("Mul", totals_of(g, x), totals_of(g, x)),
}


def rows_of(g, x):
    return g.op("ReduceSum", x, g.ints(1))


def totals_of(g, x):
    return g.op("ReduceSum", rows_of(g, x), g.ints(2))


def first(g, x):
    return g.op("Slice", x, g.ints(0), g.ints(1), g.ints(0))


@pytest.mark.parametrize("name", MATRICES)
def test_gradients_of_what_a_head_is_made_of_match_differences(name):
    assert_graph_matches_differences(*of_a_matrix(MATRICES[name]), (2, 3, 4))


@pytest.mark.parametrize("name", ["a root", "another shape", "axes in another order", "zeros after it"])
def test_a_gradient_that_is_the_same_everywhere_is_spread(name):
    """The gradient of a sum comes as one number."""
    g, x, y = of_a_matrix(MATRICES[name])
    axes = list(range(len(y.shape)))
    assert_graph_matches_differences(g, x, g.op("ReduceSum", y, g.ints(*axes)), (2, 3, 4))


def test_gradient_of_a_root_at_zero_is_zero():
    _, pullback = forward_and_pullback("Sqrt", 1, (), {})
    x = np.array([[[[0.0, 4.0]]]])
    np.testing.assert_array_equal(pullback(x, np.full_like(x, 8)), [[[[0, 2]]]])


def test_every_portable_rule_of_the_table_is_tested_here():
    on_pictures = {"Conv", "Relu", "MaxPool", "AveragePool", "Concat", "Mul", "Slice"}
    on_matrices = {"Add", "Div", "MatMul", "Pad", "ReduceSum", "Reshape", "Sqrt", "Sub", "Transpose"}
    assert set(RULES) == on_pictures | on_matrices


def test_a_missing_rule_is_named_with_its_operator_and_node():
    g = Graph()
    x = g.input("x", (1, 1, "height", "width"))
    y = g.op("Softplus", x, name="soft1_1")
    with pytest.raises(MissingRule, match=r"Softplus.*'soft1_1'"):
        backward(g, g.items(), {y: seed(g, y)}, [x])


@pytest.mark.parametrize(
    ("op_type", "attributes"),
    [
        ("Conv", {"kernel_shape": [3, 3], "strides": [2, 2]}),
        ("Conv", {"kernel_shape": [3, 3], "dilations": [2, 2]}),
        ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2]}),
        ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
        ("AveragePool", {"kernel_shape": [2, 2], "strides": [1, 1]}),
        ("ReduceSum", {"keepdims": 0}),
    ],
)
def test_a_rule_refuses_by_name_what_it_is_not_made_for(op_type, attributes):
    g = Graph()
    x = g.input("x", (1, 1, "height", "width"))
    inputs = [g.real(weights(1, 1, 3, 3), "weight")] if op_type == "Conv" else []
    y = g.op(op_type, x, *inputs, name="odd_one", **attributes)
    with pytest.raises(MissingRule, match=f"{op_type}.*'odd_one'"):
        backward(g, g.items(), {y: seed(g, y)}, [x])


@pytest.mark.parametrize("bounds", [((1,), (2,), (2,)), ((0,), (4,), (2,), (2,))])
def test_the_rule_of_slice_refuses_a_middle_and_a_stride(bounds):
    g = Graph()
    x = g.input("x", (1, 1, "height", "width"))
    y = g.op("Slice", x, *(g.ints(*numbers) for numbers in bounds), name="odd_one")
    with pytest.raises(MissingRule, match=r"Slice.*'odd_one'"):
        backward(g, g.items(), {y: seed(g, y)}, [x])
