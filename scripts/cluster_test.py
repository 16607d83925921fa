"""Paints small pictures as an array job of Slurm here, and with GNU parallel, to the bytes of one machine.

In the middle of it a daemon of Slurm dies with all that it runs, and so does a process of parallel. Slurm
and munge need root, and are installed from Debian's packages unless told otherwise. All that this writes
lies in a temporary folder; its daemons have keys, sockets and ports of their own.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PACKAGES = ["slurm-wlm", "munge", "parallel"]
PROGRAMS = ["slurmctld", "slurmd", "munged", "sbatch", "parallel"]
SHARDS = 3
CONTENTS, STYLES = 8, 3
# How long a step may take, in seconds.
PATIENCE = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path, required=True, help="impasto")
    parser.add_argument("--graphs", type=Path, help="the folder with the graphs")
    parser.add_argument("--iterations", type=int, default=40, help="of a picture; a shard takes some seconds")
    parser.add_argument(
        "--if-there", action="store_true", help="do nothing where packages are missing or Slurm itself fails"
    )
    args = parser.parse_args()
    if not all(map(find, PROGRAMS)) and not install(args.if_there):
        return
    try:
        with tempfile.TemporaryDirectory(prefix="impasto-cluster-") as folder:
            compare(Painter(args, Path(folder)))
    except SlurmError as error:
        if not args.if_there:
            raise
        print(f"skipped: Slurm does not work here: {error}")


def find(program: str) -> str | None:
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")


def install(if_there: bool) -> bool:
    """Installs what is missing; false where that is not to be."""
    missing = ", ".join(program for program in PROGRAMS if not find(program))
    if if_there:
        print(f"skipped: {missing} not installed")
        return False
    if os.geteuid() != 0:
        sys.exit(f"{missing} not installed: run it as root, or install {' '.join(PACKAGES)}")
    subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES], check=True)
    return True


class Painter:
    """The program, and the pictures in a folder that it is to paint."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.program, self.folder = str(args.program.resolve()), folder
        graphs = ["--graphs", str(args.graphs.resolve())] if args.graphs else []
        self.flags = ["--iterations", str(args.iterations), *graphs]
        make_pictures(folder)

    def command(self, name: str, log: str) -> list[str]:
        """What paints all pictures, or those of a shard, into the folder of that name."""
        return [
            *[
                self.program,
                "batch",
                "photos",
                "--styles",
                "paintings",
                "-o",
                f"{name}/{{content}}-{{style}}.png",
            ],
            *["--size", "96", "--scales", "1", "--threads", "1", *self.flags],
            *["--log", log, "--checkpoint-every", "0"],
        ]

    def pictures(self, name: str) -> dict[str, bytes]:
        """All files there: one that was left by a killed run would be one too many."""
        return {path.name: path.read_bytes() for path in (self.folder / name).iterdir()}

    def painted(self, log: str) -> int:
        path = self.folder / log
        return len(path.read_text().splitlines()) if path.exists() else 0

    def processes(self, log: str) -> list[int]:
        """Those of the program that write this log."""
        return [pid for pid, words in processes() if words[0] == self.program and log in words]


def compare(painter: Painter) -> None:
    begin = time.monotonic()
    subprocess.run([*painter.command("one", "one.jsonl"), "--quiet"], cwd=painter.folder, check=True)
    wanted = painter.pictures("one")
    assert len(wanted) == CONTENTS * STYLES, f"{len(wanted)} pictures"
    print(f"one machine: {len(wanted)} pictures in {time.monotonic() - begin:.1f} s")
    for name, paint in [("parallel", with_parallel), ("slurm", with_slurm)]:
        begin = time.monotonic()
        paint(painter)
        painted = painter.pictures(name)
        differing = [path for path in wanted | painted if painted.get(path) != wanted.get(path)]
        assert not differing, f"{name}: not as on one machine: {differing}"
        seconds = time.monotonic() - begin
        print(f"{name}: the same bytes in {seconds:.1f} s, one of {SHARDS} shards killed and run again")


