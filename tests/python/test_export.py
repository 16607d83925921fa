"""The command: what it writes, and that it writes nothing when it fails."""

import subprocess
import sys

import make
import pytest

import export_onnx
from exporter import contract, storage

OF_IMAGES = tuple(f"{kind}{flavour}" for kind in ("forward", "backward") for flavour in ("", ".cpu"))
OF_A_LOSS = ("targets", "head", "loss_grad", "loss_grad.cpu")


def graphs_of(stem, losses=("gram", "moments", "wasserstein")):
    stems = [stem if loss == "gram" else f"{stem}-{loss}" for loss in losses]
    return {f"{stem}.{graph}.onnx" for graph in OF_IMAGES} | {
        f"{name}.{graph}.onnx" for name in stems for graph in OF_A_LOSS
    }


SHARED = {contract.TEMPORAL_FILE, "vgg19.weights"}
"""What all presets up to relu5_1 share."""
TINY = ["--weights", "random:1", "--width-divisor", "16"]


def export(out, *options, weights=TINY):
    return subprocess.run(
        [sys.executable, str(make.EXPORT), *weights, "--out", str(out), *options],
        capture_output=True,
        text=True,
    )


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


JUDGE = {"judge.forward.onnx", "judge.forward.cpu.onnx"}


def test_by_default_both_presets_with_both_poolings_and_the_judge_are_written(tmp_path):
    result = export(tmp_path / "new" / "folder")
    assert result.returncode == 0, result.stderr
    expected = set().union(*map(graphs_of, ("gatys", "gatys-avg", "book", "book-avg")))
    written = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert written == expected | JUDGE | SHARED


def test_two_exports_are_equal_to_the_byte_and_to_what_is_committed(tmp_path):
    for folder in ("one", "two"):
        assert export(tmp_path / folder).returncode == 0
        assert export(tmp_path / folder, *make.MIXED_OPTIONS).returncode == 0
    one, committed = contents(tmp_path / "one"), contents(make.HERE)
    assert one == contents(tmp_path / "two")
    graphs = {name for name in committed if name.endswith((".onnx", ".weights"))}
    assert len(graphs) > 40
    for name in graphs:
        assert one[name] == committed[name], name


def test_a_preset_of_ones_own_is_named_and_sorted_into_network_order(tmp_path):
    layers = ["--style-layers", "relu3_1,relu1_1", "--content-layers", "relu2_2", "--name", "mine"]
    assert export(tmp_path, *layers, "--pooling", "avg").returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == graphs_of("mine-avg") | SHARED


def test_style_losses_may_be_chosen(tmp_path):
    options = ["--preset", "gatys", "--pooling", "max", "--style-loss", "moments"]
    assert export(tmp_path, *options).returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == graphs_of("gatys", ["moments"]) | SHARED


def test_a_shallow_preset_shares_the_weights_file_of_the_deeper_ones(tmp_path):
    layers = ["--style-layers", "relu1_1", "--content-layers", "relu2_2", "--name", "mine"]
    assert export(tmp_path, "--preset", "gatys").returncode == 0
    before = (tmp_path / "vgg19.weights").read_bytes()
    result = export(tmp_path, *layers)
    assert (tmp_path / "vgg19.weights").read_bytes() == before
    assert "warning" not in result.stderr


def test_a_deeper_preset_brings_its_own_weights_file_and_leaves_the_others_usable(tmp_path):
    layers = ["--style-layers", "relu1_1", "--content-layers", "relu5_4", "--name", "deep"]
    assert export(tmp_path, "--preset", "gatys").returncode == 0
    before = contents(tmp_path)
    result = export(tmp_path, *layers)
    after = contents(tmp_path)
    assert "warning" not in result.stderr
    assert {name: after[name] for name in before} == before
    assert len(after["vgg19-relu5_4.weights"]) > len(after["vgg19.weights"])


def test_graphs_left_over_from_other_weights_are_pointed_out(tmp_path):
    assert export(tmp_path, "--preset", "gatys", "--pooling", "max").returncode == 0
    (tmp_path / "foreign.onnx").write_bytes(b"not a graph")
    result = export(tmp_path, "--preset", "book", weights=["--weights", "random:2", "--width-divisor", "16"])
    assert result.returncode == 0
    stale = ", ".join(sorted(graphs_of("gatys")))
    assert f"made for other weights, export again: {stale}\n" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--weights", "missing.bin"], "error: missing.bin: no such weights file"),
        ([*TINY, "--name", "mine"], "needs --style-layers, --content-layers and --name"),
        ([*TINY, "--name", "", "--style-layers", ""], "needs --style-layers, --content-layers and --name"),
        ([*TINY, "--name", "mine", "--style-layers", "relu9_1", "--content-layers", "relu1_1"], "relu9_1"),
        (
            [*TINY, "--name", "judge", "--style-layers", "relu1_1", "--content-layers", "relu1_1"],
            "preset 'judge' comes with the program",
        ),
        (
            [*TINY, "--name", "photo", "--style-layers", "relu1_1", "--content-layers", "relu1_1"],
            "preset 'photo' comes with the program",
        ),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(tmp_path, options, message):
    result = export(tmp_path / "out", weights=options)
    assert result.returncode == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_failed_check_writes_nothing_and_leaves_old_files_alone(tmp_path, monkeypatch, capsys):
    assert export(tmp_path).returncode == 0
    before = contents(tmp_path)
    monkeypatch.setattr(contract, "IMAGE_OPERATORS", contract.IMAGE_OPERATORS - {"Resize"})
    arguments = ["--weights", "random:2", "--width-divisor", "16", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["export_onnx.py", *arguments])
    assert export_onnx.main() == 1
    assert "error: node 'backward/pool" in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_a_write_that_fails_leaves_old_files_alone_and_nothing_behind(tmp_path):
    (tmp_path / "first").write_bytes(b"old")
    with pytest.raises(TypeError):
        storage.write(tmp_path, {"first": b"new", "second": None})
    assert contents(tmp_path) == {"first": b"old"}
