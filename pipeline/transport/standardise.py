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
from pipeline.transport import ops
from pipeline.transport.column_kinds import nearest_turn, to_simplex, wrapped
from pipeline.transport.networks import Condition, ConditionShape

ANISOTROPY = 10.0
TAIL = 4.0
ROUNDING = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 1e-12}
"""Relative to a column's size, spreads below this are rounding."""
MARGIN = 0.5
"""How far outside the harvest's range, in standard deviations, conditions are used as they are."""


class Standardiser(nn.Module):
    """Maps outputs and conditions to standardised units and back.

    Outputs of one unit share one scale, because distances between their columns mean something (a circle stays a
    circle); columns of different units, or whose spreads differ by more than ten times, have a scale each. Continuous
    conditions have a scale each, constant ones keep scale 1. Categorical codes become indices.
    """

    output_mean: Tensor
    output_scale: Tensor
    lower: Tensor
    upper: Tensor
    start: Tensor
    period: Tensor
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
        exact = torch.float64  # float32 cannot resolve a spread of 1 at offsets of 10⁸
        self.register_buffer("output_mean", torch.zeros(len(schema.outputs), dtype=exact))
        self.register_buffer("output_scale", torch.ones(len(schema.outputs), dtype=exact))
        self.register_buffer("condition_mean", torch.zeros(len(self.continuous), dtype=exact))
        self.register_buffer("condition_scale", torch.ones(len(self.continuous), dtype=exact))
        self.register_buffer("condition_lower", torch.full((len(self.continuous),), -torch.inf, dtype=exact))
        self.register_buffer("condition_upper", torch.full((len(self.continuous),), torch.inf, dtype=exact))
        self.register_buffer("lower", _bounds([c.lower for c in schema.outputs], -np.inf), persistent=False)
        self.register_buffer("upper", _bounds([c.upper for c in schema.outputs], np.inf), persistent=False)
        self.upper.copy_(_below(self.upper, [c.kind == "circular" for c in schema.outputs]))
        circular = [(c.lower or 0.0, c.period) for c in schema.outputs]
        self.register_buffer("start", torch.tensor([s for s, _ in circular], dtype=exact), persistent=False)
        self.register_buffer("period", torch.tensor([p for _, p in circular], dtype=exact), persistent=False)
        self.simplex = list(schema.simplex)
        self.circular = [i for i, c in enumerate(schema.outputs) if c.kind == "circular"]

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

    @property
    def shape(self) -> ConditionShape:
        """What conditions look like to the networks."""
        return ConditionShape(len(self.continuous), tuple(len(c) for c in self.codes))

    def condition(self, conditions: Tensor) -> Condition:
        """Encode conditions (N, C); DataError for a code that the harvest does not hold.

        Continuous columns beyond the harvest's range by more than MARGIN standard deviations are clipped to that
        distance, with a UserWarning: there are no samples out there.
        """
        values = (conditions[:, _columns(self.continuous)] - self.condition_mean) / self.condition_scale
        nearer = values.clip(self.condition_lower, self.condition_upper)
        if bool((far := values != nearer).any()):
            flags = far.any(0).tolist()
            names = [self.schema.conditions[i].name for i, flag in zip(self.continuous, flags, strict=True) if flag]
            warnings.warn(
                f"conditions: columns {names} lie more than {MARGIN:g} standard deviations outside the harvest's range "
                "in some rows; they are clipped to that distance",
                UserWarning,
                stacklevel=2,
            )
        return Condition(ops.single(nearer), self.categories(conditions))

    def distance(self, conditions: Tensor) -> Tensor:
        """How far conditions (N, C) lie outside the harvest's range, (N,): 0 inside; in standard deviations, Euclidean.

        A distance beyond float64 is its largest number.
        """
        values = (conditions[:, _columns(self.continuous)] - self.condition_mean) / self.condition_scale
        below = self.condition_lower + MARGIN - values
        outside = torch.maximum(below, values - (self.condition_upper - MARGIN)).clip(min=0.0)
        norm: Tensor = torch.linalg.vector_norm(outside, dim=1)
        return norm.clip(max=torch.finfo(torch.float64).max)

    def categories(self, conditions: Tensor) -> Tensor:
        """Indices (N, categorical columns) of the codes in conditions (N, C); DataError as `condition`."""
        indices = []
        for i, known in zip(self.categorical, self.codes, strict=True):
            column = ops.double(conditions[:, i])
            index = ops.position_in(known, column)
            if bool((wrong := ops.taken(known, index) != column).any()):
                name = self.schema.conditions[i].name
                raise DataError(
                    f"conditions: column {name!r} holds the code {column[wrong][0].item():g}, "
                    f"which no anchor's sample has; known codes are {known}"
                )
            indices.append(index)
        codes: Tensor = ops.stack(indices, -1) if indices else ops.no_codes(conditions)
        return codes

    def standardise(self, outputs: Tensor) -> Tensor:
        """Outputs (…, D) in their own units, float64 → standardised, float32."""
        return ops.single((ops.double(outputs) - self.output_mean) / self.output_scale)

    def restore(self, outputs: Tensor) -> Tensor:
        """Standardised outputs (…, D) → their own units, float64, valid."""
        return self.valid(ops.double(outputs) * self.output_scale + self.output_mean)

    def valid(self, outputs: Tensor) -> Tensor:
        """Outputs (…, D) in their own units: within bounds, angles in [lower, upper), probabilities summing to 1."""
        turned = wrapped(outputs, self.start, self.period) if self.circular else outputs
        values: Tensor = turned.clip(self.lower, self.upper)
        if self.simplex:
            values[..., self.simplex] = to_simplex(values[..., self.simplex])
        return values

    @property
    def standard_period(self) -> Tensor:
        """The periods (D,) in standardised units; 0 where an output does not wrap."""
        return self.period / self.output_scale

    def shorter(self, start: Tensor, end: Tensor) -> Tensor:
        """Standardised ends (…, D), circular ones on the turn nearest to their starts (…, D)."""
        if not self.circular:
            return end
        return ops.single(nearest_turn(ops.double(end), ops.double(start), self.standard_period))


def _columns(indices: list[int]) -> list[int] | slice:
    """Neighbouring columns as a slice, which copies nothing."""
    together = bool(indices) and indices == list(range(indices[0], indices[0] + len(indices)))
    return slice(indices[0], indices[-1] + 1) if together else indices


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


def _bounds(bounds: list[float | None], none: float) -> Tensor:
    """Bounds representable in float32, never outside the float64 ones."""
    exact = np.array([none if bound is None else bound for bound in bounds], np.float64)
    rounded = exact.astype(np.float32)
    outside = rounded > exact if none > 0 else rounded < exact
    return torch.from_numpy(np.where(outside, np.nextafter(rounded, np.float32(-none)), rounded)).double()


def _below(bounds: Tensor, circular: list[bool]) -> Tensor:
    """Upper bounds (D,), those of circular outputs the next smaller float32: the upper end is the lower one."""
    smaller = np.nextafter(bounds.numpy().astype(np.float32), np.float32(-np.inf)).astype(np.float64)
    return torch.where(torch.tensor(circular), torch.from_numpy(smaller), bounds)


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
