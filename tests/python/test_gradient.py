"""The complete graphs on ONNX Runtime against float64 numpy: terms within 5e-6, gradients within 1e-4."""

import json
from dataclasses import replace

import make
import numpy as np
import pytest
import reference
import sessions

from exporter import contract, models, sources
from exporter.presets import BOOK, GATYS, custom

TERM_BAR, GRADIENT_BAR = 5e-6, 1e-4

SIZES = [(16, 16), (17, 23), (33, 19), (31, 48)]
PRESETS = {preset.name: preset for preset in (GATYS, BOOK)}


def noise(size, seed):
    return make.to_tensor(make.noise(np.random.default_rng(seed), size))


def pale_noise(size, seed):
    return make.to_tensor(make.pale_noise(np.random.default_rng(seed), size))


def flat_areas(size):
    """Three areas of one colour: interiors where every window of every max pool is a tie."""
    image = np.full((3, *size), 60.0)
    image[:, : size[0] // 2, : size[1] // 3] = [[[-90.0]], [[20.0]], [[110.0]]]
    image[1, size[0] // 2 :] = -40
    return image


def ramp(size):
    return np.linspace(-100, 130, 3 * size[0] * size[1]).reshape(3, *size)


IMAGES = {"noise": lambda size: noise(size, 5), "flat areas": flat_areas, "a ramp": ramp}


def tiny_graphs(preset, pooling, loss="gram", float_type=np.float32):
    weights = sources.load(f"random:{make.SEED}", make.WIDTH_DIVISOR)
    kinds = (contract.FORWARD, contract.TARGETS, contract.LOSS_GRAD)
    graphs = (contract.Graph(kind, pooling, loss) for kind in kinds)
    built = (models.build(graph, preset, weights, float_type) for graph in graphs)
    return sessions.Graphs(*(model.SerializeToString() for model in built))


def relative_l2(actual, expected):
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


def assert_within_bars(actual, expected):
    assert actual.tv_loss == pytest.approx(expected.tv_loss, rel=TERM_BAR)
    np.testing.assert_allclose(actual.style_losses, expected.style_losses, rtol=TERM_BAR)
    np.testing.assert_allclose(actual.content_losses, expected.content_losses, rtol=TERM_BAR)
    assert actual.loss == pytest.approx(expected.loss, rel=TERM_BAR)
    assert relative_l2(actual.gradient, expected.gradient) < GRADIENT_BAR


def assert_within_wasserstein_bars(actual, expected):
    """Ten Newton-Schulz steps leave half a percent of a term."""
    np.testing.assert_allclose(actual.style_losses, expected.style_losses, rtol=1e-2)
    np.testing.assert_allclose(actual.content_losses, expected.content_losses, rtol=TERM_BAR)
    cosine = np.sum(actual.gradient * expected.gradient)
    cosine /= np.linalg.norm(actual.gradient) * np.linalg.norm(expected.gradient)
    assert cosine > 0.999
    assert relative_l2(actual.gradient, expected.gradient) < 1e-2


@pytest.mark.parametrize("picture", IMAGES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("loss", ["moments", "wasserstein"])
def test_other_style_losses_match_float64(loss, size, picture):
    problem = make.make_problem(GATYS, "max", style_loss=loss)
    images = IMAGES[picture](size), noise(size, 6), pale_noise((21, 34), 7)
    actual = sessions.evaluate(tiny_graphs(GATYS, "max", loss), problem, *images)
    check = assert_within_bars if loss == "moments" else assert_within_wasserstein_bars
    check(actual, reference.evaluate(problem, *images))


@pytest.mark.parametrize("padding", [0.0, 1.0])
@pytest.mark.parametrize("level", [-80.0, 0.0, 60.0])
@pytest.mark.parametrize("loss", ["gram", "moments", "wasserstein"])
def test_pictures_of_one_colour_have_finite_losses_and_gradients(loss, level, padding):
    """Dead channels, deviations and covariances of 0."""
    problem = replace(make.make_problem(GATYS, "max", style_loss=loss), padding=padding)
    flat, other = np.full((3, 20, 24), level), noise((20, 24), 3)
    graphs = tiny_graphs(GATYS, "max", loss)
    for images in ((flat, other, other), (other, flat, flat), (flat, flat, flat)):
        evaluation = sessions.evaluate(graphs, problem, *images)
        assert np.isfinite(evaluation.gradient).all()
        assert np.isfinite(evaluation.loss)


@pytest.mark.parametrize("picture", IMAGES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pooling", ["max", "avg"])
@pytest.mark.parametrize("preset", PRESETS)
def test_losses_and_gradient_match_float64(preset, pooling, size, picture):
    problem = make.make_problem(PRESETS[preset], pooling)
    images = IMAGES[picture](size), noise(size, 6), pale_noise((21, 34), 7)
    actual = sessions.evaluate(tiny_graphs(PRESETS[preset], pooling), problem, *images)
    assert_within_bars(actual, reference.evaluate(problem, *images))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pooling": "avg"},
        {"tv_weight": 0.5},
        {"padding": 1.0},
        {"style_loss": "moments"},
        {"pooling": "avg", "tv_weight": 1e-6, "padding": 1.0, "style_loss": "moments"},
    ],
)
def test_in_double_precision_the_graph_is_exact(changes):
    """Without float32's rounding nothing hides a small error in a rule."""
    loss = changes.get("style_loss", "gram")
    problem, size = replace(make.make_problem(GATYS, "max", style_loss=loss), **changes), (17, 19)
    images = flat_areas(size), noise(size, 6), noise((16, 20), 7)
    graphs = tiny_graphs(GATYS, problem.pooling, loss, np.float64)
    actual = sessions.evaluate(graphs, problem, *images, exact=True)
    expected = reference.evaluate(problem, *images)
    assert actual.loss == pytest.approx(expected.loss, rel=1e-12)
    assert actual.tv_loss == pytest.approx(expected.tv_loss, rel=1e-12)
    assert relative_l2(actual.gradient, expected.gradient) < 1e-11


def test_a_layer_may_carry_style_and_content_at_once():
    preset = custom("both", ["relu2_1", "relu1_1"], ["relu2_1", "relu1_2"])
    problem = make.make_problem(preset, "max")
    images = noise((9, 6), 5), noise((9, 6), 6), pale_noise((8, 12), 7)
    actual = sessions.evaluate(tiny_graphs(preset, "max"), problem, *images)
    assert_within_bars(actual, reference.evaluate(problem, *images))


def test_the_smallest_image_is_one_pixel_where_no_pool_is_needed():
    preset = custom("shallow", ["relu1_1"], ["relu1_2"])
    problem = make.make_problem(preset, "max")
    images = noise((1, 1), 5), noise((1, 1), 6), pale_noise((3, 2), 7)
    actual = sessions.evaluate(tiny_graphs(preset, "max"), problem, *images)
    assert_within_bars(actual, reference.evaluate(problem, *images))


def test_the_gram_matrix_of_a_large_flat_area_is_not_worn_down_by_rounding():
    """One float32 sum over so many equal addends is off by 7e-6."""
    preset = custom("shallow", ["relu1_1"], ["relu1_1"])
    image = np.full((1, 3, 200, 301), 97.0)
    outputs = sessions.run(tiny_graphs(preset, "max").forward, {"image": image})
    expected = reference.gram(outputs["content/relu1_1"][0].astype(np.float64))
    assert relative_l2(outputs["products/relu1_1"][0] / outputs["count/relu1_1"], expected) < 2e-6
    mean = outputs["content/relu1_1"][0].astype(np.float64).mean(axis=(1, 2))
    assert relative_l2(outputs["sums/relu1_1"][0] / outputs["count/relu1_1"], mean) < 2e-6


def test_an_image_that_is_its_own_target_has_no_loss_and_no_gradient():
    problem, image = make.make_problem(GATYS, "max"), noise((17, 23), 5)
    evaluation = sessions.evaluate(tiny_graphs(GATYS, "max"), problem, image, image, image)
    assert evaluation.loss == 0
    assert not evaluation.gradient.any()


def test_the_committed_expectations_are_what_float64_gives():
    expected = json.loads((make.HERE / "expected.json").read_text())
    pictures = {name: make.to_tensor(pixels) for name, pixels in make.make_pictures().items()}
    for case, (_, flags, _) in make.CASES.items():
        problem = make.case_problem(case)
        assert expected[case]["flags"] == flags
        for name in ("image", "flat"):
            evaluation = reference.evaluate(problem, pictures[name], pictures["content"], pictures["style"])
            summary = make.summary(problem, evaluation)
            assert expected[case][f"{name}.png"]["terms"] == pytest.approx(summary["terms"], rel=1e-9)
            gradient = np.load(make.HERE / f"{case}.{name}.gradient.npy")
            assert relative_l2(gradient, evaluation.gradient) < 1e-6


@pytest.mark.parametrize("case", make.CASES)
@pytest.mark.parametrize("name", ["image", "flat"])
def test_the_committed_graphs_meet_the_bars(case, name):
    problem, (graph, _, changes) = make.case_problem(case), make.CASES[case]
    pictures = {name: make.to_tensor(pixels) for name, pixels in make.make_pictures().items()}
    images = pictures[name], pictures["content"], pictures["style"]
    loss = changes.get("style_loss", "gram")
    of_loss = graph if loss == "gram" else f"{graph}-{loss}"
    names = (f"{graph}.forward", f"{of_loss}.targets", f"{of_loss}.loss_grad")
    graphs = sessions.Graphs(*(make.HERE / f"{name}.onnx" for name in names))
    actual, expected = sessions.evaluate(graphs, problem, *images), reference.evaluate(problem, *images)
    if loss == "wasserstein":
        assert_within_wasserstein_bars(actual, expected)
    else:
        assert_within_bars(actual, expected)
