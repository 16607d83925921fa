"""PNG, JPEG, JPEG XL, WebP, BMP and GIF: kinds of colour, depths, alpha, layouts."""

import io
import itertools
import struct
import tempfile

import numpy as np
import pillow_jxl  # noqa: F401 (lets Pillow write JPEG XL)
from PIL import Image
from raw_png import png
from shared import Case, Refused, scaled, smooth, speckle, upright


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def gray(values):
    return np.broadcast_to(values, (*values.shape[:2], 3))


def pngs():
    """Every kind of colour, depth and transparency of the standard, in rows and interlaced."""
    for interlaced in (False, True):
        way = "interlaced" if interlaced else "rows"
        for bits in (1, 2, 4, 8, 16):
            values = speckle((9, 13, 1), bits)
            shown = gray(scaled(values, bits))
            yield Case(f"gray-{bits}-{way}", png(values, bits, 0, interlaced=interlaced), shown)
            clear = values[4, 5, 0]
            key = [(b"tRNS", struct.pack(">H", clear))]
            alpha = np.where(values[..., 0] == clear, 0, 255)
            yield Case(f"gray-{bits}-key-{way}", png(values, bits, 0, key, interlaced), shown, alpha)
        for bits in (1, 2, 4, 8):
            values = speckle((9, 13, 1), bits)
            colors, alphas = speckle((2**bits, 3), 8), speckle((2**bits,), 8)
            palette = [(b"PLTE", colors.astype(np.uint8).tobytes())]
            shown = colors[values[..., 0]]
            yield Case(f"palette-{bits}-{way}", png(values, bits, 3, palette, interlaced), shown)
            palette.append((b"tRNS", alphas.astype(np.uint8).tobytes()))
            alpha = alphas[values[..., 0]]
            yield Case(f"palette-{bits}-alpha-{way}", png(values, bits, 3, palette, interlaced), shown, alpha)
        for bits in (8, 16):
            values = speckle((9, 13, 3), bits)
            shown = scaled(values, bits)
            yield Case(f"rgb-{bits}-{way}", png(values, bits, 2, interlaced=interlaced), shown)
            key = [(b"tRNS", struct.pack(">3H", *values[4, 5]))]
            alpha = np.where((values == values[4, 5]).all(axis=2), 0, 255)
            yield Case(f"rgb-{bits}-key-{way}", png(values, bits, 2, key, interlaced), shown, alpha)
            values = speckle((9, 13, 4), bits)
            meant = scaled(values, bits)
            content = png(values, bits, 6, interlaced=interlaced)
            yield Case(f"rgba-{bits}-{way}", content, meant[..., :3], meant[..., 3])
            values = speckle((9, 13, 2), bits)
            meant = scaled(values, bits)
            content = png(values, bits, 4, interlaced=interlaced)
            yield Case(f"gray-alpha-{bits}-{way}", content, gray(meant[..., :1]), meant[..., 1])
    for mode in ("1", "L", "P", "LA", "RGB", "RGBA"):
        image = Image.fromarray(speckle((9, 13, 4), 8).astype(np.uint8), "RGBA").convert(mode)
        shown = np.array(image.convert("RGBA"))
        yield Case(f"pillow-{mode}", saved(image, "PNG"), shown[..., :3], shown[..., 3])


def jpegs():
    picture = Image.fromarray(smooth(37, 51))
    for mode, subsampling, progressive in itertools.product(("RGB", "L", "CMYK"), (0, 1, 2), (False, True)):
        image = picture.convert(mode)
        options = {"quality": 95, "subsampling": subsampling, "progressive": progressive}
        name = f"{mode}-{subsampling}" + ("-progressive" if progressive else "")
        shown = np.array(image.convert("RGB"))
        yield Case(name, saved(image, "JPEG", **options), shown, within=10)


