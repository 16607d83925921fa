"""Style losses: what the moments of a layer are worth. A new one is a file here and a name below."""

from __future__ import annotations

from . import gram, moments, wasserstein
from .loss import StyleLoss

LOSSES: dict[str, StyleLoss] = {loss.name: loss for loss in (gram.LOSS, moments.LOSS, wasserstein.LOSS)}
"""By name, the usual one first."""
