"""Standardisation: a harvest's scales, so that the surrogate works on numbers of order one, whatever their units."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.data.harvest import Harvest
from pipeline.data.schema import Schema
from pipeline.transport.column_kinds import nearest_turn
from pipeline.transport.scaling import FITTED, MARGIN, Scaling, declared

ANISOTROPY = 10.0
TAIL = 4.0
ROUNDING = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 1e-12}
"""Relative to a column's size, spreads below this are rounding."""
UNFITTED = {"mean": 0.0, "scale": 1.0, "lower": -np.inf, "upper": np.inf}
"""Of a scaling that no harvest has fitted."""


class Standardiser(Scaling, nn.Module):
    """The scaling of a harvest, as a module.

    Outputs of one unit share one scale, because distances between their columns mean something (a circle stays a
    circle); columns of different units, or whose spreads differ by more than ten times, have a scale each. Continuous
    conditions have a scale each, constant ones keep scale 1. Categorical codes become indices.
    """

    def __init__(self, schema: Schema, codes: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.name_columns(schema, codes)
        outputs, continuous = len(schema.outputs), len(self.continuous)
        for name in FITTED:
            width = outputs if name.startswith("output") else continuous
            self.register_buffer(name, torch.full((width,), UNFITTED[name.partition("_")[2]], dtype=torch.float64))
        for name, values in declared(schema).items():
            self.register_buffer(name, torch.from_numpy(values), persistent=False)

    @classmethod
    def of(cls, harvest: Harvest) -> Self:
        """Means and scales of a harvest, over all its anchors."""
        conditions = np.concatenate([np.asarray(x, np.float64) for x in harvest.conditions])
        outputs = np.concatenate([np.asarray(y, np.float64) for y in harvest.outputs])
        rounding = [ROUNDING[max(a.dtype for a in arrays)] for arrays in (harvest.outputs, harvest.conditions)]
        categorical = [i for i, flag in enumerate(harvest.categorical) if flag]
        scaling = cls(harvest.schema, [np.unique(conditions[:, i]).tolist() for i in categorical])
        outputs = _untorn(outputs, scaling.period.numpy())
        scaling.output_mean.copy_(torch.from_numpy(outputs.mean(0)))
        scaling.output_scale.copy_(torch.from_numpy(_output_scale(outputs, rounding[0], harvest.schema)))
        values = conditions[:, scaling.continuous]
        scaling.condition_mean.copy_(torch.from_numpy(values.mean(0)))
        scaling.condition_scale.copy_(
            torch.from_numpy(_positive(values.std(0), rounding[1] * np.abs(values).max(0, initial=0.0)))
        )
        encoded = (torch.from_numpy(values) - scaling.condition_mean) / scaling.condition_scale
        if len(scaling.continuous):
            scaling.condition_lower.copy_(encoded.amin(0) - MARGIN)
            scaling.condition_upper.copy_(encoded.amax(0) + MARGIN)
        return scaling


def _deviation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard deviation of each column; for a heavy tail, that of values clipped to TAIL robust deviations."""
    plain = values.std(0)
    middle = np.median(values, axis=0)
    robust = np.subtract(*np.quantile(values, [0.75, 0.25], axis=0)) / 1.349
    inner = np.clip(values, middle - TAIL * robust, middle + TAIL * robust).std(0)
    return np.asarray(np.where((robust > 0) & (plain > 2 * inner), inner, plain))


def _positive(scale: NDArray[np.float64], rounding: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scale, but 1 where a column does not vary."""
    return np.asarray(np.where(_varies(scale, rounding), scale, 1.0))


def _varies(scale: NDArray[np.float64], rounding: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether columns vary beyond rounding."""
    return np.asarray(scale > np.maximum(rounding, 1e-36))


def _untorn(outputs: NDArray[np.float64], period: NDArray[np.float64]) -> NDArray[np.float64]:
    """Outputs (N, D), circular ones on the turn nearest to their mean direction."""
    result = outputs.copy()
    for column in np.flatnonzero(period):
        turn = 2 * np.pi / period[column]
        mean = np.angle(np.exp(1j * turn * outputs[:, column]).mean()) / turn
        result[:, column] = nearest_turn(outputs[:, column], np.array(mean), np.array(period[column]))
    return result


def _output_scale(outputs: NDArray[np.float64], rounding: float, schema: Schema) -> NDArray[np.float64]:
    deviation, noise = _deviation(outputs), rounding * np.abs(outputs).max(0)
    spread, varies = _positive(deviation, noise), _varies(deviation, noise)
    one_unit = len({c.units for c in schema.outputs}) == 1
    alike = not varies.any() or spread[varies].max() <= ANISOTROPY * spread[varies].min()
    if one_unit and alike:
        pooled = np.sqrt(np.mean(spread[varies] ** 2)) if varies.any() else 1.0
        return np.full_like(spread, pooled)
    if (simplex := list(schema.simplex)) and varies[simplex].any():
        spread[simplex] = np.sqrt(np.mean(spread[simplex][varies[simplex]] ** 2))
    return spread
