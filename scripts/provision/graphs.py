"""Exports the ONNX graphs, again only when something that they are made from has changed."""

import os
import subprocess
import sys
from pathlib import Path

from provision.directory import is_current, write_manifest
from provision.errors import SetupError
from provision.say import say
from provision.wheels import sha256


def ensure_graphs(onnx: Path, weights: Path, scripts: Path, packages: Path, manifest: Path) -> None:
    """`onnx/` holds files under version control too, so its manifest lies elsewhere."""
    recipe = {"weights": sha256(weights), "sources": hashes(scripts)}
    if is_current(onnx, recipe, manifest):
        say("onnx is up to date")
        return
    say("exporting the graphs")
    command = [sys.executable, scripts / "export_onnx.py", "--weights", weights, "--out", onnx]
    result = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(packages)})
    if result.returncode != 0:
        raise SetupError("the graphs could not be exported; the exporter's message is above")
    write_manifest(manifest, recipe, onnx, [*onnx.glob("*.onnx"), *onnx.glob("*.weights")])
    say("onnx is ready")


def hashes(scripts: Path) -> dict[str, str]:
    sources = [
        scripts / "export_onnx.py",
        *sorted(scripts.glob("exporter/**/*.py")),
        scripts / "requirements.txt",
    ]
    return {path.relative_to(scripts).as_posix(): sha256(path) for path in sources}
