"""The figures of `make bench`, computed from runs whose numbers are known."""

import json
import sys
from pathlib import Path

import pytest

import bench
from benchmark import measure
from benchmark.measure import instructions, seconds_per_evaluation, times_to_loss
from benchmark.programs import Lab, Pictures, ProgramError, Run
from benchmark.report import instructions_lines, shares_line, table


def test_an_evaluation_takes_the_median_step_once_the_first_are_done():
    run = Run(seconds=[5.0, 9.0, 9.5, 10.0, 12.0, 12.5], losses=[6, 5, 4, 3, 2, 1], peak=0)
    assert seconds_per_evaluation(run) == 0.5


def test_the_goal_is_pytorchs_best_loss_until_then():
    pytorch = Run(seconds=[1, 2, 3, 4], losses=[10, 4, 6, 1], peak=0)
    impasto = Run(seconds=[0.5, 0.7], losses=[9, 3], peak=0)
    goal = times_to_loss({"PyTorch": pytorch, "Impasto": impasto}, evaluations=3)
    assert goal == {"evaluations": 3, "loss": 4, "seconds": {"PyTorch": 2, "Impasto": 0.7}}


def test_a_loss_that_is_not_reached_has_no_seconds():
    assert Run(seconds=[1], losses=[2], peak=0).first_below(1) is None


PRINTED = """256 x 256 pixels, 3 pairs, 2 threads; seconds an evaluation, medians
hidden   kernels   taken      seconds plain graph   plain / own by pairs       gradients apart
nothing  auto      amx          0.098       0.391   3.99 (3.90 to 4.08)        9.0e-6
avx512   auto      avx2         0.420       1.080   2.57 (2.50 to 2.60)        4.1e-4
"""


def test_the_rows_of_the_instructions_bench_are_read_and_told(monkeypatch, tmp_path):
    monkeypatch.setattr(Lab, "instructions_bench", lambda lab, size, pairs: PRINTED)
    measured = instructions(Lab(tmp_path, threads=2), size=256, pairs=3)
    assert [row["kernels"] for row in measured["rows"]] == ["amx", "avx2"]
    assert measured["rows"][1]["onnxruntime"] == 1.08
    assert "avx512 hidden" in instructions_lines(measured)[1]
    assert "ratio 2.57 (2.50 to 2.60, 3 pairs), gradients 4.1e-04 apart" in instructions_lines(measured)[1]


NOTHING_HIDDEN = """instructions cannot be hidden here: No such device (os error 19)
256 x 256 pixels, 3 pairs, 2 threads; seconds an evaluation, medians
hidden   kernels   taken      seconds plain graph   plain / own by pairs       gradients apart
nothing  auto      avx2         0.268       0.662   2.47 (2.45 to 2.50)        4.1e-4
nothing  portable  portable     0.368       0.662   1.80 (1.78 to 1.83)        9.0e-6
"""


def test_where_no_instructions_can_be_hidden_auto_and_portable_are_told(monkeypatch, tmp_path):
    monkeypatch.setattr(Lab, "instructions_bench", lambda lab, size, pairs: NOTHING_HIDDEN)
    measured = instructions(Lab(tmp_path, threads=2), size=256, pairs=3)
    assert [(row["hidden"], row["asked"], row["kernels"]) for row in measured["rows"]] == [
        ("nothing", "auto", "avx2"),
        ("nothing", "portable", "portable"),
    ]
    assert "nothing hidden, kernels portable: portable 0.368 s" in instructions_lines(measured)[1]


def test_where_the_instructions_bench_does_not_run_there_are_no_rows(monkeypatch, tmp_path):
    said = "instructions cannot be hidden here: that takes Linux on x86-64\n"
    monkeypatch.setattr(Lab, "instructions_bench", lambda lab, size, pairs: said)
    measured = instructions(Lab(tmp_path, threads=2), size=256, pairs=3)
    assert measured["rows"] == instructions_lines(measured) == []


@pytest.mark.parametrize(
    "theirs, expected", [([1.0, 1.2, 0.8], "2.00 (1.60 to 2.40"), (None, "would not have room")]
)
def test_the_table_tells_the_ratio_pair_by_pair_or_why_there_is_none(theirs, expected):
    speed = {"size": 512, "impasto": [0.5, 0.5, 0.5], "pytorch": theirs, "pytorch_format": "contiguous"}
    if theirs:
        speed["ratios"] = [their / 0.5 for their in theirs]
    results = {
        "machine": {"processor": "a processor"},
        "speed": [speed],
        "memory": {"size": 512, "peaks": {"PyTorch": 2e9, "Impasto": 1e9}},
        "optimizer": {20: 0.01},
        "shares": {"size": 512, "milliseconds": {"graph": 480.0, "transfer": 1.0, "optimizer": 19.0}},
        "instructions": {"size": 256, "pairs": 3, "rows": []},
        "pastiche": {"size": 512, "seconds": 1.5, "peak": 3e9},
        "goals": [{"evaluations": 100, "loss": 1e6, "seconds": {"PyTorch": 30.0, "Impasto": None}}],
    }
    text = table(results)
    for part in [
        expected,
        "1000 MB, 0.50 of PyTorch's",
        "2.0% of an evaluation",
        "transfer 1.0 ms, 0.2%",
        "not reached",
    ]:
        assert part in text


