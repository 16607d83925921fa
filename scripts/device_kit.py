#!/usr/bin/env python3
"""Pack what a check on an NVIDIA card needs where there is no make, network or cargo.

    python3 scripts/device_kit.py --program target/release/impasto

makes dist/device-kit.tar.xz, at most 60 MB, and dist/whole.so.xz, which is laid beside the unpacked
start.py only if the reduced library of the first part does not do. There: tar -xf device-kit.tar.xz,
python3 device-kit/start.py.
"""

from __future__ import annotations

import argparse
import lzma
import shutil
import sys
import tarfile
from pathlib import Path

from dist import anonymous, copy
from kit import fatbinary
from provision.errors import SetupError, exit_code

ROOT = Path(__file__).resolve().parents[1]
PROVIDER = "libonnxruntime_providers_cuda.so"
NAME = "device-kit"
MOST_BYTES = 60_000_000


def main() -> int:
    options = parse()
    return exit_code(lambda: pack(options))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="device_kit.py", description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, required=True, help="the built program")
    parser.add_argument("--runtime", type=Path, default=ROOT / "runtime/cuda", help="ONNX Runtime for CUDA")
    parser.add_argument(
        "--architecture", type=int, default=90, help="of the card, 90 for 9.0 (default: %(default)s)"
    )
    parser.add_argument("--into", type=Path, default=ROOT / "dist", help="where both parts go")
    return parser.parse_args()


def pack(options: argparse.Namespace) -> None:
    folder = options.into / NAME
    shutil.rmtree(folder, ignore_errors=True)
    library = (options.runtime / PROVIDER).read_bytes()
    lay_out(folder, options)
    provider = folder / "lib/onnxruntime/cuda" / PROVIDER
    provider.write_bytes(fatbinary.reduce(library, options.architecture, decompressor()))
    first, second = options.into / f"{NAME}.tar.xz", options.into / "whole.so.xz"
    with tarfile.open(first, "w:xz") as tar:
        tar.add(folder, arcname=NAME, filter=anonymous)
    second.write_bytes(lzma.compress(fatbinary.reduce(library, options.architecture)))
    for part in (first, second):
        print(f"{part}: {part.stat().st_size / 1e6:.1f} MB")
    if first.stat().st_size > MOST_BYTES:
        raise SetupError(f"{first} has more than {MOST_BYTES / 1e6:.0f} MB")


def lay_out(folder: Path, options: argparse.Namespace) -> None:
    """All but the provider's library."""
    copy(options.program, folder / "bin/impasto").chmod(0o755)
    for path in options.runtime.glob("libonnxruntime*.so*"):
        if "providers" not in path.name or "shared" in path.name:
            copy(path, folder / "lib/onnxruntime/cuda" / path.name)
    for path in [*(ROOT / "onnx").glob("gatys.*.onnx"), *(ROOT / "onnx").glob("*.weights")]:
        copy(path, folder / "share/impasto/onnx" / path.name)
    for name in ("cat.png", "painting.png"):
        copy(ROOT / "runtime/demo" / name, folder / "demo" / name)
    copy(ROOT / "scripts/device_check.py", folder / "device_check.py")
    copy(ROOT / "scripts/kit/start.py", folder / "start.py")


def decompressor():
    """The entries are compressed by Zstandard, which Python has from 3.14 on."""
    try:
        from compression.zstd import ZstdDecompressor
    except ImportError:
        from zstandard import ZstdDecompressor

        return lambda payload: ZstdDecompressor().decompressobj().decompress(payload)
    return lambda payload: ZstdDecompressor().decompress(payload)


if __name__ == "__main__":
    sys.exit(main())
