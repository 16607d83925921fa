"""The measurements: programs in turn in one run, so that what the machine does else falls on all of them."""

from __future__ import annotations

import os
import re
from itertools import pairwise
from pathlib import Path
from statistics import median

from .programs import Lab, Pictures, ProgramError, Run

WARM_UP = 2
"""Evaluations of a run that are not timed: they grow buffers and search for the first step."""

EVALUATIONS = {256: 20, 512: 10, 1024: 6}
"""Evaluations of a timed run, by size; other sizes have the fewest."""

MEMINFO = Path("/proc/meminfo")
"""Where Linux tells how much memory there is."""

INSTRUCTIONS = re.compile(
    r"^(?P<hidden>nothing|avx\w*) +(?P<asked>\w+) +(?P<kernels>\w+) +"
    r"(?P<impasto>[\d.]+) +(?P<onnxruntime>[\d.]+) +"
    r"(?P<ratio>[\d.]+) \((?P<least>[\d.]+) to (?P<greatest>[\d.]+)\) +(?P<distance>[\d.e-]+)$",
    re.MULTILINE,
)
"""A row of the instructions bench."""


def evaluations_at(size: int) -> int:
    """Evaluations of a run that is timed, the warm-up included."""
    return WARM_UP + EVALUATIONS.get(size, min(EVALUATIONS.values()))


def seconds_per_evaluation(run: Run) -> float:
    """The median, the optimiser's part included."""
    timed = run.seconds[WARM_UP:]
    if len(timed) < 2:
        raise ProgramError(f"a program printed too few rows to time an evaluation: {len(run.seconds)}")
    return median(after - before for before, after in pairwise(timed))


def faster_format(lab: Lab, pictures: Pictures) -> list[str]:
    """The flag of the memory format in which PyTorch is faster."""
    formats = [[], ["--channels-last"]]
    return min(formats, key=lambda flags: seconds_per_evaluation(lab.pytorch(pictures, WARM_UP + 4, *flags)))


def speed(lab: Lab, pictures: Pictures, pairs: int) -> dict:
    """Seconds per evaluation, pair by pair; PyTorch is left out where its memory would not do."""
    evaluations = evaluations_at(pictures.size)
    one_scale = ["--scales", "1", "--iterations", str(evaluations)]
    if not pytorch_fits(pictures.size, evaluations):
        ours = [seconds_per_evaluation(lab.impasto(pictures, *one_scale)) for _ in range(pairs)]
        return {"size": pictures.size, "impasto": ours, "pytorch": None}
    flags = faster_format(lab, pictures)
    ours, theirs = [], []
    for _ in range(pairs):
        ours.append(seconds_per_evaluation(lab.impasto(pictures, *one_scale)))
        theirs.append(seconds_per_evaluation(lab.pytorch(pictures, evaluations, *flags)))
    return {
        "size": pictures.size,
        "impasto": ours,
        "pytorch": theirs,
        "pytorch_format": "channels_last" if flags else "contiguous",
        "ratios": [their / our for our, their in zip(ours, theirs, strict=True)],
    }


def pytorch_fits(size: int, evaluations: int) -> bool:
    """Whether PyTorch's loop has room.

    A short run took 1.62 GB at 512 and 3.39 GB at 1024, one that filled L-BFGS's history of 100 pairs took
    2.65 GB at 512.
    """
    history = min(evaluations, 100)
    return 1e9 + (2700 + 40 * history) * size**2 < available_memory()


def available_memory() -> int:
    """Bytes that a program can take, those among them that only cache files.

    Where the system does not tell (macOS), all of the machine's: what others have there is compressed and
    swapped, and only what exceeds them all certainly has no room.
    """
    try:
        told = re.search(r"^MemAvailable: +(\d+) kB$", MEMINFO.read_text(), re.MULTILINE)
    except FileNotFoundError:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(told[1]) * 1024


def memory(runs: dict[str, Run], size: int) -> dict:
    """Peak resident memory in bytes of whole runs, long enough for a full L-BFGS history."""
    return {"size": size, "peaks": {name: run.peak for name, run in runs.items()}}


def curves(lab: Lab, pictures: Pictures, evaluations: int, variants: dict[str, list[str]]) -> dict[str, Run]:
    """Loss against seconds: PyTorch, and Impasto with the flags of each variant and as many iterations."""
    runs = {"PyTorch": lab.pytorch(pictures, evaluations, *faster_format(lab, pictures))}
    for name, flags in variants.items():
        runs[name] = lab.impasto(pictures, "--iterations", str(evaluations), *flags)
    return runs


def times_to_loss(runs: dict[str, Run], evaluations: int) -> dict:
    """Seconds that each run takes to the best loss that PyTorch has after so many evaluations."""
    goal = min(runs["PyTorch"].losses[:evaluations])
    return {
        "evaluations": evaluations,
        "loss": goal,
        "seconds": {name: run.first_below(goal) for name, run in runs.items()},
    }


def optimizer(lab: Lab) -> dict[int, float]:
    """Seconds of L-BFGS itself an iteration on 512 by 512 pixels and two threads, by history."""
    rows = re.findall(r"L-BFGS, history (\d+) +[\d.]+ +([\d.]+)", lab.optimizer_bench())
    if not rows:
        raise ProgramError("the optimizer bench printed no rows")
    return {int(history): float(milliseconds) / 1000 for history, milliseconds in rows}


def shares(lab: Lab, size: int) -> dict:
    """Milliseconds of an evaluation in the graph, in copies to it and from it, and in the optimiser."""
    rows = re.findall(r"^(graph|transfer|optimizer) +([\d.]+) ms", lab.shares_bench(size), re.MULTILINE)
    if len(rows) != 3:
        raise ProgramError("the shares bench printed no graph, transfer and optimizer")
    return {"size": size, "milliseconds": {part: float(milliseconds) for part, milliseconds in rows}}


def instructions(lab: Lab, size: int, pairs: int) -> dict:
    """Seconds per evaluation beside ONNX Runtime's plain graph, instructions hidden where they can be."""
    words = ("hidden", "asked", "kernels")
    rows = [row.groupdict() for row in INSTRUCTIONS.finditer(lab.instructions_bench(size, pairs))]
    rows = [{key: value if key in words else float(value) for key, value in row.items()} for row in rows]
    return {"size": size, "pairs": pairs, "rows": rows}


def pastiche(lab: Lab, pictures: Pictures) -> dict:
    """Seconds a step and peak memory of the peer that a user would install."""
    run = lab.pastiche(pictures, evaluations_at(pictures.size))
    return {"size": pictures.size, "seconds": seconds_per_evaluation(run), "peak": run.peak}
