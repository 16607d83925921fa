"""Colour profiles (ICC), and what littlecms makes of them."""

import io
import struct

import numpy as np
from PIL import Image, ImageCms

# Primaries adapted to D50, as profiles hold them: Display P3 and Adobe RGB (1998).
P3 = [(0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)]
ADOBE = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]
WHITE = (0.9642, 1.0, 0.8249)


def fixed(value):
    return struct.pack(">i", round(value * 65536))


def xyz(values):
    return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))


def gamma(exponent):
    return b"curv" + struct.pack(">IIH", 0, 1, round(exponent * 256)) + b"\0\0"


def text(words):
    body = words.encode() + b"\0"
    description = b"desc" + struct.pack(">II", 0, len(body)) + body + bytes(78)
    return description + bytes(-len(description) % 4)


def profile(space, tags):
    tags = {b"desc": text("test"), b"cprt": b"text\0\0\0\0none\0\0\0\0", b"wtpt": xyz(WHITE)} | tags
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(content))
        body += content
    header = struct.pack(
        ">I4sI4s4s4s", 128 + len(table) + len(body), b"none", 0x02400000, b"mntr", space, b"XYZ "
    )
    header += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + b"".join(map(fixed, WHITE))
    return header.ljust(128, b"\0") + table + body


def rgb(primaries, exponent):
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    curves = {name: gamma(exponent) for name in (b"rTRC", b"gTRC", b"bTRC")}
    return profile(b"RGB ", dict(zip(names, map(xyz, primaries), strict=True)) | curves)


RGB_PROFILES = {"p3": rgb(P3, 2.2), "adobe": rgb(ADOBE, 563 / 256)}
GRAY_PROFILES = {"gamma18": profile(b"GRAY", {b"kTRC": gamma(1.8)})}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def converted(samples, content):
    """8-bit samples, rows by columns by one or three channels, in sRGB."""
    mode = "L" if samples.shape[2] == 1 else "RGB"
    image = Image.fromarray(samples.reshape(samples.shape[:2] if mode == "L" else samples.shape), mode)
    source = ImageCms.ImageCmsProfile(io.BytesIO(content))
    target = ImageCms.createProfile("sRGB")
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    return np.array(ImageCms.profileToProfile(image, source, target, intent, outputMode="RGB"), np.float32)
