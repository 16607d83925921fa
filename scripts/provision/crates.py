"""The licences of the crates that are compiled into the program."""

import json
import os
import subprocess
from pathlib import Path

from provision.errors import SetupError

NAMES = ("LICENSE*", "LICENCE*", "COPYING*", "NOTICE*", "UNLICENSE*", "fonts/UFL.txt")
"""The last is that of the font in epaint_default_fonts."""


def licenses(root: Path) -> str:
    """Name, version, licence and its text for every crate, the same text only once."""
    metadata = cargo_metadata(root)
    packages = {package["id"]: package for package in metadata["packages"]}
    texts: dict[str, list[str]] = {}
    for identifier in sorted(compiled_in(metadata), key=lambda identifier: packages[identifier]["name"]):
        package = packages[identifier]
        title = f"{package['name']} {package['version']} ({package['license'] or 'see below'})"
        folder = Path(package["manifest_path"]).parent
        files = sorted({path for name in NAMES for path in folder.glob(name) if path.is_file()})
        text = "\n".join(path.read_text(encoding="utf-8", errors="replace").strip() for path in files)
        texts.setdefault(text, []).append(title)
    return "\n\n".join("\n".join(titles) + f"\n\n{text}" for text, titles in texts.items()) + "\n"


def cargo_metadata(root: Path) -> dict:
    cargo = os.environ.get("CARGO", "cargo")
    about = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    host = next(line.split()[1] for line in about.splitlines() if line.startswith("host:"))
    command = [cargo, "metadata", "--format-version=1", "--locked", f"--filter-platform={host}"]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if result.returncode != 0:
        raise SetupError(f"cargo metadata failed:\n{result.stderr.strip()}")
    return json.loads(result.stdout)


def compiled_in(metadata: dict) -> set[str]:
    """The package's dependencies and theirs, but for those of tests and build scripts; not itself."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    found: set[str] = set()
    waiting = [root]
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            normal = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if normal and dependency["pkg"] not in found:
                found.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    return found - {root}
