#!/usr/bin/env python3
"""Make the reference data in this folder: tiny seeded graphs, pictures, and what the graphs should say.

The graphs are VGG19 with seeded random weights and a sixteenth of its channels. Losses and gradients come
from reference.py, float64 numpy without the graphs. Run it again after a change that alters the graphs:

    PYTHONPATH=scripts python3 tests/data/make.py

image.png (noise) and flat.png (rectangles of one colour: ties in every max pool) are the pictures to
evaluate; their content is content.png, of the same odd size, and their style is style.png, of another.

expected.json, by case: the `flags` of `impasto evaluate`, and by picture `total`, weighted `terms`,
`gradient_l2`, `gradient_max_abs`, with the weights of its style loss: for Gram matrices a style weight of
1000 / channels^2 a layer and a content weight of 1.
mask.png is white on the left, black on the right, and grey between: two regions of the same style.

CASE.PICTURE.gradient.npy: float32 [3, h, w], BGR, per grey level.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from reference import Evaluation, Problem, Weights, evaluate

from exporter import sources
from exporter.presets import BOOK, GATYS, Preset, custom

HERE = Path(__file__).resolve().parent
EXPORT = HERE.parents[1] / "scripts" / "export_onnx.py"

SEED, WIDTH_DIVISOR = 1, 16
WEIGHTS = ["--weights", f"random:{SEED}", "--width-divisor", str(WIDTH_DIVISOR)]
# A layer with both terms and a pool behind it, and a first layer that no term looks at.
MIXED = custom("mixed", ["relu1_2", "relu2_1"], ["relu1_2"])
MIXED_OPTIONS = [
    *("--style-layers", ",".join(MIXED.style_layers), "--content-layers", ",".join(MIXED.content_layers)),
    *("--name", MIXED.name, "--pooling", "avg", "--style-loss", "gram"),
]
GRAPHS = {
    "gatys": (GATYS, "max"),
    "gatys-avg": (GATYS, "avg"),
    "book": (BOOK, "max"),
    "mixed-avg": (MIXED, "avg"),
}
# Preset, pooling, style losses.
EXPORTED = [
    ("gatys", "max", ["gram", "moments"]),
    ("gatys", "avg", ["gram", "wasserstein"]),
    ("book", "max", ["gram"]),
    ("judge", "max", []),
]
# What `impasto evaluate` is asked for, and what that means.
CASES = {
    "gatys": ("gatys", [], {}),
    "gatys-avg": ("gatys-avg", ["--pooling", "avg"], {}),
    "book": ("book", ["--preset", "book"], {}),
    "gatys-tv": ("gatys", ["--tv-weight", "20000"], {"tv_weight": 2e4}),
    "gatys-replicate": ("gatys", ["--padding", "replicate"], {"padding": 1.0}),
    "gatys-moments": ("gatys", ["--style-loss", "moments"], {"style_loss": "moments"}),
    "avg-wasserstein": (
        "gatys-avg",
        ["--pooling", "avg", "--style-loss", "wasserstein"],
        {"style_loss": "wasserstein"},
    ),
    "regions": ("gatys", ["--style", "style.png", "--mask", "mask.png", "--mask", "rest"], {}),
    "regions-moments": (
        "gatys",
        ["--style", "style.png", "--mask", "rest", "--mask", "mask.png", "--style-loss", "moments"],
        {"style_loss": "moments"},
    ),
    "mixed-avg": ("mixed-avg", ["--preset", "mixed", "--pooling", "avg"], {}),
    "mixed-avg-replicate": (
        "mixed-avg",
        ["--preset", "mixed", "--pooling", "avg", "--padding", "replicate"],
        {"padding": 1.0},
    ),
}

SIZE, STYLE_SIZE = (37, 29), (33, 42)
"""(height, width)"""

BGR_MEAN = np.array([103.939, 116.779, 123.68])


def main() -> None:
    export()
    pictures = make_pictures()
    for name, pixels in pictures.items():
        (HERE / f"{name}.png").write_bytes(png(pixels))
    expected = {}
    for case, (_, flags, _) in CASES.items():
        problem = case_problem(case)
        content, style = (to_tensor(pictures[name]) for name in ("content", "style"))
        expected[case] = {"flags": flags}
        for name in ("image", "flat"):
            evaluation = evaluate(problem, to_tensor(pictures[name]), content, style)
            expected[case][f"{name}.png"] = summary(problem, evaluation)
            np.save(HERE / f"{case}.{name}.gradient.npy", evaluation.gradient.astype(np.float32))
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def export() -> None:
    for preset, pooling, losses in EXPORTED:
        options = ["--preset", preset, "--pooling", pooling, "--out", str(HERE)]
        for loss in losses:
            options += ["--style-loss", loss]
        run_exporter(options)
    run_exporter([*MIXED_OPTIONS, "--out", str(HERE)])


def run_exporter(options: list[str]) -> None:
    subprocess.run([sys.executable, str(EXPORT), *WEIGHTS, *options], check=True)


def case_problem(case: str) -> Problem:
    graph, _, changes = CASES[case]
    problem = make_problem(*GRAPHS[graph], style_loss=changes.get("style_loss", "gram"))
    return replace(problem, masks=masks(case), **changes)


def masks(case: str) -> tuple[np.ndarray, ...]:
    """In the order of the flags."""
    mask = make_pictures()["mask"][:, :, 0] / 255
    both = {"regions": (mask, 1 - mask), "regions-moments": (1 - mask, mask)}
    return both.get(case, ())


def make_problem(
    preset: Preset, pooling: str, weights: Weights | None = None, style_loss: str = "gram"
) -> Problem:
    """With the weights that a style loss is meant for."""
    weights = weights or seeded_weights()
    channels = [len(weights[layer.replace("relu", "conv")][1]) for layer in preset.style_layers]
    style_weights, content_weight = WEIGHTS_OF[style_loss](channels)
    return Problem(
        weights,
        pooling,
        preset.style_layers,
        preset.content_layers,
        tuple(style_weights),
        tuple(content_weight for _ in preset.content_layers),
        style_loss=style_loss,
    )


def quartering(count: int) -> list[float]:
    """Each a quarter of the one before, 1 in all."""
    shares = [4.0**-index for index in range(count)]
    return [share / sum(shares) for share in shares]


WEIGHTS_OF = {
    "gram": lambda channels: ([1000 / c**2 for c in channels], 1.0),
    "moments": lambda channels: ([1000.0 for _ in channels], 1.0),
    "wasserstein": lambda channels: (quartering(len(channels)), 0.015),
}
"""From the style layers' channels to their weights, and the content weight."""


