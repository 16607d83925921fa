"""The temporal term: its formula, and its gradient, which the rules make, against differences in float64."""

import numpy as np
import pytest
from differences import central_differences
from onnx.reference import ReferenceEvaluator

from exporter import contract, storage, temporal
from inference import onnxruntime

SIZE = (4, 5)
WEIGHT = 7.0


def given(dtype=np.float64):
    generator = np.random.default_rng(1)
    image, moved = (generator.uniform(-100, 150, (1, 3, *SIZE)) for _ in range(2))
    mask = generator.uniform(0, 1, (1, 1, *SIZE))
    mask[..., :2] = [0, 1]
    feed = {"image": image, "moved": moved, "mask": mask, "temporal_weight": np.array(WEIGHT)}
    return {name: value.astype(dtype) for name, value in feed.items()}


def evaluate(**changed):
    evaluator = ReferenceEvaluator(temporal.build(np.float64))
    return evaluator.run([contract.TEMPORAL_LOSS, contract.GRADIENT], given() | changed)


def test_the_term_is_the_mean_square_of_what_the_mask_lets_through():
    feed = given()
    squares = feed["mask"] * (feed["image"] - feed["moved"]) ** 2
    (loss, _) = evaluate()
    assert loss.shape == ()
    assert loss == pytest.approx(WEIGHT * squares.mean(), rel=1e-12)


def test_its_gradient_matches_differences():
    image = given()["image"]
    (_, gradient) = evaluate()
    expected = central_differences(lambda image: float(evaluate(image=image)[0]), image)
    np.testing.assert_allclose(gradient, expected, rtol=1e-7, atol=1e-7)
    assert np.abs(gradient[..., 1:]).min() > 0
    np.testing.assert_array_equal(gradient[..., 0], 0)


def test_the_graph_as_it_is_written_says_the_same_in_float32():
    file = storage.finish(temporal.build(), contract.temporal_metadata())
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert {value.name: tuple(value.shape) for value in session.get_inputs()} == contract.TEMPORAL_INPUTS
    loss, gradient = session.run([contract.TEMPORAL_LOSS, contract.GRADIENT], given(np.float32))
    expected, slopes = evaluate()
    assert loss == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-5)
