"""The heads' values, and the gradients injected for them, in float64."""

import numpy as np
import pytest
from differences import central_differences
from onnx.reference import ReferenceEvaluator

from exporter import injection
from exporter.graph import Graph
from exporter.heads import content_deviation, gram, style_deviation
from exporter.injection import deviation_gradient, gram_injection, tv_term

CHANNELS, SIZE = 3, (4, 5)
WEIGHT = np.array([0.7])


@pytest.fixture
def activation():
    return np.random.default_rng(1).standard_normal((1, CHANNELS, *SIZE))


@pytest.fixture
def content_target():
    return np.random.default_rng(2).standard_normal((1, CHANNELS, *SIZE))


@pytest.fixture
def style_target():
    """Not symmetric: the gradient is right for any target, not only for a Gram matrix."""
    return np.random.default_rng(3).standard_normal((CHANNELS, CHANNELS))


def style_term():
    """activation, target, weight -> Gram matrix, mean square, gradient of the weighted term."""
    g = Graph(np.float64)
    x = g.input("activation", (1, CHANNELS, "h", "w"))
    target, weight = g.input("target", (CHANNELS, CHANNELS)), g.input("weight", (1,))
    head = gram(g, x)
    deviation = style_deviation(g, head.matrix, target)
    gradient = gram_injection(g, head, deviation_gradient(g, deviation, weight), x)
    model = g.to_model({"gram": head.matrix, "mean_square": deviation.mean_square, "gradient": gradient})
    return lambda x, t: ReferenceEvaluator(model).run(None, {"activation": x, "target": t, "weight": WEIGHT})


def content_term():
    """activation, target, weight -> mean square, gradient of the weighted term."""
    g = Graph(np.float64)
    x, target = (g.input(name, (1, CHANNELS, "h", "w")) for name in ("activation", "target"))
    deviation = content_deviation(g, x, target)
    gradient = deviation_gradient(g, deviation, g.input("weight", (1,)))
    model = g.to_model({"mean_square": deviation.mean_square, "gradient": gradient})
    return lambda x, t: ReferenceEvaluator(model).run(None, {"activation": x, "target": t, "weight": WEIGHT})


def test_a_gram_matrix_is_the_mean_of_products_over_the_positions(activation):
    matrix, _, _ = style_term()(activation, np.zeros((CHANNELS, CHANNELS)))
    expected = np.einsum("nahw,nbhw->ab", activation, activation) / np.prod(SIZE)
    np.testing.assert_allclose(matrix, expected, rtol=1e-14)


def test_the_style_term_is_a_mean_square(activation, style_target):
    matrix, mean_square, _ = style_term()(activation, style_target)
    np.testing.assert_allclose(mean_square, [np.mean((matrix - style_target) ** 2)], rtol=1e-14)


def test_the_content_term_is_a_mean_square(activation, content_target):
    mean_square, _ = content_term()(activation, content_target)
    np.testing.assert_allclose(mean_square, [np.mean((activation - content_target) ** 2)], rtol=1e-14)


def test_the_gradient_of_a_style_term_matches_differences(activation, style_target):
    term = style_term()
    expected = central_differences(lambda x: WEIGHT[0] * term(x, style_target)[1][0], activation)
    np.testing.assert_allclose(term(activation, style_target)[2], expected, rtol=1e-6, atol=1e-8)


def test_the_gradient_of_a_content_term_matches_differences(activation, content_target):
    term = content_term()
    expected = central_differences(lambda x: WEIGHT[0] * term(x, content_target)[0][0], activation)
    np.testing.assert_allclose(term(activation, content_target)[1], expected, rtol=1e-6, atol=1e-8)


def test_at_its_target_a_term_and_its_gradient_are_exactly_zero(activation):
    mean_square, gradient = content_term()(activation, activation)
    assert mean_square == 0
    assert not gradient.any()


def injected(term, target_shape, normalized):
    """activation, target -> the term without its weight, and the gradient that it injects with WEIGHT."""
    g = Graph(np.float64)
    x, target = g.input("activation", (1, CHANNELS, "h", "w")), g.input("target", target_shape)
    term = term(g, x, target, normalized)
    gradient = term.inject(g.input("weight", (1,)))(None)
    model = g.to_model({"value": term.value, "gradient": gradient})
    return lambda x, t: ReferenceEvaluator(model).run(None, {"activation": x, "target": t, "weight": WEIGHT})


@pytest.mark.parametrize("size", [(4, 5), (5, 3), (1, 1)])
@pytest.mark.parametrize("kind", ["style", "content"])
def test_a_normalised_gradient_is_the_unweighted_one_over_its_l1_norm_by_differences(kind, size):
    generator = np.random.default_rng(4)
    activation = generator.standard_normal((1, CHANNELS, *size))
    if kind == "style":
        target = generator.standard_normal((CHANNELS, CHANNELS))
        term = injected(injection.style_term, target.shape, normalized=True)
        # neural-style divides a Gram matrix by the channels too: a loss of C^2 less, a weight of C^2 more.
        unit = CHANNELS**2
    else:
        target, unit = generator.standard_normal(activation.shape), 1
        term = injected(injection.content_term, (1, CHANNELS, "h", "w"), normalized=True)
    slope = central_differences(lambda x: term(x, target)[0][0] / unit, activation)
    expected = WEIGHT[0] * unit * slope / (np.abs(slope).sum() + 1e-8)
    np.testing.assert_allclose(term(activation, target)[1], expected, rtol=1e-6, atol=1e-8)


def test_a_normalised_gradient_is_zero_at_the_target(activation):
    term = injected(injection.content_term, (1, CHANNELS, "h", "w"), normalized=True)
    assert not term(activation, activation)[1].any()


def total_variation():
    """image -> the term without its weight, and the gradient that it injects with WEIGHT."""
    g = Graph(np.float64)
    x = g.input("image", (1, CHANNELS, "h", "w"))
    term = tv_term(g, x)
    model = g.to_model({"value": term.value, "gradient": term.inject(g.input("weight", ()))(None)})
    return lambda x: ReferenceEvaluator(model).run(None, {"image": x, "weight": WEIGHT[0]})


@pytest.mark.parametrize("size", [(4, 5), (5, 4), (2, 2), (1, 3), (3, 1), (1, 1)])
def test_the_gradient_of_total_variation_matches_differences(size):
    image = np.random.default_rng(5).standard_normal((1, CHANNELS, *size))
    term = total_variation()
    expected = central_differences(lambda x: WEIGHT[0] * term(x)[0][0], image)
    np.testing.assert_allclose(term(image)[1], expected, rtol=1e-6, atol=1e-8)


def test_total_variation_is_half_the_squared_steps_within_all_but_the_last_row_and_column():
    image = np.zeros((1, CHANNELS, 3, 3))
    image[0, 0] = [[1, 3, 9], [2, 2, 9], [9, 9, 9]]
    steps = [2, 1, 6, 1, 0, 7, 7, 7]
    assert total_variation()(image)[0] == pytest.approx(sum(step**2 for step in steps) / 2)
