#!/usr/bin/env python3
"""`make bench`: Impasto beside PyTorch and pastiche on this machine, in one run; writes out/bench/.

Times the programs in turn on squares cut from two pictures: seconds per evaluation by size, peak memory,
what L-BFGS, graph and copies take of that time, how the kernels for lesser processors compare with ONNX
Runtime's, how long each takes to the losses that PyTorch has after 100 to 500 evaluations. Takes an hour or
more on two cores; nothing else should run meanwhile. bench.json is written after every stage, so that one
that fails loses none before.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from benchmark import measure, report
from benchmark.programs import ROOT, Lab, Pictures, ProgramError


def curves(pictures: Pictures) -> dict[str, list[str]]:
    """The ways to paint that are compared with PyTorch, and their flags."""
    return {
        "Impasto": [],
        "Impasto, one scale": ["--scales", "1"],
        # A start from a file is painted in pixels, not in smoothed changes.
        "Impasto, one scale, pixels": ["--init", str(pictures.content)],
    }


def main() -> int:
    options = parse_arguments()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="impasto-bench-") as scratch:
            run(options, Lab(Path(scratch), options.threads))
    except (ProgramError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace, lab: Lab) -> None:
    def pictures(size: int) -> Pictures:
        return Pictures(
            square(options.content, size, lab.scratch), square(options.style, size, lab.scratch), size
        )

    if not measure.pytorch_fits(options.curve, options.evaluations):
        raise ProgramError(f"PyTorch would not have room at {options.curve} pixels; choose a smaller --curve")
    results: dict = {"speed": []}
    stage = partial(recorded, results, options.out / "bench.json")
    with stage("the machine"):
        results["machine"] = machine(lab)
    for size in options.sizes:
        with stage(f"seconds per evaluation at {size}"):
            results["speed"].append(measure.speed(lab, pictures(size), options.pairs))
    with stage("the optimiser alone"):
        results["optimizer"] = measure.optimizer(lab)
    with stage("shares of an evaluation"):
        results["shares"] = measure.shares(lab, 512)
    with stage("instructions hidden"):
        results["instructions"] = measure.instructions(lab, 256, options.pairs)
    with stage("pastiche"):
        results["pastiche"] = measure.pastiche(lab, pictures(512))
    with stage(f"{options.evaluations} evaluations at {options.curve}"):
        painted = pictures(options.curve)
        runs = measure.curves(lab, painted, options.evaluations, curves(painted))
        results["machine"]["kernels"] = runs["Impasto"].kernels or "the provider's"
        results["memory"] = measure.memory(runs, options.curve)
        goals = [count for count in (100, 300, 400, 500) if count <= options.evaluations]
        results["goals"] = [measure.times_to_loss(runs, count) for count in goals]
        results["curves"] = {name: asdict(one) for name, one in runs.items()}
    with stage("the table and the plot"):
        text = report.table(results)
        (options.out / "bench.txt").write_text(text + "\n")
        print(text)
        of = f"{options.curve}x{options.curve} pixels, {lab.threads} threads"
        report.plot(runs, f"{of}, {results['machine']['processor']}", options.out / "bench.svg")


@contextmanager
def recorded(results: dict, file: Path, stage: str) -> Iterator[None]:
    """Says that a stage begins, and writes the results once it is done; an error is told with both names."""
    print(f"bench: {stage}", file=sys.stderr, flush=True)
    try:
        yield
        write(results, file)
    except (ProgramError, OSError) as error:
        raise ProgramError(f"{stage}: {error}; the results so far are in {file}") from error


def write(results: dict, file: Path) -> None:
    """Replaces the file in one step, so that it is whole whenever the bench ends."""
    beside = file.with_suffix(".partial")
    beside.write_text(json.dumps(results, indent=1))
    os.replace(beside, file)


def square(picture: Path, size: int, folder: Path) -> Path:
    """The middle of a picture, as a square of so many pixels a side, so that no program has to resize it."""
    from PIL import Image, ImageOps

    out = folder / f"{picture.stem}-{size}.png"
    with Image.open(picture) as image:
        ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.LANCZOS).save(out)
    return out


def machine(lab: Lab) -> dict[str, str]:
    from importlib.metadata import version

    return {
        "processor": processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": str(lab.threads),
        "torch": version("torch"),
        "pastiche": version("pastiche"),
        "onnxruntime": version("onnxruntime"),
    }


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.processor()
    )


def parse_arguments() -> argparse.Namespace:
    def sizes(text: str) -> list[int]:
        return [int(size) for size in text.split(",")]

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--sizes", type=sizes, default="256,512,1024,2048", help="sides of the squares in pixels"
    )
    parser.add_argument("--pairs", type=int, default=5, help="runs of each program at each size")
    parser.add_argument(
        "--curve", type=int, default=512, help="side of the squares that are painted to the end"
    )
    parser.add_argument(
        "--evaluations", type=int, default=500, help="evaluations to the end, Impasto's iterations too"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of every program")
    demo = ROOT / "runtime/demo"
    parser.add_argument("--content", type=Path, default=demo / "cat.png", help="the photo")
    parser.add_argument("--style", type=Path, default=demo / "painting.png", help="the painting")
    parser.add_argument("--out", type=Path, default=ROOT / "out/bench", help="the folder of the results")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
