"""PNG files of any colour and depth, interlaced too: Pillow writes few of 16 bits and none interlaced."""

import struct
import zlib

import numpy as np

# Adam7: first column and row, steps.
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def rows(samples, bits):
    """Rows by columns by channels as bytes, each row after the number of its filter: none."""
    height = samples.shape[0]
    if samples.size == 0:
        return b""
    planes = (samples[..., None].astype(np.uint32) >> np.arange(bits - 1, -1, -1)) & 1
    packed = np.packbits(planes.reshape(height, -1).astype(np.uint8), axis=1)
    return np.hstack([np.zeros((height, 1), np.uint8), packed]).tobytes()


def png(samples, bits, kind, chunks=(), interlaced=False):
    """`kind` is 0 grey, 2 RGB, 3 palette, 4 grey and 6 RGB with alpha; `chunks` come before the pixels."""
    height, width, _ = samples.shape
    parts = [samples[y::down, x::right] for x, y, right, down in PASSES] if interlaced else [samples]
    pixels = b"".join(rows(part, bits) for part in parts)
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, int(interlaced))
    body = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, content) for name, content in body)