TEN = Run(seconds=[float(second) for second in range(10)], losses=[9.0] * 10, peak=1)


@pytest.fixture
def benched(monkeypatch, tmp_path):
    """Runs the bench on programs that take no time; no pictures are cut, nor the machine looked at."""
    monkeypatch.setattr(bench, "square", lambda picture, size, folder: picture)
    monkeypatch.setattr(bench, "machine", lambda lab: {"processor": "a processor"})
    meminfo(monkeypatch, tmp_path, free=0, available=2**40)
    for program in ("impasto", "pytorch", "pastiche"):
        monkeypatch.setattr(Lab, program, lambda *_: TEN)

    def run(*flags: str) -> int:
        monkeypatch.setattr(sys, "argv", ["bench.py", "--out", str(tmp_path / "out"), *flags])
        return bench.main()

    return run


@pytest.mark.parametrize(
    "trouble, told",
    [
        (ProgramError("cargo bench: exit code 101"), "cargo bench: exit code 101"),
        (FileNotFoundError(2, "No such file or directory", "cargo"), "No such file or directory: 'cargo'"),
    ],
)
def test_a_stage_that_fails_is_named_and_what_was_measured_before_is_kept(
    monkeypatch, tmp_path, capsys, benched, trouble, told
):
    def fail(_):
        raise trouble

    monkeypatch.setattr(Lab, "optimizer_bench", fail)
    assert benched("--sizes", "256,512") == 1
    *_, error = capsys.readouterr().err.splitlines()
    file = tmp_path / "out/bench.json"
    assert error.startswith("error: the optimiser alone: ")
    assert error.endswith(f"{told}; the results so far are in {file}")
    results = json.loads(file.read_text())
    assert results["machine"] == {"processor": "a processor"}
    assert [row["size"] for row in results["speed"]] == [256, 512]
    assert list(file.parent.iterdir()) == [file]


def lab_of_program(monkeypatch, tmp_path, printed: str) -> tuple[Lab, Pictures]:
    """A lab whose programs print what is given and write it to their logs."""

    def run(*_) -> tuple[int, str]:
        for log in ("impasto.json", "pytorch.json"):
            (tmp_path / log).write_text(printed)
        return 1, printed

    monkeypatch.setattr(Lab, "_run", run)
    return Lab(tmp_path, threads=2), Pictures(tmp_path, tmp_path, size=64)


@pytest.mark.parametrize(
    "printed, told",
    [("", "pastiche printed no rows"), ("1 0.5 9.0\n", "too few rows to time an evaluation: 1")],
)
def test_a_program_without_rows_to_time_has_failed(monkeypatch, tmp_path, printed, told):
    lab, pictures = lab_of_program(monkeypatch, tmp_path, printed)
    with pytest.raises(ProgramError, match=told):
        measure.pastiche(lab, pictures)


def test_an_optimizer_bench_without_rows_has_failed(monkeypatch, tmp_path):
    lab, _ = lab_of_program(monkeypatch, tmp_path, "running 0 tests\n")
    with pytest.raises(ProgramError, match="optimizer bench printed no rows"):
        measure.optimizer(lab)


PARTS = """512 x 512 pixels, 2 threads, history 80; medians of an evaluation
graph         851.2 ms  97.20 %
transfer        1.5 ms   0.17 %
optimizer      23.0 ms   2.63 %
"""


def test_the_parts_of_an_evaluation_are_read_and_told(monkeypatch, tmp_path):
    monkeypatch.setattr(Lab, "shares_bench", lambda lab, size: PARTS)
    measured = measure.shares(Lab(tmp_path, threads=2), 512)
    assert measured["milliseconds"] == {"graph": 851.2, "transfer": 1.5, "optimizer": 23.0}
    assert "at 512, the default history full: graph 851.2 ms, 97.2%; transfer 1.5 ms, 0.2%" in shares_line(
        measured
    )


def test_a_shares_bench_without_all_parts_has_failed(monkeypatch, tmp_path):
    lab, _ = lab_of_program(monkeypatch, tmp_path, PARTS.replace("transfer", "other"))
    with pytest.raises(ProgramError, match="shares bench printed no graph, transfer and optimizer"):
        measure.shares(lab, 512)


@pytest.mark.parametrize("printed", ["half a rec", "{}"])
@pytest.mark.parametrize(
    "program, name", [(Lab.impasto, "impasto"), (lambda *to: Lab.pytorch(*to, 9), "PyTorch's loop")]
)
def test_output_that_cannot_be_read_is_a_failure_of_its_program(
    monkeypatch, tmp_path, program, name, printed
):
    with pytest.raises(ProgramError, match=name):
        program(*lab_of_program(monkeypatch, tmp_path, printed))


