"""The name under which `pins.json` knows this machine."""

import os
import platform
import sys

from provision.errors import SetupError

SYSTEMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}

# The oldest C library that the pinned Linux wheels run on (their tag is manylinux_2_28).
OLDEST_GLIBC = (2, 28)


def current() -> str:
    """For instance `linux-x86_64`."""
    machine = platform.machine().lower()
    if sys.platform == "linux":
        check_glibc()
    return f"{SYSTEMS.get(sys.platform, sys.platform)}-{MACHINES.get(machine, machine)}"


def check_glibc() -> None:
    """ONNX Runtime's wheels are built for glibc; on musl (Alpine) or an old glibc they would not load."""
    try:
        name, version = os.confstr("CS_GNU_LIBC_VERSION").split()
        found = tuple(int(part) for part in version.split(".")[:2])
    except (ValueError, AttributeError, OSError):
        name, version, found = "another C library", "", (0, 0)
    if found < OLDEST_GLIBC:
        oldest = ".".join(map(str, OLDEST_GLIBC))
        raise SetupError(
            f"ONNX Runtime needs glibc {oldest} or newer, this system has {name} {version}".rstrip()
            + "; use a newer distribution, or build ONNX Runtime and pass it with --onnxruntime"
        )
