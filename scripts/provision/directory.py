"""Directories that are complete or absent, and that know what they were made from.

Each holds a `manifest.json` with its recipe (what it was made from: pins, hashes of sources) and the sizes
of its files. The same recipe and the same files mean that there is nothing to do.
"""

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from provision.say import say

MANIFEST = "manifest.json"


def ensure(target: Path, recipe: dict, build: Callable[[Path], None]) -> None:
    """Builds `target` beside itself and swaps it in, unless it is there already."""
    if is_current(target, recipe):
        say(f"{shown(target)} is up to date")
        return
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    build(partial)
    write_manifest(partial / MANIFEST, recipe, partial, made_files(partial))
    if target.exists():
        shutil.rmtree(target)
    partial.rename(target)
    say(f"{shown(target)} is ready")


def is_current(target: Path, recipe: dict, manifest: Path | None = None) -> bool:
    """Whether the manifest tells of this recipe and all files that it lists have their sizes."""
    try:
        known = json.loads((manifest or target / MANIFEST).read_text())
        return known["recipe"] == recipe and all(
            (target / name).stat().st_size == size for name, size in known["files"].items()
        )
    except (OSError, ValueError, KeyError):
        return False


def write_manifest(manifest: Path, recipe: dict, target: Path, paths: Iterable[Path]) -> None:
    files = {path.relative_to(target).as_posix(): path.stat().st_size for path in sorted(paths)}
    manifest.write_text(json.dumps({"recipe": recipe, "files": files}, indent=1) + "\n")


def made_files(target: Path) -> list[Path]:
    """All but compiled Python, which comes and goes."""
    return [path for path in target.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def shown(target: Path) -> str:
    return "/".join(target.parts[-2:])
