"""Preset neural-style against the formulas of neural_style.lua (J. Johnson, 2015), in float64.

That program's terms, with features F [C, h*w], targets of the same kind, and its weights 5, 100 and 1e-3:
ContentLoss is weight * mean((F - P)^2), StyleLoss weight * mean((G - A)^2) with G = F F^T / (C h w), TVLoss
has a gradient only. The program's own weights for them: 5, 100 / C^2, 1e-3.
"""

from dataclasses import replace

import make
import numpy as np
import pytest
import reference
import sessions

from exporter.presets import GATYS

CONTENT, STYLE, TV = 5, 100, 1e-3
TERM_BAR = 1e-5
SIZE, STYLE_SIZE = (33, 46), (40, 27)


@pytest.fixture(scope="module")
def problem():
    problem = make.make_problem(GATYS, "max")
    channels = [len(problem.weights[layer.replace("relu", "conv")][1]) for layer in GATYS.style_layers]
    return replace(
        problem,
        style_weights=tuple(STYLE / c**2 for c in channels),
        content_weights=(CONTENT,),
        tv_weight=TV,
    )


@pytest.fixture(scope="module")
def pictures():
    generator = np.random.default_rng(11)
    image, content = (make.to_tensor(make.noise(generator, SIZE)) for _ in range(2))
    return image, content, make.to_tensor(make.pale_noise(generator, STYLE_SIZE))


@pytest.fixture(scope="module")
def features(problem, pictures):
    """What the network sees of image, content and style."""
    return [reference.forward(problem, picture)[0] for picture in pictures]


GRAPHS = sessions.Graphs(*(make.HERE / f"gatys.{kind}.onnx" for kind in ("forward", "targets", "loss_grad")))


def gram(activation):
    flat = activation.reshape(len(activation), -1)
    return flat @ flat.T / activation.size


def style_loss(activation, target):
    return STYLE * np.mean((gram(activation) - gram(target)) ** 2)


def tv_gradient(image):
    """TVLoss:updateGradInput"""
    slope = np.zeros_like(image)
    across = image[:, :-1, :-1] - image[:, :-1, 1:]
    down = image[:, :-1, :-1] - image[:, 1:, :-1]
    slope[:, :-1, :-1] += across + down
    slope[:, :-1, 1:] -= across
    slope[:, 1:, :-1] -= down
    return TV * slope


def test_the_terms_are_those_of_neural_style(problem, pictures, features):
    image, content, style = features
    actual = sessions.evaluate(GRAPHS, problem, *pictures)
    styles = [style_loss(image[layer], style[layer]) for layer in GATYS.style_layers]
    contents = [CONTENT * np.mean((image[layer] - content[layer]) ** 2) for layer in GATYS.content_layers]
    np.testing.assert_allclose(actual.style_losses, styles, rtol=TERM_BAR)
    np.testing.assert_allclose(actual.content_losses, contents, rtol=TERM_BAR)


def test_total_variation_adds_the_gradient_that_neural_style_adds(problem, pictures):
    # So heavy that float32 shows it beside the gradient of the other terms.
    heavy = replace(problem, tv_weight=1e9 * TV)
    with_tv, without = (
        sessions.evaluate(GRAPHS, each, *pictures).gradient for each in (heavy, replace(heavy, tv_weight=0))
    )
    expected = 1e9 * tv_gradient(pictures[0])
    assert np.linalg.norm(with_tv - without - expected) < 1e-5 * np.linalg.norm(expected)
