"""Points inside a cell of several hyperparameters, by geodesics between the draws of its corners.

In a box geodesics are nested: q0 = S(y00, y10)(s1), q1 = S(y01, y11)(s1), q = S(q0, q1)(s2). On a simplex they are
taken in turn, by barycentric weights. With straight paths these are the multilinear and the barycentric interpolation,
and the order does not matter; on curved ones it does.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING

from pipeline.transport import ops

if TYPE_CHECKING:
    from torch import Tensor

Between = Callable[["Tensor", "Tensor", "Tensor"], "Tensor"]
"""Points (B, D) between starts and ends (B, D) at positions (B, 1)."""

SMALLEST_TOTAL = 1e-12
"""Barycentric weights sum to 1: corners whose weights sum to less have none."""


def in_box(
    corners: "Sequence[Tensor]", shares: "Sequence[Tensor]", order: Sequence[int], between: Sequence[Between]
) -> "Tensor":
    """The points (B, D) of a box of 2^P corners (B, D), in binary order, at shares (B, 1), one a coordinate.

    The coordinates are reduced one after the other, in `order`, each by its own `between`.
    """
    points = dict(zip(product((0, 1), repeat=len(shares)), corners, strict=True))
    for p in order:
        points = {
            bits: between[p](start, points[(*bits[:p], 1, *bits[p + 1 :])], shares[p])
            for bits, start in points.items()
            if not bits[p]
        }
    return next(iter(points.values()))


def on_line(start: "Tensor", end: "Tensor", share: "Tensor") -> "Tensor":
    """Points (B, D) on the straight lines from starts to ends (B, D), at shares (B, 1)."""
    return ops.lerp(start, end, share)


def in_simplex(corners: "Sequence[Tensor]", weights: "Tensor", between: Between) -> "Tensor":
    """The points (B, D) of a simplex of P + 1 corners (B, D) at barycentric weights (B, P + 1)."""
    point, total = corners[0], weights[:, :1]
    for j, corner in enumerate(corners[1:], 1):
        weight = weights[:, j : j + 1]
        total = total + weight
        point = between(point, corner, weight / total.clip(SMALLEST_TOTAL))
    return point