def seeded_weights() -> Weights:
    convolutions = sources.load(f"random:{SEED}", WIDTH_DIVISOR).convolutions
    return {name: (convolution.weight, convolution.bias) for name, convolution in convolutions.items()}


def make_pictures() -> dict[str, np.ndarray]:
    """uint8 [h, w, 3], RGB."""
    generator = np.random.default_rng(SEED)
    flat = np.full((*SIZE, 3), (200, 120, 40), np.uint8)
    flat[:17, :13] = 0
    flat[20:, 9:] = (30, 30, 250)
    mask = np.zeros((*SIZE, 3), np.uint8)
    mask[:, :12], mask[:, 12:16] = 255, [[[240], [190], [120], [30]]]
    return {
        "mask": mask,
        "content": noise(generator, SIZE),
        "style": pale_noise(generator, STYLE_SIZE),
        "image": noise(generator, SIZE),
        "flat": flat,
    }


def noise(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return generator.integers(0, 256, (*size, 3), dtype=np.uint8)


def pale_noise(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Noise of other statistics: between equal Gram matrices float32 would have nothing to measure."""
    return noise(generator, size) // 2 + np.array([0, 40, 127], np.uint8)


def to_tensor(pixels: np.ndarray) -> np.ndarray:
    """uint8 [h, w, 3] RGB -> float64 [3, h, w] BGR, mean subtracted."""
    return (pixels[:, :, ::-1] - BGR_MEAN).transpose(2, 0, 1)


def summary(problem: Problem, evaluation: Evaluation) -> dict:
    style = zip(problem.style_layers, evaluation.style_losses, strict=True)
    content = zip(problem.content_layers, evaluation.content_losses, strict=True)
    return {
        "total": evaluation.loss,
        "terms": {f"style/{layer}": loss for layer, loss in style}
        | {f"content/{layer}": loss for layer, loss in content}
        | {"tv": evaluation.tv_loss},
        "gradient_l2": float(np.linalg.norm(evaluation.gradient)),
        "gradient_max_abs": float(np.abs(evaluation.gradient).max()),
    }


def png(pixels: np.ndarray) -> bytes:
    """An 8-bit RGB PNG, the rows unfiltered."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


if __name__ == "__main__":
    main()
