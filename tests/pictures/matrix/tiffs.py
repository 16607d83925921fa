"""TIFF: kinds of colour, depths, layouts, compressions, alpha, orders of bytes and bits."""

import io
import itertools

import numpy as np
import raw_tiff
import tifffile
from PIL import Image
from shared import Case, Refused, scaled, smooth, speckle

KINDS = {"minisblack": 1, "miniswhite": 1, "rgb": 3, "separated": 4}
LAYOUTS = {
    "strip": {},
    "strips": {"rowsperstrip": 3},
    "tiles": {"tile": (16, 16)},
    "planes": {"planarconfig": "separate"},
    "tiled-planes": {"planarconfig": "separate", "tile": (16, 16)},
}
COMPRESSIONS = {
    "plain": {},
    "deflate": {"compression": "zlib"},
    "predictor": {"compression": "zlib", "predictor": True},
}


def cases():
    yield from written_by_tifffile()
    yield from with_alpha()
    yield from with_more_than_is_used()
    yield from written_by_pillow()
    yield from of_any_bits()
    yield from palettes()
    yield from refused()


def tiff(samples, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, samples, metadata=None, **options)
    return file.getvalue()


def rgb(kind, values):
    """What samples from 0 to 255, rows by columns by channels, mean."""
    if kind == "separated":
        return (255 - values[..., :3]) * (255 - values[..., 3:]) / 255
    if kind == "miniswhite":
        values = 255 - values
    return np.broadcast_to(values, (*values.shape[:2], 3))


def depths():
    yield "8", np.uint8
    yield "16", np.uint16
    yield "32", np.uint32
    yield "half", np.float16
    yield "float", np.float32
    yield "double", np.float64


def samples(shape, dtype):
    """Samples over the whole range of the type, and what they mean from 0 to 255."""
    if np.issubdtype(dtype, np.floating):
        values = (speckle(shape, 16) / 65535).astype(dtype)
        return values, values.astype(np.float32) * 255
    bits = 8 * np.dtype(dtype).itemsize
    values = speckle(shape, bits).astype(dtype)
    return values, scaled(values, bits)


def written_by_tifffile():
    for (kind, channels), (depth, dtype), layout, compression, order in itertools.product(
        KINDS.items(), depths(), LAYOUTS, COMPRESSIONS, "<>"
    ):
        planes = layout.endswith("planes")
        if (planes and channels == 1) or (order == ">" and layout not in ("strip", "tiled-planes")):
            continue
        if compression == "predictor" and np.issubdtype(dtype, np.floating):
            continue
        values, meant = samples((17, 23, channels), dtype)
        options = LAYOUTS[layout] | COMPRESSIONS[compression]
        stored = np.moveaxis(values, 2, 0) if planes else values
        stored = stored[..., 0] if channels == 1 else stored
        content = tiff(np.ascontiguousarray(stored), photometric=kind, byteorder=order, **options)
        yield Case(f"{kind}-{depth}-{layout}-{compression}-{order}", content, rgb(kind, meant), within=2e-4)
    for order in "<>":
        values, meant = samples((17, 23, 3), np.uint16)
        content = tiff(values, photometric="rgb", bigtiff=True, byteorder=order)
        yield Case(f"big{order}", content, meant)
        for dtype, channels in itertools.product((np.float16, np.float32, np.float64), (1, 3)):
            values, meant = samples((17, 23, channels), dtype)
            content = raw_tiff.float_predicted(values, 2 if channels == 3 else 1, order)
            meant = np.broadcast_to(meant, (17, 23, 3))
            yield Case(f"{np.dtype(dtype)}-{channels}-predictor-{order}", content, meant, within=2e-4)


