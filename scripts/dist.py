#!/usr/bin/env python3
"""Lay the program and all that it needs into one folder that runs wherever it is put.

    python3 scripts/dist.py --program target/release/impasto

makes dist/impasto-VERSION-PLATFORM and its .tar.gz; with --into DIR the same tree is laid below DIR.
"""

import argparse
import gzip
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from provision import crates, platforms
from provision.errors import SetupError, exit_code

ROOT = Path(__file__).resolve().parents[1]
# What lies in a runtime's folder and is none of its libraries.
NO_LIBRARY = {"licenses", "manifest.json"}


def main() -> int:
    options = parse()
    return exit_code(lambda: install(options) if options.into else pack(options))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dist.py", description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, required=True, help="the built program")
    parser.add_argument("--runtime", default="cpu", help="the ONNX Runtime to bring (default: %(default)s)")
    parser.add_argument("--graphs", type=Path, default=ROOT / "onnx", help="the folder with the graphs")
    parser.add_argument("--into", type=Path, help="lay the tree here instead of packing it")
    return parser.parse_args()


def install(options: argparse.Namespace) -> None:
    lay_out(options.into, options)
    print(f"installed below {options.into}")


def pack(options: argparse.Namespace) -> None:
    """The folder is made anew; the archive is the same to the byte for the same files."""
    name = f"impasto-{version(options.program)}-{platforms.current()}"
    if options.runtime != "cpu":
        name += f"-{options.runtime}"
    folder = ROOT / "dist" / name
    shutil.rmtree(folder, ignore_errors=True)
    lay_out(folder, options)
    archive = folder.with_name(f"{name}.tar.gz")
    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", 9, file, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        tar.add(folder, arcname=name, filter=anonymous)
    glibc = newest_glibc(options.program)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"dist/{name}: {size / 1e6:.1f} MB, {archive.name}: {archive.stat().st_size / 1e6:.1f} MB")
    if glibc:
        print(f"it runs on glibc {glibc} or later")


def version(program: Path) -> str:
    if not program.is_file():
        raise SetupError(f"{program} does not exist; build it with cargo build --release")
    said = subprocess.run([program.resolve(), "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[1]


def newest_glibc(program: Path) -> str:
    """The newest version of the C library that the program asks for; empty where it has another one."""
    versions = {match.decode() for match in re.findall(rb"GLIBC_(2\.\d+)", program.read_bytes())}
    return max(versions, key=lambda version: int(version.split(".")[1]), default="")


def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = "root"
    return member


def lay_out(target: Path, options: argparse.Namespace) -> None:
    runtime = ROOT / "runtime" / options.runtime
    graphs = sorted([*options.graphs.glob("*.onnx"), *options.graphs.glob("*.weights")])
    if not runtime.is_dir() or not graphs:
        raise SetupError(f"{runtime} or the graphs in {options.graphs} are missing; run make setup first")
    program = copy(options.program, target / "bin" / options.program.name)
    program.chmod(0o755)
    libraries = target / "lib/onnxruntime" / options.runtime
    shutil.rmtree(libraries, ignore_errors=True)
    for path in runtime.iterdir():
        if path.name not in NO_LIBRARY:
            copy(path, libraries / path.name)
    for path in graphs:
        copy(path, target / "share/impasto/onnx" / path.name)
    subprocess.run([program.resolve(), "manual", target / "share"], check=True)
    add_documents(target / "share/doc/impasto", runtime)


def add_documents(target: Path, runtime: Path) -> None:
    for name in ("README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"):
        if (ROOT / name).exists():
            copy(ROOT / name, target / name)
    for part in (runtime, ROOT / "runtime/weights"):
        shutil.copytree(part / "licenses", target / "licenses", dirs_exist_ok=True)
    (target / "licenses/crates.txt").write_text(crates.licenses(ROOT), encoding="utf-8")


def copy(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(source, target))


if __name__ == "__main__":
    sys.exit(main())
