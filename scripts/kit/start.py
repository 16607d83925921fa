#!/usr/bin/env python3
"""Checks what Impasto does on this machine's NVIDIA card: python3 start.py [--nvidia DIR] [--whole-library]

It takes CUDA and cuDNN from --nvidia or from the packages that PyTorch has brought along, and writes
out/results.json beside itself. --whole-library takes the library of the kit's second part, which has all
kernels of the card's architecture.
"""

from __future__ import annotations

import argparse
import lzma
import os
import site
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

KIT = Path(__file__).resolve().parent
LIBRARIES = KIT / "lib/onnxruntime/cuda"
PROVIDER = LIBRARIES / "libonnxruntime_providers_cuda.so"
WHOLE = KIT / "whole.so.xz"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nvidia", type=Path, action="append", help="a folder with CUDA's libraries")
    parser.add_argument("--whole-library", action="store_true", help="that of the kit's second part")
    given = parser.parse_args()
    if given.whole_library:
        PROVIDER.write_bytes(lzma.decompress(WHOLE.read_bytes()))
    for library in nvidia_libraries(given.nvidia or packaged()):
        link(library)
    check = [sys.executable, KIT / "device_check.py", "--program", KIT / "bin/impasto", "--out", KIT / "out"]
    pictures = ["--content", KIT / "demo/cat.png", "--style", KIT / "demo/painting.png"]
    lazily = {"CUDA_MODULE_LOADING": "LAZY"}
    return subprocess.run([*check, *pictures, "--", "--runtime", "cuda"], env=os.environ | lazily).returncode


def packaged() -> Iterator[Path]:
    """The folders of NVIDIA's packages beside this Python's others."""
    for folder in [*site.getsitepackages(), site.getusersitepackages()]:
        yield from Path(folder).glob("nvidia/*/lib")


def nvidia_libraries(folders) -> Iterator[Path]:
    for folder in folders:
        yield from folder.glob("*.so*")


def link(library: Path) -> None:
    place = LIBRARIES / library.name
    if not place.exists():
        place.unlink(missing_ok=True)
        place.symlink_to(library.resolve())


if __name__ == "__main__":
    sys.exit(main())
