#!/usr/bin/env python3
"""`make device-check`: what the program does on a card, in the order in which a cut run tells the most.

It needs Python's standard library, the program and two pictures, so that it runs without make, network or
cargo too. Every step has a limit of its own, is told on a line when it ends and kept in results.json; none
stops the next, but for a provider that does not run at all.
"""

from __future__ import annotations

import argparse
import array
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/impasto"
MEMORY = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]

Figures = dict[str, object]


class StepFailed(RuntimeError):
    """A step has no figures."""


class Unusable(StepFailed):
    """The provider does not run: no further step makes sense."""


@dataclass
class Check:
    program: Path
    provider: str
    flags: list[str]
    """Of the program, in every run: `--graphs`, `--runtime`."""
    content: Path
    style: Path
    out: Path
    seconds_left: Callable[[], float] = field(default=lambda: math.inf)

    def run(self, *words: object, **environment: str) -> str:
        """What a program prints, within the step's limit."""
        command = [str(word) for word in words]
        limit = self.seconds_left()
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=limit, env=os.environ | environment
            )
        except subprocess.TimeoutExpired:
            raise StepFailed(f"not done within its limit: {' '.join(command[:2])}") from None
        except OSError as error:
            raise StepFailed(f"{command[0]}: {error.strerror}") from None
        if done.returncode != 0:
            raise StepFailed((done.stderr.strip().splitlines() or ["no word of why"])[-1])
        return done.stdout

    def impasto(self, *words: object) -> str:
        return self.run(self.program, *words, *self.flags)

    def on_device(self, precision: str, *options: str) -> list[str]:
        words = ["--provider", self.provider, "--precision", precision]
        return words + [word for option in options for word in ("--provider-option", option)]

    def stylize(self, size: int, iterations: int, *flags: str) -> list[tuple[float, float]]:
        """Seconds since the start and the loss, evaluation by evaluation, of one scale."""
        trace = self.out / "trace.json"
        files = ["--output", self.out / "painted.png", "--trace", trace, "--force", "--quiet"]
        what = ["--preset", "gatys", "--scales", 1, "--size", size, "--iterations", iterations]
        self.impasto("stylize", self.content, self.style, *files, *what, *flags)
        evaluations = json.loads(trace.read_text())["evaluations"]
        return [(one["seconds"], one["loss"]) for one in evaluations]

    def evaluate(self, picture: Path, *flags: str) -> tuple[dict[str, float], array.array]:
        """The terms of the loss of a picture, and its gradient."""
        file = self.out / "gradient.npy"
        text = self.impasto(
            *("evaluate", picture, "--content", self.content, "--style", self.style, "--preset", "gatys"),
            *("--json", "--gradient", file, "--force", *flags),
        )
        return json.loads(text)["terms"], floats(file)


def floats(npy: Path) -> array.array:
    """The numbers of a file of float32."""
    data = npy.read_bytes()
    begin = 10 + int.from_bytes(data[8:10], "little")
    numbers = array.array("f")
    numbers.frombytes(data[begin:])
    return numbers


