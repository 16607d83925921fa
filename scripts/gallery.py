#!/usr/bin/env python3
"""`make gallery`: paint the pictures of docs/gallery anew, each with its flags or commands below it.

The pictures are those that set-up brings: photos, our own painting, and a stained tissue as a second style.
"""

from __future__ import annotations

import argparse
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
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
    """One picture of the cat: its file's stem, what it shows, and the flags that make it so."""

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


@dataclass(frozen=True)
class Work:
    """Pictures that commands make; the last command makes NAME.png. `width` is that of its copy here."""

    name: str
    caption: str
    commands: tuple[str, ...]
    width: int = 480


SHORT = "--size 320 --iterations 80"
LARGE = "--size 1024 --scales 256:120,512:40,1024:20"

WORKS = [
    Work(
        "map",
        "Three regions, as the network sees them",
        ("impasto regions coffee.png -o map.png --count 3",),
    ),
    Work(
        "three-parts",
        "The painting in one, the tissue in another, the third one left alone",
        (
            "impasto stylize coffee.png painting.png tissue.png -o three-parts.png "
            f"--mask map.png#ff0000 --mask map.png#0080ff --keep map.png#ffd000 {SHORT}",
        ),
    ),
    Work(
        "sky",
        "A sky like the painting, what stands on the earth like the tissue",
        (
            "impasto regions rocket.jpg -o sky-map.png --count 2",
            "impasto stylize rocket.jpg painting.png tissue.png -o sky.png "
            f"--mask sky-map.png#0080ff --mask rest {SHORT}",
        ),
    ),
    Work(
        "face-kept",
        "A face is kept: face.png is white in an ellipse",
        (f"impasto stylize astronaut.png painting.png -o face-kept.png --keep face.png {SHORT}",),
    ),
    Work(
        "banner",
        "The painting goes on to a banner",
        ("impasto texture painting.png -o banner.png --size 960x240 --style-size 480 --iterations 120",),
        width=960,
    ),
    Work(
        "texture",
        "Its texture at 1024 pixels, three by three side by side: there are seams",
        (
            f"impasto texture painting.png -o plain.png {LARGE}",
            "impasto evaluate plain.png --style painting.png --seam --sheet texture.png",
        ),
        width=640,
    ),
    Work(
        "seamless",
        "The same without them",
        (
            f"impasto texture painting.png -o tile.png --seamless {LARGE}",
            "impasto evaluate tile.png --style painting.png --seam --sheet seamless.png",
        ),
        width=640,
    ),
]


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    for run in RUNS:
        print(f"gallery: {run.name}", file=sys.stderr, flush=True)
        subprocess.run(command(run), check=True)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(PICTURES, folder, dirs_exist_ok=True)
        write_ellipse(Path(folder) / "face.png", (512, 512), (227, 104), (76, 94))
        for work in WORKS:
            print(f"gallery: {work.name}", file=sys.stderr, flush=True)
            make(work, folder)
    (OUT / "README.md").write_text(page())
    return 0


def command(run: Run) -> list[str | Path]:
    pictures = [PICTURES / "cat.png", *(PICTURES / style for style in run.styles)]
    flags = [*COMMON, *run.flags, "--quiet", "--force"]
    return [PROGRAM, "stylize", *pictures, "-o", OUT / f"{run.name}.jpg", *flags]


def make(work: Work, folder: str) -> None:
    """Runs the commands in the folder, and puts a copy of what they make into the gallery."""
    shrink = f"impasto stylize {work.name}.png painting.png -o {OUT}/{work.name}.jpg"
    shrink += f" --size {work.width} --iterations 0 --jpeg-quality 85 --quiet --force"
    for line in (*work.commands, shrink):
        subprocess.run([PROGRAM, *line.split()[1:]], cwd=folder, check=True)


def write_ellipse(path: Path, size: tuple[int, int], middle: tuple[int, int], radii: tuple[int, int]) -> None:
    """A grey PNG, white in an ellipse."""

    def row(y: int) -> bytes:
        down = (y - middle[1]) / radii[1]
        inside = (((x - middle[0]) / radii[0]) ** 2 + down**2 <= 1 for x in range(size[0]))
        return bytes([0, *(255 if white else 0 for white in inside)])

    rows = zlib.compress(b"".join(row(y) for y in range(size[1])))
    header = struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*parts) for parts in chunks))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def page() -> str:
    """The gallery's README: tables of pictures, with flags or commands."""
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
    lines += ["", "## Regions and textures", "", "Copies here are scaled down."]
    for work in WORKS:
        picture = f'<img src="{work.name}.jpg" alt="{work.caption}">'
        lines += ["", f"{work.caption}:", "", picture, ""]
        lines += [f"    {line}" for line in work.commands]
    return "\n".join(lines) + "\n"


def cell(run: Run) -> str:
    flags = f"<br>`{' '.join(run.flags)}`" if run.flags else ""
    return f'<img src="{run.name}.jpg" alt="{run.caption}"><br>{run.caption}{flags}'


if __name__ == "__main__":
    sys.exit(main())
