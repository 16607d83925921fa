#!/usr/bin/env python3
"""Make judgement.json: what `impasto evaluate image.png` should say of distances and of total variation.

By graph, in float64 numpy without the graphs (reference.py): `style_distance`, `held_out_style_distance` and
`content_distance` by layer, each |found - target| / |target| with Euclidean norms, and `total_variation`, the
mean absolute difference of neighbours in grey levels. Held-out layers are always pooled by maximum.

    PYTHONPATH=scripts:tests/data python3 tests/data/judgement.py
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import numpy as np
from make import GRAPHS, HERE, make_pictures, make_problem, to_tensor
from reference import Problem, forward, gram

from exporter.presets import GATYS, JUDGE


def main() -> None:
    pictures = make_pictures()
    tensors = {name: to_tensor(pixels) for name, pixels in pictures.items()}
    judge = dataclasses.replace(
        make_problem(GATYS, "max"),
        style_layers=JUDGE.style_layers,
        content_layers=JUDGE.content_layers,
    )
    expected = {}
    for graph, (preset, pooling) in GRAPHS.items():
        problem = make_problem(preset, pooling)
        image, style, content = (tensors[name] for name in ("image", "style", "content"))
        held_out = tuple(layer for layer in JUDGE.style_layers if layer not in preset.style_layers)
        expected[graph] = {
            "style_distance": distances(problem, preset.style_layers, gram, image, style),
            "held_out_style_distance": distances(judge, held_out, gram, image, style),
            "content_distance": distances(problem, preset.content_layers, np.asarray, image, content),
            "total_variation": total_variation(pictures["image"]),
        }
    (HERE / "judgement.json").write_text(json.dumps(expected, indent=1) + "\n")


def distances(
    problem: Problem,
    layers: tuple[str, ...],
    look: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    aim: np.ndarray,
) -> dict[str, float]:
    """|look(image) - look(aim)| / |look(aim)| at each layer."""
    found, target = forward(problem, image)[0], forward(problem, aim)[0]
    return {layer: relative(look(found[layer]), look(target[layer])) for layer in layers}


def relative(found: np.ndarray, target: np.ndarray) -> float:
    return float(np.linalg.norm((found - target).ravel()) / np.linalg.norm(target.ravel()))


def total_variation(pixels: np.ndarray) -> float:
    pixels = pixels.astype(np.float64)
    differences = [np.abs(np.diff(pixels, axis=axis)).ravel() for axis in (0, 1)]
    return float(np.concatenate(differences).mean())


if __name__ == "__main__":
    main()