def with_alpha():
    for channels, (depth, dtype), layout in itertools.product((1, 3), depths(), LAYOUTS):
        values, meant = samples((17, 23, channels + 1), dtype)
        planes = layout.endswith("planes")
        kind = "rgb" if channels == 3 else "minisblack"
        for alpha in ("unassalpha", "assocalpha"):
            stored, wanted = values, meant
            if alpha == "assocalpha":
                stored = values.copy()
                share = values[..., -1:] / (1.0 if dtype().dtype.kind == "f" else np.iinfo(dtype).max)
                stored[..., :-1] = (values[..., :-1] * share).astype(dtype)
                wanted = to_255(stored)
                with np.errstate(all="ignore"):
                    colors = np.nan_to_num(wanted[..., :-1] * 255 / wanted[..., -1:])
                wanted = np.concatenate([np.minimum(colors, 255), wanted[..., -1:]], axis=2)
            stored = np.ascontiguousarray(np.moveaxis(stored, 2, 0)) if planes else stored
            options = {"extrasamples": [alpha], "planarconfig": "contig"} | LAYOUTS[layout]
            content = tiff(stored, photometric=kind, **options)
            colors = np.broadcast_to(wanted[..., :-1], (17, 23, 3))
            name = f"{kind}-{alpha}-{depth}-{layout}"
            yield Case(name, content, colors, wanted[..., -1], within=2e-3)


def with_more_than_is_used():
    values, meant = samples((17, 23, 5), np.uint8)
    content = tiff(values, photometric="rgb", extrasamples=["unspecified"] * 2)
    yield Case("extra-rgb", content, meant[..., :3], warning="5 channels")
    content = tiff(values, photometric="separated", extrasamples=["unassalpha"])
    yield Case("extra-cmyk", content, rgb("separated", meant[..., :4]), warning="5 channels")
    # Four channels without a word on the fourth are taken as with alpha.
    content = raw_tiff.plain(values[..., :4], 8, 2)
    yield Case("unnamed-alpha", content, meant[..., :3], meant[..., 3])
    pages = np.stack([values[..., :3], 255 - values[..., :3]])
    content = tiff(pages, photometric="rgb")
    yield Case("pages", content, meant[..., :3], warning="several pages")


def to_255(values):
    if values.dtype.kind == "f":
        return values.astype(np.float64) * 255
    return scaled(values, 8 * values.dtype.itemsize)


def written_by_pillow():
    colors, gray = speckle((17, 23, 3), 8).astype(np.uint8), speckle((17, 23, 1), 8).astype(np.uint8)
    modes = {
        "RGB": (colors, colors),
        "L": (gray[..., 0], gray.repeat(3, axis=2)),
    }
    compressions = ("tiff_lzw", "packbits", "tiff_adobe_deflate")
    for (mode, (stored, meant)), compression, predictor, fill in itertools.product(
        modes.items(), compressions, (1, 2), (1, 2)
    ):
        content = saved(stored, mode, compression=compression, tiffinfo={317: predictor, 278: 5, 266: fill})
        yield Case(f"pillow-{mode}-{compression}-{predictor}-{fill}", content, meant)
    bits = speckle((17, 23, 1), 1).astype(bool)
    for compression, fill in itertools.product(("group3", "group4", "packbits", "tiff_lzw"), (1, 2)):
        content = saved(bits[..., 0], "1", compression=compression, tiffinfo={266: fill})
        yield Case(f"pillow-1-{compression}-{fill}", content, bits.repeat(3, axis=2) * 255.0)
    content = saved(bits[..., 0], "1", compression="group3", tiffinfo={292: 1})
    yield Refused("group3-two-dimensional", content, "two-dimensional")
    content = saved(bits[..., 0], "1", compression="group3", tiffinfo={292: 4})
    yield Case("pillow-1-group3-aligned", content, bits.repeat(3, axis=2) * 255.0)
    soft = Image.fromarray(smooth(40, 56))
    for mode, fill in itertools.product(("RGB", "L", "YCbCr", "CMYK"), (1, 2)):
        image = soft.convert(mode)
        content = saved(np.array(image), mode, compression="jpeg", quality=95, tiffinfo={266: fill})
        yield Case(f"pillow-{mode}-jpeg-{fill}", content, np.array(image.convert("RGB")), within=12)
    for subsampling, ratio in enumerate([(1, 1), (2, 1), (2, 2)]):
        jpeg = io.BytesIO()
        soft.save(jpeg, "JPEG", quality=95, subsampling=subsampling)
        tags = {259: ("H", [7]), 530: ("H", ratio)}
        content = raw_tiff.plain(np.array(soft), 8, 6, tags=tags, chunk=jpeg.getvalue())
        yield Case(f"jpeg-subsampled-{subsampling}", content, np.array(soft), within=12)
    ycbcr = Image.fromarray(colors, "YCbCr")
    content = saved(colors, "YCbCr")
    yield Case("pillow-YCbCr", content, np.array(ycbcr.convert("RGB")), within=1.5)


