"""ONNX Runtime's CUDA library for one architecture: for checks on a card, never for users.

The library holds its kernels compiled for each architecture, one after the other, in the section
.nv_fatbin: containers of entries, each a header and a compressed object file (a cubin). What a card has no
use for is overwritten by zeros, so that it compresses; the file keeps its length and layout. The driver
reads an entry when a kernel of it is first called (CUDA_MODULE_LOADING=LAZY, its default since CUDA 12.2).
The layout of containers and entries is as found in onnxruntime-gpu 1.31.1.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from provision.errors import SetupError

CONTAINER = struct.Struct("<IHHQ")
"""Its mark, version, the bytes of this header and those of all entries after it."""
MARK = 0xBA55ED50
ENTRY = struct.Struct("<HHIQIIHHI")
"""Of which the third is the bytes of the header, the fourth those of the padded payload, the fifth those of
the payload, the last the architecture, 90 for 9.0."""
ELF_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")

OF_OTHER_MODELS = re.compile(
    rb"flash|fmha|attention|attn|sdpa|xqa|kv_?cache|decodermasked|groupquery|longformer|beam|mamba"
    rb"|moe|grouped_?gemm|tensorrt_llm|cutlass|fpa_intb|nbits|fp4",
    re.IGNORECASE,
)
"""In the names of kernels of attention, of mixtures of experts and of quantised products; none is VGG19's."""


@dataclass(frozen=True)
class Entry:
    architecture: int
    payload: slice
    """With the zeros that pad it."""
    compressed: slice


def reduce(library: bytes, architecture: int, decompress=None) -> bytes:
    """The library with the kernels of this architecture alone; with `decompress`, which makes a cubin of a
    payload, also without those entries that have only kernels of other models."""
    reduced = bytearray(library)
    kept = 0
    for entry in entries(library):
        if entry.architecture == architecture and not is_of_other_models(library, entry, decompress):
            kept += 1
        else:
            reduced[entry.payload] = bytes(entry.payload.stop - entry.payload.start)
    if kept == 0:
        raise SetupError(f"there are no kernels for the architecture {architecture}")
    return bytes(reduced)


def is_of_other_models(library: bytes, entry: Entry, decompress) -> bool:
    if decompress is None:
        return False
    names = re.findall(rb"\.text\.([\w$]+)", decompress(library[entry.compressed]))
    return bool(names) and all(OF_OTHER_MODELS.search(name) for name in names)


def entries(library: bytes) -> Iterator[Entry]:
    """Those of all containers."""
    section = section_named(library, b".nv_fatbin")
    at = section.start
    while at + CONTAINER.size <= section.stop:
        mark, _, header, length = CONTAINER.unpack_from(library, at)
        if mark != MARK:
            at += 8
            continue
        begin, at = at + header, at + header + length
        yield from entries_of(library, begin, at)


def entries_of(library: bytes, at: int, end: int) -> Iterator[Entry]:
    while at < end:
        _, _, header, padded, length, _, _, _, architecture = ENTRY.unpack_from(library, at)
        at += header
        yield Entry(architecture, slice(at, at + padded), slice(at, at + length))
        at += padded


def section_named(library: bytes, wanted: bytes) -> slice:
    """The bytes of a section of a 64-bit ELF file."""
    if library[:5] != b"\x7fELF\x02":
        raise SetupError("it is no 64-bit ELF file")
    header = ELF_HEADER.unpack_from(library)
    table, size, count, of_names = header[6], *header[11:14]
    sections = [SECTION.unpack_from(library, table + size * number) for number in range(count)]
    names = sections[of_names][4]
    for name, _, _, _, offset, length, *_ in sections:
        begin = names + name
        if library[begin : library.index(b"\0", begin)] == wanted:
            return slice(offset, offset + length)
    raise SetupError(f"it has no section {wanted.decode()}")