def script(path: Path, *lines: str) -> Path:
    """A program that runs some lines of a shell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines]))
    path.chmod(0o755)
    return path


def test_the_cargo_of_the_environment_runs_the_benches(monkeypatch, tmp_path):
    cargo = script(tmp_path / "bin/own-cargo", 'echo "$@"')
    monkeypatch.setenv("CARGO", str(cargo))
    lab = Lab(tmp_path, threads=2)
    assert lab.optimizer_bench() == "bench --quiet --bench optimizer\n"
    assert lab.shares_bench(512) == "bench --quiet --bench shares -- 512 2\n"
    assert lab.instructions_bench(256, 3) == "bench --quiet --bench instructions -- 256 3 2\n"


def test_the_program_is_the_one_in_the_target_directory_of_the_environment(monkeypatch, tmp_path):
    trace = '{"evaluations": [{"size": [64, 64], "seconds": 1.5, "loss": 9.0}], "versions": {}}'
    script(tmp_path / "built/release/impasto", f"echo '{trace}' > {tmp_path}/impasto.json")
    monkeypatch.setenv("CARGO_TARGET_DIR", str(tmp_path / "built"))
    run = Lab(tmp_path, threads=2).impasto(Pictures(tmp_path, tmp_path, size=64))
    assert (run.seconds, run.losses) == ([1.5], [9.0])


def meminfo(monkeypatch, tmp_path, free: int, available: int) -> None:
    """What Linux would tell, in bytes."""
    told = tmp_path / "meminfo"
    told.write_text(f"MemFree:  {free // 1024} kB\nMemAvailable:  {available // 1024} kB\n")
    monkeypatch.setattr(measure, "MEMINFO", told)


def test_memory_that_the_cache_would_give_back_counts_as_room(monkeypatch, tmp_path):
    meminfo(monkeypatch, tmp_path, free=2**28, available=2**32)
    assert measure.available_memory() == 2**32
    assert measure.pytorch_fits(512, evaluations=10)
    assert not measure.pytorch_fits(2048, evaluations=10)


def test_a_full_history_takes_room_too(monkeypatch, tmp_path):
    meminfo(monkeypatch, tmp_path, free=0, available=int(2.65e9))
    assert measure.pytorch_fits(512, evaluations=10)
    assert not measure.pytorch_fits(512, evaluations=500)


def test_where_the_system_does_not_tell_all_memory_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(measure, "MEMINFO", tmp_path / "none")
    monkeypatch.setattr(measure.os, "sysconf", {"SC_PHYS_PAGES": 3, "SC_PAGE_SIZE": 4096}.get)
    assert measure.available_memory() == 3 * 4096


def test_curves_that_pytorch_has_no_room_for_are_told_before_anything_runs(
    monkeypatch, tmp_path, capsys, benched
):
    meminfo(monkeypatch, tmp_path, free=0, available=2**32)
    assert benched("--sizes", "256", "--curve", "2048") == 1
    assert capsys.readouterr().err == (
        "error: PyTorch would not have room at 2048 pixels; choose a smaller --curve\n"
    )
    assert not list((tmp_path / "out").iterdir())


def test_impasto_has_as_many_iterations_in_every_curve_as_pytorch_has_evaluations(monkeypatch, tmp_path):
    asked = []

    def run(lab, pictures, *flags) -> Run:
        asked.append(flags)
        return TEN

    monkeypatch.setattr(Lab, "impasto", run)
    monkeypatch.setattr(Lab, "pytorch", lambda *_: TEN)
    pictures = Pictures(tmp_path, tmp_path, size=64)
    measure.curves(Lab(tmp_path, threads=2), pictures, 120, bench.curves(pictures))
    assert [flags[:2] for flags in asked] == [("--iterations", "120")] * 3


def test_a_bench_without_512_and_without_goals_has_its_table(monkeypatch, tmp_path, capsys, benched):
    printed = "L-BFGS, history 20        9.9       7.5\n"
    monkeypatch.setattr(Lab, "optimizer_bench", lambda lab: printed)
    monkeypatch.setattr(Lab, "shares_bench", lambda lab, size: PARTS)
    monkeypatch.setattr(Lab, "instructions_bench", lambda lab, size, pairs: PRINTED)
    monkeypatch.setattr(bench.report, "plot", lambda *_: None)
    assert benched("--sizes", "256", "--evaluations", "99", "--pairs", "3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert (tmp_path / "out/bench.txt").read_text().splitlines() == lines
    assert [line for line in lines if "L-BFGS" in line] == ["L-BFGS at 512, history 20: 7.5 ms an iteration"]
    assert lines[-1] == "pastiche at 512: 1.00 s a step, peak 0 MB"
