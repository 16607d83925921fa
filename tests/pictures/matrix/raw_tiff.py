"""A TIFF file from its tags and chunks, for what the libraries do not write."""

import struct
import zlib

import numpy as np

WIDTHS = {"B": 1, "H": 3, "I": 4}


def tiff(tags, chunks, order="<"):
    """`tags` by number: the letter of `struct` and the values; the strips' offsets and lengths are added."""
    body = b"".join(chunks)
    offsets = [8 + sum(len(chunk) for chunk in chunks[:i]) for i in range(len(chunks))]
    tags = tags | {273: ("I", offsets), 279: ("I", [len(chunk) for chunk in chunks])}
    # Values that are longer than their four bytes lie between the chunks and the directory.
    entries = b""
    for number, (letter, values) in sorted(tags.items()):
        value = struct.pack(f"{order}{len(values)}{letter}", *values)
        entries += struct.pack(f"{order}HHI", number, WIDTHS[letter], len(values))
        if len(value) > 4:
            entries += struct.pack(f"{order}I", 8 + len(body))
            body += value + bytes(len(value) % 2)
        else:
            entries += value.ljust(4, b"\0")
    start = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8 + len(body))
    return start + body + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)


def packed(samples, bits):
    """Rows of whole numbers of any bits as bytes; the most significant bit first."""
    planes = (samples[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(planes.reshape(samples.shape[0], -1).astype(np.uint8), axis=1).tobytes()


def plain(samples, bits, photometric, order="<", reverse=False, tags=None, chunk=None):
    """Rows by columns by channels in one strip, as they are unless the strip's bytes are given."""
    height, width, channels = samples.shape
    if chunk is not None:
        pass
    elif bits in (8, 16, 32):
        chunk = samples.astype(f"{order}u{bits // 8}").tobytes()
    else:
        chunk = packed(samples.reshape(height, -1), bits)
    if reverse:
        chunk = reversed_bits(chunk)
    all_tags = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [bits] * channels),
        259: ("H", [1]),
        262: ("H", [photometric]),
        277: ("H", [channels]),
        278: ("I", [height]),
    }
    if reverse:
        all_tags[266] = ("H", [2])
    return tiff(all_tags | (tags or {}), [chunk], order)


def float_predicted(samples, photometric, order):
    """Floats whose bytes are sorted by significance, row by row, and stored as differences, deflated."""
    height, _, channels = samples.shape
    size = samples.dtype.itemsize
    rows = samples.reshape(height, -1).astype(samples.dtype.newbyteorder(">")).view(np.uint8)
    planes = rows.reshape(height, -1, size).swapaxes(1, 2).reshape(height, -1)
    differences = planes.copy()
    differences[:, channels:] -= planes[:, :-channels]
    tags = {259: ("H", [8]), 317: ("H", [3]), 339: ("H", [3] * channels)}
    chunk = zlib.compress(differences.tobytes())
    return plain(samples, 8 * size, photometric, order, tags=tags, chunk=chunk)


def reversed_bits(chunk):
    bits = np.unpackbits(np.frombuffer(chunk, np.uint8)).reshape(-1, 8)
    return np.packbits(bits[:, ::-1]).tobytes()