def saved(stored, mode, **options):
    file = io.BytesIO()
    image = Image.fromarray(stored).convert(mode) if mode == "1" else Image.fromarray(stored, mode)
    image.save(file, "TIFF", **options)
    return file.getvalue()


def of_any_bits():
    for bits, channels, reverse in itertools.product((*range(1, 17), 32), (1, 3), (False, True)):
        values = speckle((5, 7, channels), bits)
        meant = np.broadcast_to(scaled(values, bits), (5, 7, 3))
        content = raw_tiff.plain(values, bits, 2 if channels == 3 else 1, reverse=reverse)
        name = f"{bits}-bits-{channels}" + ("-reversed" if reverse else "")
        yield Case(name, content, meant, within=1e-4)


def palettes():
    for bits, order in itertools.product((1, 2, 4, 8), "<>"):
        values = speckle((5, 7, 1), bits)
        colors = speckle((2**bits, 3), 8)
        for depth, factor in (("8", 1), ("16", 257), ("high", 256)):
            # A palette of small numbers is taken as 8 bits; this one is not, by one white.
            colors[0] = 255
            map_tag = {320: ("H", (colors * factor).T.ravel().tolist())}
            content = raw_tiff.plain(values, bits, 3, order, tags=map_tag)
            yield Case(f"palette-{bits}-{depth}-{order}", content, colors[values[..., 0]])


def refused():
    flat = np.full((8, 8, 3), 100)
    yield Refused("signed", tiff(flat.astype(np.int16), photometric="rgb"), "signed integers of 16 bits")
    yield Refused("dark-integers", tiff(flat.astype(np.uint32), photometric="rgb"), "go up to 100")
    yield Refused("large-floats", tiff(flat.astype(np.float32), photometric="rgb"), "floats from 0 to 100")
    yield Refused("nan", tiff(np.full((8, 8, 3), np.nan, np.float32), photometric="rgb"), "not numbers")
    subsampled = raw_tiff.plain(flat, 8, 6, tags={530: ("H", [2, 2])})
    yield Refused("subsampled", subsampled, "subsampled colour differences")
    lab = raw_tiff.plain(flat, 8, 8)
    yield Refused("lab", lab, "L*a*b*")
    raw = raw_tiff.plain(flat[..., :1], 16, 32803)
    yield Refused("cfa", raw, "raw values")
    yield Refused("preview", raw_tiff.plain(flat, 8, 2, tags={254: ("I", [1])}), "preview")
    yield Refused("dng", raw_tiff.plain(flat, 8, 2, tags={50706: ("B", [1, 4, 0, 0])}), "DNG")
    for number, name in {
        2: "CCITT",
        6: "JPEG of the old kind",
        50000: "Zstandard",
        34925: "LZMA",
        34712: "JPEG 2000",
    }.items():
        yield Refused(f"compression-{number}", raw_tiff.plain(flat, 8, 2, tags={259: ("H", [number])}), name)
    inks = raw_tiff.plain(np.full((8, 8, 4), 9), 8, 5, tags={332: ("H", [2])})
    yield Refused("inks", inks, "inks other than")
    mixed = raw_tiff.plain(flat, 8, 2, tags={258: ("H", [5, 6, 5])})
    yield Refused("mixed", mixed, "different depth")
