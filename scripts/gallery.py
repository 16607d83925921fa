#!/usr/bin/env python3
"""`make gallery`: paint the twelve pictures of docs/gallery anew, each with its flags below it.

The pictures are those that set-up brings: the cat, our own painting, and a stained tissue as a second style.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs/gallery"
PICTURES = ROOT / "runtime/demo"
PROGRAM = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/impasto"
COMMON = ["--size", "320", "--iterations", "80", "--jpeg-quality", "88"]
COLUMNS = 3


@dataclass(frozen=True)
class Run:
    """One picture: its file's stem, what it shows, and the flags that make it so."""

    name: str
    caption: str
    flags: tuple[str, ...] = ()
    styles: tuple[str, ...] = ("painting.png",)


BOTH = ("painting.png", "tissue.png")

RUNS = [
    Run("defaults", "The defaults"),
    Run("neural-style", "The weights of neural-style", ("--preset", "neural-style")),
    Run("gatys", "The weights of Gatys et al.", ("--preset", "gatys")),
    Run("content-low", "Less photo", ("--content-weight", "0.3")),
    Run("content-high", "More photo", ("--content-weight", "4")),
    Run("random", "From noise", ("--init", "random", "--seed", "7")),
    Run("scale-half", "Small strokes", ("--style-scale", "0.5")),
    Run("scale-double", "Large strokes", ("--style-scale", "2")),
    Run("color-match", "The painting's colours moved to the photo's", ("--color", "match")),
    Run("color-original", "The photo's colours", ("--color", "original")),
    Run("blend-3-7", "Three parts painting, seven parts tissue", ("--style-blend", "3,7"), BOTH),
    Run("blend-7-3", "Seven parts painting, three parts tissue", ("--style-blend", "7,3"), BOTH),
]


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    for run in RUNS:
        print(f"gallery: {run.name}", file=sys.stderr, flush=True)
        if subprocess.run(command(run)).returncode != 0:
            return 1
    (OUT / "README.md").write_text(page())
    return 0


def command(run: Run) -> list[str | Path]:
    pictures = [PICTURES / "cat.png", *(PICTURES / style for style in run.styles)]
    flags = [*COMMON, *run.flags, "--quiet", "--force"]
    return [PROGRAM, "stylize", *pictures, "-o", OUT / f"{run.name}.jpg", *flags]


def page() -> str:
    """The gallery's README: a table of pictures, flags below."""
    lines = [
        "# Gallery",
        "",
        "Painted by `make gallery`: the cat in the style of the painting that set-up makes, and of a picture",
        "of a stained tissue where two styles are blended. All have the flags",
        f"`{' '.join(COMMON)}` and those shown.",
        "",
        "| " * COLUMNS + "|",
        "|---" * COLUMNS + "|",
    ]
    for first in range(0, len(RUNS), COLUMNS):
        cells = [cell(run) for run in RUNS[first : first + COLUMNS]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cell(run: Run) -> str:
    flags = f"<br>`{' '.join(run.flags)}`" if run.flags else ""
    return f'<img src="{run.name}.jpg" alt="{run.caption}"><br>{run.caption}{flags}'


if __name__ == "__main__":
    sys.exit(main())
