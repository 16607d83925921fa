"""Downloads wheels with pip, so that the user's index, proxy and certificates apply, and unpacks them."""

import fnmatch
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

from provision.errors import SetupError
from provision.pins import Wheel
from provision.say import say

# Settings that many people have and that make no sense for what is done here.
PIP_ENVIRONMENT = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def fetch(wheel: Wheel, downloads: Path) -> Path:
    """The verified wheel in `downloads`; downloaded unless it lies there, possibly put there by hand."""
    path = downloads / wheel.file
    if not path.exists():
        say(f"downloading {wheel} ({wheel.size / 1e6:.0f} MB)")
        download(wheel, path)
    verify(path, wheel.sha256)
    return path


def download(wheel: Wheel, path: Path) -> None:
    """pip writes into a folder of its own, so that an interrupted download is never taken for a wheel."""
    partial = path.parent / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    requirement = partial / "requirement.txt"
    requirement.write_text(f"{wheel.project}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
    pip(
        ["download", "--no-deps", "--only-binary=:all:", "--require-hashes", f"--dest={partial}"]
        + [*wheel_choice(wheel), f"--requirement={requirement}"],
        f"could not download {wheel.file}",
        f"or put the file into {path.parent} yourself",
    )
    os.replace(partial / wheel.file, path)
    shutil.rmtree(partial)


def wheel_choice(wheel: Wheel) -> list[str]:
    """The options that make pip take this wheel, whatever Python and system it runs on."""
    python, abi, platforms = wheel.tags
    choice = [f"--platform={platform}" for platform in platforms if platform != "any"]
    # A plain `py3` fits every Python; told "3", pip would think of 3.0 and find it too old.
    if python != "py3":
        choice += [f"--implementation={python[:2]}", f"--python-version={python[2:]}", f"--abi={abi}"]
    return choice


def pip(arguments: list[str], failure: str, remedy: str) -> None:
    """Runs pip; its progress bar is shown on a terminal, its errors become ours."""
    command = [sys.executable, "-m", "pip", *arguments]
    progress = None if sys.stdout.isatty() else subprocess.DEVNULL
    result = subprocess.run(
        command, env=os.environ | PIP_ENVIRONMENT, stdout=progress, stderr=subprocess.PIPE, text=True
    )
    if result.returncode == 0:
        return
    if "No module named pip" in result.stderr:
        raise SetupError("Python has no pip; install it (on Debian and Ubuntu: the package python3-pip)")
    if "No space left on device" in result.stderr:
        raise SetupError(f"{failure}: the disk is full; free some space and run this again")
    raise SetupError(
        f"{failure}:\n{complaint(result.stderr)}\n"
        f"check the network and pip's settings (`python3 -m pip config list`) and run this again, {remedy}"
    )


def complaint(stderr: str) -> str:
    """pip's own words without its warnings: retries and notices would bury the reason."""
    lines = [line.strip() for line in stderr.splitlines()]
    wanted = [line for line in lines if line.startswith(("ERROR", "Expected", "Got"))]
    return "\n".join(f"  {line}" for line in wanted or lines[-3:])


def verify(path: Path, expected: str) -> None:
    """A file that is not what was pinned is removed: the next run fetches it anew."""
    found = sha256(path)
    if found != expected:
        path.unlink()
        raise SetupError(
            f"{path.name} is not the file that was pinned: its sha256 is {found}, expected {expected}; "
            "it was removed, run this again to fetch it anew"
        )


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def unpack(path: Path, wheel: Wheel, target: Path) -> None:
    """Copies the files that are kept. A pattern without a match means that the pins are wrong."""
    with zipfile.ZipFile(path) as archive:
        for pattern, destination in wheel.keep.items():
            members = fnmatch.filter(archive.namelist(), pattern)
            if not members:
                raise SetupError(f"{wheel.file} holds no {pattern}; provision/pins.json is out of date")
            for member in members:
                name = destination.format(name=PurePosixPath(member).name, project=wheel.project)
                copy_member(archive, member, target / name)
    if wheel.notice:
        (target / "licenses" / wheel.project / "NOTICE").write_text(wheel.notice + "\n", encoding="utf-8")


def copy_member(archive: zipfile.ZipFile, member: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
