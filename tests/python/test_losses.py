"""Style losses and what the head makes of them, in float64: against formulas, differences, and each other."""

from functools import cache

import numpy as np
import pytest
import reference
from differences import central_differences
from onnx.reference import ReferenceEvaluator

from exporter.backward import backward
from exporter.graph import Graph
from exporter.head import head
from exporter.losses import LOSSES, wasserstein
from exporter.models import target_shapes
from exporter.moments import Moments, Sums, means

CHANNELS, PLACES = 5, 40
WEIGHT = 0.7


@pytest.fixture
def _to_the_end(monkeypatch):
    """Ten steps leave half a percent of a term, and more of its slope; in float64 thirty leave nothing."""
    head_of.cache_clear()
    targets_by.cache_clear()
    monkeypatch.setattr(wasserstein, "STEPS", 30)
    yield
    head_of.cache_clear()
    targets_by.cache_clear()


def features(seed, places=PLACES):
    """Of correlated channels with means of their own."""
    generator = np.random.default_rng(seed)
    mixed = np.eye(CHANNELS) + 0.2 * generator.standard_normal((CHANNELS, CHANNELS))
    return mixed @ generator.standard_normal((CHANNELS, places)) + seed


def sums_of(activation):
    return {
        "products": (activation @ activation.T)[None],
        "sums": activation.sum(axis=1)[None],
        "count": np.array([float(activation.shape[1])]),
    }


def given(g, regions="regions"):
    shapes = ((regions, CHANNELS, CHANNELS), (regions, CHANNELS), (regions,))
    return Sums(
        *(g.input(name, shape) for name, shape in zip(("products", "sums", "count"), shapes, strict=True))
    )


def evaluator(g, outputs):
    runner = ReferenceEvaluator(g.to_model(outputs))
    return lambda feed: dict(zip(runner.output_names, runner.run(None, feed), strict=True))


@cache
def targets_by(loss):
    g = Graph(np.float64)
    return evaluator(g, dict(loss.targets(g, means(g, given(g)))))


def targets_of(loss, activation):
    return targets_by(loss)(sums_of(activation))


@cache
def head_of(loss):
    """sums, targets -> the weighted term, A and b."""
    g = Graph(np.float64)
    targets = {f"target/{n}": g.input(f"target/{n}", s) for n, s in target_shapes(loss, CHANNELS).items()}
    weight = g.input("weight", ("regions", 1))
    made = head(g, loss, given(g), {name.split("/")[1]: v for name, v in targets.items()}, weight)
    outputs = {"term": made.term, "matrix": made.matrix}
    return evaluator(g, outputs | ({"vector": made.vector} if made.vector else {}))


def evaluated(loss, activation, style):
    targets = {f"target/{name}": value for name, value in targets_of(loss, style).items()}
    return head_of(loss)(sums_of(activation) | targets | {"weight": np.array([[WEIGHT]])})


def injected(outputs, activation):
    slope = outputs["matrix"][0] @ activation
    return slope + outputs["vector"][0][:, None] if "vector" in outputs else slope


@pytest.mark.parametrize("name", LOSSES)
def test_a_term_is_what_its_formula_says(name):
    image, style = features(1), features(2, 33)
    value, *_ = reference.STYLE_TERMS[name](image, style)
    term = evaluated(LOSSES[name], image, style)["term"]
    np.testing.assert_allclose(term, [[WEIGHT * value]], rtol=1e-12 if name != "wasserstein" else 1e-5)


@pytest.mark.usefixtures("_to_the_end")
@pytest.mark.parametrize("name", LOSSES)
def test_what_a_term_injects_matches_differences(name):
    loss, image, style = LOSSES[name], features(1), features(2, 33)
    expected = central_differences(lambda x: evaluated(loss, x, style)["term"][0, 0], image)
    slope = injected(evaluated(loss, image, style), image)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(slope / scale, expected / scale, atol=1e-7)


def test_the_derivatives_of_the_reference_match_differences():
    """All other tests stand on them."""
    image, style = features(1, 12), features(2, 33)
    for name, term in reference.STYLE_TERMS.items():
        _, by_gram, by_mean = term(image, style)
        slope = ((by_gram + by_gram.T) @ image + by_mean[:, None]) / image.shape[1]
        expected = central_differences(lambda x, term=term: term(x, style)[0], image)
        np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.usefixtures("_to_the_end")