def machine(check: Check) -> Figures:
    told = check.run("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
    return {"card": told.strip(), "cores": os.cpu_count(), "program": check.run(check.program, "--version")}


def providers(check: Check) -> Figures:
    """Whether the provider runs, and how far its small evaluation is from the processor's."""
    report = json.loads(check.impasto("providers", "--try", "--json"))
    found = next(one for one in report["providers"] if one["name"] == check.provider)
    if found["state"] != "usable":
        raise Unusable(f"{check.provider} is {found['state']}: {found.get('reason', 'not built in')}")
    compared = [one for one in report["comparisons"] if one["provider"] == check.provider]
    return {"onnxruntime": report["onnxruntime"]["version"], **compared[0]}


def numbers(check: Check) -> Figures:
    """Terms and gradient against the processor's, of an even size and an odd one."""
    return {str(size): numbers_at(check, size) for size in (512, 501)}


def numbers_at(check: Check, size: int) -> Figures:
    check.stylize(size, 1, "--provider", "cpu")
    painted = (check.out / "painted.png").replace(check.out / f"painted-{size}.png")
    expected = check.evaluate(painted, "--provider", "cpu")
    first, second = (check.evaluate(painted, *check.on_device("f32")) for _ in range(2))
    in_tf32 = attempt(check.evaluate, painted, *check.on_device("tf32"))
    return {
        "f32": distance(first, expected),
        "same bytes twice": first[1].tobytes() == second[1].tobytes(),
        "tf32": in_tf32 if isinstance(in_tf32, str) else distance(in_tf32, expected),
    }


def distance(found: tuple, expected: tuple) -> Figures:
    """Of terms, the largest relative one; of gradients, relative, L2."""
    (terms, gradient), (wanted, reference) = found, expected
    off = [abs(terms[name] / wanted[name] - 1) for name in wanted if wanted[name]]
    square = math.fsum((a - b) ** 2 for a, b in zip(gradient, reference, strict=True))
    norm = math.fsum(b * b for b in reference)
    return {
        "terms": max(off, default=0.0),
        "gradient": math.sqrt(square / norm) if norm else math.sqrt(square),
        "not finite": sum(not math.isfinite(a) for a in gradient),
    }


def attempt(measure: Callable[..., object], *given: object) -> object:
    """What is measured, or why it is not."""
    try:
        return measure(*given)
    except StepFailed as error:
        return str(error)


def course(check: Check, size: int, iterations: int, *flags: str) -> Figures:
    """Of a run: its first evaluation, and the time of others, with few pairs in the history and with many."""
    rows = check.stylize(size, iterations, *flags)
    return {
        "first, s": rows[0][0],
        "evaluations": len(rows),
        "ms at 20 to 40": milliseconds(rows[19:40]),
        "ms at the end": milliseconds(rows[-20:]),
        "total, s": rows[-1][0],
        "losses at 100, 300, 500": [rows[n - 1][1] for n in (100, 300, 500) if n <= len(rows)],
    }


def milliseconds(rows: list[tuple[float, float]]) -> float | None:
    """The median from one evaluation to the next."""
    steps = [after[0] - before[0] for before, after in pairwise(rows)]
    return 1e3 * median(steps) if steps else None


def speed(check: Check) -> Figures:
    """Until the history is full."""
    return {kind: attempt(course, check, 512, 110, *check.on_device(kind)) for kind in ("f32", "tf32")}


def whole_run(check: Check) -> Figures:
    """500 iterations at 512 pixels."""
    return {kind: attempt(course, check, 512, 500, *check.on_device(kind)) for kind in ("tf32", "f32")}


def options(check: Check) -> Figures:
    chosen = ["cudnn_conv_algo_search=EXHAUSTIVE", "cudnn_conv_algo_search=HEURISTIC", "prefer_nhwc=1"]
    return {option: with_options(check, option) for option in chosen}


def cuda_graph(check: Check) -> Figures:
    """Launches recorded and replayed, with the arena that the program takes for it and with the other."""
    replayed, other = "enable_cuda_graph=1", "arena_extend_strategy=kSameAsRequested"
    return {"its arena": with_options(check, replayed), "the other": with_options(check, replayed, other)}


def with_options(check: Check, *chosen: str) -> object:
    return attempt(course, check, 512, 40, *check.on_device("tf32", *chosen))


def large(check: Check) -> Figures:
    """1024 and 2048 pixels, and the most of the card's memory that was taken meanwhile, in MB."""
    return {str(size): attempt(large_at, check, size) for size in (1024, 2048)}


def large_at(check: Check, size: int) -> Figures:
    with peak_memory(check) as peak:
        figures = course(check, size, 12, *check.on_device("tf32"))
        return figures | {"peak, MB": peak()}


@contextmanager
def peak_memory(check: Check) -> Iterator[Callable[[], int | None]]:
    """Asks the driver five times a second."""
    log = check.out / "memory.txt"
    with log.open("w") as file:
        try:
            watching = subprocess.Popen([*MEMORY, "--loop-ms=200"], stdout=file, stderr=subprocess.DEVNULL)
        except OSError as error:
            raise StepFailed(f"{MEMORY[0]}: {error.strerror}") from None
        try:
            yield lambda: max(map(int, log.read_text().split()), default=None)
        finally:
            watching.kill()
            watching.wait()


STEPS: list[tuple[int, Callable[[Check], Figures]]] = [
    (15, machine),
    (45, providers),
    (60, numbers),
    (60, speed),
    (110, whole_run),
    (50, options),
    (40, cuda_graph),
    (80, large),
]
"""Each with its limit in seconds; 460 in all."""


def run(check: Check, steps: list[tuple[int, Callable[[Check], Figures]]]) -> int:
    """The exit code: 1 where the provider does not run."""
    results: dict[str, object] = {}
    for limit, step in steps:
        begin = time.monotonic()
        check.seconds_left = lambda end=begin + limit: max(end - time.monotonic(), 0.01)
        name, unusable = step.__name__, False
        try:
            results[name] = step(check)
        except StepFailed as error:
            results[name], unusable = {"failed": str(error)}, isinstance(error, Unusable)
        except (ValueError, LookupError, TypeError, OSError) as error:
            results[name] = {"failed": f"what the program has written cannot be read: {error!r}"}
        print(f"{name}, {time.monotonic() - begin:.1f} s: {json.dumps(results[name])}", flush=True)
        (check.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
        if unusable:
            return 1
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0].partition(": ")[2])
    parser.add_argument("--program", type=Path, default=PROGRAM)
    parser.add_argument("--provider", default="cuda")
    parser.add_argument("--content", type=Path, default=ROOT / "runtime/demo/cat.png")
    parser.add_argument("--style", type=Path, default=ROOT / "runtime/demo/painting.png")
    parser.add_argument("--out", type=Path, default=ROOT / "out/device-check")
    parser.add_argument("flags", nargs="*", help="flags of the program in every run, after --")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    return run(Check(**vars(given)), STEPS)


if __name__ == "__main__":
    sys.exit(main())
