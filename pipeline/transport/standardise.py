"""Standardisation: the surrogate works on outputs and conditions of order one, whatever their units."""

import warnings
from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.data.harvest import Harvest
from pipeline.data.schema import Schema
from pipeline.errors import DataError
from pipeline.transport.networks import Condition, ConditionShape

ANISOTROPY = 10.0
OUTLYING = 2.0
MARGIN = 0.5
"""How far outside the harvest's range, in standard deviations, conditions are followed."""


class Standardiser(nn.Module):
    """Maps outputs and conditions to the surrogate's own units and back.

    Outputs of one unit share one scale, because distances between their columns mean something (a circle stays a
    circle); columns of different units, or whose spreads differ by more than ten times, have a scale each. Continuous
    conditions have a scale each, constant ones keep scale 1. Categorical codes become indices.
    """

    output_mean: Tensor
    output_scale: Tensor
    lower: Tensor
    upper: Tensor
    condition_mean: Tensor
    condition_scale: Tensor
    condition_lower: Tensor
    condition_upper: Tensor

    def __init__(self, schema: Schema, codes: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.schema = schema
        self.categorical = [i for i, c in enumerate(schema.conditions) if c.kind == "categorical"]
        self.continuous = [i for i, c in enumerate(schema.conditions) if c.kind == "continuous"]
        self.codes = [list(column) for column in codes]
        self.register_buffer("output_mean", torch.zeros(len(schema.outputs), dtype=torch.float64))
        self.register_buffer("output_scale", torch.ones(len(schema.outputs), dtype=torch.float64))
        self.register_buffer("condition_mean", torch.zeros(len(self.continuous), dtype=torch.float64))
        self.register_buffer("condition_scale", torch.ones(len(self.continuous), dtype=torch.float64))
        self.register_buffer("condition_lower", torch.full((len(self.continuous),), -torch.inf))
        self.register_buffer("condition_upper", torch.full((len(self.continuous),), torch.inf))
        self.register_buffer("lower", _bounds([c.lower for c in schema.outputs], -np.inf), persistent=False)
        self.register_buffer("upper", _bounds([c.upper for c in schema.outputs], np.inf), persistent=False)

    @classmethod
    def of(cls, harvest: Harvest) -> Self:
        """Means and scales of a harvest, over all its anchors."""
        conditions = np.concatenate([np.asarray(x, np.float64) for x in harvest.conditions])
        outputs = np.concatenate([np.asarray(y, np.float64) for y in harvest.outputs])
        categorical = [i for i, flag in enumerate(harvest.categorical) if flag]
        scaling = cls(harvest.schema, [np.unique(conditions[:, i]).tolist() for i in categorical])
        scaling.output_mean.copy_(torch.from_numpy(outputs.mean(0)))
        rounding = _rounding(harvest.outputs)
        scaling.output_scale.copy_(torch.from_numpy(_output_scale(outputs, harvest.schema, rounding)))
        values = conditions[:, scaling.continuous]
        scaling.condition_mean.copy_(torch.from_numpy(values.mean(0)))
        rounding, magnitude = _rounding(harvest.conditions), np.abs(values).max(0, initial=0.0)
        scaling.condition_scale.copy_(torch.from_numpy(_positive(values.std(0), magnitude, rounding)))
        encoded = (torch.from_numpy(values) - scaling.condition_mean) / scaling.condition_scale
        if len(scaling.continuous):
            scaling.condition_lower.copy_(encoded.amin(0) - MARGIN)
            scaling.condition_upper.copy_(encoded.amax(0) + MARGIN)
        return scaling

    @property
    def shape(self) -> ConditionShape:
        """What conditions look like to the networks."""
        return ConditionShape(len(self.continuous), tuple(len(c) for c in self.codes))

    def condition(self, conditions: Tensor) -> Condition:
        """Encode conditions (N, C); DataError for a code that the harvest does not hold.

        Continuous columns beyond the harvest's range by more than MARGIN standard deviations are taken as that far, and
        a UserWarning says so: nothing was learnt out there.
        """
        values = (conditions[:, _columns(self.continuous)].double() - self.condition_mean) / self.condition_scale
        nearer = values.clamp(self.condition_lower, self.condition_upper)
        if bool((far := values != nearer).any()):
            flags = far.any(0).tolist()
            names = [self.schema.conditions[i].name for i, flag in zip(self.continuous, flags, strict=True) if flag]
            warnings.warn(
                f"conditions: columns {names} lie more than {MARGIN:g} standard deviations outside the harvest's range "
                "in some rows; they are taken as that far outside",
                UserWarning,
                stacklevel=2,
            )
        return Condition(nearer.float(), self.categories(conditions))

    def categories(self, conditions: Tensor) -> Tensor:
        """Indices (N, categorical columns) of the codes in conditions (N, C); DataError as `condition`."""
        indices = []
        for i, known in zip(self.categorical, self.codes, strict=True):
            table = torch.tensor(known, dtype=torch.float64, device=conditions.device)
            column = conditions[:, i].double()
            index = torch.searchsorted(table, column.contiguous()).clamp_max(len(known) - 1)
            if bool((wrong := table[index] != column).any()):
                name = self.schema.conditions[i].name
                raise DataError(
                    f"conditions: column {name!r} holds the code {column[wrong][0].item():g}, "
                    f"which no anchor's sample has; known codes are {known}"
                )
            indices.append(index)
        codes = torch.stack(indices, -1) if indices else torch.zeros(len(conditions), 0, dtype=torch.long)
        return codes.to(conditions.device)

    def standardise(self, outputs: Tensor) -> Tensor:
        """Outputs (…, D) in their own units → standardised, float32; centred in float64 before they are rounded."""
        return ((outputs.double() - self.output_mean) / self.output_scale).float()

    def restore(self, outputs: Tensor) -> Tensor:
        """Standardised outputs (…, D) → their own units, within their bounds; float64."""
        return (outputs * self.output_scale + self.output_mean).clamp(self.lower, self.upper)


def _columns(indices: list[int]) -> list[int] | slice:
    """Neighbouring columns as a slice, which copies nothing."""
    together = bool(indices) and indices == list(range(indices[0], indices[0] + len(indices)))
    return slice(indices[0], indices[-1] + 1) if together else indices


def _rounding(arrays: Sequence[NDArray[np.floating]]) -> float:
    """The share of a number's magnitude below which it does not vary: ten roundings of the arrays' coarsest type."""
    return max(10 * float(np.finfo(array.dtype).eps) for array in arrays) + 1e-12


def _positive(scale: NDArray[np.float64], magnitude: NDArray[np.float64], rounding: float) -> NDArray[np.float64]:
    """The scale, but 1 where a column does not vary."""
    return np.where(_varies(scale, magnitude, rounding), scale, 1.0)


def _varies(scale: NDArray[np.float64], magnitude: NDArray[np.float64], rounding: float) -> NDArray[np.bool_]:
    """Whether columns vary beyond rounding."""
    return scale > rounding * np.maximum(magnitude, 1e-30)


def _bounds(bounds: list[float | None], none: float) -> Tensor:
    """Bounds in float32, never outside what they are in float64."""
    exact = np.array([none if bound is None else bound for bound in bounds], np.float64)
    rounded = exact.astype(np.float32)
    outside = rounded > exact if none > 0 else rounded < exact
    return torch.from_numpy(np.where(outside, np.nextafter(rounded, np.float32(-none)), rounded))


def _output_scale(outputs: NDArray[np.float64], schema: Schema, rounding: float) -> NDArray[np.float64]:
    magnitude = np.abs(outputs).max(0)
    deviation = _deviation(outputs)
    spread, varies = _positive(deviation, magnitude, rounding), _varies(deviation, magnitude, rounding)
    one_unit = len({c.units for c in schema.outputs}) == 1
    alike = not varies.any() or spread[varies].max() <= ANISOTROPY * spread[varies].min()
    if one_unit and alike:
        pooled = np.sqrt(np.mean(spread[varies] ** 2)) if varies.any() else 1.0
        return np.full_like(spread, pooled)
    return spread


def _deviation(outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviations of columns, but no more than OUTLYING times what their central 90 % would have.

    Of a few wild values it would be the scale of these, and all others would be the same to float32 and to kernels.
    """
    deviation = outputs.std(0)
    low, high = np.quantile(outputs, [0.05, 0.95], axis=0)
    bulk = OUTLYING * (high - low) / 3.29
    return np.asarray(np.where(bulk > 0, np.minimum(deviation, bulk), deviation))
