"""Monotone cubics through all anchors, in λ itself: PCHIP between samples that are coupled from anchor to anchor.

What a practitioner with three or more networks does first: no clock, no geometry, a smooth curve through known points.
Fritsch and Carlson (SIAM J. Numer. Anal. 1980) and Fritsch and Butland (1984): see `pipeline.transport.pchip`, which
the curves come from. Between two anchors they depend on these and on the anchors next to them, and samples of these are
coupled one after the other, from λ's left anchor outwards; deterministic networks' rows by their conditions. Circular
outputs go the short way round from anchor to anchor.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.data.network import Policy
from pipeline.data.schema import Schema
from pipeline.data.values import value_of
from pipeline.evaluation.comparison import Sample
from pipeline.evaluation.methods.method import Method, PolicySituation, Situation
from pipeline.evaluation.places import Place, Stretch, linear_weights
from pipeline.transport.column_kinds import nearest_turn
from pipeline.transport.pchip import interpolate, window
from pipeline.transport.standardise import Standardiser

FEWEST = 3
"""Anchors below which the curve is the straight line."""


def _stretch(place: Place) -> Stretch | None:
    """The anchors that a curve depends on; None with several hyperparameters, and with fewer than FEWEST anchors."""
    mesh = place.mesh
    if len(mesh.axes) > 1 or len(mesh.vertices) < FEWEST:
        return None
    return Stretch(mesh, place.cell, tuple(window(place.cell, len(mesh.vertices))))


def _curve(
    stretch: Stretch, values: Sequence[NDArray[np.float64]], coordinates: Sequence[float], schema: Schema
) -> NDArray[np.float64]:
    """Points (N, D) at λ of curves through outputs (N, D) at the stretch's anchors, ascending; within bounds."""
    turned = [values[0]]
    for outputs in values[1:]:
        turned.append(nearest_turn(outputs, turned[-1], np.array(schema.periods)))
    knots = np.array([stretch.mesh.vertices[k][0] for k in stretch.beside])
    _, s = linear_weights(stretch, coordinates)
    points = interpolate(knots, turned, stretch.cell - stretch.beside[0], np.full((len(turned[0]), 1), s))
    return np.asarray(Standardiser(schema, ()).valid(torch.from_numpy(points)).numpy())


def _sample(at: Situation) -> Sample | None:
    stretch = _stretch(at.linear)
    if at.at_anchor or stretch is None:
        return None
    rows, samples = at.paired(stretch)
    points = rows.points(samples, at.comparison.period)
    curve = _curve(stretch, [points[k] for k in stretch.beside], at.coordinates, at.surrogate.schema)
    return rows.sample(samples, curve)


def _policy(at: PolicySituation) -> Policy | None:
    stretch = _stretch(at.linear)
    if stretch is None:
        return None
    networks = [at.networks[value_of(stretch.mesh.vertices[k])] for k in stretch.beside]

    def curve(conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.floating]:
        outputs = [np.asarray(n.outputs(conditions, draws, seed), np.float64) for n in networks]
        shape = outputs[0].shape
        flat = [y.reshape(-1, shape[-1]) for y in outputs]
        return _curve(stretch, flat, at.coordinates, at.surrogate.schema).reshape(shape)

    return curve


METHOD = Method(
    name="pchip",
    label="PCHIP through all anchors",
    role="baseline",
    colour="#8C6D31",
    marker="h",
    sample=_sample,
    policy=_policy,
)
