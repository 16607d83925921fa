#!/usr/bin/env python3
"""Make the files that fuzzing begins with, of every kind that the program reads.

    PYTHONPATH=runtime/python python3 fuzz/corpus.py fuzz/corpus [KIND ...]

The kinds are called as the fuzz targets are: picture, settings, trace, graph, lists; all are made unless
some are named. Each has a folder.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
Files = Iterator[tuple[str, bytes]]

SETTINGS = """\
preset = "own"
pooling = "avg"
size = 100
fit = "short"
scales = "40:3,100:3"
style-blend = [1.0, 2.0]
style-size = 90
style-weight = 7
content-weight = 0.5
tv-weight = 0.25
style-layer-weights = { relu1_1 = 2 }
content-layer-weights = "relu4_2=3"
style-loss = "moments"
padding = "replicate"
color = "match"
init = "blend:0.3"
seed = 5
optimizer = "adam"
iterations = 3
learning-rate = 2.5
beta1 = 0.5
beta2 = 0.75
tolerance = 0.01
max-seconds = 9.5
bits = 16
jpeg-quality = 80
threads = 3
kernels = "portable"
provider = "cuda"
device-id = 1
provider-option = { use_tf32 = "1" }
precision = "tf32"
"""
FEW_SETTINGS = """\
# What is painted
size = 768
scales = 3
iterations = 400
history = 10
init = "start.png"
threads = 2
[provider-option]
arena_extend_strategy = "kSameAsRequested"
"""

LISTS = [
    "relu1_1=2,relu5_1=0.5",
    "relu4_2=1e-3",
    "auto",
    "3",
    "128:300,256:200,512:100",
    "blend:0.3",
    "style-stats",
    "folder/start.png",
    "content",
    "tensorrt",
    "16",
]

DIGEST = "9f" * 32

# Where there are no nodes, an empty file has all the weights.
EMPTY_WEIGHTS = {
    "impasto.external_data": "empty.weights",
    "impasto.external_data_sha256": hashlib.sha256().hexdigest(),
}


def picture() -> Files:
    """Pictures of one size in all formats, and those of the test that reads every kind."""
    yield from pictures_in_detail()
    sys.path.append(str(ROOT / "tests" / "pictures" / "matrix"))
    import others
    import tiffs

    for format, cases in {**others.FORMATS, "tiff": tiffs.cases}.items():
        # Those of JPEG are smooth.
        if format != "jpeg":
            yield from ((f"matrix-{case.name}.{format}", case.content) for case in cases())


def pictures_in_detail() -> Files:
    """Pictures of 61x43 pixels with detail everywhere, in the shapes that each format is met in."""
    import pillow_jxl  # noqa: F401 (lets Pillow write JPEG XL)
    from PIL import Image, TiffImagePlugin

    size = (width, height) = (61, 43)
    speckle = bytes((i * i * 31 + (i >> 3) * 57 + i % 7 * 19) % 251 for i in range(3 * width * height))
    noise = Image.frombytes("RGB", size, speckle)
    across = Image.linear_gradient("L").resize(size)
    down = Image.linear_gradient("L").rotate(90).resize(size)
    rgb = Image.blend(Image.merge("RGB", (down, across, across)), noise, 0.35)
    rgba = rgb.copy()
    rgba.putalpha(down)
    grey = rgb.convert("L")
    wide = Image.frombytes("I;16", size, (speckle * 2)[: 2 * width * height])
    palette = rgb.quantize(64)
    bits = rgb.convert("1")
    cmyk = rgb.convert("CMYK")
    frames = [rgb.rotate(90 * turn).convert("RGBA") for turn in range(1, 3)]
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = {"exif": exif.tobytes(), "icc_profile": srgb()}

    def file(name: str, image: Image.Image, format: str, **options: object) -> tuple[str, bytes]:
        buffer = io.BytesIO()
        # A copy: saving leaves traces in an image.
        image.copy().save(buffer, format, **options)
        return name, buffer.getvalue()

    yield file("rgb.png", rgb, "PNG", **turned)
    yield file("rgba.png", rgba, "PNG")
    yield file("palette.png", palette, "PNG", transparency=3)
    yield file("grey-16.png", wide, "PNG")
    yield file("bits.png", bits, "PNG")
    yield file("animated.png", rgb, "PNG", save_all=True, append_images=frames)

    for name, options in {
        "444": {"subsampling": 0},
        "422": {"subsampling": 1},
        "420": {"subsampling": 2, **turned},
        "restarts": {"restart_marker_blocks": 4},
        "progressive-420": {"progressive": True, "subsampling": 2},
        "progressive-444": {"progressive": True, "subsampling": 0},
    }.items():
        yield file(f"{name}.jpg", rgb, "JPEG", quality=85, **options)
    yield file("grey.jpg", grey, "JPEG", quality=85)
    yield file("cmyk.jpg", cmyk, "JPEG", quality=85)
    yield file("progressive-cmyk.jpg", cmyk, "JPEG", quality=85, progressive=True)

    yield file("lossy.webp", rgb, "WEBP", quality=80, **turned)
    yield file("lossy-alpha.webp", rgba, "WEBP", quality=80)
    yield file("lossless.webp", rgb, "WEBP", lossless=True)
    yield file("lossless-alpha.webp", rgba, "WEBP", lossless=True)
    yield file("animated.webp", rgb, "WEBP", save_all=True, append_images=frames)

    yield file("lossy.jxl", rgba, "JXL", quality=80)
    yield file("lossless.jxl", rgb, "JXL", lossless=True, use_container=True)

    for compression in ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"]:
        yield file(f"{compression}.tiff", rgb, "TIFF", compression=compression)
    yield file("predictor.tiff", rgb, "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    yield file("group4.tiff", bits, "TIFF", compression="group4")
    yield file("big.tiff", rgb, "TIFF", big_tiff=True)
    yield file("strips.tiff", rgba, "TIFF", tiffinfo={278: 7}, **turned)
    yield file("grey-16.tiff", wide, "TIFF")
    yield file("grey-float.tiff", grey.convert("F"), "TIFF")
    yield file("palette.tiff", palette, "TIFF")
    yield file("cmyk.tiff", cmyk, "TIFF", compression="tiff_lzw")
    premultiplied = TiffImagePlugin.ImageFileDirectory_v2()
    premultiplied[338] = 1
    yield file("premultiplied.tiff", rgba, "TIFF", tiffinfo=premultiplied)
    yield file("pages.tiff", rgb, "TIFF", save_all=True, append_images=[grey])

    for name, image in {"rgb": rgb, "rgba": rgba, "grey": grey, "palette": palette, "bits": bits}.items():
        yield file(f"{name}.bmp", image, "BMP")

    indices = iter(palette.transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes())
    rows = [b"".join(bytes([1, next(indices)]) for _ in range(width)) for _ in range(height)]
    runs = b"\0\0".join(rows) + b"\0\1"
    # The compression stands at 30, the pixels begin where 10 says.
    _, stored = file("", palette, "BMP")
    start = int.from_bytes(stored[10:14], "little")
    yield "runs.bmp", stored[:30] + b"\1" + stored[31:start] + runs

    yield file("still.gif", rgb, "GIF")
    yield file("transparent.gif", palette, "GIF", transparency=3, interlace=0)
    yield file("animated.gif", rgb, "GIF", save_all=True, append_images=frames)

    yield file("rgb.avif", rgb, "AVIF", quality=80)
    yield file("rgba.avif", rgba, "AVIF", quality=80)


def srgb() -> bytes:
    """A colour profile, that of sRGB."""
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def settings() -> Files:
    """Settings files: all that can be set, and what people write."""
    yield "all.toml", SETTINGS.encode()
    yield "few.toml", FEW_SETTINGS.encode()
    yield "list.toml", b'scales = "128:300,256:200,512:100"\nbits = 16\n'


def trace() -> Files:
    """Traces: of a run with files that are not there, and what a table of settings can be."""
    record = {"path": "photo.png", "absolute": "/nowhere/photo.png", "sha256": DIGEST}
    whole = {
        "settings": {
            **{"preset": "gatys", "pooling": "max", "size": 512, "fit": "long", "style-size": None},
            **{"style-scale": 1.0, "style-blend": [], "style-weight": 1000.0, "content-weight": 1.0},
            **{"color": "style", "tv-weight": 0.0, "style-layer-weights": "relu1_1=2"},
            **{"content-layer-weights": "", "style-loss": "gram", "padding": "zero"},
            **{"init": "start.png", "seed": 3, "optimizer": "lbfgs", "history": 80, "iterations": 500},
            **{"scales": "auto", "tolerance": None, "max-seconds": 60.0, "bits": 8, "jpeg-quality": 95},
            **{"threads": 2, "kernels": "portable", "provider": "auto", "device-id": None},
            **{"provider-option": {"a": "b"}, "provider-library": None, "precision": None},
        },
        "versions": {"impasto": "0.1.0", "contract": "3", "provider": "cpu", "onnxruntime": "1.32.0"},
        "library": "/nowhere/libonnxruntime.so",
        "graphs": [{"role": "forward", **record}, {"role": "loss_grad", **record}],
        "inputs": [{"role": role, **record} for role in ["content", "style", "style", "init"]],
        "output": {"role": "output", **record},
        "ended-after": 12,
        "size": [512, 384],
        "stop": "the time is up",
        "iterations": 9,
        "evaluations": [{"evaluation": 0, "seconds": 0.5, "loss": 1.5e6, "terms": {"tv": 0.0}}],
    }
    yield "whole.json", json.dumps(whole, indent=2).encode()
    yield "short.json", json.dumps({**whole, "settings": {}, "inputs": [], "graphs": []}).encode()


def graph() -> Files:
    """Graphs without nodes, whose metadata is that of the tests' graphs."""
    import onnx

    for path in sorted((ROOT / "tests" / "data").glob("gatys.*.onnx")):
        whole = onnx.load(path, load_external_data=False)
        bare = onnx.ModelProto(ir_version=whole.ir_version)
        metadata = {entry.key: entry.value for entry in whole.metadata_props}
        onnx.helper.set_model_props(bare, {**metadata, **EMPTY_WEIGHTS})
        yield path.name, bare.SerializeToString()


def lists() -> Files:
    """What flags take as text: factors of layers, scales, starts, names."""
    for number, text in enumerate(LISTS):
        yield f"{number}.txt", text.encode()


KINDS = {make.__name__: make for make in [picture, settings, trace, graph, lists]}


def main() -> None:
    out, *kinds = sys.argv[1:]
    for kind in kinds or KINDS:
        folder = Path(out) / kind
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in KINDS[kind]():
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
