"""The Python packages of the exporter and of the tests, in a folder of their own."""

import sys
from pathlib import Path

from provision.directory import ensure
from provision.say import say
from provision.wheels import pip, sha256


def ensure_packages(target: Path, requirements: Path) -> None:
    recipe = {"requirements": sha256(requirements), "python": sys.implementation.cache_tag}
    ensure(target, recipe, lambda partial: install(partial, requirements))


def install(target: Path, requirements: Path) -> None:
    """With --target neither a virtual environment nor rights in the system's Python are needed."""
    say(f"installing {requirements.name} with pip")
    pip(
        ["install", "--no-deps", "--only-binary=:all:", "--require-hashes", "--no-warn-script-location"]
        + [f"--target={target}", f"--requirement={requirements}"],
        f"could not install the packages of {requirements}",
        "or with a Python version that they have wheels for",
    )
