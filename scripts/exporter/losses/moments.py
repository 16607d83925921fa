"""Gram matrices, means and standard deviations of the channels:

mean((G - target)^2) / C^2 + 10 (mean((mu - target)^2) + mean((sigma - target)^2))

Source of the weights, 1e3 / C^2 and 1e4: Galerne et al., "Scaling Painting Style Transfer", 2024.
"""

from __future__ import annotations

from ..graph import Graph, Value
from ..moments import Moments
from .loss import StyleLoss, Targets, Term, column, diagonal, mean_square

SHARE = 10.0
"""The weight of means and deviations beside the Gram matrix's."""


def _targets(g: Graph, style: Moments) -> Targets:
    return {"gram": style.gram, "mean": style.mean, "deviation": _deviation(g, style)}


def _term(g: Graph, image: Moments, target: Targets) -> Term:
    channels = image.mean.shape[1]
    gram = mean_square(g, image.gram, target["gram"])
    mean = mean_square(g, column(g, image.mean), column(g, target["mean"]))
    deviation = mean_square(g, _deviation(g, image), target["deviation"])
    both = g.op("Mul", g.op("Add", mean, deviation), g.real(SHARE, "share"))
    return Term(g.op("Add", g.op("Mul", gram, g.real(1 / channels**2, "share")), both, name="value"))


def _deviation(g: Graph, moments: Moments) -> Value:
    """sigma, [regions, C, 1]; sigma^2 is diag(G) - mu^2, or 0 where rounding makes less of it."""
    mean = column(g, moments.mean)
    squared = g.op("Sub", diagonal(g, moments.gram), g.op("Mul", mean, mean), name="variance")
    return g.op("Sqrt", g.op("Relu", squared, name="variance"), name="deviation")


LOSS = StyleLoss(
    name="moments", targets=_targets, term=_term, unit=lambda layer, layers, channels: 1.0, style_weight=1e3
)
