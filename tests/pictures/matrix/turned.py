"""EXIF's orientations and colour profiles, in each format that holds them."""

import io
import itertools

import numpy as np
import profiles
from PIL import Image
from raw_png import chunk, png
from shared import Case, smooth, upright

SAVED = {
    "png": {"format": "PNG"},
    "jpeg": {"format": "JPEG", "quality": 100, "subsampling": 0},
    "webp": {"format": "WEBP", "lossless": True},
    "tiff": {"format": "TIFF"},
}
WITHIN = {"png": 0, "jpeg": 3, "webp": 0, "tiff": 0}


def cases():
    picture = smooth(11, 17)
    for name, orientation in itertools.product(SAVED, range(1, 9)):
        content = saved(picture, name, orientation)
        yield Case(f"{name}-{orientation}", content, upright(picture, orientation), within=WITHIN[name])
    for orientation in range(1, 9):
        content = prefixed(saved(picture, "webp", orientation))
        yield Case(f"webp-prefixed-{orientation}", content, upright(picture, orientation))
        for place in ("before", "after", "prefixed"):
            content = png_with_exif(picture, orientation, place)
            yield Case(f"png-{place}-{orientation}", content, upright(picture, orientation))
    for name, orientation in itertools.product(SAVED, (0, 9, 65535)):
        yield Case(f"{name}-{orientation}", saved(picture, name, orientation), picture, within=WITHIN[name])
    for name, (profile, content) in itertools.product(SAVED, profiles.RGB_PROFILES.items()):
        file = saved(picture, name, 6, icc_profile=content)
        shown = upright(profiles.converted(picture, content), 6)
        yield Case(f"{name}-{profile}", file, shown, within=2 * WITHIN[name] + 1.5)
    gray = picture[..., :1]
    for name, (profile, content) in itertools.product(
        ("png", "jpeg", "tiff"), profiles.GRAY_PROFILES.items()
    ):
        file = saved(gray[..., 0], name, 1, icc_profile=content)
        yield Case(
            f"{name}-{profile}", file, profiles.converted(gray, content), within=2 * WITHIN[name] + 1.5
        )
    for name in SAVED:
        content = saved(picture, name, 1, icc_profile=profiles.SRGB)
        yield Case(f"{name}-srgb", content, picture, within=WITHIN[name] + 0.5)


def saved(picture, name, orientation, **more):
    file = io.BytesIO()
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(np.ascontiguousarray(picture)).save(file, exif=exif, **SAVED[name], **more)
    return file.getvalue()


def png_with_exif(picture, orientation, place):
    """EXIF before the pixels or, as the standard allows, after them; or with the mark that it has in JPEG."""
    exif = Image.Exif()
    exif[274] = orientation
    exif = exif.tobytes().removeprefix(b"Exif\0\0")
    exif = b"Exif\0\0" + exif if place == "prefixed" else exif
    plain = png(picture, 8, 2)
    at = plain.index(b"IEND" if place == "after" else b"IDAT") - 4
    return plain[:at] + chunk(b"eXIf", exif) + plain[at:]


def prefixed(webp):
    """The same with EXIF as JPEG has it, after a mark, as many programs write it."""
    before, after = webp.split(b"EXIF", 1)
    exif = b"Exif\0\0" + after[4 : 4 + int.from_bytes(after[:4], "little")]
    chunk = b"EXIF" + len(exif).to_bytes(4, "little") + exif + bytes(len(exif) % 2)
    body = before[8:] + chunk
    return b"RIFF" + len(body).to_bytes(4, "little") + body
