"""`make device-kit` with a library of a few entries, and what its start script links."""

import lzma
import struct
import sys
import tarfile
from types import SimpleNamespace

import pytest

import device_kit
from kit import fatbinary, start
from provision.errors import SetupError


def entry(architecture, cubin):
    padded = cubin + bytes(-len(cubin) % 8)
    return struct.pack("<HHIQIIHHI", 2, 1, 32, len(padded), len(cubin), 0, 0, 0, architecture) + padded


def container(*entries):
    payload = b"".join(entries)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(payload)) + payload


def elf(fatbin):
    """A 64-bit ELF file with the section .nv_fatbin and that of the sections' names."""
    names = b"\0.nv_fatbin\0.shstrtab\0"
    begin, table = 64, 64 + len(fatbin) + len(names)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01", 3, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 3, 2
    )
    section = struct.Struct("<IIQQQQIIQQ").pack
    return b"".join(
        [
            *(header, fatbin, names, bytes(64)),
            section(1, 1, 0, 0, begin, len(fatbin), 0, 0, 8, 0),
            section(12, 3, 0, 0, begin + len(fatbin), len(names), 0, 0, 1, 0),
        ]
    )


ADD, FLASH, MIXED, OLD = (
    b"\0.text.add_kernel\0",
    b"\0.text.flash_fwd\0",
    b".text.add .text.moe_gemm",
    b"for 8.0",
)
LIBRARY = elf(
    container(entry(80, OLD), entry(90, ADD)) + bytes(8) + container(entry(90, FLASH), entry(90, MIXED))
)


def test_an_architecture_keeps_its_kernels_and_the_file_its_layout():
    reduced = fatbinary.reduce(LIBRARY, 90)
    assert len(reduced) == len(LIBRARY)
    assert [kernels in reduced for kernels in (OLD, ADD, FLASH, MIXED)] == [False, True, True, True]
    assert [one.payload for one in fatbinary.entries(reduced)] == [
        one.payload for one in fatbinary.entries(LIBRARY)
    ]


def test_entries_with_kernels_of_other_models_alone_go_too():
    reduced = fatbinary.reduce(LIBRARY, 90, bytes)
    assert [kernels in reduced for kernels in (OLD, ADD, FLASH, MIXED)] == [False, True, False, True]


def test_an_architecture_without_kernels_and_other_files_are_refused():
    with pytest.raises(SetupError, match="architecture 75"):
        fatbinary.reduce(LIBRARY, 75)
    with pytest.raises(SetupError, match="ELF"):
        fatbinary.reduce(b"#!/bin/sh", 90)


def test_the_kit_has_the_program_the_graphs_and_the_reduced_library(tmp_path, monkeypatch):
    runtime = tmp_path / "cuda"
    runtime.mkdir()
    (runtime / device_kit.PROVIDER).write_bytes(LIBRARY)
    for name in ("libonnxruntime.so", "libonnxruntime_providers_shared.so", "libcudnn.so.9"):
        (runtime / name).write_bytes(b"library")
    program = tmp_path / "impasto"
    program.write_bytes(b"program")
    monkeypatch.setattr(device_kit, "decompressor", lambda: bytes)
    options = SimpleNamespace(program=program, runtime=runtime, architecture=90, into=tmp_path / "dist")
    device_kit.pack(options)
    with tarfile.open(tmp_path / "dist/device-kit.tar.xz") as tar:
        files = {member.name for member in tar if member.isfile()}
        reduced = tar.extractfile(f"device-kit/lib/onnxruntime/cuda/{device_kit.PROVIDER}").read()
    assert reduced == fatbinary.reduce(LIBRARY, 90, bytes)
    assert lzma.decompress((tmp_path / "dist/whole.so.xz").read_bytes()) == fatbinary.reduce(LIBRARY, 90)
    for name in (
        "bin/impasto",
        "start.py",
        "device_check.py",
        "demo/cat.png",
        "share/impasto/onnx/vgg19.weights",
    ):
        assert f"device-kit/{name}" in files
    assert "device-kit/share/impasto/onnx/gatys.loss_grad.onnx" in files
    assert "device-kit/lib/onnxruntime/cuda/libcudnn.so.9" not in files


def test_libraries_of_nvidia_are_linked_once_and_anew_when_they_moved(tmp_path, monkeypatch):
    place = tmp_path / "kit"
    place.mkdir()
    monkeypatch.setattr(start, "LIBRARIES", place)
    folder = tmp_path / "nvidia/cudnn/lib"
    folder.mkdir(parents=True)
    (folder / "libcudnn.so.9").write_bytes(b"cudnn")
    (place / "libcudnn.so.9").symlink_to(tmp_path / "gone")
    for library in start.nvidia_libraries([folder]):
        start.link(library)
        start.link(library)
    assert (place / "libcudnn.so.9").read_bytes() == b"cudnn"


def test_the_packages_of_nvidia_are_looked_for_beside_the_others(tmp_path, monkeypatch):
    library = tmp_path / "nvidia/cu13/lib/libcudart.so.13"
    library.parent.mkdir(parents=True)
    library.touch()
    monkeypatch.setattr(start.site, "getsitepackages", lambda: [str(tmp_path)])
    monkeypatch.setattr(start.site, "getusersitepackages", lambda: str(tmp_path / "none"))
    assert list(start.nvidia_libraries(start.packaged())) == [library]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="Python brings Zstandard along from 3.14 on")
def test_entries_are_decompressed_by_python_itself():
    from compression import zstd

    assert device_kit.decompressor()(zstd.compress(b"cubin")) == b"cubin"
