"""The squared 2-Wasserstein distance, over C, of Gaussians with the style's and the image's means and spread:

mean((mu - mu')^2) + (tr C' + tr C - 2 tr (R C R)^1/2) / C,  C = G - mu mu^T + eps I,  R = C'^1/2

with ' for the style, eps = 1e-6 tr C' / C. Source of the loss and its weights: K. Crowson's style-transfer-
pytorch.
"""

from __future__ import annotations

import math

from ..graph import Graph, Value
from ..moments import Moments
from .loss import StyleLoss, Targets, Term, column, diagonal, mean_square, total

EPSILON = 1e-6
STEPS = 10
SMALLEST = 1e-3
"""The smallest singular value, of a matrix whose norm is 1, that so many steps bring to 1."""
FLAT, ROUNDING = 1e-5, 1e-6
"""The share of tr G at which a variance is taken for rounding errors, and their size by tr G."""
TINY = 1e-12
"""What a matrix of zeros has for a norm."""


def _targets(g: Graph, style: Moments) -> Targets:
    spread = _covariance(g, style)
    trace = total(g, diagonal(g, spread))
    root, _ = _roots(g, _lifted(g, style, spread, trace))
    return {"mean": style.mean, "root": root, "trace": trace}


def _term(g: Graph, image: Moments, target: Targets) -> Term:
    """With M = R C R: D = (I - R M^-1/2 R) / C by the Gram matrix, 2 (mu - mu') / C - 2 D mu by the mean."""
    regions, channels = image.mean.shape
    root, mean = target["root"], column(g, image.mean)
    covariance = _lifted(g, image, _covariance(g, image), target["trace"])
    product = g.op("MatMul", g.op("MatMul", root, covariance), root, name="product")
    _, inverse = _roots(g, product)

    traces = g.op("Add", total(g, g.op("Mul", root, root)), total(g, diagonal(g, covariance)), name="traces")
    overlap = total(g, g.op("Mul", product, inverse, name="overlap"))
    bures = g.op("Sub", traces, g.op("Add", overlap, overlap), name="bures")
    bures = g.op("Mul", bures, g.real(1 / channels, "share"))
    apart = column(g, g.op("Sub", image.mean, target["mean"], name="apart"))
    value = g.op("Add", mean_square(g, mean, column(g, target["mean"])), bures, name="value")

    transport = g.op("MatMul", g.op("MatMul", root, inverse), root, name="transport")
    by_gram = g.op(
        "Mul", g.op("Sub", _identity(g, channels), transport), g.real(1 / channels, "share"), name="by_gram"
    )
    pulled = g.op("Sub", g.op("Mul", apart, g.real(1 / channels, "share")), g.op("MatMul", by_gram, mean))
    by_mean = g.op("Reshape", g.op("Add", pulled, pulled), g.ints(0, channels), name="by_mean")
    return Term(value, (by_gram, by_mean.with_shape((regions, channels))))


def _covariance(g: Graph, moments: Moments) -> Value:
    """[regions, C, C]"""
    mean = column(g, moments.mean)
    row = g.op("Transpose", mean, perm=[0, 2, 1], name="row")
    covariance = g.op("Sub", moments.gram, g.op("MatMul", mean, row), name="covariance")
    return covariance.with_shape(moments.gram.shape)


def _lifted(g: Graph, moments: Moments, covariance: Value, trace: Value) -> Value:
    """With eps on its diagonal, by the style's trace [regions, 1, 1].

    Where next to nothing is left of G when mu mu^T is taken off, in flat pictures, that is rounding errors,
    and some of their eigenvalues are below 0: there, and only there, the diagonal gets 1e-6 tr G more.
    """
    epsilon = g.op("Mul", trace, g.real(EPSILON / moments.mean.shape[1], "share"), name="epsilon")
    whole = total(g, diagonal(g, moments.gram))
    variance = g.op("Relu", total(g, diagonal(g, covariance)), name="variance")
    flat = g.op("Mul", whole, g.real(FLAT, "flat"), name="flat")
    noise = g.op("Mul", g.op("Mul", flat, whole), g.real(ROUNDING, "rounding"))
    noise = g.op("Div", noise, g.op("Add", g.op("Add", variance, flat), g.real(TINY, "tiny")), name="noise")
    lift = g.op("Mul", _identity(g, moments.mean.shape[1]), g.op("Add", epsilon, noise), name="lift")
    return g.op("Add", covariance, lift, name="lifted").with_shape(covariance.shape)


def _identity(g: Graph, side: int) -> Value:
    """[1, C, C], of constants: the numbers of rows of a 1 and C zeros, in rows of C."""
    ones = g.op("Expand", g.real([[1.0]], "one"), g.ints(side, 1), name="ones")
    rows = g.op("Pad", ones, g.ints(0, 0, 0, side), name="rows")
    flat = g.op("Slice", g.op("Reshape", rows, g.ints(-1)), g.ints(0), g.ints(side**2), name="flat")
    return g.op("Reshape", flat, g.ints(1, side, side), name="identity")


def _roots(g: Graph, matrix: Value) -> tuple[Value, Value]:
    """M^1/2 and M^-1/2 of symmetric, positive matrices by Newton-Schulz steps, each scaled by the smallest
    singular value that is left. More steps would make much of the rounding errors of eigenvalues that are 0.

    Source: J. Chen & E. Chow, "A Stable Scaling of Newton-Schulz for Improving the Sign Function Computation
    of a Hermitian Matrix", 2014, for Y -> M^1/2, Z -> M^-1/2 as in N. Higham, "Functions of Matrices",
    2008, equation 6.35.
    """
    squares = total(g, g.op("Mul", matrix, matrix))
    norm = g.op("Add", g.op("Sqrt", squares), g.real(TINY, "tiny"), name="norm")
    identity = _identity(g, matrix.shape[1])
    y, z, smallest = g.op("Div", matrix, norm, name="y"), None, SMALLEST
    for _ in range(STEPS):
        scale = math.sqrt(3 / (1 + smallest + smallest**2))
        product = g.op("MatMul", z, y, name="product") if z else y
        change = g.op("Mul", product, g.real(-(scale**3) / 2, "cube"))
        change = g.op("Add", change, g.op("Mul", identity, g.real(1.5 * scale, "scale")), name="change")
        y = g.op("MatMul", y, change, name="y")
        z = g.op("MatMul", change, z, name="z") if z else change
        smallest *= scale * (3 - scale**2 * smallest**2) / 2
    root = g.op("Sqrt", norm, name="root_of_norm")
    return (
        g.op("Mul", y, root, name="root").with_shape(matrix.shape),
        g.op("Div", z, root, name="inverse_root").with_shape(matrix.shape),
    )


def _unit(layer: int, layers: int, _: int) -> float:
    """Four times as much for a layer as for the next deeper one, 1 in all."""
    return 4 ** (layers - 1 - layer) / sum(4**i for i in range(layers))


LOSS = StyleLoss(
    name="wasserstein",
    targets=_targets,
    term=_term,
    unit=_unit,
    style_weight=1.0,
    content_weight=0.015,
)