def test_a_closed_form_is_what_the_rules_make_of_the_term():
    """By all steps of the iteration, of which the closed form knows only the end."""
    loss, image, style = LOSSES["wasserstein"], features(1), features(2, 33)
    g = Graph(np.float64)
    moments = Moments(g.input("gram", (1, CHANNELS, CHANNELS)), g.input("mean", (1, CHANNELS)))
    targets = {n: g.input(n + "_target", (1, *s[1:])) for n, s in target_shapes(loss, CHANNELS).items()}
    before = len(g.items())
    term = loss.term(g, moments, targets)
    one = {term.value: lambda _: g.real([[[1.0]]], "one")}
    by_rules = backward(g, g.items()[before:], one, (moments.gram, moments.mean))
    names = ("gram_rules", "mean_rules", "gram_closed", "mean_closed")
    feed = {f"{name}_target": value for name, value in targets_of(loss, style).items()}
    gram, mean = reference.moments(image)
    made = evaluator(g, dict(zip(names, (*by_rules, *term.slopes), strict=True)))(
        feed | {"gram": gram[None], "mean": mean[None]}
    )
    symmetric = made["gram_rules"] + made["gram_rules"].transpose(0, 2, 1)
    np.testing.assert_allclose(symmetric, 2 * made["gram_closed"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made["mean_rules"], made["mean_closed"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_at_its_target_there_is_no_term_and_no_gradient(name):
    image = features(1)
    outputs = evaluated(LOSSES[name], image, image)
    size = np.trace(reference.moments(image)[0])
    np.testing.assert_allclose(outputs["term"] / size, 0, atol=1e-12 if name != "wasserstein" else 1e-5)
    np.testing.assert_allclose(injected(outputs, image), 0, atol=1e-12 if name != "wasserstein" else 1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_regions_are_evaluated_each_by_itself_and_one_without_places_is_left_out(name):
    loss = LOSSES[name]
    images, styles = (features(1), features(3, 21)), (features(2), features(4))
    alone = [evaluated(loss, *pair) for pair in zip(images, styles, strict=True)]
    empty = {key: np.zeros_like(value) for key, value in sums_of(images[0]).items()}
    all_sums = [sums_of(images[0]), sums_of(images[1]), empty]
    all_targets = [targets_of(loss, style) for style in (*styles, styles[0])]
    feed = {key: np.concatenate([each[key] for each in all_sums]) for key in empty}
    feed |= {f"target/{key}": np.concatenate([each[key] for each in all_targets]) for key in all_targets[0]}
    together = head_of(loss)(feed | {"weight": np.array([[WEIGHT], [WEIGHT], [0.0]])})
    for key, value in together.items():
        assert np.isfinite(value).all()
        for region in (0, 1):
            np.testing.assert_allclose(value[region], alone[region][key][0], rtol=1e-9, atol=1e-9)
    assert together["term"][2] == 0
    assert not together["matrix"][2].any()


def test_a_dead_channel_has_no_deviation_and_no_gradient_of_it():
    image, style = features(1), features(2)
    image[3] = 0
    outputs = evaluated(LOSSES["moments"], image, style)
    _, by_gram, by_mean = reference.moments_term(image, style)
    expected = WEIGHT * ((by_gram + by_gram.T) @ image + by_mean[:, None]) / image.shape[1]
    np.testing.assert_allclose(injected(outputs, image), expected, rtol=1e-9, atol=1e-12)


def test_the_weights_of_layers_are_those_of_the_sources():
    def units(name):
        return [LOSSES[name].unit(layer, 5, c) for layer, c in enumerate((64, 128, 256, 512, 512))]

    assert units("gram")[:2] == [1 / 64**2, 1 / 128**2]
    assert units("moments") == [1] * 5
    assert units("wasserstein") == [256 / 341, 64 / 341, 16 / 341, 4 / 341, 1 / 341]
    assert [(loss.style_weight, loss.content_weight) for loss in LOSSES.values()] == [
        (1e3, None),
        (1e3, None),
        (1.0, 0.015),
    ]
