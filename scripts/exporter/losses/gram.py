"""Gram matrices: mean((G - target)^2).

Source: Gatys, Ecker & Bethge, CVPR 2016, with means in place of the paper's sums and the weights of its
authors' code.
"""

from __future__ import annotations

from ..graph import Graph
from ..moments import Moments
from .loss import StyleLoss, Targets, Term, mean_square


def _targets(_: Graph, style: Moments) -> Targets:
    return {"gram": style.gram}


def _term(g: Graph, image: Moments, target: Targets) -> Term:
    return Term(mean_square(g, image.gram, target["gram"]))


LOSS = StyleLoss(
    name="gram",
    targets=_targets,
    term=_term,
    unit=lambda layer, layers, channels: 1 / channels**2,
    style_weight=1e3,
)
