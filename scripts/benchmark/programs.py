"""The programs that are compared, each a process of its own with its clock, its losses and its memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "runtime/bench"


class ProgramError(RuntimeError):
    """A program that is compared failed."""


@dataclass(frozen=True)
class Run:
    """Evaluation by evaluation, those at the final size only."""

    seconds: list[float]
    """When each was done, since the program had read its pictures. What it loads before, ONNX Runtime or
    PyTorch's libraries, does not count."""
    losses: list[float]
    peak: int
    """Peak resident memory of the process in bytes."""
    kernels: str | None = None
    """Those that Impasto took on the processor."""

    @classmethod
    def of(
        cls, program: str, rows: Sequence[tuple[float, float]], peak: int, kernels: str | None = None
    ) -> Run:
        """From seconds and loss, evaluation by evaluation."""
        if not rows:
            raise ProgramError(f"{program} printed no rows")
        seconds, losses = zip(*rows, strict=True)
        return cls(list(seconds), list(losses), peak, kernels)

    def first_below(self, loss: float) -> float | None:
        """The seconds until the loss was no more than `loss`."""
        return next((s for s, value in zip(self.seconds, self.losses, strict=True) if value <= loss), None)


@contextmanager
def read_from(program: str) -> Iterator[None]:
    """Takes output that cannot be read for a failure of the program."""
    try:
        yield
    except (ValueError, LookupError, TypeError) as error:
        raise ProgramError(f"what {program} has written cannot be read: {error!r}") from error


@dataclass(frozen=True)
class Pictures:
    content: Path
    style: Path
    size: int
    """Both are squares of so many pixels a side."""


@dataclass(frozen=True)
class Lab:
    """Where programs run, and on how many threads."""

    scratch: Path
    threads: int

    def impasto(self, pictures: Pictures, *flags: str) -> Run:
        """`impasto stylize` with the weights of Gatys et al., as the peers have them, and these flags."""
        trace = self.scratch / "impasto.json"
        peak, _ = self._run(
            [
                ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/impasto",
                "stylize",
                pictures.content,
                pictures.style,
                "--quiet",
                "--force",
            ]
            + ["--output", self.scratch / "impasto.png", "--trace", trace, "--size", pictures.size]
            + ["--threads", self.threads, "--preset", "gatys", *flags]
        )
        with read_from("impasto"):
            record = json.loads(trace.read_text())
            finest = [one for one in record["evaluations"] if max(one["size"]) == pictures.size]
            rows = [(one["seconds"], one["loss"]) for one in finest]
            return Run.of("impasto", rows, peak, record["versions"].get("kernels"))

    def pytorch(self, pictures: Pictures, evaluations: int, *flags: str) -> Run:
        """The listing's loop."""
        log = self.scratch / "pytorch.json"
        peak, _ = self._run(
            [sys.executable, "-m", "benchmark.listing", pictures.content, pictures.style]
            + ["--weights", ROOT / "runtime/weights/vgg19.bin", "--evaluations", evaluations]
            + ["--threads", self.threads, "--log", log, *flags]
        )
        with read_from("PyTorch's loop"):
            return Run.of("PyTorch's loop", json.loads(log.read_text()), peak)

    def pastiche(self, pictures: Pictures, steps: int) -> Run:
        """PyPI's pastiche with its own settings; its losses are on a scale of their own."""
        peak, printed = self._run(
            [sys.executable, "-m", "pastiche", "--content", pictures.content, "--styles", pictures.style]
            + ["--output", self.scratch / "pastiche.png", "--size", pictures.size]
            + ["--num-steps", steps, "--info-step", 1]
        )
        rows = re.findall(r"^\d+ +([\d.]+) +([\d.]+)$", printed, re.MULTILINE)
        return Run.of("pastiche", [(float(seconds), float(loss)) for seconds, loss in rows], peak)

    def optimizer_bench(self) -> str:
        """What `cargo bench --bench optimizer` prints."""
        return self._cargo_bench("optimizer")

    def shares_bench(self, size: int) -> str:
        """What `cargo bench --bench shares` prints."""
        return self._cargo_bench("shares", "--", size, self.threads)

    def instructions_bench(self, size: int, pairs: int) -> str:
        """What `cargo bench --bench instructions` prints."""
        return self._cargo_bench("instructions", "--", size, pairs, self.threads)

    def _cargo_bench(self, name: str, *flags: str | int) -> str:
        cargo = os.environ.get("CARGO", "cargo")
        return self._run([cargo, "bench", "--quiet", "--bench", name, *flags])[1]

    def _run(self, command: list) -> tuple[int, str]:
        """Peak resident memory in bytes, and what was printed."""
        words = [str(word) for word in command]
        paths = [ROOT / "scripts", PACKAGES, ROOT / "runtime/python"]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "OMP_NUM_THREADS": str(self.threads),
        }
        printed, complaints = self.scratch / "stdout", self.scratch / "stderr"
        with printed.open("w") as out, complaints.open("w") as err:
            process = subprocess.Popen(words, stdout=out, stderr=err, env=environment, cwd=ROOT)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.stderr.write(complaints.read_text())
            raise ProgramError(f"{' '.join(words)}: exit code {process.returncode}")
        unit = 1 if sys.platform == "darwin" else 1024
        return usage.ru_maxrss * unit, printed.read_text()
