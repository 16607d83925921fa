"""Writes pictures of every kind that is read, and what they show, into a folder for the test that reads them.

Encoders are Pillow, tifffile, and the few lines of `raw_*.py` for what these do not write. `cases.json` has
an entry a file: its name, the size, how far colours may be off; or what the refusal says. NAME.f32 has the
colours and alpha.
"""

import json
import sys
from pathlib import Path

import numpy as np
import others
import tiffs
import turned
from shared import Case

FORMATS = {"tiff": tiffs.cases, "turned": turned.cases} | others.FORMATS


def main(folder):
    listing = []
    for format, cases in FORMATS.items():
        for case in cases():
            name = f"{format}-{case.name}".replace("<", "little").replace(">", "big")
            (folder / name).write_bytes(case.content)
            if not isinstance(case, Case):
                listing.append({"file": name, "reason": case.reason})
                continue
            height, width, _ = case.rgb.shape
            alpha = np.full((height, width), 255) if case.alpha is None else case.alpha
            np.dstack([case.rgb, alpha]).astype("<f4").tofile(folder / f"{name}.f32")
            entry = {"file": name, "size": [width, height], "within": case.within, "warning": case.warning}
            listing.append(entry)
    (folder / "cases.json").write_text(json.dumps(listing))


main(Path(sys.argv[1]))
