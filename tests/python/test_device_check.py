"""`make device-check` with a program that only says what the real one would, and no card."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

import device_check

PROGRAM = """#!{python}
import json, struct, sys, time
words = sys.argv[1:]
value = lambda flag: words[words.index(flag) + 1]
on_card = "cuda" in words
if words[0] == "--version":
    print("impasto 0")
elif words[0] == "providers":
    state = {state}
    compared = [dict(provider="cuda", compared=dict(gradient_difference=1e-6))]
    found = [dict(name="cuda", **state)]
    print(json.dumps(dict(onnxruntime=dict(version="1"), comparisons=compared, providers=found)))
elif words[0] == "stylize":
    if "prefer_nhwc=1" in words:
        time.sleep(60)
    if "enable_cuda_graph=1" in words:
        sys.exit("error: launches cannot be recorded")
    rows = [dict(seconds=0.5 + 0.01 * n, loss=1000.0 - n) for n in range(int(value("--iterations")))]
    open(value("--trace"), "w").write(json.dumps(dict(evaluations=rows)))
    open(value("--output"), "w").write("")
elif words[0] == "evaluate":
    off = 0.001 * on_card * ("tf32" in words)
    numbers = [3.0, 4.0 + 5.0 * off, float("nan") if off and "501" in words[1] else 0.0]
    header = b"{{}}\\n"
    data = b"\\x93NUMPY\\x01\\x00" + struct.pack("<H", len(header)) + header + struct.pack("<3f", *numbers)
    open(value("--gradient"), "wb").write(data)
    print(json.dumps(dict(terms={{"content/relu4_2": 2.0 * (1 + off), "tv": 0.0}})))
"""
USABLE, UNUSABLE = {"state": "usable"}, {"state": "unusable", "reason": "the NVIDIA driver is missing"}


@pytest.fixture
def check(tmp_path):
    def of(state):
        program = tmp_path / "impasto"
        program.write_text(PROGRAM.format(python=sys.executable, state=state))
        program.chmod(0o755)
        return device_check.Check(program, "cuda", [], tmp_path / "a.png", tmp_path / "b.png", tmp_path)

    return of


def results(check):
    return json.loads((check.out / "results.json").read_text())


def test_every_step_is_told_and_kept_and_none_stops_the_next(check, capsys):
    check = check(USABLE)
    steps = [(1 if step is device_check.options else limit, step) for limit, step in device_check.STEPS]
    assert device_check.run(check, steps) == 0
    found = results(check)
    assert list(found) == [step.__name__ for _, step in steps]
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == list(found)
    assert found["machine"] == {"failed": "nvidia-smi: No such file or directory"}
    assert found["numbers"]["512"]["f32"] == {"terms": 0, "gradient": 0, "not finite": 0}
    assert found["numbers"]["512"]["same bytes twice"] is True
    assert found["numbers"]["512"]["tf32"] == pytest.approx(
        {"terms": 1e-3, "gradient": 1e-3, "not finite": 0}, rel=1e-3
    )
    assert found["numbers"]["501"]["tf32"]["not finite"] == 1
    assert found["speed"]["f32"]["ms at 20 to 40"] == pytest.approx(10)
    assert found["whole_run"]["tf32"]["losses at 100, 300, 500"] == [901, 701, 501]
    assert found["options"]["cudnn_conv_algo_search=HEURISTIC"]["evaluations"] == 40
    assert "limit" in found["options"]["prefer_nhwc=1"]
    assert found["cuda_graph"]["its arena"] == "error: launches cannot be recorded"
    assert found["large"]["2048"] == "nvidia-smi: No such file or directory"


def test_without_a_driver_it_ends_at_once_with_the_reason(check, capsys):
    check = check(UNUSABLE)
    assert device_check.run(check, device_check.STEPS) == 1
    assert list(results(check)) == ["machine", "providers"]
    assert "cuda is unusable: the NVIDIA driver is missing" in capsys.readouterr().out


def test_all_limits_together_leave_time_to_start():
    assert sum(limit for limit, _ in device_check.STEPS) <= 470


def test_it_runs_away_from_the_repository_and_its_packages(tmp_path):
    script = tmp_path / "device_check.py"
    script.write_bytes((ROOT / "scripts/device_check.py").read_bytes())
    environment = {"PATH": os.environ["PATH"]}
    words = [sys.executable, "-I", script, "--program", tmp_path / "missing", "--out", tmp_path / "out"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert "missing: No such file" in done.stdout
    assert done.returncode == 0
