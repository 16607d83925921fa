#!/usr/bin/env python3
"""`make looks`: paint pairs of pictures by presets, content weights and style losses, and judge the results.

For each pair, out/looks/CONTENT-STYLE has the pictures, a contact sheet, and the curve of the content
distance against the mean style distance, as `impasto compare` tells them. Pictures of other programs that lie
in the folder `peers` there are judged beside ours. What has been painted already stays, unless the program or
the flags have changed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from gallery import PICTURES, PROGRAM, ROOT

PHOTOS = ("cat.png", "astronaut.png", "coffee.png", "rocket.jpg")
STYLES = ("painting.png", "tissue.png")
PAIRS = [[PICTURES / photo, PICTURES / style] for photo in PHOTOS for style in STYLES]
WEIGHTS = ("0.1", "0.3", "1", "3", "10")
"""Content weights of the default preset: its curve."""
PRESETS = ("gatys", "neural-style", "photo")
STYLE_LOSSES = ("moments", "wasserstein")
LOOKS = {
    **{f"content-{weight}": ["--content-weight", weight] for weight in WEIGHTS},
    **{preset: ["--preset", preset] for preset in PRESETS},
    **{loss: ["--style-loss", loss] for loss in STYLE_LOSSES},
}
"""The flags of each picture of a pair, by its name."""
COLUMNS = "{:<28}{:>9}{:>8}{:>10}{:>7}"


@dataclass
class Look:
    """A picture and how it is judged."""

    picture: Path
    content: float
    style: float
    held_out: float
    ssim: float

    @classmethod
    def of(cls, entry: dict) -> Look:
        def distance(of: str) -> float:
            return mean(entry[of].values())

        return cls(
            Path(entry["picture"]),
            distance("content_distance"),
            distance("style_distance"),
            distance("held_out_style_distance"),
            entry["ssim"],
        )

    @property
    def is_on_curve(self) -> bool:
        return self.picture.stem.startswith("content-")

    def row(self) -> str:
        name = self.picture.stem if self.picture.parent.name != "peers" else f"peers/{self.picture.stem}"
        figures = (f"{value:.3f}" for value in (self.content, self.style, self.held_out))
        return COLUMNS.format(name, *figures, f"{self.ssim:.2f}")


def main() -> int:
    options = parse()
    try:
        for content, style in options.pair or PAIRS:
            folder = options.out / f"{content.stem}-{style.stem}"
            (folder / "peers").mkdir(parents=True, exist_ok=True)
            for name, flags in looks(options):
                paint(content, style, folder / f"{name}.png", flags)
            judged = judge(content, style, pictures(folder, options), options.size)
            table = "\n".join(
                [COLUMNS.format("", "content", "style", "held out", "SSIM"), *map(Look.row, judged)]
            )
            print(f"{folder.name}\n{table}\n", flush=True)
            (folder / "table.txt").write_text(table + "\n")
            draw(judged, folder.name, folder / "curve.svg")
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--pair",
        nargs=2,
        type=Path,
        action="append",
        metavar=("CONTENT", "STYLE"),
        help="a pair to paint, instead of those that set-up brings; may be given several times",
    )
    parser.add_argument("--size", default="384", help="the longer side in pixels (default: %(default)s)")
    parser.add_argument("--iterations", help="as of `impasto stylize` (default: each preset's own)")
    parser.add_argument("--out", type=Path, default=ROOT / "out/looks", help="where to (default: out/looks)")
    parser.add_argument(
        "--only",
        action="append",
        choices=LOOKS,
        metavar="LOOK",
        help="paint no other picture of a pair; may be given several times: " + ", ".join(LOOKS),
    )
    return parser.parse_args()


def looks(options: argparse.Namespace) -> list[tuple[str, list[str]]]:
    """The name and the flags of each picture of a pair."""
    common = ["--size", options.size]
    if options.iterations:
        common += ["--iterations", options.iterations]
    return [(name, [*common, *LOOKS[name]]) for name in options.only or LOOKS]


def paint(content: Path, style: Path, picture: Path, flags: list[str]) -> None:
    """Paints, unless it has been with the same flags, pictures and program."""
    note = picture.with_suffix(".flags")
    made = json.dumps([str(content), str(style), flags, PROGRAM.stat().st_mtime])
    if picture.exists() and note.exists() and note.read_text() == made:
        return
    print(f"looks: {picture.parent.name}/{picture.stem}", file=sys.stderr, flush=True)
    run = [PROGRAM, "stylize", content, style, "-o", picture, "--quiet", "--force", *flags]
    subprocess.run(run, check=True)
    note.write_text(made)


def pictures(folder: Path, options: argparse.Namespace) -> list[Path]:
    """Those that were asked for, and the peers'; others that lie there may be of another size."""
    painted = [folder / f"{name}.png" for name, _ in looks(options)]
    return painted + sorted(path for path in (folder / "peers").iterdir() if path.is_file())


def judge(content: Path, style: Path, pictures: list[Path], size: str) -> list[Look]:
    compare = [PROGRAM, "compare", *pictures, "--content", content, "--style", style]
    compare += [
        "--preset",
        "gatys",
        "--style-size",
        size,
        "--json",
        "--sheet",
        pictures[0].with_name("sheet.png"),
        "--force",
    ]
    output = subprocess.run(compare, check=True, stdout=subprocess.PIPE).stdout
    return [Look.of(entry) for entry in json.loads(output)["pictures"]]


def draw(judged: list[Look], title: str, out: Path) -> None:
    """Our curve by content weight, a point for each other picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4.5), layout="constrained")
    curve = sorted((look.content, look.style) for look in judged if look.is_on_curve)
    if curve:
        axes.plot(*zip(*curve, strict=True), marker=".", label="impasto, by content weight")
        axes.legend()
    for look in judged:
        if not look.is_on_curve:
            axes.plot(look.content, look.style, "o")
        name = look.picture.stem.removeprefix("content-")
        axes.annotate(name, (look.content, look.style), textcoords="offset points", xytext=(4, 4))
    axes.set(xlabel="content distance", ylabel="mean style distance", title=title)
    axes.grid(alpha=0.2)
    figure.savefig(out, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(main())