def make_pictures(folder: Path) -> None:
    for kind, count, (width, height) in [("photos", CONTENTS, (96, 72)), ("paintings", STYLES, (80, 96))]:
        (folder / kind).mkdir()
        for seed in range(count):
            picture = bmp(width - 4 * (seed % 3), height, seed + len(kind))
            (folder / kind / f"{kind[:2]}{seed}.bmp").write_bytes(picture)


def bmp(width: int, height: int, seed: int) -> bytes:
    """A picture of 24 bits, bands and a chequer; its width is a multiple of 4."""
    rows = bytes(
        (x * (seed + channel) + y * (7 - channel) + 80 * ((x // 9 + y // 9) % 2)) % 256
        for y in range(height)
        for x in range(width)
        for channel in range(3)
    )
    about = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + about + rows


def with_parallel(painter: Painter) -> None:
    shard = f"{quoted(painter.command('parallel', 'parallel-{}.jsonl'))} --quiet --shard {{}}/{SHARDS}"
    # Parallel, too, fills in what stands in braces, but knows neither of these names.
    run = ["parallel", "--retries", "3", "--jobs", str(SHARDS), shard, ":::", *map(str, range(1, SHARDS + 1))]
    process = subprocess.Popen(run, cwd=painter.folder)
    wait(lambda: painter.painted("parallel-2.jsonl") >= 2, "shard 2 of parallel")
    kill(painter.processes("parallel-2.jsonl"))
    assert process.wait(PATIENCE) == 0, "parallel failed"


def with_slurm(painter: Painter) -> None:
    with contextlib.ExitStack() as daemons:
        slurm = Slurm(painter.folder / "cluster", daemons)
        script = painter.folder / "shard.sh"
        shard = quoted(painter.command("slurm", "slurm-$SLURM_ARRAY_TASK_ID.jsonl"))
        script.write_text(f"#!/bin/sh\nexec {shard}\n")
        job = slurm.ask(
            *["sbatch", "--parsable", f"--array=1-{SHARDS}", "--requeue", "--open-mode=append"],
            *["--output", f"{painter.folder}/slurm-%a.out", f"--chdir={painter.folder}", str(script)],
        )
        wait(lambda: painter.painted("slurm-2.jsonl") >= 2, "shard 2 of Slurm")
        node = slurm.ask("squeue", "--noheader", "--job", f"{job}_2", "--format", "%N")
        # As if the machine had lost its power: the daemon, its step and what that runs.
        daemon = [pid for pid, words in processes() if words[0].endswith("slurmd") and words[-1] == node]
        kill(daemon + [above for pid in painter.processes("slurm-2.jsonl") for above in up_to_step(pid)])
        slurm.ask("scontrol", "update", f"nodename={node}", "state=down", "reason=killed")
        slurm.wait(lambda: slurm.has_begun_again(f"{job}_2"), "the requeued shard")
        wait(lambda: not slurm.ask("squeue", "--noheader", "--job", job), "the array")
    for task in range(1, SHARDS + 1):
        said = (painter.folder / f"slurm-{task}.out").read_text().splitlines()
        first = f"shard {task} of {SHARDS} (SLURM_ARRAY_TASK_ID={task})"
        times = sum(line.startswith(first) for line in said)
        assert said[0].startswith(first) and times == (2 if task == 2 else 1), said


class SlurmError(Exception):
    """Slurm itself did not do what it should; no word on the program."""


class Slurm:
    """A cluster on this machine: munge, a controller, and a daemon for each shard."""

    def __init__(self, folder: Path, daemons: contextlib.ExitStack) -> None:
        self.folder = folder
        folder.mkdir()
        folder.chmod(0o755)
        key, munge = folder / "munge.key", folder / "munge.socket"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        nodes = [f"n{number}" for number in range(1, SHARDS + 1)]
        (folder / "slurm.conf").write_text(settings(folder, munge, nodes))
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        own = [f"--{kind}-file={folder}/munge.{kind}" for kind in ("pid", "log", "seed")]
        self.start(
            daemons, "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={munge}", *own
        )
        self.wait(munge.exists, "munge")
        self.start(daemons, "slurmctld", "-D")
        for node in nodes:
            self.start(daemons, "slurmd", "-D", "-N", node)
        self.wait(lambda: self.ask("sinfo", "-hN", "-o", "%t").split() == ["idle"] * SHARDS, "the nodes")

    def start(self, daemons: contextlib.ExitStack, name: str, *words: str) -> None:
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([find(name) or name, *words], env=self.environment, **silent)
        daemons.callback(process.wait, PATIENCE)
        daemons.callback(process.terminate)

    def ask(self, *words: str) -> str:
        """What a command says; nothing when it fails, as it does before the controller answers."""
        asked = subprocess.run(words, env=self.environment, capture_output=True, text=True, check=False)
        return asked.stdout.strip()

    def has_begun_again(self, task: str) -> bool:
        job = self.ask("scontrol", "show", "job", task)
        return "Restarts=1" in job and "JobState=PENDING" not in job

    def wait(self, is_so: Callable[[], bool], what: str) -> None:
        try:
            wait(is_so, what)
        except TimeoutError as error:
            raise SlurmError(f"{error}\n{self.tells()}") from error

    def tells(self) -> str:
        """What Slurm knows and did."""
        log = self.folder / "slurmctld.log"
        did = log.read_text(errors="replace").splitlines()[-30:] if log.exists() else []
        return "\n".join([self.ask("sinfo", "-N"), self.ask("scontrol", "show", "job"), *did])


def settings(folder: Path, munge: Path, nodes: list[str]) -> str:
    host, (port, *ports) = socket.gethostname(), free_ports(len(nodes) + 1)
    node = f"NodeHostname={host} NodeAddr=127.0.0.1 CPUs=1"
    lines = [
        "ClusterName=impasto",
        f"SlurmctldHost={host}(127.0.0.1)",
        f"SlurmctldPort={port}",
        "AuthType=auth/munge",
        # A requeued job waits until its credential has expired: two minutes unless told otherwise.
        f"AuthInfo=socket={munge},cred_expire=5",
        "CredType=cred/munge",
        "SlurmUser=root",
        f"StateSaveLocation={folder}/state",
        f"SlurmdSpoolDir={folder}/spool-%n",
        f"SlurmctldPidFile={folder}/slurmctld.pid",
        f"SlurmdPidFile={folder}/slurmd-%n.pid",
        f"SlurmctldLogFile={folder}/slurmctld.log",
        f"SlurmdLogFile={folder}/slurmd-%n.log",
        "ProctrackType=proctrack/pgid",
        "TaskPlugin=task/none",
        "MpiDefault=none",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core",
        # Looks for jobs whose time has come each second, not each minute.
        "SchedulerParameters=sched_interval=1,batch_sched_delay=1",
        # Daemons may have more processors together than the machine.
        "SlurmdParameters=config_overrides",
        *[f"NodeName={name} {node} Port={port}" for name, port in zip(nodes, ports, strict=True)],
        "PartitionName=main Nodes=ALL Default=YES State=UP",
    ]
    return "\n".join(lines) + "\n"


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def processes() -> list[tuple[int, list[str]]]:
    """All processes with their command lines."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            words = (entry / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
            found.append((int(entry.name), words))
    return found


def up_to_step(pid: int) -> list[int]:
    """A process and those above it, up to Slurm's own for the step."""
    chain = [pid]
    while not Path(f"/proc/{chain[-1]}/cmdline").read_bytes().startswith(b"slurmstepd"):
        status = Path(f"/proc/{chain[-1]}/stat").read_text()
        chain.append(int(status.rpartition(")")[2].split()[1]))
        assert chain[-1] > 1, "no step of Slurm is above it"
    return chain


def kill(pids: list[int]) -> None:
    assert pids, "what was to be killed has ended before"
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def wait(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not in {PATIENCE} s")
        time.sleep(0.05)


def quoted(words: list[str]) -> str:
    """For a shell, which still sees variables."""
    return " ".join(f'"{word}"' for word in words)


if __name__ == "__main__":
    main()