def jxls():
    """Lossless of each depth, bare and in a container; lossy; of a JPEG file's coefficients; cut; turned."""
    rgba = Image.fromarray(speckle((9, 13, 4), 8).astype(np.uint8), "RGBA")
    for mode, container in itertools.product(("L", "LA", "RGB", "RGBA"), (False, True)):
        image = rgba.convert(mode)
        content = saved(image, "JXL", lossless=True, use_container=container)
        shown = np.array(image.convert("RGBA"))
        name = f"{mode}-container" if container else mode
        yield Case(name, content, shown[..., :3], shown[..., 3])
        yield Refused(f"cut-{name}", content[: len(content) * 2 // 3], "it ends early")
    values = speckle((9, 13, 1), 16)
    # The encoder writes these as linear light.
    shown = gray(255 * srgb(values / 65535))
    for name, type in {"16": np.uint16, "float": np.float32}.items():
        largest = 65535 if type == np.uint16 else 1
        deep = Image.fromarray((values[..., 0] / 65535 * largest).round(9).astype(type))
        yield Case(name, saved(deep, "JXL", lossless=True), shown, within=0.1)
    soft = smooth(37, 51)
    for quality in (80, 95):
        content = saved(Image.fromarray(soft), "JXL", quality=quality)
        # What the format's own decoder makes of it.
        shown = np.array(Image.open(io.BytesIO(content)))
        yield Case(f"lossy-{quality}", content, shown, within=1.5)
    with tempfile.NamedTemporaryFile(suffix=".jpg") as jpeg:
        Image.fromarray(soft).save(jpeg.name, quality=95)
        packed = saved(Image.open(jpeg.name), "JXL", lossless_jpeg=True)
    yield Case("from-jpeg", packed, soft, within=10)
    soft = smooth(11, 17)
    for orientation in range(1, 9):
        content = turned(saved(Image.fromarray(soft), "JXL", lossless=True), orientation)
        yield Case(f"turned-{orientation}", content, upright(soft, orientation))


def srgb(light):
    """IEC 61966-2-1."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def turned(codestream, orientation):
    """The same with an orientation, of a picture whose header has no extra fields: lossless RGB in 8 bits."""
    # The signature, the size in the long form, two flags; and what comes then. Bits count from the lowest.
    start, rest = 16 + 26 + 2, 11
    bits = np.unpackbits(np.frombuffer(codestream, np.uint8), bitorder="little")
    header, frames = bits[: start + rest], codestream[(start + rest + 7) // 8 :]
    value = [(orientation - 1) >> i & 1 for i in range(3)]
    # Extra fields: no intrinsic size, preview or animation, and default tone mapping at the end.
    before, after = header[: start - 1], header[start:]
    filled = np.concatenate([before, [1], value, [0, 0, 0], after[:-3], [1], after[-3:]])
    return np.packbits(filled.astype(np.uint8), bitorder="little").tobytes() + frames


def webps():
    rgb = Image.fromarray(speckle((9, 13, 3), 8).astype(np.uint8))
    rgba = Image.fromarray(speckle((9, 13, 4), 8).astype(np.uint8), "RGBA")
    yield Case("rgb", saved(rgb, "WEBP", lossless=True), np.array(rgb))
    shown = np.array(rgba)
    yield Case("rgba", saved(rgba, "WEBP", lossless=True, exact=True), shown[..., :3], shown[..., 3])
    soft = Image.fromarray(smooth(37, 51))
    yield Case("lossy", saved(soft, "WEBP", quality=95), np.array(soft), within=16)
    alpha = np.linspace(40, 255, 51).round().astype(np.uint8)[None].repeat(37, axis=0)
    soft.putalpha(Image.fromarray(alpha))
    yield Case("lossy-alpha", saved(soft, "WEBP", quality=95), np.array(soft)[..., :3], alpha, within=16)


def bmps():
    for mode in ("1", "L", "P", "RGB"):
        image = Image.fromarray(speckle((9, 13, 3), 8).astype(np.uint8)).convert(mode)
        yield Case(f"pillow-{mode}", saved(image, "BMP"), np.array(image.convert("RGB")))
    values = speckle((5, 7, 3), 5)
    for name, masks in {"555": (10, 5, 0, 5), "565": (11, 5, 0, 6)}.items():
        red, green, blue, green_bits = masks
        greens = speckle((5, 7), green_bits)
        words = values[..., 0] << red | greens << green | values[..., 2] << blue
        meant = np.dstack([scaled(values[..., 0], 5), scaled(greens, green_bits), scaled(values[..., 2], 5)])
        fields = struct.pack("<3I", 31 << red, (2**green_bits - 1) << green, 31)
        yield Case(f"{name}-fields", bmp(words.astype("<u2"), 16, 3, after=fields), meant, within=0.51)
        if name == "555":
            yield Case("555", bmp(words.astype("<u2"), 16, 0), meant, within=0.51)
    rgba = speckle((5, 7, 4), 8)
    words = (rgba.astype(np.uint32) << np.array([16, 8, 0, 24], np.uint32)).sum(axis=2)
    masks = struct.pack("<4I", 255 << 16, 255 << 8, 255, 255 << 24)
    header = masks + b"BGRs" + bytes(48)
    yield Case("alpha-mask", bmp(words.astype("<u4"), 32, 3, header=header), rgba[..., :3], rgba[..., 3])
    words &= 0xFFFFFF
    yield Case("alpha-all-0", bmp(words.astype("<u4"), 32, 3, header=header), rgba[..., :3])
    # Without a mask for alpha the fourth byte means nothing.
    yield Case("32", bmp(words.astype("<u4"), 32, 0), rgba[..., :3])
    yield Case("top-down", bmp(words.astype("<u4"), 32, 0, top_down=True), rgba[..., :3])
    yield from palettes()


def palettes():
    for bits in (1, 4, 8):
        colors = speckle((2**bits, 3), 8)
        palette = np.dstack([colors[..., ::-1].reshape(1, -1, 3), np.zeros((1, 2**bits, 1))])
        values = speckle((5, 7), bits)
        after = palette.astype(np.uint8).tobytes()
        packed = np.pad(values, [(0, 0), (0, 1)]).astype(np.uint8)
        planes = (packed[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        rows = np.packbits(planes.reshape(5, -1), axis=1)
        yield Case(f"palette-{bits}", bmp(rows, bits, 0, after=after, width=7), colors[values])
        short = palette[..., :3].astype(np.uint8).tobytes()
        yield Case(f"os2-{bits}", os2(rows, bits, short, 7), colors[values])
        if bits > 1:
            runs = run_lengths(values, bits)
            content = bmp(runs, bits, 1 if bits == 8 else 2, after=after, width=7, height=5)
            yield Case(f"runs-{bits}", content, colors[values])


def run_lengths(values, bits):
    """Runs of one or two pixels, the bottom row first; a row ends with 0 0, the picture with 0 1."""
    stored = bytearray()
    for row in values[::-1]:
        for value in row:
            stored += bytes([1, value if bits == 8 else value << 4])
        stored += b"\0\0"
    return bytes(stored) + b"\0\1"


def bmp(rows, bits, compression, after=b"", header=b"", top_down=False, width=None, height=None):
    """A header of 40 bytes and more; rows from the bottom, each filled up to four bytes."""
    if isinstance(rows, np.ndarray):
        width, height = width or rows.shape[1], rows.shape[0]
        lines = [row.tobytes() for row in (rows if top_down else rows[::-1])]
        pixels = b"".join(line + bytes(-len(line) % 4) for line in lines)
    else:
        pixels = rows
    size = 40 + len(header)
    start = struct.pack(
        "<IiiHHIIiiII",
        size,
        width,
        -height if top_down else height,
        1,
        bits,
        compression,
        len(pixels),
        0,
        0,
        0,
        0,
    )
    head = start + header + after
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(pixels), 0, 0, 14 + len(head)) + head + pixels


def os2(rows, bits, palette, width):
    lines = [row.tobytes() for row in rows[::-1]]
    pixels = b"".join(line + bytes(-len(line) % 4) for line in lines)
    head = struct.pack("<IHHHH", 12, width, rows.shape[0], 1, bits) + palette
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(pixels), 0, 0, 14 + len(head)) + head + pixels


def gifs():
    for colors in (2, 4, 16, 256):
        values = speckle((9, 13), colors.bit_length() - 1)
        palette = speckle((colors, 3), 8)
        image = Image.fromarray(values.astype(np.uint8), "P")
        image.putpalette(palette.astype(np.uint8).tobytes())
        for interlace in (0, 1):
            content = saved(image, "GIF", interlace=interlace)
            yield Case(f"{colors}-{interlace}", content, palette[values])
        content = saved(image, "GIF", transparency=int(values[4, 5]))
        yield Case(f"{colors}-clear", content, palette[values], np.where(values == values[4, 5], 0, 255))
    yield from offset_frames()


def offset_frames():
    """A frame smaller than the picture lies where it says; the rest is transparent, as viewers show it."""
    palette = speckle((4, 3), 8)
    values = speckle((4, 5), 2)
    for left, top in ((0, 0), (3, 2), (0, 3), (2, 0)):
        content = b"GIF89a" + struct.pack("<HHBBB", 9, 8, 0x91, 0, 0) + palette.astype(np.uint8).tobytes()
        content += b"," + struct.pack("<HHHHB", left, top, 5, 4, 0) + b"\2" + codes(values) + b";"
        shown, alpha = np.zeros((8, 9, 3)), np.zeros((8, 9))
        shown[top : top + 4, left : left + 5] = palette[values]
        alpha[top : top + 4, left : left + 5] = 255
        yield Case(f"offset-{left}-{top}", content, shown, alpha)


def codes(values):
    """LZW without compression: a code of three bits a pixel, a reset before the codes would grow."""
    bits = "".join(f"{code:03b}"[::-1] for pixel in values.ravel() for code in (4, pixel)) + "101"
    data = bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))
    return bytes([len(data)]) + data + b"\0"


FORMATS = {"png": pngs, "jpeg": jpegs, "jxl": jxls, "webp": webps, "bmp": bmps, "gif": gifs}
