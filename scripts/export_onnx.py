#!/usr/bin/env python3
"""Export the ONNX graphs that Impasto runs, and the weights file they share."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

from exporter import contract, models, sources, storage, temporal
from exporter.graph import GraphError
from exporter.losses import LOSSES
from exporter.presets import PRESETS, Preset, PresetError, custom
from exporter.vgg19 import POOLINGS, deepest


def main() -> int:
    options = parse_arguments()
    try:
        export(options)
    except (sources.WeightsError, PresetError, GraphError, storage.CheckFailed, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def export(options: argparse.Namespace) -> None:
    presets = chosen_presets(options)
    weights = sources.load(options.weights, options.width_divisor, options.convention)
    packed = {preset.name: storage.pack(weights, deepest(preset.layers)) for preset in presets}
    files = {file.name: file.data for file in packed.values()}
    for preset in presets:
        weights_file = packed[preset.name]
        for graph in wanted(preset, options):
            model = models.build(graph, preset, weights)
            metadata = contract.metadata(graph, preset, weights, weights_file.identity)
            files[graph.file_name(preset)] = storage.finish(model, metadata, weights_file)
    files[contract.TEMPORAL_FILE] = storage.finish(temporal.build(), contract.temporal_metadata())
    storage.write(options.out, files)
    report(options.out, files, storage.stale_graphs(options.out, packed.values(), files))


def wanted(preset: Preset, options: argparse.Namespace) -> Iterator[contract.Graph]:
    """The graphs of a preset."""
    kinds = contract.KINDS if preset.is_objective else (contract.FORWARD,)
    poolings = options.pooling or POOLINGS if preset.is_objective else ("max",)
    for kind, pooling in itertools.product(kinds, poolings):
        losses = options.style_loss or LOSSES if kind in contract.OF_A_LOSS else (contract.Graph(kind).loss,)
        flavours = (contract.PORTABLE, contract.CPU) if kind in contract.ON_IMAGES else (contract.PORTABLE,)
        for loss, flavour in itertools.product(losses, flavours):
            yield contract.Graph(kind, pooling, loss, flavour)


def chosen_presets(options: argparse.Namespace) -> list[Preset]:
    own = (options.style_layers, options.content_layers, options.name)
    if any(part is not None for part in own):
        if not all(own):
            raise PresetError("a preset of your own needs --style-layers, --content-layers and --name")
        layers = (options.style_layers.split(","), options.content_layers.split(","))
        return [custom(options.name, *layers), *(PRESETS[name] for name in options.preset or [])]
    return [PRESETS[name] for name in options.preset or PRESETS]


def report(out: Path, files: dict[str, bytes], stale: list[str]) -> None:
    for name, data in files.items():
        print(f"{out / name} ({len(data):,} bytes)")
    if stale:
        print(f"warning: made for other weights, export again: {', '.join(stale)}", file=sys.stderr)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--weights",
        required=True,
        metavar="FILE|random:SEED",
        help="8-bit codebook (.bin), .npz, .safetensors, .pth (needs torch), or seeded random weights",
    )
    add(
        "--convention",
        choices=sources.CONVENTIONS,
        help="input the weights were trained for: caffe (BGR, 0..255, mean subtracted; default) "
        "or torchvision (RGB, /255, mean and deviation; default for torchvision's own checkpoint)",
    )
    add(
        "--width-divisor",
        type=int,
        default=1,
        metavar="N",
        help="divide all channel counts by N; with random:SEED only (default 1)",
    )
    add("--preset", action="append", choices=PRESETS, help="repeatable (default: all)")
    add("--pooling", action="append", choices=POOLINGS, help="repeatable (default: both)")
    add("--style-loss", action="append", choices=LOSSES, help="repeatable (default: all)")
    add("--style-layers", metavar="A,B", help="for a preset of your own, for instance relu1_1,relu2_1")
    add("--content-layers", metavar="C", help="for a preset of your own, for instance relu4_2")
    add("--name", help="name of a preset of your own; its files begin with it")
    add("--out", type=Path, default=Path("onnx"), metavar="DIR", help="folder to write to (default onnx/)")
    return parser.parse_args()  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
