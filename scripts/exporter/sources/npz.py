"""numpy archives of named arrays."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from .layers import WeightsError


def read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path}: truncated, corrupt, or not an .npz file ({error})") from error
