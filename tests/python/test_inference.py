"""ONNX Runtime is never imported without being kept from reporting to its maker."""

import os
import re
import subprocess
import sys

from conftest import ROOT

PROGRAM = """
import sys
sys.path[:0] = sys.argv[1:]
from sessions import session
from pathlib import Path
session(Path("tests/data/gatys.forward.onnx"), (32, 32))
"""


def test_only_one_module_imports_onnxruntime():
    imports = re.compile(r"^\s*(import|from) onnxruntime\b", re.MULTILINE)
    files = [path for folder in ("scripts", "tests") for path in (ROOT / folder).rglob("*.py")]
    importing = [path.name for path in files if imports.search(path.read_text())]
    assert importing == ["inference.py"]


def test_a_session_writes_nothing_whatever_the_environment_says(tmp_path):
    folders = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    paths = [ROOT / "scripts", ROOT / "tests/data", ROOT / "tests/python", *sys.path]
    # Not all of os.environ: where a variable says that this is a CI server, ONNX Runtime is silent anyway.
    environment = {"PATH": os.environ["PATH"], "ORT_DISABLE_TELEMETRY": "0", **folders}
    subprocess.run([sys.executable, "-c", PROGRAM, *map(str, paths)], cwd=ROOT, env=environment, check=True)
    assert not list(tmp_path.iterdir())
